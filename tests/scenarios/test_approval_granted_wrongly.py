"""When an approval was granted wrongly: revoke token and approval; a new job token and a new approval cycle."""

from __future__ import annotations

import json

import pytest
from making.case import PASS, fail
from making.dishonest import close_on, execute_anyway
from making.inputs import OWNER, SECURITY
from making.scenes import collect_pack

from tests.scenarios.change import CLOSE, EXECUTE, owner, security
from tests.scenarios.stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_revoked_before_it_was_used(stage: Stage) -> None:
    """Platform security approved in haste. They revoke the approval, the issuer revokes the token, and a new job begins.

    The earlier approval never counts again, not even for the same plan. The evidence of the second job holds the first: the
    policy, who approved, the receipts behind it, the revocations, all in order.
    """
    world = await stage.log_of_its_own()
    first = await stage.simulated(world)
    kept = await owner.approve(first)
    wrong = await security.approve(first)
    token_revoked = await first.revoke_token()
    approval_revoked = await first.revoke(f"approval:{wrong}", SECURITY, why="approved in haste")
    denied = await first.ask(EXECUTE)
    assert denied.denied_with("TOKEN_REVOKED", "APPROVAL_REVOKED", "APPROVALS_INSUFFICIENT", "APPROVAL_ROLE_MISSING")
    assert denied.says(str(approval_revoked.index))

    second = first.another_job()
    await second.prepare()
    assert second.plan == first.plan
    assert (await second.ask(EXECUTE)).denied_with("APPROVALS_INSUFFICIENT", "APPROVAL_ROLE_MISSING")
    await second.finished()
    await stage.verdict(second, PASS)
    await stage.leave(second, PASS)

    pack = json.loads(await collect_pack(world, second.ticket))
    entries = {entry["index"]: json.loads(entry["entry"]) for entry in pack["entries"]}
    told = {entry["payload_hash_b64u"]: index for index, entry in entries.items()}
    in_order = [told[world.policy_hash], *(told[one.payload_hash] for one in first.receipts), told[kept], told[wrong]]
    in_order += [token_revoked.index, approval_revoked.index, told[second.receipts[0].payload_hash]]
    assert in_order == sorted(in_order)


async def test_revoked_after_it_was_used(stage: Stage) -> None:
    """The approval was revoked when the gate had relied on it: that ends the job, whatever was approved besides."""
    change = await (await stage.simulated()).approved()
    decision = await change.ask(EXECUTE)
    used = decision.decision.approvals[0]
    await change.revoke(f"approval:{used}", "roster authority", why="not theirs to approve")
    await change.approved()
    denied = await change.ask(EXECUTE)
    assert denied.denied_with("APPROVAL_REVOKED")
    assert denied.says(used)
    careless = await stage.simulated()
    approvals = await careless.approve(EXECUTE, OWNER, SECURITY)
    await (await careless.executed_as_approved()).bundled()
    await careless.revoke(f"approval:{approvals[0]}", "roster authority", why="not theirs to approve")
    await close_on(careless, careless.bundle, await careless.approve(CLOSE, OWNER, SECURITY, bundle=careless.bundle))
    await stage.leave(careless, fail("APPROVAL_REVOKED"), like=denied)
    corrected = change.another_job()
    await corrected.prepare()
    await corrected.finished()


async def test_a_third_person_denies(stage: Stage) -> None:
    """After two people approved, a third denies: that ends the job for ever, and the plan's bytes in every job."""
    change = await (await stage.simulated()).approved()
    await change.deny(EXECUTE, "service-owner-2")
    denied = await change.ask(EXECUTE)
    assert denied.denied_with("JOB_DENIED", "PLAN_DENIED")
    careless = await stage.simulated()
    approvals = await careless.approve(EXECUTE, OWNER, SECURITY)
    await careless.deny(EXECUTE, "service-owner-2")
    await execute_anyway(careless, approvals)
    await stage.leave(careless, fail("JOB_DENIED"), like=denied)
    same = change.another_job()
    await same.prepare()
    await same.approved()
    assert (await same.ask(EXECUTE)).denied_with("PLAN_DENIED")
    other = same.another_job(replicas=3)
    await other.prepare()
    await other.finished()
