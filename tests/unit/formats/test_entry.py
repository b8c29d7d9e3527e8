"""An entry has one encoding, one regular expression decides it, and it stays under 1 KiB."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.keys import ALICE
from trustlog.errors import Refused
from trustlog.formats.base64 import encode_b64u
from trustlog.formats.entry import REF_NAMES, Entry, parse_entry, ref_value
from trustlog.formats.jsontext import canonicalize
from trustlog.limits import MAX_ENTRY_BYTES

REF_TEXT = st.text(alphabet="abzABZ019._:/-", min_size=1, max_size=20)


def make_entry(**refs: str) -> Entry:
    return Entry("gate_decision", bytes(range(32)), refs, bytes(range(64)), ALICE.did)


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    return Entry(
        kind=draw(st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True)),
        payload_hash=draw(st.binary(min_size=32, max_size=32)),
        refs=draw(st.dictionaries(st.sampled_from(REF_NAMES), REF_TEXT, max_size=7)),
        signature=draw(st.binary(min_size=64, max_size=64)),
        signer_did=ALICE.did,
    )


@given(entries())
def test_what_was_encoded_parses_to_the_same_entry(entry: Entry) -> None:
    assert parse_entry(entry.encode()) == entry


@given(entries())
def test_the_encoding_is_the_rfc_8785_form_of_the_six_members(entry: Entry) -> None:
    members: dict[str, Any] = json.loads(entry.encode())
    assert set(members) == {"entry_version", "kind", "payload_hash_b64u", "refs", "signature_b64u", "signer_did"}
    assert canonicalize(members) == entry.encode()


def test_a_changed_copy_of_an_entry_has_its_own_bytes() -> None:
    for entry in (make_entry(job="j"), parse_entry(make_entry(job="j").encode())):
        known, leaf_hash = entry.encode(), entry.leaf_hash
        other = msgspec.structs.replace(entry, signature=bytes(64))
        assert other != entry
        assert parse_entry(other.encode()) == other
        assert (other.encode(), other.leaf_hash) != (known, leaf_hash)
        assert msgspec.structs.replace(other, signature=entry.signature).encode() == known


def test_every_byte_changed_to_any_other_is_refused_or_is_another_entry_in_its_own_encoding() -> None:
    data = make_entry(job="j", plan="p", ticket="t:1").encode()
    accepted = 0
    for position in range(len(data)):
        for byte in range(256):
            if byte == data[position]:
                continue
            changed = data[:position] + bytes([byte]) + data[position + 1 :]
            try:
                entry = parse_entry(changed)
            except Refused:
                continue
            accepted += 1
            assert entry.encode() == changed
            assert entry != parse_entry(data)
    assert accepted > 0


@pytest.mark.parametrize("cut", [0, 1, 50, 200])
def test_a_truncated_or_extended_entry_is_refused(cut: int) -> None:
    data = make_entry(job="j").encode()
    for changed in (data[:cut], data[cut + 1 :], data + b"\n", b" " + data, data + data):
        with pytest.raises(Refused, match=r"ENTRY_MALFORMED"):
            parse_entry(changed)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"refs":{', b'"refs":{ '),
        (b'"job":"j","plan":"p"', b'"plan":"p","job":"j"'),
        (b'"job":"j","plan":"p"', b'"job":"j""plan":"p"'),
        (b'"plan":"p"}', b'"plan":"p",}'),
        (b'"job":"j"', b'"job":"j","job":"j"'),
        (b'"job":"j"', b'"job":""'),
        (b'"job":"j"', b'"job":"\\u006a"'),
        (b'"job":"j"', b'"job":"j k"'),
        (b'"job":"j"', b'"job":"' + b"j" * 97 + b'"'),
        (b'"job":"j"', b'"jobs":"j"'),
        (b'"job":"j"', b'"job":1'),
        (b'"entry_version":"1"', b'"entry_version":"2"'),
        (b'"entry_version":"1"', b'"entry_version":1'),
        (b'"kind":"gate_decision"', b'"kind":"Gate_decision"'),
        (b'"kind":"gate_decision"', b'"kind":""'),
        (b"did:key:z", b"did:key:Z"),
        (b"did:key:z", b"did:web:z"),
    ],
)
def test_another_spelling_is_refused(old: bytes, new: bytes) -> None:
    data = make_entry(job="j", plan="p").encode()
    assert old in data
    with pytest.raises(Refused, match="ENTRY_MALFORMED"):
        parse_entry(data.replace(old, new))


def test_non_zero_trailing_bits_in_hash_or_signature_are_refused() -> None:
    data = make_entry().encode()
    for member in (b'"payload_hash_b64u":"', b'"signature_b64u":"'):
        end = data.index(b'"', data.index(member) + len(member)) - 1
        changed = data[:end] + bytes([data[end] + 1]) + data[end + 1 :]
        with pytest.raises(Refused, match="BASE64URL_INVALID"):
            parse_entry(changed)


def test_an_entry_beyond_the_bound_is_refused() -> None:
    refs = dict.fromkeys(REF_NAMES, "x" * 96)
    data = make_entry(**refs).encode()
    assert len(data) > MAX_ENTRY_BYTES
    with pytest.raises(Refused, match="ENTRY_MALFORMED"):
        parse_entry(data)


def test_a_refusal_does_not_repeat_the_whole_input() -> None:
    with pytest.raises(Refused) as refused:
        parse_entry(b"x" * 1_000_000)
    assert len(refused.value.found or "") <= 160


@pytest.mark.parametrize("text", ["a", "x" * 96, "servicedesk.test:CHG-1", "A-Z_0", "policy:abc/..:"])
def test_a_short_plain_field_is_its_own_ref(text: str) -> None:
    assert ref_value(text) == text


@pytest.mark.parametrize("text", ["", "x" * 97, "a b", "a+b", "é", 'a"b', "a\n"])
def test_any_other_field_becomes_its_hash(text: str) -> None:
    assert ref_value(text).startswith("sha256:")
    assert len(ref_value(text)) == 7 + 43


def test_a_known_ref_and_leaf_hash() -> None:
    assert ref_value("a b") == "sha256:" + encode_b64u(hashlib.sha256(b"a b").digest())
    entry = make_entry()
    assert entry.leaf_hash == hashlib.sha256(b"\0" + entry.encode()).digest()
