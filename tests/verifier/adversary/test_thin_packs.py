"""Packs that leave to the log what they should hold: of a log only what the packs point to is remembered and compared."""

from __future__ import annotations

from typing import Any

import pytest

from tests.verifier.adversary.auditor import Auditor
from tests.verifier.changebuilder import Change, Payload, default_policy
from tests.verifier.logbuilder import hash_of

MANIFEST = {"urm_version": "1", "urm_id": "u", "resource_type": "t", "resource_hash_b64u": hash_of(b"resource")}
DECISIONS = ("decide_execute", "decide_close")


def without_receipts(bundle: Payload) -> None:
    """An agent's account in which no model was called."""
    del bundle["receipts"], bundle["event_chain"]
    bundle["urm"] = MANIFEST


def asking_for_no_receipts(**options: Any) -> Change:
    policy = default_policy()
    policy["enforcement"]["require_gateway_receipts"] = False
    return Change(policy=policy, **options)


def thin(change: Change, *kept: str) -> Payload:
    """The pack with the entries of these steps alone."""
    held = {change.log.index_of(change.hashes[step]) for step in kept}
    return change.pack(leave_out=lambda index: index not in held) | {"views": []}


def forked(decision: Payload) -> None:
    decision["view"]["root_b64u"] = hash_of(b"another history")


def listing_another_entry(decision: Payload) -> None:
    decision["evidence"][3]["leaf_hash_b64u"] = hash_of(b"another entry")


def test_receipts_left_out_of_the_bundle_and_of_the_pack(auditor: Auditor) -> None:
    """Nothing in the pack names the token scope, so that the receipts in the log are nobody's; the whole pack fails."""
    change = asking_for_no_receipts(edit={"bundle": without_receipts}).build()
    auditor.serve(change.log)
    assert auditor.evidence(change) == (1, "RECEIPT_SET_INCOMPLETE")
    too_thin: list[tuple[str, ...]] = [(), ("policy", "roster"), ("bundle", "closure")]
    for kept in too_thin:
        assert auditor.evidence(thin(change, *kept)) == (3, "EVIDENCE_INCOMPLETE"), kept
    for kept in [("token",), ("token", "bundle", "closure"), DECISIONS[:1]]:
        assert auditor.evidence(thin(change, *kept))[0] != 0, kept


@pytest.mark.parametrize("lie", [forked, listing_another_entry])
@pytest.mark.parametrize("steps", [DECISIONS, DECISIONS[:1], DECISIONS[1:]], ids=["both", "executing", "closing"])
def test_a_decision_that_lies_left_out_of_the_pack(auditor: Auditor, lie: Any, steps: tuple[str, ...]) -> None:
    """What only the log holds is in no view that was proven, and nobody compared what it lists."""
    change = Change(edit=dict.fromkeys(steps, lie)).build()
    auditor.serve(change.log)
    assert auditor.evidence(change)[0] == 1
    assert auditor.evidence(thin(change, "token")) == (3, "EVIDENCE_INCOMPLETE")


def test_a_pack_of_an_honest_change_without_its_decisions(auditor: Auditor) -> None:
    """It says too little; nothing in it lies."""
    change = Change().build()
    auditor.serve(change.log)
    assert auditor.evidence(thin(change)) == (3, "EVIDENCE_INCOMPLETE")
    assert auditor.evidence(thin(change, "token")) == (3, "EVIDENCE_INCOMPLETE")


def test_a_pack_from_before_the_closing_was_decided(auditor: Auditor) -> None:
    """The log went on since; the decision to close is in no view that the pack proves."""
    change = Change()
    early: list[Payload] = []
    change.before = {"approve_close_1": lambda c: early.append(c.pack())}
    auditor.serve(change.build().log)
    assert auditor.evidence(early[0]) == (3, "EVIDENCE_INCOMPLETE")
    assert auditor.evidence(change) == (0, "OK")
