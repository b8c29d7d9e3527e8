"""Threat: what is executed differs from what was approved, by one byte."""

from __future__ import annotations

import pytest
from making.case import PASS, fail
from making.dishonest import Allow, allow_anyway, begin_anyway, close_on, end_anyway, log_other_bundle
from making.inputs import OWNER, SECURITY

from tests.scenarios.change import CLOSE, EXECUTE
from tests.scenarios.refusing import refuses
from tests.scenarios.stage import Stage
from trustlog.records.plan import compute_fingerprint

pytestmark = pytest.mark.asyncio(loop_scope="module")


def one_byte_off(plan: bytes) -> bytes:
    """The plan with five replicas."""
    return plan.replace(b'"replicas":4', b'"replicas":5')


async def test_of_the_file_at_execution(stage: Stage) -> None:
    """The file that the operator hands to the runner is one byte off: the runner refuses it, and nothing ran."""
    change = await (await stage.simulated()).approved()
    decision = await change.ask(EXECUTE)
    with refuses("PLAN_MISMATCH"):
        await change.run(decision, one_byte_off(change.plan))
    with refuses("PLAN_MISMATCH"):
        await change.run(decision, change.plan + b"\n")
    assert change.applied == []
    await change.run(decision, change.plan)
    assert change.applied == [change.plan]
    await change.closed()
    await stage.leave(change, PASS)


async def test_of_the_plan_asked_for(stage: Stage) -> None:
    """The agent asks to execute a plan that nobody simulated."""
    change = await (await stage.simulated()).approved()
    drifted = compute_fingerprint(one_byte_off(change.plan))
    denied = await change.ask(EXECUTE, plan_hash=drifted)
    assert denied.denied_with("PLAN_MISMATCH", "APPROVALS_INSUFFICIENT")
    assert denied.says(drifted, compute_fingerprint(change.plan))
    await change.carried_out(await change.ask(EXECUTE))
    await stage.leave(change, PASS)


async def test_of_spelling(stage: Stage) -> None:
    """A plan has one spelling, so that one fingerprint is one plan: spaces and order are refused at simulation."""
    change = stage.change()
    await change.issue_token()
    await change.call_model("draft the plan")
    for spelling in (change.plan + b"\n", change.plan.replace(b'":', b'": ')):
        with refuses("PLAN_NOT_CANONICAL"):
            await change.simulate(spelling)
    with refuses("PLAN_MISMATCH"):
        await change.simulate(change.plan.replace(change.ticket.encode(), b"tickets.example:CHG-999"))
    await change.simulate()
    await change.finished()
    await stage.leave(change, PASS)


async def test_by_the_runner(stage: Stage) -> None:
    """The runner executes another plan than the approved one, and says so in `begin`; the gate never closes that job."""
    change = await (await stage.simulated()).approved()
    decision = await change.ask(EXECUTE)
    drifted = compute_fingerprint(one_byte_off(change.plan))
    begin = await begin_anyway(change, decision.payload_hash, plan_hash_b64u=drifted)
    await end_anyway(change, decision.payload_hash, begin.payload_hash, plan_hash_b64u=drifted)
    await change.approved()
    denied = await change.ask(EXECUTE)
    assert "EXECUTION_MISMATCH" in denied.codes
    assert denied.says(str(begin.index))
    await stage.leave(change, fail("EXECUTION_MISMATCH"), like=denied)
    with refuses("REQUIRED_STEP_MISSING"):
        await change.bundled()
    corrected = change.another_job()
    await corrected.prepare()
    await corrected.finished()


async def test_of_the_bundle(stage: Stage) -> None:
    """The bundle says that another plan was executed, and a gate that does not look closes with it."""
    change = await (await stage.simulated()).executed()
    drifted = compute_fingerprint(one_byte_off(change.plan))
    change.bundle = await log_other_bundle(change, plan_hash_b64u=drifted)
    await change.approved(CLOSE)
    denied = await change.ask(CLOSE)
    assert denied.denied_with("BUNDLE_MISMATCH")
    assert denied.says(drifted, compute_fingerprint(change.plan))
    careless = await (await stage.simulated()).executed()
    careless.bundle = await log_other_bundle(careless, plan_hash_b64u=drifted)
    approvals = await careless.approve(CLOSE, OWNER, SECURITY, bundle=careless.bundle)
    await close_on(careless, careless.bundle, approvals)
    await stage.leave(careless, fail("BUNDLE_MISMATCH"), like=denied)
    await change.closed()


async def test_after_the_decision_has_expired(stage: Stage) -> None:
    """The runner comes two minutes late. What was true then may not be true now: it asks again, and so do people."""
    change = await (await stage.simulated()).approved()
    decision = await change.ask(EXECUTE)
    stage.world.clock.step(120)
    with refuses("DECISION_EXPIRED"):
        await change.run(decision)
    assert change.applied == []
    await begin_anyway(change, decision.payload_hash)
    await stage.leave(change, fail("DECISION_EXPIRED"))


async def test_twice(stage: Stage) -> None:
    """One decision starts one execution, however often the runner is called."""
    change = await (await stage.simulated()).approved()
    decision = await change.ask(EXECUTE)
    await change.run(decision)
    with refuses("EXECUTION_ALREADY_BEGUN"):
        await change.run(decision)
    assert change.applied == [change.plan]
    await change.closed()
    await stage.leave(change, PASS)


async def test_of_the_environment(stage: Stage) -> None:
    """A gate that does not look allows an environment that the policy does not name."""
    change = await stage.simulated(environment="laboratory")
    await change.approved()
    denied = await change.ask(EXECUTE)
    assert denied.denied_with("ENVIRONMENT_NOT_ALLOWED")
    assert denied.says("staging", "production", "laboratory")
    careless = await stage.simulated(environment="laboratory")
    approvals = await careless.approve(EXECUTE, OWNER, SECURITY)
    allow = await allow_anyway(careless, Allow(EXECUTE, approvals))
    await begin_anyway(careless, allow, environment="laboratory")
    await stage.leave(careless, fail("ENVIRONMENT_NOT_ALLOWED"), like=denied)
    corrected = change.another_job(environment="staging")
    await corrected.prepare()
    await corrected.finished()
