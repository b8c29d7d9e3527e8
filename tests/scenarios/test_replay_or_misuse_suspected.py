"""When replay or misuse is suspected: invalidate the job, rotate keys, a new token with the pin required."""

from __future__ import annotations

import pytest
from making.case import PASS, fail, undecided
from making.dishonest import execute_anyway, log_stolen_bundle
from making.inputs import OWNER, SECURITY, fixture_signer

from tests.scenarios.change import CLOSE, EXECUTE
from tests.scenarios.refusing import refuses
from tests.scenarios.stage import Stage, leaves

pytestmark = pytest.mark.asyncio(loop_scope="module")

NEW = "second agent"
AGENTS = {"agents": [f'"{fixture_signer(label).did}"' for label in ("agent", NEW)]}


@leaves(2)
async def test_job_invalidated_and_keys_rotated(stage: Stage) -> None:
    """The agent's machine was stolen. Its job is revoked, and its key; a new agent with a new token starts again.

    What the old key signs from now on is void. The receipts of the old job serve nobody; their job binding, indexes and times
    stay in the log for whoever investigates.
    """
    world = await stage.log_of_its_own(roles=AGENTS)
    suspected = await (await stage.simulated(world)).approved()
    careless = await stage.simulated(world)
    approvals = await careless.approve(EXECUTE, OWNER, SECURITY)
    await suspected.revoke(f"job:{suspected.job_id}", why="the agent's machine was stolen")
    await careless.revoke(f"job:{careless.job_id}", why="the agent's machine was stolen")
    denied = await suspected.ask(EXECUTE)
    assert denied.denied_with("JOB_REVOKED")
    await execute_anyway(careless, approvals)
    await stage.leave(careless, fail("JOB_REVOKED"), like=denied, piece="before")
    await suspected.issue_token()  # a renewed token of a revoked job is one of a revoked job
    assert (await suspected.ask("ticket.read")).denied_with("JOB_REVOKED")

    await suspected.revoke(f"key:{fixture_signer('agent').did}", "roster authority", why="stolen")
    renewed = suspected.another_job(agent=NEW)
    await renewed.prepare(prompts=())
    await renewed.approved()
    assert (await renewed.ask(EXECUTE)).denied_with("RECEIPTS_MISSING")
    await renewed.call_model("draft the plan")
    await renewed.simulate()
    await renewed.executed()
    renewed.bundle = await log_stolen_bundle(renewed, suspected)
    await renewed.approved(CLOSE)
    assert (await renewed.ask(CLOSE)).denied_with("RECEIPT_SET_INCOMPLETE", "BUNDLE_MISMATCH")
    await renewed.closed()
    await stage.verdict(renewed, PASS)
    await stage.leave(renewed, PASS, piece="after")


async def test_the_stolen_key_signs_on(stage: Stage) -> None:
    """Whoever has the revoked key of the agent can log nothing with it."""
    world = await stage.log_of_its_own(roles=AGENTS)
    change = await (await stage.simulated(world)).executed()
    await change.revoke(f"key:{fixture_signer('agent').did}", "agent", why="stolen")  # a key may always revoke itself
    with refuses("KEY_REVOKED"):
        await change.bundled()
    await stage.leave(change, undecided("CLOSURE_MISSING"))


async def test_the_bundle_of_a_revoked_key(stage: Stage) -> None:
    """The bundle was signed before its key was revoked: it stands, for what stood at its index stands."""
    world = await stage.log_of_its_own(roles=AGENTS)
    change = await (await (await stage.simulated(world)).executed()).bundled()
    await change.revoke(f"key:{fixture_signer('agent').did}", "agent", why="rotated")
    await change.approved(CLOSE)
    await change.closed_as_approved()
    await stage.leave(change, PASS)
