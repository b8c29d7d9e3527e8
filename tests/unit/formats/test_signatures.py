"""Signatures are decided by libsodium's strict rule, on which every build of it agrees."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.keys import ALICE, BOB
from trustlog.errors import Refused
from trustlog.formats.didkey import encode_did_key, parse_did_key
from trustlog.formats.ed25519 import verify_ed25519
from trustlog.formats.envelope import check_signature

MESSAGE = b"a" * 43

# All encodings of the eight low-order points, the non-canonical included (C2SP CCTV ed25519).
SMALL_ORDER = [
    bytes.fromhex(text)
    for text in (
        "00" * 32,
        "ed" + "ff" * 30 + "7f",
        "00" * 31 + "80",
        "ed" + "ff" * 31,
        "01" + "00" * 31,
        "01" + "00" * 30 + "80",
        "ee" + "ff" * 30 + "7f",
        "ee" + "ff" * 31,
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "ec" + "ff" * 30 + "7f",
        "ec" + "ff" * 31,
    )
]


def test_a_signature_verifies_for_its_key_and_message_only() -> None:
    signature = ALICE.sign(MESSAGE)
    alice, bob = parse_did_key(ALICE.did), parse_did_key(BOB.did)
    assert verify_ed25519(alice, MESSAGE, signature)
    assert not verify_ed25519(bob, MESSAGE, signature)
    assert not verify_ed25519(alice, MESSAGE + b"a", signature)


def test_any_flipped_bit_of_a_signature_is_rejected() -> None:
    signature, key = ALICE.sign(MESSAGE), parse_did_key(ALICE.did)
    for bit in range(512):
        flipped = bytearray(signature)
        flipped[bit // 8] ^= 1 << bit % 8
        assert not verify_ed25519(key, MESSAGE, bytes(flipped)), bit


@pytest.mark.parametrize("size", [0, 1, 63, 65, 128])
def test_a_signature_of_another_length_is_rejected(size: int) -> None:
    assert not verify_ed25519(parse_did_key(ALICE.did), MESSAGE, bytes(size))


def test_a_scalar_that_is_not_reduced_is_rejected() -> None:
    order = 2**252 + 27742317777372353535851937790883648493
    signature = ALICE.sign(MESSAGE)
    raised = int.from_bytes(signature[32:], "little") + order
    assert not verify_ed25519(parse_did_key(ALICE.did), MESSAGE, signature[:32] + raised.to_bytes(32, "little"))


@pytest.mark.parametrize("key", SMALL_ORDER, ids=bytes.hex)
@pytest.mark.parametrize("point", [SMALL_ORDER[4], bytes(32)], ids=["identity", "zero"])
def test_a_small_order_key_signs_nothing(key: bytes, point: bytes) -> None:
    assert not verify_ed25519(key, MESSAGE, point + bytes(32))
    with pytest.raises(Refused, match="SIGNATURE_INVALID"):
        check_signature(MESSAGE.decode(), point + bytes(32), encode_did_key(key))


def test_all_published_edge_cases_are_decided_strictly(shared: Path) -> None:
    """As ed25519-dalek's verify_strict: low-order and non-canonical points and low-order residues are rejected."""
    vectors = json.loads((shared / "vectors/cctv/ed25519/ed25519vectors.json").read_text())
    rejected_for = {"low_order_A", "low_order_R", "low_order_residue", "non_canonical_A", "non_canonical_R", "reencoded_k"}
    accepted = 0
    for vector in vectors:
        key, signature = bytes.fromhex(vector["key"]), bytes.fromhex(vector["sig"])
        expected = not rejected_for.intersection(vector["flags"] or [])
        assert verify_ed25519(key, vector["msg"].encode(), signature) == expected, vector["number"]
        accepted += expected
    assert (len(vectors), accepted) == (914, 43)
