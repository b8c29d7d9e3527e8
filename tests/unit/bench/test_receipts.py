"""The receipts of the bench are what a proxy in the field would send, each another, all of one size."""

from __future__ import annotations

import pytest

from trustlog.bench.receipts import ENVELOPE_BYTES, ReceiptMaker, Recipe
from trustlog.formats.envelope import parse_envelope
from trustlog.keys.signer import SeedSigner
from trustlog.records.candidate import read_candidate

ORIGIN = "log.example/bench"


@pytest.fixture
def maker() -> ReceiptMaker:
    return ReceiptMaker(SeedSigner(bytes(32)), run="0123456789ab", issued_at="2026-01-01T00:00:00Z", origin=ORIGIN)


def test_every_receipt_is_admissible_and_its_leaf_hash_known(maker: ReceiptMaker) -> None:
    identities, ids = set(), set()
    for number in (*range(20), 99_999, 4_999_999):
        envelope, leaf_hash = maker.make(number)
        candidate = read_candidate(parse_envelope(envelope), origin=ORIGIN)
        assert candidate.entry.leaf_hash == leaf_hash
        assert candidate.record.receipt_id == maker.receipt_id(number)
        assert len(envelope) == ENVELOPE_BYTES
        assert (len(candidate.payload_text), len(candidate.entry.encode())) == (maker.payload_bytes, maker.entry_bytes)
        identities.add(candidate.identity)
        ids.add(candidate.record.receipt_id)
    assert len(identities) == len(ids) == 22


def test_two_runs_never_meet() -> None:
    makers = [
        ReceiptMaker(SeedSigner(bytes(32)), run=run, issued_at="2026-01-01T00:00:00Z", origin=ORIGIN) for run in ("a", "b")
    ]
    assert makers[0].receipt_id(0) != makers[1].receipt_id(0)


def test_gateways_take_turns_and_all_lengths_are_one() -> None:
    signers = tuple(SeedSigner(bytes([n]) * 32) for n in range(3))
    makers = Recipe(signers, run="x", issued_at="2026-01-01T00:00:00Z", origin=ORIGIN).makers()
    envelopes = [parse_envelope(makers.make(number)[0]) for number in range(6)]
    assert [envelope.signer_did for envelope in envelopes] == [signer.did for signer in signers] * 2
    assert {len(makers.make(number)[0]) for number in range(6)} == {ENVELOPE_BYTES}
