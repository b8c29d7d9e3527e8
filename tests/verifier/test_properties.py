"""What must hold at every size, for every text and for every flipped bit."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.verifier.logbuilder import Key, b64, encode_entry, mth, path, proof
from verifier.didkey import encode_did_key, parse_did_key
from verifier.encodings import decode_b64u, encode_b64u
from verifier.entry import KINDS, REF_NAMES, parse_entry, ref_value
from verifier.errors import Refused
from verifier.jsonforms import canonicalize, stringify
from verifier.logproof import parse_log_proof
from verifier.note import check_signatures, parse_note, parse_verifier_key
from verifier.payloadtext import check_payload_text
from verifier.tiles import Tile, parse_tile_path
from verifier.times import NS, parse_time
from verifier.tree import (
    TreeHead,
    check_consistency,
    check_inclusion,
    compute_root,
    hash_leaf,
    prove_consistency,
    prove_inclusion,
)

ENTRIES = [b"entry %d" % number for number in range(300)]
LEAVES = [hash_leaf(entry) for entry in ENTRIES]


def attempt(call: Callable[..., Any], *arguments: str) -> Any:
    """What a call returns, or the code of its refusal."""
    try:
        return call(*arguments)
    except Refused as error:
        return error.code


def read_node(level: int, index: int) -> bytes:
    return compute_root(LEAVES[index << level : (index + 1) << level])


def flip(data: bytes, position: int) -> bytes:
    at = position % (len(data) * 8)
    return data[: at // 8] + bytes([data[at // 8] ^ 1 << at % 8]) + data[at // 8 + 1 :]


@pytest.mark.parametrize("size", [*range(1, 34), 63, 64, 65, 127, 128, 129, 255, 256, 257, 299, 300])
def test_inclusion_of_every_index_as_rfc_6962_defines_it(size: int) -> None:
    root = compute_root(LEAVES[:size])
    assert root == mth(ENTRIES[:size])
    for index in {*range(min(size, 20)), size // 2, size - 1}:
        hashes = prove_inclusion(index, size, read_node)
        assert hashes == path(index, ENTRIES[:size])
        check_inclusion(hashes, index, size=size, leaf_hash=LEAVES[index], root=root)
        for wrong in {index - 1, index + 1, size}:
            with pytest.raises(Refused):
                check_inclusion(hashes, wrong, size=size, leaf_hash=LEAVES[index], root=root)
        for bad in ([*hashes, bytes(32)], hashes[:-1] if hashes else [bytes(32)]):
            with pytest.raises(Refused):
                check_inclusion(bad, index, size=size, leaf_hash=LEAVES[index], root=root)


@given(new=st.integers(1, 300), data=st.data())
def test_consistency_as_rfc_6962_defines_it_and_no_flipped_bit(new: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(0, new))
    hashes = prove_consistency(old, new, read_node)
    assert hashes == proof(old, ENTRIES[:new])
    roots = (old, compute_root(LEAVES[:old])), (new, compute_root(LEAVES[:new]))
    check_consistency(hashes, *roots, empty_old_ok=True)
    if hashes:
        at = data.draw(st.integers(0, len(hashes) - 1))
        changed = [*hashes[:at], flip(hashes[at], data.draw(st.integers(0, 255))), *hashes[at + 1 :]]
        with pytest.raises(Refused):
            check_consistency(changed, *roots, empty_old_ok=True)
        with pytest.raises(Refused):
            check_consistency(hashes[:-1], *roots, empty_old_ok=True)
        with pytest.raises(Refused):
            check_consistency([*hashes, bytes(32)], *roots, empty_old_ok=True)


@given(size=st.integers(2, 300), data=st.data())
def test_no_flipped_bit_of_an_inclusion_proof(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    hashes = prove_inclusion(index, size, read_node)
    at = data.draw(st.integers(0, len(hashes) - 1))
    changed = [*hashes[:at], flip(hashes[at], data.draw(st.integers(0, 255))), *hashes[at + 1 :]]
    with pytest.raises(Refused, match="INCLUSION_PROOF_INVALID"):
        check_inclusion(changed, index, size=size, leaf_hash=LEAVES[index], root=compute_root(LEAVES[:size]))


def test_whole_subtrees_may_be_appended_at_once() -> None:
    head = TreeHead()
    head.append_subtree(8, read_node(8, 0))
    for leaf in LEAVES[256:300]:
        head.append(leaf)
    assert head.root() == compute_root(LEAVES[:300])


@given(level=st.none() | st.integers(0, 63), index=st.integers(0, 2**62), width=st.integers(1, 256))
def test_tile_paths_round_trip(level: int | None, index: int, width: int) -> None:
    tile = Tile(level, index, width)
    if len(tile.path) <= 64:
        assert parse_tile_path(tile.path) == tile


@given(st.binary(min_size=32, max_size=32))
def test_dids_round_trip(key: bytes) -> None:
    assert parse_did_key(encode_did_key(key)) == key


@given(st.text(max_size=60))
def test_no_other_text_is_a_did(text: str) -> None:
    for candidate in (text, "did:key:z" + text, "did:key:z6Mk" + text):
        outcome = attempt(parse_did_key, candidate)
        assert outcome == "INVALID_DID_FORMAT" or encode_did_key(outcome) == candidate


@given(st.binary(max_size=70))
def test_base64url_has_one_spelling(data: bytes) -> None:
    text = encode_b64u(data)
    assert decode_b64u(text, "value") == data
    for other in (text + "=", text + "A", text.replace("-", "+"), text + "\n", " " + text):
        if other != text:
            outcome = attempt(decode_b64u, other, "value")
            assert outcome == "BASE64URL_INVALID" or encode_b64u(outcome) == other


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False).filter(lambda x: abs(x) < 2**53 or abs(x) >= 1e21)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=12,
)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), JSON, max_size=5))
def test_both_forms_of_a_payload_are_accepted_and_stable(value: dict[str, Any]) -> None:
    for form in (stringify, canonicalize):
        text = form(value)
        assert form(check_payload_text(text)) == text


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"a":1,"a":2}', "JSON_DUPLICATE_KEY"),
        ('{"a":NaN}', "JSON_INVALID"),
        ('{"a":9007199254740992}', "JSON_NUMBER_OUT_OF_RANGE"),
        ('{"a":1e999}', "JSON_NUMBER_OUT_OF_RANGE"),
        ('{"a":"\\ud800"}', "JSON_LONE_SURROGATE"),
        ('{"a":"\\uD83D\\uDE00"}', "PAYLOAD_TEXT_NOT_ACCEPTED"),
        ("[" * 65 + "]" * 65, "JSON_TOO_DEEP"),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, "JSON_TOO_DEEP"),
        ("\ufeff{}", "JSON_INVALID"),
        ("{} ", "PAYLOAD_TEXT_NOT_ACCEPTED"),
        ('{"a": 1}', "PAYLOAD_TEXT_NOT_ACCEPTED"),
        ('{"a":1.0}', "PAYLOAD_TEXT_NOT_ACCEPTED"),
        ('{"a":-0}', "PAYLOAD_TEXT_NOT_ACCEPTED"),
        ('{"a":1e-07}', "PAYLOAD_TEXT_NOT_ACCEPTED"),
        ('{"a":1E21}', "PAYLOAD_TEXT_NOT_ACCEPTED"),
        ('{"b":1,"0":2}', "PAYLOAD_TEXT_NOT_ACCEPTED"),
        ('{"a":"\\u0041"}', "PAYLOAD_TEXT_NOT_ACCEPTED"),
        ('{"a":"\\/"}', "PAYLOAD_TEXT_NOT_ACCEPTED"),
        ("[]", "SCHEMA_VALIDATION_FAILED"),
        ("", "JSON_INVALID"),
        ('{"a":"\x01"}', "JSON_INVALID"),
    ],
)
def test_a_payload_text_that_is_refused(text: str, code: str) -> None:
    with pytest.raises(Refused) as caught:
        check_payload_text(text.encode())
    assert caught.value.code == code


@pytest.mark.parametrize(
    "text",
    [
        '{"b":1,"a":2}',
        '{"a":1e+21,"b":0.000001,"c":1e-7,"d":0}',
        '{"2":0,"10":1,"b":2,"01":3}',
        '{"a":"\u2028\u007f\\u001f\\b\\f\\n\\r\\t\\"\\\\/\U0001f600"}',
        '{"a":0.1}',
    ],
)
def test_a_payload_text_that_javascript_writes(text: str) -> None:
    check_payload_text(text.encode())


def test_invalid_utf8_is_refused() -> None:
    with pytest.raises(Refused, match="JSON_INVALID"):
        check_payload_text(b'{"a":"\xff"}')


REF = st.text("abcXYZ019._:/-", min_size=1, max_size=96)


@given(
    kind=st.sampled_from(KINDS),
    refs=st.dictionaries(st.sampled_from(REF_NAMES), REF, max_size=4),
    seed=st.binary(min_size=1, max_size=4),
)
def test_entries_round_trip_and_are_canonical_json(kind: str, refs: dict[str, str], seed: bytes) -> None:
    digest = hashlib.sha256(seed).digest()
    data = encode_entry(
        kind,
        encode_b64u(digest),
        refs,
        signature_b64u=encode_b64u(digest + digest),
        signer_did=encode_did_key(digest),
    )
    entry = parse_entry(data)
    assert (entry.kind, entry.refs, entry.payload_hash_b64u) == (kind, refs, encode_b64u(digest))
    assert entry.data == data


@pytest.mark.parametrize(
    "edit",
    [
        (b'"1"', b'"2"'),
        (b'"kind":"roster"', b'"kind":"rosters"'),
        (b'"roster":"1"', b'"roster":"1 "'),
        (b'"roster":"1"', b'"unknown":"1"'),
        (b'"roster":"1"', b'"roster":"1","roster":"1"'),
        (b'"roster":"1"', b'"roster":"1",'),
        (b'"roster":"1"', b'"ticket":"a","roster":"1"'),
        (b'"refs":{', b'"refs": {'),
        (b"}", b"}\n"),
        (b'","refs"', b'B","refs"'),
        (b"did:key:z6Mk", b"did:key:z6Ml"),
    ],
)
def test_an_entry_outside_the_grammar_is_refused(edit: tuple[bytes, bytes]) -> None:
    digest = bytes(32)
    data = encode_entry(
        "roster",
        encode_b64u(digest),
        {"roster": "1"},
        signature_b64u=encode_b64u(bytes(64)),
        signer_did=Key("somebody").did,
    )
    assert parse_entry(data).refs == {"roster": "1"}
    changed = data.replace(*edit)
    assert changed != data
    with pytest.raises(Refused, match="ENTRY_MALFORMED"):
        parse_entry(changed)


def test_a_long_or_foreign_field_becomes_a_hashed_ref() -> None:
    assert ref_value("a" * 96) == "a" * 96
    assert ref_value("a" * 97).startswith("sha256:")
    assert ref_value("a b").startswith("sha256:")
    assert ref_value("").startswith("sha256:")


@given(position=st.integers(0, 10_000))
def test_no_flipped_bit_of_a_checkpoint_verifies(position: int) -> None:
    key = Key("log")
    text = f"log.example\n7\n{b64(bytes(32))}\n"
    note = f"{text}\n{key.note_line('log.example', text)}".encode()
    keys = [parse_verifier_key(key.vkey("log.example"))]
    assert check_signatures(parse_note(note), keys)
    with pytest.raises(Refused, match="NOTE_"):
        check_signatures(parse_note(flip(note, position)), keys)


def test_cosignatures_carry_their_time_and_unknown_types_are_ignored() -> None:
    log, witness = Key("log"), Key("witness")
    text = f"log.example\n7\n{b64(bytes(32))}\n"
    ml_dsa = f"\u2014 pq.example {b64(b'abcd' + bytes(2428))}\n"
    lines = log.note_line("log.example", text) + witness.cosignature_line("w.example", text, 1234) + ml_dsa
    keys = [parse_verifier_key(log.vkey("log.example")), parse_verifier_key(witness.vkey("w.example", 4))]
    verified, unknown = check_signatures(parse_note(f"{text}\n{lines}".encode()), keys)
    assert {key.name: time_s for key, time_s in verified} == {"log.example": None, "w.example": 1234}
    assert unknown == 1


def test_a_cosignature_with_another_time_is_refused() -> None:
    log, witness = Key("log"), Key("witness")
    text = f"log.example\n7\n{b64(bytes(32))}\n"
    signature = witness.sign(f"cosignature/v1\ntime 5\n{text}".encode())
    forged = b64(witness.key_id("w.example", 4) + (6).to_bytes(8, "big") + signature)
    note = f"{text}\n{log.note_line('log.example', text)}\u2014 w.example {forged}\n"
    keys = [parse_verifier_key(log.vkey("log.example")), parse_verifier_key(witness.vkey("w.example", 4))]
    with pytest.raises(Refused, match="NOTE_UNVERIFIED"):
        check_signatures(parse_note(note.encode()), keys)


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:01.5Z", NS * 3 // 2),
        ("1970-01-01T01:00:00.000000001+01:00", 1),
        ("1969-12-31T23:59:59.999999999Z", -1),
        ("2026-03-01T10:00:00Z", 1772359200 * NS),
    ],
)
def test_times_are_exact(text: str, ns: int) -> None:
    assert parse_time(text, "time") == ns


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-30T00:00:00Z",
        "2026-03-01t10:00:00Z",
        "2026-03-01T10:00:00z",
        "2026-03-01T10:00:60Z",
        "2026-03-01T24:00:00Z",
        "2026-03-01T10:00:00",
        "2026-03-01T10:00:00.Z",
        "2026-03-01T10:00:00.1234567890Z",
        "2026-03-01T10:00:00+24:00",
        "2026-03-01 10:00:00Z",
        "2026-03-01T10:00:00Z\n",
        "\u0662026-03-01T10:00:00Z",
    ],
)
def test_a_time_in_another_spelling_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        parse_time(text, "time")


@given(st.binary(max_size=300))
def test_garbage_is_refused_and_nothing_else(data: bytes) -> None:
    for parse in (parse_note, parse_log_proof, parse_entry, check_payload_text):
        with pytest.raises(Refused):
            parse(data)
