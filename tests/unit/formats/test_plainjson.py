"""The quick RFC 8785 form is the RFC 8785 form."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trustlog.errors import Refused
from trustlog.formats.jsontext import canonicalize
from trustlog.formats.plainjson import canonicalize_plain

SCALARS = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    SCALARS | TEXTS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4), max_leaves=20
)


@given(st.dictionaries(TEXTS, VALUES))
def test_any_object_has_the_same_form(value: dict[str, Any]) -> None:
    assert canonicalize_plain(value) == canonicalize(value)


@given(st.dictionaries(st.text('abc"\\/\b\x00\x1f\x7f~AZ09_', max_size=3), st.text(st.characters(max_codepoint=127))))
def test_every_ascii_character_is_written_alike(value: dict[str, str]) -> None:
    assert canonicalize_plain(value) == canonicalize(value)


@pytest.mark.parametrize("value", [{"a": "\ud800"}, {"\ud800": 1}, {"a": 2**53}, {"a": float("nan")}], ids=ascii)
def test_what_has_no_form_is_refused(value: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        canonicalize_plain(value)
