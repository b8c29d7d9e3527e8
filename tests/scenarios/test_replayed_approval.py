"""Threat: an approval or a token of one change is used for another job, plan, ticket, policy, action or environment, or twice."""

from __future__ import annotations

from typing import Any

import pytest
from making.case import PASS, fail
from making.dishonest import Allow, allow_anyway, begin_anyway, close_on, execute_anyway
from making.inputs import OWNER, SECURITY

from tests.scenarios.answer import Answer
from tests.scenarios.change import CLOSE, EXECUTE, Change, closing_reason
from tests.scenarios.policies import publish_policy
from tests.scenarios.stage import Stage
from trustlog.change.close import log_closure
from trustlog.records.plan import compute_fingerprint

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOT_THESE = ("APPROVALS_INSUFFICIENT", "APPROVAL_ROLE_MISSING")  # what an approval of another scope comes to: nothing


def failed_with(told: Any) -> set[str]:
    """The reasons of every check of a verdict that failed, not only of the first."""
    return {check["reason_code"] for check in told["checks"] if check["status"] == "FAIL"}


async def test_for_another_job(stage: Stage) -> None:
    """The same ticket, the same plan, another job: the approvals of the first do not serve the second."""
    first = await (await stage.simulated()).approved()
    second = first.another_job()
    await second.prepare()
    assert second.plan == first.plan
    denied = await second.ask(EXECUTE)
    assert denied.denied_with(*NOT_THESE)
    await second.finished()
    other = await stage.simulated()
    approvals = await other.approve(EXECUTE, OWNER, SECURITY)
    careless = other.another_job()
    await careless.prepare()
    await execute_anyway(careless, approvals, added=True)
    await stage.leave(careless, fail("APPROVALS_INSUFFICIENT"), like=denied)


async def test_for_another_plan(stage: Stage) -> None:
    """Two people approve four replicas; the runner simulates nine as well, and the agent asks for nine."""
    change = await (await stage.simulated()).approved()
    nine = change.plan.replace(b'"replicas":4', b'"replicas":9')
    await change.simulate(nine)
    denied = await change.ask(EXECUTE, plan_hash=compute_fingerprint(nine))
    assert denied.denied_with(*NOT_THESE)
    assert (await change.ask(EXECUTE)).denied_with(*NOT_THESE)  # without a name the newest simulation is meant
    decision = await change.ask(EXECUTE, plan_hash=compute_fingerprint(change.plan))
    assert decision.allowed
    await change.run(decision)
    assert change.applied == [change.plan]
    await _executes_what_nobody_approved(
        stage, await stage.simulated(), replaced=(b'"replicas":4', b'"replicas":9'), denied=denied
    )


async def _executes_what_nobody_approved(
    stage: Stage, careless: Change, *, replaced: tuple[bytes, bytes], denied: Answer
) -> None:
    """People approve a plan, another one is simulated, and a gate that does not look allows that: the evidence is left."""
    approvals = await careless.approve(EXECUTE, OWNER, SECURITY)
    other = careless.plan.replace(*replaced)
    await careless.simulate(other)
    allow = await allow_anyway(careless, Allow(EXECUTE, approvals, added=approvals))
    environment = {"environment": replaced[1].decode()} if replaced[1].isalpha() else {}
    await begin_anyway(careless, allow, plan_hash_b64u=compute_fingerprint(other), **environment)
    await stage.leave(careless, fail("APPROVALS_INSUFFICIENT"), like=denied)


async def test_for_another_ticket(stage: Stage) -> None:
    """The approvals are genuine, and of another ticket; a gate that does not look takes them."""
    approved = await (await stage.simulated()).approved()
    change = await stage.simulated()
    denied = await change.ask(EXECUTE)
    assert denied.denied_with(*NOT_THESE)
    assert (await approved.ask(EXECUTE, ticket=change.ticket)).denied_with("TOKEN_TICKET_MISMATCH")
    assert (await change.ask(EXECUTE, token=approved.token)).denied_with("TOKEN_TICKET_MISMATCH")
    careless = await stage.simulated()
    others = await (await stage.simulated()).approve(EXECUTE, OWNER, SECURITY)
    await execute_anyway(careless, others, added=True)
    told = await stage.verdict(careless, fail("APPROVALS_INSUFFICIENT"))
    assert "APPROVAL_MISMATCH" in failed_with(told)  # and which of the approvals that the decision names are of another
    await stage.leave(careless, fail("APPROVALS_INSUFFICIENT"), like=denied)
    await change.approved()
    assert (await change.ask(EXECUTE)).allowed


async def test_under_another_policy(stage: Stage) -> None:
    """The same ticket and plan under a second policy, which demands just as much: what people approved is the first."""
    first = await (await stage.simulated()).approved()
    policy = await publish_policy(stage.world, name=f"{stage.name}")
    second = first.another_job(policy=policy)
    await second.prepare()
    denied = await second.ask(EXECUTE)
    assert denied.denied_with(*NOT_THESE)
    await second.finished()
    other = await stage.simulated()
    approvals = await other.approve(EXECUTE, OWNER, SECURITY)
    careless = other.another_job(policy=policy)
    await careless.prepare()
    await execute_anyway(careless, approvals, added=True)
    await stage.leave(careless, fail("APPROVALS_INSUFFICIENT"), like=denied)


async def test_for_another_action(stage: Stage) -> None:
    """The two approvals of executing are taken for closing."""
    change = await (await (await stage.simulated()).executed()).bundled()
    denied = await change.ask(CLOSE)
    assert denied.denied_with(*NOT_THESE)
    await change.approved(CLOSE)
    assert (await change.ask(CLOSE)).allowed
    careless = await stage.simulated()
    approvals = await careless.approve(EXECUTE, OWNER, SECURITY)
    await (await careless.executed_as_approved()).bundled()
    await close_on(careless, careless.bundle, approvals)
    await stage.leave(careless, fail("APPROVALS_INSUFFICIENT"), like=denied)


async def test_in_another_environment(stage: Stage) -> None:
    """Approved for staging, asked for production."""
    change = await (await stage.simulated(environment="staging")).approved()
    production = change.plan.replace(b"staging", b"production")
    await change.simulate(production)
    denied = await change.ask(EXECUTE, plan_hash=compute_fingerprint(production))
    assert denied.denied_with(*NOT_THESE)
    assert denied.decision.scope["environment"] == "production"
    assert (await change.ask(EXECUTE, plan_hash=compute_fingerprint(change.plan))).allowed
    careless = await stage.simulated(environment="staging")
    await _executes_what_nobody_approved(stage, careless, replaced=(b"staging", b"production"), denied=denied)


async def test_used_up(stage: Stage) -> None:
    """An allow uses its approvals up, whether it was executed or not: a second one needs two people again."""
    change = await (await stage.simulated()).approved()
    decision = await change.ask(EXECUTE)
    assert decision.allowed
    denied = await change.ask(EXECUTE)
    assert denied.denied_with(*NOT_THESE)
    assert denied.decision.scope["round"] == "2"
    greedy = await stage.simulated()
    approvals = await greedy.approve(EXECUTE, OWNER, SECURITY)
    await greedy.allow(EXECUTE)
    again = await allow_anyway(greedy, Allow(EXECUTE, approvals, added=approvals))
    await begin_anyway(greedy, again)
    told = await stage.verdict(greedy, fail("APPROVALS_INSUFFICIENT"))
    assert "APPROVAL_ALREADY_USED" in failed_with(told)
    await stage.leave(greedy, fail("APPROVALS_INSUFFICIENT"), like=denied)
    await change.approved()
    assert (await change.ask(EXECUTE)).allowed


async def test_of_an_earlier_simulation(stage: Stage) -> None:
    """The same plan is simulated again, with another outcome on paper: who approved saw the first simulation."""
    change = await (await stage.simulated()).approved()
    await change.simulate()
    denied = await change.ask(EXECUTE)
    assert denied.denied_with(*NOT_THESE)
    await change.approved()
    assert (await change.ask(EXECUTE)).allowed
    careless = await stage.simulated()
    approvals = await careless.approve(EXECUTE, OWNER, SECURITY)
    await careless.simulate()
    await execute_anyway(careless, approvals, added=True)
    await stage.leave(careless, fail("APPROVALS_INSUFFICIENT"), like=denied)


async def test_given_before_the_bundle(stage: Stage) -> None:
    """Nobody can approve a closing before there is a bundle to look at; an approval names the one that it is of."""
    change = await (await (await stage.simulated()).executed()).bundled()
    await change.approved(CLOSE)
    first = change.bundle
    await change.call_model("write the summary")
    await change.bundled()
    assert change.bundle != first
    assert (await change.ask(CLOSE)).denied_with(*NOT_THESE)
    stale = await change.ask(CLOSE, reason=closing_reason(first))
    assert stale.allowed  # the first bundle holds every call below it
    await log_closure(stage.world.desk, stage.world.signer("gate"), stale.decision)
    await stage.leave(change, PASS)


async def test_too_old(stage: Stage) -> None:
    """An approval serves for an hour; the token was renewed meanwhile."""
    change = await (await stage.simulated()).approved()
    stage.world.clock.step(3700)
    await change.issue_token()
    denied = await change.ask(EXECUTE)
    assert denied.denied_with("APPROVAL_EXPIRED", *NOT_THESE)
    assert denied.says("3600 s")
    late = await stage.simulated()
    approvals = await late.approve(EXECUTE, OWNER, SECURITY)
    stage.world.clock.step(3700)
    await late.issue_token()
    await execute_anyway(late, approvals)
    await stage.leave(late, fail("APPROVAL_EXPIRED"), like=denied)
    await change.issue_token()
    await change.approved()
    assert (await change.ask(EXECUTE)).allowed


async def test_after_the_job_has_ended(stage: Stage) -> None:
    """A closed job is closed: its token opens nothing any more."""
    change = await (await stage.simulated()).finished()
    denied = await change.ask(EXECUTE)
    assert "JOB_ENDED" in denied.codes
    next_job: Change = change.another_job()
    await next_job.prepare()
    await next_job.finished()
    await stage.leave(next_job, PASS)
