"""When a ticket was closed without its artefacts: found by its absence, logged; a corrected run with its own bundle."""

from __future__ import annotations

import pytest
from making.case import PASS, fail, undecided
from making.dishonest import close_anyway, report_violation

from tests.scenarios.change import CLOSE, closing_reason
from tests.scenarios.policies import publish_policy
from tests.scenarios.stage import Stage, leaves

pytestmark = pytest.mark.asyncio(loop_scope="module")


@leaves(2)
async def test_in_the_ticket_system(stage: Stage) -> None:
    """The gate said no, and somebody closed the ticket in the ticket system all the same. The log has no closure of it.

    The violation is logged, a tighter policy supersedes the old one, and a corrected run closes with its own bundle.
    """
    world = await stage.log_of_its_own()
    closed_by_hand = await (await stage.simulated(world)).executed()
    denied = await closed_by_hand.ask(CLOSE, reason="Replicas raised, closing.")
    assert denied.denied_with("BUNDLE_REFERENCE_MISSING", "APPROVALS_INSUFFICIENT")
    await stage.leave(closed_by_hand, undecided("CLOSURE_MISSING"), piece="before")
    violation = await report_violation(
        closed_by_hand, "BUNDLE_REFERENCE_MISSING", [], expected="a closure", found="none", done="ticket reopened"
    )
    await closed_by_hand.revoke(f"job:{closed_by_hand.job_id}", why="closed without its bundle")
    tighter = await publish_policy(
        world, "tighter", tools={CLOSE: {"step_up_approvals": 3}}, supersedes=f"b64u:{world.policy_hash}"
    )
    corrected = closed_by_hand.another_job(policy=tighter)
    await corrected.prepare()
    await corrected.executed()
    await corrected.bundled()
    await corrected.approved(CLOSE)
    assert (await corrected.ask(CLOSE)).denied_with("APPROVALS_INSUFFICIENT")
    await corrected.approve(CLOSE, "service-owner-2", bundle=corrected.bundle)
    await corrected.closed_as_approved()
    await stage.verdict(corrected, PASS)
    await stage.leave(corrected, PASS, piece="corrected")
    assert violation.index < world.desk.reading.view.size


async def test_by_a_gate_that_did_not_look(stage: Stage) -> None:
    """A gate logs a closure under its decision to execute: nobody decided to close. It closes nothing, and ends the job."""
    change = await (await (await stage.simulated()).executed()).bundled()
    [execution] = change.executions
    await close_anyway(change, execution, change.bundle, closing_reason(change.bundle))
    await stage.leave(change, fail("CLOSURE_INVALID"))
    await change.approved(CLOSE)
    assert (await change.ask(CLOSE)).denied_with("JOB_ENDED", "BUNDLE_ALREADY_USED")
    corrected = change.another_job()
    await corrected.prepare()
    await corrected.finished()


async def test_with_a_bundle_of_another_change(stage: Stage) -> None:
    """One bundle closes one ticket: the bundle of a closed change, and the same one twice, are both refused."""
    done = await (await stage.simulated()).finished()
    change = await (await stage.simulated()).executed()
    change.bundle = done.bundle
    denied = await change.ask(CLOSE)
    assert "BUNDLE_MISMATCH" in denied.codes
    assert "BUNDLE_ALREADY_USED" in denied.codes
    await change.closed()
    await stage.leave(change, PASS)
