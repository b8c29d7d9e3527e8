"""Admission has a fast way and a slow one: they admit the same candidates, and only the slow one refuses.

A blank before an envelope is all it takes to send it the slow way; records go that way when they are read without their text.
"""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Callable
from typing import Any, Final
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conformance.shared import CLAW, needs_claw
from tests.integration.differential.mutation import CHANGES, FORMS, MORE, VALUES, mutate
from tests.support import keys
from tests.support.envelopes import SIGNERS, seal
from tests.support.payloads import NOW, NOW_NS, VALID, Payload, gateway_receipt, tool_receipt
from tests.support.trust import ORIGIN
from tests.unit.formats.test_jsontext import JSON_VALUES
from tests.unit.records.test_schemas import CASES, changed, kind_of, leaves
from trustlog.errors import Refused
from trustlog.formats.envelope import OPTIONAL, REQUIRED, _parse_plain, parse_envelope, seal_text
from trustlog.formats.jsontext import canonicalize, stringify
from trustlog.limits import MAX_JSON_DEPTH, MAX_METADATA_BYTES
from trustlog.log.admission import admit
from trustlog.records.kind import Kind
from trustlog.records.kinds import KINDS

Verdict = tuple[object, ...]
READ_FROM_TEXT: Final = ("work_policy_contract", "proof_bundle")  # kinds that have no fast way


def without_text(kind: Kind) -> Kind:
    """The kind, read from values, with a text that is too long for any rule to be skipped."""

    def read(value: Any, _text: bytes) -> Any:
        return kind.read(value, b"")

    def check(record: Any, signer_did: str, text: bytes) -> None:
        kind.check(record, signer_did, text.ljust(MAX_METADATA_BYTES + 1))

    return dataclasses.replace(kind, read=read, check=check)


SLOW_KINDS: Final = {name: without_text(kind) for name, kind in KINDS.items() if name not in READ_FROM_TEXT}


def verdict(body: bytes) -> Verdict:
    """Everything that admission says: the candidate's fields, or the refusal's."""
    try:
        admitted = admit(body, origin=ORIGIN, now_ns=NOW_NS)
    except Refused as refused:
        return refused.code, refused.param, refused.expected, None if refused.code == "JSON_TOO_DEEP" else refused.found
    found = admitted.candidate
    skew = admitted.skew and (admitted.skew.code, admitted.skew.param, admitted.skew.expected, admitted.skew.found)
    return (
        *(skew, found.kind.name, found.signer_did, found.payload_hash, found.payload_text, found.signature),
        *(found.refs, found.entry, found.entry_bytes, found.identity, found.claims),
        *(repr(found.record), repr(found.attachments)),  # repr tells 1 from 1.0 and True
    )


def check(body: bytes) -> Verdict:
    """What both ways say of an envelope: the same."""
    slowly = b" " + body
    assert _parse_plain(slowly) is None
    fast = verdict(body)
    with mock.patch.dict(KINDS, SLOW_KINDS):
        assert verdict(slowly) == fast, body
    envelope = _parse_plain(body)
    if envelope is not None:
        assert repr(envelope) == repr(parse_envelope(slowly))  # repr tells 1 from 1.0 and True
    return fast


def is_admitted(said: Verdict) -> bool:
    return len(said) > 4


@pytest.mark.parametrize("form", [canonicalize, stringify])
@pytest.mark.parametrize("case", [*CASES, "proof_bundle"])
def test_every_usual_envelope_goes_the_fast_way_and_is_read_alike(case: str, form: Callable[[Any], bytes]) -> None:
    kind = kind_of(case)
    text = form(CASES[case] if case in CASES else VALID[kind]())
    body = seal_text(kind, text, SIGNERS[kind], NOW)
    assert _parse_plain(body) is not None
    assert is_admitted(check(body)) == (kind != "work_policy_contract" or form is canonicalize)
    if kind not in READ_FROM_TEXT:
        read = KINDS[kind].read({}, text)  # from the text alone
        assert repr(read) == repr(KINDS[kind].read(json.loads(text), b""))


@pytest.mark.parametrize("case", CASES)
def test_every_member_with_every_odd_value_is_judged_alike(case: str) -> None:
    kind = kind_of(case)
    seed = random.Random(case)  # noqa: S311 - a test's own choice, the same each time
    admitted = 0
    for path, old in leaves(CASES[case]):
        for value in seed.sample(VALUES, 12):
            admitted += is_admitted(check(seal(kind, changed(CASES[case], path, value))))
        if isinstance(old, dict):
            for name in seed.sample(MORE, 6):
                check(seal(kind, changed(CASES[case], (*path, name), seed.choice(VALUES))))
    assert admitted


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(sorted(VALID)),
    st.lists(st.tuples(st.integers(0, 999), st.integers(0, len(CHANGES)), st.integers(0, 9_999)), max_size=3),
    st.sampled_from(FORMS),
)
def test_payloads_changed_at_random_and_written_oddly_are_judged_alike(
    kind: str, steps: list[tuple[int, int, int]], form: Callable[[Payload], bytes]
) -> None:
    check(seal_text(kind, form(mutate(VALID[kind](), steps)), SIGNERS[kind], NOW))


@settings(max_examples=300, deadline=None)
@given(JSON_VALUES, st.booleans(), st.sampled_from([(",", ":"), (", ", ": ")]))
def test_metadata_of_any_value_in_any_writing_are_judged_alike(
    value: Any, ascii_only: bool, separators: tuple[str, str]
) -> None:
    receipt = gateway_receipt(metadata={"value": value})
    text = json.dumps(receipt, ensure_ascii=ascii_only, separators=separators).encode()
    check(seal_text("gateway_receipt", text, keys.GATEWAY, NOW))
    assert is_admitted(check(seal_text("gateway_receipt", stringify(receipt), keys.GATEWAY, NOW)))


@pytest.mark.parametrize("latency", [0, 12, 12.5, 0.001, 1e-7, 1e21, 2**53 - 1, 0.1 + 0.2])
def test_numbers_of_receipts_are_read_alike(latency: float) -> None:
    assert is_admitted(check(seal("tool_receipt", tool_receipt(latency_ms=latency))))


@pytest.mark.parametrize("excess", [-200, -1, 0, 1, 200])
def test_metadata_are_measured_alike_around_their_bound(excess: int) -> None:
    room = MAX_METADATA_BYTES - len(canonicalize({"b": "\n", "a": ""}))
    body = seal("gateway_receipt", gateway_receipt(metadata={"b": "\n", "a": "x" * (room + excess)}))
    assert is_admitted(check(body)) == (excess <= 0)


def test_the_envelopes_own_level_counts() -> None:
    for levels in (MAX_JSON_DEPTH - 4, MAX_JSON_DEPTH - 3, MAX_JSON_DEPTH - 2, MAX_JSON_DEPTH - 1, MAX_JSON_DEPTH):
        nested: Any = 0
        for _ in range(levels):
            nested = [nested]
        receipt = gateway_receipt(metadata={"nested": nested})
        body = seal_text("gateway_receipt", stringify(receipt), keys.GATEWAY, NOW)
        assert is_admitted(check(body)) == (levels + 3 <= MAX_JSON_DEPTH)  # the envelope, the receipt, its metadata


# The envelope itself.


def members_of(body: bytes) -> dict[str, str]:
    """The members of an envelope, each as its text."""
    payload = parse_envelope(body).payload_text.decode()
    return {name: payload if name == "payload" else json.dumps(value) for name, value in json.loads(body).items()}


def written(members: list[tuple[str, str]]) -> bytes:
    return ("{" + ",".join(f'"{name}":{text}' for name, text in members) + "}").encode()


RECEIPT: Final = seal("gateway_receipt", gateway_receipt())
ENVELOPE: Final = members_of(RECEIPT) | {"expires_at": '"2030-01-01T00:00:00Z"'}


def test_members_in_any_order_go_the_fast_way() -> None:
    seed = random.Random(1)  # noqa: S311 - a test's own choice, the same each time
    for _ in range(50):
        body = written(seed.sample(list(ENVELOPE.items()), len(ENVELOPE)))
        assert _parse_plain(body) is not None
        assert is_admitted(check(body))


@pytest.mark.parametrize("name", ENVELOPE)
@pytest.mark.parametrize("position", [0, 5, len(ENVELOPE)])
def test_a_repeated_member_is_refused_wherever_it_stands(name: str, position: int) -> None:
    for again in (ENVELOPE[name], '""', "{}", "0"):
        members = list(ENVELOPE.items())
        members.insert(position, (name, again))
        assert check(written(members))[0] == "JSON_DUPLICATE_KEY"
        for dropped in OPTIONAL:  # so that the length could make up for it
            check(written([member for member in members if member[0] != dropped]))


@pytest.mark.parametrize("name", [*REQUIRED, *OPTIONAL])
def test_a_member_that_is_missing_or_odd_is_judged_alike(name: str) -> None:
    check(written([member for member in ENVELOPE.items() if member[0] != name]))
    for value in VALUES:
        check(written(list((ENVELOPE | {name: json.dumps(value)}).items())))
        check(written(list((ENVELOPE | {name: json.dumps(value, ensure_ascii=False)}).items())))
    for text in ('"\\ud800"', '"\\u0031"', '" 1"', '"1" ', "1.0", "NaN", "[[]", '"\\/"', "", '"1", "a":"1"'):
        check(written(list((ENVELOPE | {name: text}).items())))
    check(written([*ENVELOPE.items(), (name.upper(), '"x"')]))
    escaped = f"\\u{ord(name[0]):04x}{name[1:]}"
    assert is_admitted(check(written([(escaped if other == name else other, text) for other, text in ENVELOPE.items()])))


@pytest.mark.parametrize(
    "around", [b" %b", b"%b ", b"%b\n", b"\xef\xbb\xbf%b", b"%b%b", b"[%b]", b"%b,", b"%b\x00", b"\x00%b", b"\xff%b"]
)
def test_what_stands_around_an_envelope_is_judged_alike(around: bytes) -> None:
    check(around.replace(b"%b", RECEIPT))


CUTS: Final = (
    *(b"", b"0", b'"', b",", b":", b"\\", b"\xff", b"\xed\xa0\x80", b"1.0", b" ", b"{}", b'"7":1,', b"\\u0041", b"=", b"-"),
)


def edited(seed: random.Random, text: bytes) -> bytes:
    """The text with one to three places cut, overwritten or added to."""
    result = bytearray(text)
    for _ in range(seed.randint(1, 3)):
        at = seed.randrange(len(result))
        result[at : at + seed.randint(0, 2)] = seed.choice((*CUTS, bytes([seed.randrange(256)])))
    return bytes(result)


@pytest.mark.parametrize("kind", ["gateway_receipt", "tool_receipt", "gate_decision", "roster", "closure"])
def test_envelopes_with_bytes_changed_at_random_are_judged_alike(kind: str) -> None:
    seed = random.Random(kind)  # noqa: S311 - a test's own choice, the same each time
    honest, text = seal(kind, VALID[kind]()), stringify(VALID[kind]())
    for _ in range(500):
        check(edited(seed, honest))
    fast = sum(_parse_plain(seal_text(kind, edited(seed, text), SIGNERS[kind], NOW)) is not None for _ in range(100))
    assert 0 < fast < 100  # of these payloads, signed as they are, some go either way
    for _ in range(500):
        check(seal_text(kind, edited(seed, text), SIGNERS[kind], NOW))


@needs_claw
def test_public_vectors_are_judged_alike_as_they_are_and_written_compactly() -> None:
    seen = 0
    for path in sorted((CLAW / "fixtures").rglob("*.json")):
        body = path.read_bytes()
        check(body)
        value = json.loads(body)
        if isinstance(value, dict) and "envelope_type" in value:
            seen += 1
            check(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
    assert seen > 10
