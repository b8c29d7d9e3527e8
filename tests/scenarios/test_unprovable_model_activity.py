"""Threat: nobody can say which model calls led to the request."""

from __future__ import annotations

import pytest
from making.case import fail
from making.dishonest import close_on, execute_anyway, log_other_bundle, log_short_bundle
from making.inputs import OWNER, SECURITY

from tests.scenarios.change import CLOSE, EXECUTE
from tests.scenarios.policies import publish_policy
from tests.scenarios.stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_no_call_has_a_receipt(stage: Stage) -> None:
    """The agent drafted its plan past the model proxy. It calls again, through the proxy, and simulates again."""
    change = stage.change()
    await change.prepare(prompts=())
    await change.approved()
    denied = await change.ask(EXECUTE)
    assert denied.denied_with("RECEIPTS_MISSING")
    assert denied.says(change.run_id)
    careless = stage.change()
    await careless.prepare(prompts=())
    await execute_anyway(careless, await careless.approve(EXECUTE, OWNER, SECURITY))
    await stage.leave(careless, fail("RECEIPTS_MISSING"), like=denied)
    await change.call_model("draft the plan")
    assert (await change.ask(EXECUTE)).denied_with("RECEIPTS_MISSING")  # it is above the simulation
    await change.simulate()
    await change.finished()


async def test_the_receipt_comes_late(stage: Stage) -> None:
    """The receipt is logged after the plan was simulated: the answer was used before anybody could know of it."""
    change = stage.change()
    await change.prepare(prompts=())
    await change.call_model("draft the plan")
    await change.approved()
    denied = await change.ask(EXECUTE)
    assert denied.denied_with("RECEIPTS_MISSING")
    careless = stage.change()
    await careless.prepare(prompts=())
    await careless.call_model("draft the plan")
    await execute_anyway(careless, await careless.approve(EXECUTE, OWNER, SECURITY))
    await stage.leave(careless, fail("RECEIPTS_MISSING"), like=denied)
    await change.simulate()
    await change.finished()


@pytest.mark.parametrize("unbound", ["run_id", "token_scope_hash_b64u", "policy_hash"])
async def test_a_receipt_that_is_not_bound(stage: Stage, unbound: str) -> None:
    """A receipt that does not name run, token scope or policy is of nobody's call."""
    change = stage.change()
    await change.issue_token()
    await change.call_model("draft the plan", **{unbound: None})
    await change.simulate()
    await change.approved()
    denied = await change.ask(EXECUTE)
    assert "RECEIPTS_MISSING" in denied.codes
    assert denied.codes <= {"RECEIPTS_MISSING", "RUN_MISMATCH"}
    careless = stage.change()
    await careless.issue_token()
    await careless.call_model("draft the plan", **{unbound: None})
    await careless.simulate()
    await execute_anyway(careless, await careless.approve(EXECUTE, OWNER, SECURITY))
    await stage.leave(careless, fail("RECEIPTS_MISSING"), like=denied)
    corrected = change.another_job()
    await corrected.prepare()
    await corrected.finished()


async def test_a_receipt_of_another_run(stage: Stage) -> None:
    """One call of the job names another run: which of them led to the request?"""
    change = stage.change()
    await change.issue_token()
    await change.call_model("draft the plan", run_id="run-elsewhere")
    await change.call_model("draft it again")
    await change.simulate()
    await change.approved()
    denied = await change.ask(EXECUTE)
    assert denied.denied_with("RUN_MISMATCH")
    assert denied.says("run-elsewhere", change.run_id)
    careless = stage.change()
    await careless.issue_token()
    await careless.call_model("draft the plan", run_id="run-elsewhere")
    await careless.call_model("draft it again")
    await careless.simulate()
    await execute_anyway(careless, await careless.approve(EXECUTE, OWNER, SECURITY))
    await stage.leave(careless, fail("RUN_MISMATCH"), like=denied)
    corrected = change.another_job()
    await corrected.prepare()
    await corrected.finished()


async def test_receipts_under_another_policy(stage: Stage) -> None:
    """The calls were made under another policy than the one that the token is pinned to."""
    other = await publish_policy(stage.world, stage.name)
    change = stage.change()
    await change.issue_token()
    await change.call_model("draft the plan", policy_hash=other)
    await change.simulate()
    await change.approved()
    denied = await change.ask(EXECUTE)
    assert denied.denied_with("RECEIPTS_MISSING")
    await change.call_model("draft the plan again")
    await change.simulate()
    await change.executed()  # one call under the right policy is enough to execute, but not to close
    await change.bundled()
    approvals = await change.approve(CLOSE, OWNER, SECURITY, bundle=change.bundle)
    denied = await change.ask(CLOSE)
    assert denied.denied_with("RECEIPT_SET_INCOMPLETE")
    await close_on(change, change.bundle, approvals)
    await stage.leave(change, fail("RECEIPT_SET_INCOMPLETE"), like=denied)


async def test_a_call_is_left_out_of_the_bundle(stage: Stage) -> None:
    """The agent leaves its last call out of the bundle. The log has the receipt, so the gate misses it."""
    change = await (await stage.simulated()).executed()
    change.bundle = await log_short_bundle(change)
    await change.approved(CLOSE)
    denied = await change.ask(CLOSE)
    assert denied.denied_with("RECEIPT_SET_INCOMPLETE")
    assert denied.says(str(change.receipts[-1].index))
    careless = await (await stage.simulated()).executed()
    careless.bundle = await log_short_bundle(careless)
    await close_on(careless, careless.bundle, await careless.approve(CLOSE, OWNER, SECURITY, bundle=careless.bundle))
    await stage.leave(careless, fail("RECEIPT_SET_INCOMPLETE"), like=denied)
    await change.closed()


async def test_a_bundle_without_its_receipts(stage: Stage) -> None:
    """A bundle that has the events and none of the receipts closes nothing."""
    change = await (await stage.simulated()).executed()
    change.bundle = await log_other_bundle(change, without=("receipts",))
    await change.approved(CLOSE)
    denied = await change.ask(CLOSE)
    assert denied.denied_with("RECEIPT_SET_INCOMPLETE")
    careless = await (await stage.simulated()).executed()
    careless.bundle = await log_other_bundle(careless, without=("receipts",))
    await close_on(careless, careless.bundle, await careless.approve(CLOSE, OWNER, SECURITY, bundle=careless.bundle))
    await stage.leave(careless, fail("RECEIPT_SET_INCOMPLETE"), like=denied)
    await change.closed()
