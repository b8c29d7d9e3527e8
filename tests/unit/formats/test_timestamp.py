"""Times are RFC 3339 texts, compared exactly to the nanosecond."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trustlog.errors import Refused
from trustlog.formats.timestamp import NS, format_timestamp, parse_timestamp


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.000000001Z", 1),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T23:30:00-00:30", 0),
        ("1969-12-31T23:59:59.9Z", -NS // 10),
        ("2026-03-02T09:00:00.5Z", 1772442000 * NS + NS // 2),
        ("2024-02-29T00:00:00Z", 1709164800 * NS),
        ("9999-12-31T23:59:59Z", 253402300799 * NS),
    ],
)
def test_known_instants(text: str, ns: int) -> None:
    assert parse_timestamp(text, "t") == ns


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-03-02",
        "2026-03-02T09:00Z",
        "2026-03-02T09:00:00",
        "2026-03-02t09:00:00Z",
        "2026-03-02T09:00:00z",
        "2026-03-02 09:00:00Z",
        "2026-03-02T09:00:00.Z",
        "2026-03-02T09:00:00.1234567890Z",
        "2026-03-02T09:00:00,5Z",
        "2026-03-02T09:00:60Z",
        "2026-03-02T24:00:00Z",
        "2026-02-30T09:00:00Z",
        "2025-02-29T09:00:00Z",
        "2026-13-01T09:00:00Z",
        "0000-01-01T00:00:00Z",
        "2026-03-02T09:00:00+24:00",
        "2026-03-02T09:00:00+0100",
        "2026-03-02T09:00:00Z\n",
        "٢٠٢٦-03-02T09:00:00Z",
        "2026-03-02T09:00:00−01:00",
    ],
)
def test_any_other_text_is_refused_naming_the_field(text: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_timestamp(text, "payload.timestamp")
    assert refused.value.param == "payload.timestamp"
    assert refused.value.code == "SCHEMA_VALIDATION_FAILED"


@pytest.mark.parametrize("text", ["2026-03-02T09:00:00+00:00", "2026-03-02T10:00:00+01:00"])
def test_our_own_records_take_no_offset(text: str) -> None:
    parse_timestamp(text, "t")
    with pytest.raises(Refused):
        parse_timestamp(text, "t", utc_only=True)


@given(st.integers(0, 253402300799 * 1000))
def test_what_we_write_reads_back_as_the_same_millisecond(ms: int) -> None:
    assert parse_timestamp(format_timestamp(ms * 1_000_000), "t", utc_only=True) == ms * 1_000_000
