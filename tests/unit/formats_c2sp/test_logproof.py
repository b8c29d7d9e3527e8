from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.formats_c2sp.keys import LOG, ORIGIN, cosigned, log_policy, trust_text
from trustlog.errors import Refused
from trustlog.formats.checkpoint import Checkpoint
from trustlog.formats.logproof import LogProof, check_log_proof, parse_log_proof
from trustlog.formats.note import sign_note
from trustlog.formats.trustpolicy import TrustPolicy
from trustlog.merkle.edge import Edge
from trustlog.merkle.hashing import hash_leaf
from trustlog.merkle.proofs import prove_inclusion
from trustlog.merkle.tiles import TileNodes

LEAVES = [hash_leaf(str(i).encode()) for i in range(7)]
EDGE, TILES = Edge.empty().append(LEAVES)
NODES = TileNodes(lambda tiles: [dict(TILES)[tile] for tile in tiles], 7)
CHECKPOINT = Checkpoint(ORIGIN, 7, EDGE.root())
PROOF = LogProof(4, tuple(prove_inclusion(NODES, 4, 7)), cosigned(CHECKPOINT, w1=100, w2=101), extra=b"note")
TRUST = TrustPolicy.parse(trust_text(log_policy()))
BODY = PROOF.encode()


def test_a_proof_is_checked_under_a_trust_policy() -> None:
    trusted = check_log_proof(parse_log_proof(BODY), LEAVES[4], TRUST)
    assert trusted.checkpoint == CHECKPOINT
    assert trusted.cosigned_by == {"w1": 100, "w2": 101}


def test_another_entry_index_or_signer_is_refused() -> None:
    with pytest.raises(Refused, match="INCLUSION_PROOF_INVALID"):
        check_log_proof(PROOF, LEAVES[3], TRUST)
    with pytest.raises(Refused, match="INCLUSION_PROOF_INVALID"):
        check_log_proof(LogProof(5, PROOF.hashes, PROOF.checkpoint), LEAVES[4], TRUST)
    with pytest.raises(Refused, match="INCLUSION_PROOF_INVALID"):
        check_log_proof(LogProof(7, PROOF.hashes, PROOF.checkpoint), LEAVES[4], TRUST)
    unwitnessed = LogProof(4, PROOF.hashes, sign_note(CHECKPOINT.encode(), LOG))
    with pytest.raises(Refused, match="QUORUM_NOT_MET"):
        check_log_proof(unwitnessed, LEAVES[4], TRUST)


def test_every_flipped_bit_but_those_of_the_extra_data_is_refused() -> None:
    extra = BODY.index(b"bm90ZQ==")
    for at in range(len(BODY)):
        changed = BODY[:at] + bytes([BODY[at] ^ 1]) + BODY[at + 1 :]
        if extra <= at < extra + 8:
            continue  # authenticated by nothing, as the format says
        with pytest.raises(Refused):
            check_log_proof(parse_log_proof(changed), LEAVES[4], TRUST)


@pytest.mark.parametrize(
    "damage",
    [
        (b"@v1", b"@v2"),
        (b"index 4", b"index 04"),
        (b"index 4", b"index  4"),
        (b"index 4", b"index 4 "),
        (b"index 4", b"index 9223372036854775807"),
        (b"index 4", b"index " + b"9" * 5000),
        (b"index 4\n", b""),
        (b"index 4\n", b"index 4\nindex 4\n"),
        (b"extra bm90ZQ==\n", b"extra \n"),
        (b"extra bm90ZQ==\n", b"extra bm90ZR==\n"),
        (b"extra bm90ZQ==\n", b"extra bm90ZQ==\nextra bm90ZQ==\n"),
        (b"index 4\n", b"index 4\r\n"),
        (b"\n\n", b"\n"),
        (b"\n\n", b"\n" + b"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n" * 61 + b"\n"),
        (b"c2sp", b"\xffc2sp"),
        (b"c2sp", b"\nc2sp"),
    ],
)
def test_what_is_not_a_log_proof_is_refused(damage: tuple[bytes, bytes]) -> None:
    changed = BODY.replace(*damage, 1)
    assert changed != BODY
    with pytest.raises(Refused, match="LOG_PROOF_MALFORMED"):
        parse_log_proof(changed)


def test_a_huge_file_is_refused_before_it_is_read() -> None:
    with pytest.raises(Refused, match="too long"):
        parse_log_proof(BODY + b"x" * 10**6)


@given(
    st.integers(0, 2**63 - 2),
    st.lists(st.binary(min_size=32, max_size=32), max_size=63),
    st.none() | st.binary(min_size=1, max_size=100),
)
def test_encoding_and_parsing_are_inverse(index: int, hashes: list[bytes], extra: bytes | None) -> None:
    proof = LogProof(index, tuple(hashes), PROOF.checkpoint, extra)
    assert parse_log_proof(proof.encode()) == proof
