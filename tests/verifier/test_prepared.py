"""What an entry says alone: what is remembered of it, what was brought for it, and which of its faults comes first."""

from __future__ import annotations

import dataclasses
from functools import cache

import pytest

from tests.verifier.changebuilder import ROLE_KEYS, Change
from tests.verifier.logbuilder import Logged, hash_of
from tests.verifier.test_attacks import erase
from tests.verifier.test_who_may import read
from verifier.entry import match_entry
from verifier.ledger.prepared import RECEIPTS, Brought, Keep, Prepared, prepare
from verifier.ledger.unread import Unread
from verifier.records.decision import Decision
from verifier.tree import hash_leaf


@cache
def honest() -> Change:
    return Change().build()


def item_of(step: str) -> Logged:
    return honest().log.items[honest().log.index_of(honest().hashes[step])]


def prepared(
    item: Logged, *, payload: bytes | None = None, keep: Keep | None = None, check_signature: bool = True
) -> Prepared:
    match = match_entry(item.entry)
    assert match is not None
    return prepare(
        match,
        payload,
        index=7,
        origin=honest().log.origin,
        leaf_hash=hash_leaf(item.entry),
        keep=keep,
        check_signature=check_signature,
    )


def there(step: str, keep: Keep | None = None) -> Prepared:
    return prepared(item_of(step), payload=item_of(step).payload, keep=keep)


def keeps(keep: Keep, step: str) -> bool:
    match = match_entry(item_of(step).entry)
    assert match is not None
    return keep.keeps(match)


# --- what is remembered


def test_kept_are_entries_of_some_kinds() -> None:
    keep = Keep(frozenset(("roster", "gateway_receipt")))
    assert [keeps(keep, step) for step in ("roster", "receipt_1", "token")] == [True, True, False]
    assert not keeps(Keep(frozenset()), "receipt_1")


def test_kept_are_entries_of_some_token_scopes() -> None:
    keep = Keep(frozenset(), scopes=frozenset((honest().token_scope,)))
    assert [keeps(keep, step) for step in ("receipt_1", "simulation", "roster")] == [True, True, False]
    assert not keeps(Keep(frozenset(), scopes=frozenset((hash_of(b"x"),))), "receipt_1")


def test_kept_are_entries_of_some_runs() -> None:
    keep = Keep(frozenset(), runs=frozenset((honest().run,)))
    assert [keeps(keep, step) for step in ("receipt_1", "simulation", "roster")] == [True, True, False]
    assert not keeps(Keep(frozenset(), runs=frozenset(("run-8",))), "receipt_1")


def test_kept_are_entries_that_are_named() -> None:
    keep = Keep(frozenset(), named=frozenset((item_of("receipt_1").entry,)))
    assert [keeps(keep, step) for step in ("receipt_1", "receipt_2", "roster")] == [True, False, False]


@pytest.mark.parametrize("step", ["receipt_1", "roster", "begin"])
def test_without_a_choice_all_is_kept(step: str) -> None:
    found = there(step)
    assert found.is_kept
    assert found.entry is not None
    assert found.record is not None


def test_of_a_receipt_that_nobody_remembers_only_its_keys_are_left() -> None:
    kept, left = there("receipt_1"), there("receipt_1", Keep(frozenset()))
    assert (left.is_kept, left.entry, left.record) == (False, None, None)
    assert (left.kind, left.signer_did, left.payload_hash_b64u) == (kept.kind, kept.signer_did, kept.payload_hash_b64u)
    assert left.keys == kept.keys != ()
    assert left.fault is None


def test_of_all_else_the_record_is_left_for_what_follows_from_it() -> None:
    left = there("roster", Keep(frozenset()))
    assert not left.is_kept
    assert left.record is not None
    assert left.entry is not None
    assert {"gateway_receipt", "tool_receipt", "side_effect_receipt"} == RECEIPTS


def test_a_slim_decision_is_one_without_its_evidence_and_reasons() -> None:
    decisions = frozenset(("gate_decision",))
    whole, slim = there("decide_execute", Keep(decisions)).record, there("decide_execute", Keep(decisions, slim=True)).record
    assert isinstance(whole, Decision)
    assert whole.evidence
    assert slim == dataclasses.replace(whole, evidence=(), reasons=())
    assert there("roster", Keep(frozenset(), slim=True)).record == there("roster").record


# --- what was brought


@pytest.mark.parametrize("step", ["receipt_1", "roster"])
@pytest.mark.parametrize("keep", [None, Keep(frozenset())], ids=["kept", "left"])
def test_nothing_brought_is_no_fault(step: str, keep: Keep | None) -> None:
    found = prepared(item_of(step), keep=keep)
    assert (found.brought, found.fault, found.record, found.keys) == (Brought.ABSENT, None, None, ())


@pytest.mark.parametrize("step", ["receipt_1", "roster"])
def test_whoever_brings_another_payload_lies(step: str) -> None:
    found = prepared(item_of(step), payload=b"{}")
    assert found.brought is Brought.WRONG
    assert found.fault is not None
    assert (found.fault.code, found.record, found.keys) == ("HASH_MISMATCH", None, ())
    assert there(step).brought is Brought.THERE


def code_of(found: Prepared) -> str | None:
    return found.fault.code if found.fault else None


def test_a_signature_is_checked_whether_the_payload_is_there_or_not() -> None:
    change = Change().build()
    payload = item_of("roster").payload
    assert payload is not None
    change.log.add("roster", payload, refs={"roster": "1"}, signer=ROLE_KEYS["gates"], did=ROLE_KEYS["agents"].did)
    item = change.log.items[-1]
    for brought in (payload, None):
        assert code_of(prepared(item, payload=brought)) == "SIGNATURE_INVALID"
        assert code_of(prepared(item, payload=brought, check_signature=False)) is None


def test_refs_are_those_of_the_payload() -> None:
    change = Change().build()
    payload = item_of("roster").payload
    assert payload is not None
    change.log.add("roster", payload, refs={"roster": "2"}, signer=ROLE_KEYS["roster_authorities"])
    assert code_of(prepared(change.log.items[-1], payload=payload)) == "ENTRY_REFS_MISMATCH"
    assert code_of(prepared(change.log.items[-1])) is None


# --- what was never brought


def test_a_tombstone_explains_the_payload_that_it_names() -> None:
    change = Change().build()
    hashes = [change.hashes[step] for step in ("receipt_1", "receipt_2", "receipt_3")]
    unread = Unread()
    for index, payload_hash in zip((300, 70_000, 2**40), hashes, strict=True):
        unread.add(index, "gateway_receipt", payload_hash)
    unread.add(2**41, "roster", hashes[1])  # of a kind that is never erased, whatever names its payload
    before = read(change)
    assert unread.explain(before, at_most=2) == ([300, 70_000], 4, 0)
    assert unread.explain(before, at_most=9) == ([300, 70_000, 2**40, 2**41], 4, 0)
    erase(change, "receipt_2")
    after = read(change)
    assert unread.explain(after, at_most=9) == ([300, 2**40, 2**41], 3, 1)
    assert unread.explain(after, at_most=1) == ([300], 3, 1)
