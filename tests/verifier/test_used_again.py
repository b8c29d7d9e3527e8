"""A bundle that closed its ticket carries no later allow, whatever that allow is of."""

from __future__ import annotations

from tests.verifier.changebuilder import Change, Payload, default_policy
from tests.verifier.judging import verdict
from verifier.report import Status

USED = "execution.bundle_not_used[ticket.resolve] BUNDLE_ALREADY_USED"


def resolving_policy() -> Payload:
    """A policy with one more step before closing, which one person approves, and which is asked for the bundle too."""
    policy = default_policy()
    policy["tools"]["ticket.resolve"] = {
        "allowed": True,
        "step_up_approvals": 1,
        "requires_proof_bundle_reference": True,
        "required_before": ["ticket.close"],
    }
    return policy


def resolved(change: Change) -> None:
    """An allow of another step that closing needs, on the bundle."""
    change._approve("resolve 1", "ticket.resolve")
    change.put_decision("resolve", change.decision("resolve", "ticket.resolve", [change.hashes["resolve 1"]]))


def closed_again(change: Change) -> None:
    change.edit["bundle"] = lambda payload: payload.update(bundle_id="another")
    change._bundle("bundle")
    for person in ("1", "2"):
        change._approve(f"again {person}", "ticket.close")
        change.hashes[f"approve_close_{person}"] = change.hashes[f"again {person}"]
    change._decide_close("decide_close")
    change._closure("closure_2")


def told(step: str, *, again: bool) -> set[str]:
    """What is told of a change whose allow of the other step is logged before a step, or after all."""

    def late(change: Change) -> None:
        resolved(change)
        if again:
            closed_again(change)

    pack = Change(policy=resolving_policy(), before={step: late}).build().pack()
    if again:
        del pack["subject"]["bundle"]  # which names one of them, and then the other is foreign
    report = verdict(pack)
    assert (report.status is Status.FAIL) == again
    return {f"{check.full_name} {check.code}" for check in report.checks if check.name.endswith("[ticket.resolve]")}


def test_an_allow_on_a_bundle_that_closed_its_ticket() -> None:
    assert USED in told("after", again=True)


def test_an_allow_on_a_bundle_that_closes_its_ticket_afterwards() -> None:
    assert "execution.bundle_not_used[ticket.resolve] None" in told("approve_close_1", again=False)
