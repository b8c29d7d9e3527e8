"""When an execution diverged: disallow executing for the target, simulate again, fresh approvals; the mismatch is logged."""

from __future__ import annotations

import pytest
from making.case import PASS, fail
from making.dishonest import begin_anyway, end_anyway, report_violation
from making.scenes import collect_pack

from tests.scenarios.change import EXECUTE
from tests.scenarios.policies import publish_policy
from tests.scenarios.stage import Stage, leaves
from trustlog.change.execute import Ran, execute
from trustlog.change.resolve import resolve
from trustlog.records.plan import compute_fingerprint

pytestmark = pytest.mark.asyncio(loop_scope="module")


@leaves(2)
async def test_another_plan_ran(stage: Stage) -> None:
    """The runner's `begin` names another plan than the decision. The policy is tightened until somebody knows why.

    First nothing is executed in production any more; then, with the cause found, a policy allows it again, and the change is
    simulated and approved anew. The violation says which fingerprints differed, and changes no verdict.
    """
    world = await stage.log_of_its_own()
    diverged = await (await stage.simulated(world)).approved()
    decision = await diverged.ask(EXECUTE)
    ran = compute_fingerprint(diverged.plan.replace(b'"replicas":4', b'"replicas":9'))
    begin = await begin_anyway(diverged, decision.payload_hash, plan_hash_b64u=ran)
    await end_anyway(diverged, decision.payload_hash, begin.payload_hash, plan_hash_b64u=ran)
    await diverged.approved()
    denied = await diverged.ask(EXECUTE)
    assert "EXECUTION_MISMATCH" in denied.codes
    approved = compute_fingerprint(diverged.plan)
    violation = await report_violation(
        diverged, "EXECUTION_MISMATCH", [begin], expected=approved, found=ran, done="job revoked; executing disallowed"
    )
    await diverged.revoke(f"job:{diverged.job_id}")
    await stage.leave(diverged, fail("EXECUTION_MISMATCH"), like=denied, piece="before")

    only_staging = {EXECUTE: {"environments": ["staging"]}}
    strict = await publish_policy(world, "no production", tools=only_staging, supersedes=f"b64u:{world.policy_hash}")
    held = diverged.another_job(policy=strict)
    await held.prepare()
    await held.approved()
    assert (await held.ask(EXECUTE)).denied_with("ENVIRONMENT_NOT_ALLOWED")

    again = await publish_policy(world, "production again", supersedes=f"b64u:{strict}")
    assert "POLICY_SUPERSEDED" in (await held.ask(EXECUTE)).codes
    corrected = held.another_job(policy=again)
    await corrected.prepare()
    await corrected.finished()
    await stage.verdict(corrected, PASS)
    await stage.leave(corrected, PASS, piece="corrected")
    pack = await collect_pack(world, corrected.ticket)
    assert f'"index":{violation.index},'.encode() in pack


async def test_nobody_knows_how_it_ended(stage: Stage) -> None:
    """The runner died between `begin` and `end`. Nothing goes on until a person has looked; then it counts as failed."""
    change = await (await stage.simulated()).approved()
    decision = await change.ask(EXECUTE)
    begin = await begin_anyway(change, decision.payload_hash)
    await change.approved()
    denied = await change.ask(EXECUTE)
    assert denied.denied_with("EXECUTION_OUTCOME_UNKNOWN")
    assert denied.says(begin.payload_hash)
    owner = stage.world.signer("service-owner-1")
    await resolve(stage.world.desk, owner, begin=begin.payload_hash, note="nothing was applied")
    await change.finished()
    await stage.leave(change, PASS)


async def test_it_failed(stage: Stage) -> None:
    """The command failed: approvals are used up, the bundle cannot be of it, and a second round begins."""
    change = await (await stage.simulated()).approved()
    decision = await change.ask(EXECUTE)
    runner = stage.world.signer("runner")
    await execute(stage.world.desk, runner, decision=decision.payload_hash, run=lambda _plan: Ran(1, b"no quota"))
    assert (await change.ask(EXECUTE)).denied_with("APPROVALS_INSUFFICIENT", "APPROVAL_ROLE_MISSING")
    await change.finished()
    await stage.leave(change, PASS)
