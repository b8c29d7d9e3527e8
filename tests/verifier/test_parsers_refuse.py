"""Each bound and each rule of the small parsers, on both of its sides: what is just right is read, what is just wrong refused."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest

from tests.verifier.logbuilder import Key, b64, encode_entry
from verifier.checkpoint import parse_checkpoint
from verifier.didkey import encode_did_key, parse_did_key
from verifier.ed25519 import is_signature
from verifier.encodings import decode_b64, decode_b64u, encode_b64u
from verifier.entry import match_entry, ref_value
from verifier.errors import Refused
from verifier.limits import MAX_LINE_BYTES, MAX_LOG_PROOF_BYTES, MAX_NOTE_BYTES, MAX_TREE_SIZE
from verifier.logproof import parse_log_proof
from verifier.note import check_signatures, parse_note, parse_verifier_key
from verifier.tiles import Tile, compute_tile_root, format_index, parse_tile_path, split_bundle
from verifier.times import NS, format_time, parse_judging_time, parse_time
from verifier.tree import (
    EMPTY_ROOT,
    TreeHead,
    check_consistency,
    check_inclusion,
    compute_root,
    hash_leaf,
    hash_node,
)

ROOT = b64(bytes(32))
LINE = f"\u2014 name {b64(bytes(68))}\n"


def refuses(code: str, parse: Callable[[], object]) -> None:
    with pytest.raises(Refused) as refused:
        parse()
    assert refused.value.code == code


# --- did:key and base64


@pytest.mark.parametrize(
    "text",
    [
        "did:key:z" + "z" * 47,  # more than 34 bytes
        "did:key:z" + "1" * 47,  # 34 bytes of zero
        "did:key:z" + "0" * 47,  # no digit of base58
        encode_did_key(bytes(32))[:-1],
        encode_did_key(bytes(32)) + "1",
        encode_did_key(bytes(32)).replace("did:key:z", "did:key:y"),
    ],
)
def test_what_is_no_did_key_is_refused(text: str) -> None:
    refuses("INVALID_DID_FORMAT", lambda: parse_did_key(text))


@pytest.mark.parametrize("text", ["AB", "AAB", "A", "A A=", "AA==", "AA\n", "+A", "\u00e9A"])
def test_what_is_no_base64url_is_refused(text: str) -> None:
    refuses("BASE64URL_INVALID", lambda: decode_b64u(text, "text"))


@pytest.mark.parametrize("text", ["AB==", "AAB=", "AA", "AA=", "AA==\n", "-A==", "A A=", "\u00e9A=="])
def test_what_is_no_base64_is_refused(text: str) -> None:
    refuses("BASE64_INVALID", lambda: decode_b64(text, "text"))


@pytest.mark.parametrize("length", [31, 33])
def test_bytes_of_another_length_are_refused(length: int) -> None:
    refuses("BASE64URL_INVALID", lambda: decode_b64u(encode_b64u(bytes(length)), "text", length=32))
    refuses("BASE64_INVALID", lambda: decode_b64(b64(bytes(length)), "text", length=32))


# --- signatures


def test_no_byte_moves_between_signature_and_message() -> None:
    key, message = Key("somebody"), b"message"
    signature = key.sign(message)
    assert is_signature(key.public, message, signature)
    assert not is_signature(key.public, message[1:], signature + message[:1])
    assert not is_signature(key.public, signature[-1:] + message, signature[:-1])


# --- notes and vkeys


def vkey_of(name: str, public_key: bytes = bytes(32), kind: int = 1) -> str:
    key_id = hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public_key).hexdigest()[:8]
    return f"{name}+{key_id}+{b64(bytes([kind]) + public_key)}"


def test_vkeys_are_read() -> None:
    key = parse_verifier_key(vkey_of("log.example/a"))
    assert (key.name, key.public_key) == ("log.example/a", bytes(32))


@pytest.mark.parametrize(
    "text",
    [
        vkey_of(""),
        vkey_of("a b"),
        vkey_of("a\u00a0b"),
        vkey_of("a", bytes(31)),
        vkey_of("a", bytes(33)),
        vkey_of("a", bytes(32), 2),
        vkey_of("a").replace("+", "+0", 1),
        vkey_of("a").upper(),
        vkey_of("a")[:-1],
        "a+00000000+",
        "a",
        "",
    ],
)
def test_what_is_no_vkey_is_refused(text: str) -> None:
    refuses("TRUST_POLICY_INVALID", lambda: parse_verifier_key(text))


@pytest.mark.parametrize(
    "text",
    [
        LINE,  # no text, no blank line
        f"text\n{LINE}",
        f"text\n\n{LINE}"[:-1],
        "text\n\n\n",
        "text\n\n",
        f"text\x00\n\n{LINE}",
        f"text\x1f\n\n{LINE}",
        f"text\r\n\n{LINE}",
        f"te\txt\n\n{LINE}",
        f"text\n\n{LINE.replace('name', 'na+me')}",
        f"text\n\n{LINE.replace(' name', ' ')}",
        f"text\n\n{LINE.replace('name', 'na' + chr(0xA0) + 'me')}",
        f"text\n\n{LINE.replace(chr(0x2014), '-')}",
        f"text\n\n\u2014 name {b64(bytes(4))}\n",
        "text\n\n\u2014 name AB==\n",
    ],
)
def test_what_is_no_note_is_refused(text: str) -> None:
    refuses("NOTE_MALFORMED", lambda: parse_note(text.encode()))


def test_bytes_that_are_no_text_are_no_note() -> None:
    refuses("NOTE_MALFORMED", lambda: parse_note(b"\xff\n\n" + LINE.encode()))


def test_a_note_may_be_as_long_as_its_bound() -> None:
    rest = f"\n\n{LINE}".encode()
    assert parse_note(b"a" * (MAX_NOTE_BYTES - len(rest)) + rest).signatures
    refuses("NOTE_MALFORMED", lambda: parse_note(b"a" * (MAX_NOTE_BYTES - len(rest) + 1) + rest))


def test_a_note_may_have_a_hundred_signatures() -> None:
    assert len(parse_note(f"text\n\n{LINE * 100}".encode()).signatures) == 100
    refuses("NOTE_MALFORMED", lambda: parse_note(f"text\n\n{LINE * 101}".encode()))


def test_the_shortest_signature_line_is_a_key_id_and_a_byte() -> None:
    (line,) = parse_note(f"text\n\n\u2014 name {b64(b'1234x')}\n".encode()).signatures
    assert (line.name, line.key_id, line.data) == ("name", b"1234", b"x")


@pytest.mark.parametrize(("time_s", "fits"), [(0, True), (2**63 - 1, True), (2**63, False)])
def test_the_time_of_a_cosignature_is_below_2_to_the_63(time_s: int, fits: bool) -> None:
    witness, text = Key("witness"), f"log.example/a\n1\n{ROOT}\n"
    key = parse_verifier_key(witness.vkey("w.example", 4))
    note = parse_note(f"{text}\n{witness.cosignature_line('w.example', text, time_s)}".encode())
    if fits:
        assert check_signatures(note, [key]) == (((key, time_s),), 0)
    else:
        refuses("NOTE_UNVERIFIED", lambda: check_signatures(note, [key]))


# --- checkpoints and log proofs


def test_checkpoints_are_read() -> None:
    found = parse_checkpoint(f"o\n{MAX_TREE_SIZE}\n{ROOT}\nextension\n")
    assert (found.origin, found.size, found.root, found.extensions) == ("o", MAX_TREE_SIZE, bytes(32), ("extension",))
    assert parse_checkpoint(f"o\n0\n{b64(EMPTY_ROOT)}\n").size == 0


@pytest.mark.parametrize(
    "text",
    [
        "o\n1\n",
        f"o\n1\n{ROOT}",
        f"\n1\n{ROOT}\n",
        f"o\n1\n{ROOT}\n\n",
        f"o\n1\n{ROOT}\n\nextension\n",
        f"o\n0\n{ROOT}\n",  # not the root of no entries
        f"o\n{2**63}\n{ROOT}\n",
        f"o\n01\n{ROOT}\n",
        f"o\n-1\n{ROOT}\n",
        f"o\n\u0661\n{ROOT}\n",
        f"o\n1\n{b64(bytes(31))}\n",
        f"o\n1\n{ROOT[:-1]}\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    refuses("CHECKPOINT_MALFORMED", lambda: parse_checkpoint(text))


def log_proof(*, extra: str = "", hashes: int = 1, checkpoint: str = "checkpoint\n") -> bytes:
    return f"c2sp.org/tlog-proof@v1\n{extra}index 3\n{(ROOT + chr(10)) * hashes}\n{checkpoint}".encode()


def test_log_proofs_are_read_up_to_their_bounds() -> None:
    assert len(parse_log_proof(log_proof(hashes=63)).hashes) == 63
    assert parse_log_proof(log_proof(extra="extra AAAA\n")).extra == bytes(3)
    assert parse_log_proof(log_proof(checkpoint="c" * (MAX_LINE_BYTES) + "\n")).index == 3
    lines = ("c" * 1023 + "\n") * 127
    longest = lines + "c" * (MAX_LOG_PROOF_BYTES - len(log_proof(checkpoint=lines)) - 1) + "\n"
    assert len(log_proof(checkpoint=longest)) == MAX_LOG_PROOF_BYTES
    assert parse_log_proof(log_proof(checkpoint=longest)).index == 3
    refuses("LOG_PROOF_MALFORMED", lambda: parse_log_proof(log_proof(checkpoint="c" + longest)))


@pytest.mark.parametrize(
    "data",
    [
        log_proof(hashes=64),
        log_proof(extra="extra \n"),
        log_proof(extra="extra AB==\n"),
        log_proof(checkpoint="checkpoint"),
        log_proof(checkpoint="c" * (MAX_LINE_BYTES + 1) + "\n"),
        log_proof().replace(b"index 3\n", b""),
        log_proof().replace(b"index 3", b"index 03"),
        log_proof().replace(b"@v1", b"@v2"),
        log_proof().replace(b"\n\n", b"\n"),
        log_proof().replace(b"index", b"\xc3\xa9"),
        log_proof().replace(ROOT.encode(), b64(bytes(31)).encode()),
    ],
)
def test_what_is_no_log_proof_is_refused(data: bytes) -> None:
    refuses("LOG_PROOF_MALFORMED", lambda: parse_log_proof(data))


# --- entries and tiles


def entry_of_size(size: int) -> bytes:
    """An entry of so many bytes, by the lengths of its refs."""
    names = ["bundle", "job", "plan", "policy", "receipt", "roster", "run", "scope", "target"]
    signed = {"signature_b64u": encode_b64u(bytes(64)), "signer_did": Key("somebody").did}
    lengths = dict.fromkeys(names, 1)

    def make() -> bytes:
        refs = {name: "a" * length for name, length in lengths.items()}
        return encode_entry("roster", encode_b64u(bytes(32)), refs, **signed)

    for name in names:
        lengths[name] += max(0, min(95, size - len(make())))
    return make()


def test_an_entry_is_at_most_a_kibibyte() -> None:
    assert [len(entry_of_size(size)) for size in (1024, 1025)] == [1024, 1025]
    assert match_entry(entry_of_size(1024)) is not None
    assert match_entry(entry_of_size(1025)) is None


@pytest.mark.parametrize(("length", "plain"), [(1, True), (96, True), (97, False), (0, False)])
def test_a_short_plain_field_is_its_own_ref(length: int, plain: bool) -> None:
    text = "a" * length
    assert (ref_value(text) == text) is plain
    assert plain or ref_value(text) == "sha256:" + encode_b64u(hashlib.sha256(text.encode()).digest())


@pytest.mark.parametrize(
    ("index", "text"), [(0, "000"), (999, "999"), (1000, "x001/000"), (999_999, "x999/999"), (10**6, "x001/x000/000")]
)
def test_indexes_are_written_in_groups_of_three(index: int, text: str) -> None:
    assert format_index(index) == text


@pytest.mark.parametrize("tile", [Tile(63, 0), Tile(0, MAX_TREE_SIZE), Tile(None, MAX_TREE_SIZE, 255), Tile(1, 0, 1)])
def test_the_outermost_tiles_have_paths(tile: Tile) -> None:
    assert parse_tile_path(tile.path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/000.p/257",
        "tile/0/000.p/999",
        "tile/64/000",
        f"tile/0/{format_index(2**63)}",
        "tile/0/" + "x999/" * 12 + "999",
    ],
)
def test_paths_beyond_the_outermost_tiles_are_refused(path: str) -> None:
    refuses("TILE_INVALID", lambda: parse_tile_path(path))


@pytest.mark.parametrize("data", [b"\0", b"\0\1", b"\0\2a", b"\0\1a\0", b"\0\1a\0\2b"])
def test_a_bundle_that_ends_early_is_refused(data: bytes) -> None:
    refuses("BUNDLE_MALFORMED", lambda: split_bundle(data, 1))


def test_a_bundle_has_as_many_entries_as_it_says() -> None:
    assert split_bundle(b"\0\1a\0\0", 2) == [b"a", b""]
    refuses("BUNDLE_MALFORMED", lambda: split_bundle(b"\0\1a\0\0", 1))
    refuses("BUNDLE_MALFORMED", lambda: split_bundle(b"\0\1a\0\0", 3))


def test_a_full_tile_has_the_root_of_its_hashes() -> None:
    leaves = [hash_leaf(bytes([number])) for number in range(256)]
    assert compute_tile_root(b"".join(leaves)) == compute_root(leaves)


# --- times


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T01:30:00+01:30", 0),
        ("1969-12-31T22:30:00-01:30", 0),
        ("1970-01-01T23:59:00+23:59", 0),
        ("1969-12-31T00:01:00-23:59", 0),
        ("1970-01-02T00:00:01Z", 86_401),
        ("1969-12-31T23:59:59Z", -1),
        ("2026-03-02T12:34:56+02:09", 1_772_447_156),
    ],
)
def test_times_with_offsets(text: str, seconds: int) -> None:
    assert parse_time(text, "time") == seconds * NS


@pytest.mark.parametrize("zone", ["+24:00", "+00:60", "-24:00", "-23:60", "z", ""])
def test_offsets_that_are_none_are_refused(zone: str) -> None:
    refuses("SCHEMA_VALIDATION_FAILED", lambda: parse_time(f"2026-03-02T00:00:00{zone}", "time"))


@pytest.mark.parametrize("zone", ["+00:00", "-00:00"])
def test_a_time_in_utc_ends_in_z_where_that_is_asked_for(zone: str) -> None:
    assert parse_time(f"1970-01-01T00:00:00{zone}", "time") == 0
    refuses("SCHEMA_VALIDATION_FAILED", lambda: parse_time(f"1970-01-01T00:00:00{zone}", "time", utc_only=True))
    assert parse_time("1970-01-01T00:00:00Z", "time", utc_only=True) == 0


def test_a_date_is_its_first_instant_and_times_are_shown_in_utc() -> None:
    assert parse_judging_time("1970-01-02") == 86_400 * NS == parse_judging_time("1970-01-02T00:00:00Z")
    assert format_time(86_400 * NS + NS - 1) == "1970-01-02T00:00:00Z"
    assert format_time(10**12 * NS) == "1000000000000 s after 1970"


# --- the tree


LEAVES = [hash_leaf(number.to_bytes(2, "big")) for number in range(300)]


@pytest.mark.parametrize("index", [-1, 1, 5])
def test_an_index_outside_the_tree_is_not_included(index: int) -> None:
    refuses(
        "INCLUSION_PROOF_INVALID",
        lambda: check_inclusion([], index, size=1, leaf_hash=LEAVES[0], root=LEAVES[0]),
    )


def test_no_byte_moves_between_two_hashes_of_a_proof() -> None:
    left, right = LEAVES[:2]
    root = hash_node(left, right)
    check_inclusion([left], 1, size=2, leaf_hash=right, root=root)
    refuses(
        "INCLUSION_PROOF_INVALID",
        lambda: check_inclusion([left + right[:1]], 1, size=2, leaf_hash=right[1:], root=root),
    )
    third = LEAVES[2]
    newer = hash_node(root, third)
    check_consistency([third], (2, root), (3, newer), empty_old_ok=False)
    moved = (2, root + third[:1]), (3, newer)
    refuses("CONSISTENCY_PROOF_INVALID", lambda: check_consistency([third[1:]], *moved, empty_old_ok=False))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ((-1, LEAVES[0]), (-1, LEAVES[0])),
        ((-1, EMPTY_ROOT), (1, LEAVES[0])),
        ((2, LEAVES[0]), (1, LEAVES[0])),
        ((0, LEAVES[0]), (0, LEAVES[0])),
        ((0, LEAVES[0]), (1, LEAVES[0])),
        ((1, LEAVES[0]), (1, LEAVES[1])),
        ((1, LEAVES[0]), (2, LEAVES[0])),
    ],
)
def test_sizes_and_roots_that_cannot_be_are_inconsistent(old: tuple[int, bytes], new: tuple[int, bytes]) -> None:
    refuses("CONSISTENCY_PROOF_INVALID", lambda: check_consistency([], old, new, empty_old_ok=True))


@pytest.mark.parametrize("levels", [(8, 3, 0), (4, 4, 3), (0, 0, 1, 2, 3), (1, 0, 0, 2, 3), (7, 7)])
def test_subtrees_of_any_size_may_be_appended_where_they_are_aligned(levels: tuple[int, ...]) -> None:
    head = TreeHead()
    for level in levels:
        begin = head.size
        head.append_subtree(level, compute_root(LEAVES[begin : begin + (1 << level)]))
        assert head.size == begin + (1 << level)
        assert head.root() == compute_root(LEAVES[: head.size])


def test_a_subtree_that_is_not_aligned_is_a_defect() -> None:
    head = TreeHead()
    head.append(LEAVES[0])
    with pytest.raises(AssertionError):
        head.append_subtree(1, LEAVES[1])
