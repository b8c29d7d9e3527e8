"""Who attests an absence, and from where; and which of several faults of an approval is told."""

from __future__ import annotations

import pytest

from tests.verifier.adversary.test_approvals import COUNTS, STRANGER, executed
from tests.verifier.adversary.test_steps import allow_again, view_of
from tests.verifier.changebuilder import ROLE_KEYS, Change, Payload, approval_refs, trust_toml
from tests.verifier.judging import assert_passes, verdict
from tests.verifier.logbuilder import Key, b64u, sha
from verifier.change.absence import adverse_at
from verifier.report import Report, Status

SECOND = Key("second gate")
TRUST = trust_toml(roles={"gates": [f'"{ROLE_KEYS["gates"].did}"', f'"{SECOND.did}"']})
ROUND = "policy.round[{}]"


def said(report: Report, name: str) -> list[tuple[Status, str | None]]:
    return [(check.status, check.found) for check in report.checks if check.full_name == name]


@pytest.mark.parametrize("step", ["decide_close", "closure"])
def test_both_gates_are_named_that_attest(step: str) -> None:
    """The gate of the decision for what is below its view, the gate of the later record for what stands between."""
    change = Change(signer={step: SECOND}).build()
    report = verdict(change, trust=TRUST)
    assert_passes(report)
    gates = " and ".join(sorted((ROLE_KEYS["gates"].did, SECOND.did)))
    decided, closed = (change.log.index_of(change.hashes[name]) for name in ("decide_close", "closure"))
    attested = f"attested by {gates}, entries {decided} and {closed}"
    assert said(report, ROUND.format("ticket.close")) == [(Status.ATTESTED, attested)]


def test_one_gate_is_named_once() -> None:
    (told,) = said(verdict(Change().build()), ROUND.format("ticket.close"))
    assert told[1] is not None
    assert told[1].count("did:key:") == 1


def test_a_closure_below_the_decision_that_it_names_attests_nothing() -> None:
    """The gate knows which bytes its decision will have; its view is older than the closure."""

    def decide_on(change: Change) -> None:
        change.edit["decide_close"] = view_of(change, change.log.size)

    decided = Change(skip={"closure"}, before={"decide_close": decide_on}).build()

    def close_first(change: Change) -> None:
        decide_on(change)
        change.hashes["decide_close"] = decided.hashes["decide_close"]
        change.payloads["decide_close"] = decided.payloads["decide_close"]
        change._closure("closure")
        del change.payloads["decide_close"]

    change = Change(skip={"closure"}, before={"decide_close": close_first}).build()
    assert change.hashes["decide_close"] == decided.hashes["decide_close"]
    report = verdict(change)
    assert [status for status, _ in said(report, ROUND.format("ticket.close"))] == [Status.UNDECIDED]
    assert [check.code for check in report.checks if check.full_name == "execution.closure"] == ["CLOSURE_INVALID"]


def test_an_allow_that_lists_a_decision_above_itself_attests_nothing() -> None:
    """It says that it has read what was logged only after it."""

    def decide_on(change: Change) -> None:
        change.edit["decide_execute"] = view_of(change, change.log.size)

    decided = executed(before={"decide_execute": decide_on})
    entry = next(item.entry for item in decided.log.items if item.payload_hash == decided.hashes["decide_execute"])

    def foresee(change: Change) -> None:
        decide_on(change)
        index = change.log.size + 3  # two approvals and this allow stand below it

        def list_it(payload: Payload) -> None:
            payload["evidence"].append({"index": index, "leaf_hash_b64u": b64u(sha(b"\x00" + entry))})
            payload["scope"]["round"] = "2"  # so that the other takes the first

        change.edit["decide_again"] = list_it
        allow_again(change)
        del change.payloads["decide_again"]

    change = executed(before={"decide_execute": foresee})
    assert change.log.items[change.log.index_of(change.hashes["decide_execute"])].entry == entry
    assert Status.ATTESTED not in {check.status for check in verdict(change).checks}


def test_what_is_adverse_says_what_was_done() -> None:
    found = adverse_at("POLICY_SUPERSEDED", "policy", "superseded", 7)
    assert found is not None
    assert found.found == "superseded at index 7"


def test_of_two_copies_that_do_not_count_the_first_says_why() -> None:
    """The same approval, signed by a stranger and by a gate: neither is a person's."""

    def copies(change: Change) -> None:
        for signer in (STRANGER, ROLE_KEYS["gates"]):
            payload = change.approval("approve_execute_1", "change.execute", "p-owner")
            change.put("approve_execute_1", "human_approval_receipt", payload, signer, approval_refs)

    change = executed(skip=frozenset({"approve_execute_1"}), before={"approve_execute_1": copies})
    told = [check.code for check in verdict(change).checks if check.full_name == COUNTS]
    assert told == [None, "SIGNER_NOT_TRUSTED"]
