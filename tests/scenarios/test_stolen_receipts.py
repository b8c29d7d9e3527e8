"""Threat: an agent presents another agent's receipts."""

from __future__ import annotations

import pytest
from making.case import PASS, fail
from making.dishonest import close_on, execute_anyway, log_stolen_bundle
from making.inputs import OWNER, SECURITY, fixture_signer

from tests.scenarios.change import CLOSE, EXECUTE, Change
from tests.scenarios.refusing import refuses
from tests.scenarios.stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")

THIEF = "second agent"
AGENTS = {"agents": [f'"{fixture_signer(label).did}"' for label in ("agent", THIEF)]}


async def test_instead_of_its_own(stage: Stage) -> None:
    """An agent made no call through the proxy, and names another agent's run as its own."""
    world = await stage.log_of_its_own(roles=AGENTS)
    honest = await stage.simulated(world)
    thief = stage.change(world, agent=THIEF)
    await thief.prepare(prompts=())
    await thief.approved()
    denied = await thief.ask(EXECUTE)
    assert denied.denied_with("RECEIPTS_MISSING")
    careless = stage.change(world, agent=THIEF)
    await careless.prepare(prompts=())
    await execute_anyway(careless, await careless.approve(EXECUTE, OWNER, SECURITY))
    await stage.leave(careless, fail("RECEIPTS_MISSING"), like=denied)
    await thief.call_model("draft the plan")
    await thief.simulate()
    await thief.finished()
    await honest.finished()


async def test_in_its_run(stage: Stage) -> None:
    """A run belongs to one job: whoever takes the run of another is refused when it simulates."""
    world = await stage.log_of_its_own(roles=AGENTS)
    honest = await stage.simulated(world)
    thief = _OfAnotherRun(world, next(world.numbers), agent=THIEF)
    thief.stolen_run = honest.run_id
    await thief.issue_token()
    with refuses("CONFLICT"):
        await thief.simulate()
    await honest.finished()
    await stage.leave(honest, PASS)


class _OfAnotherRun(Change):
    """A change whose agent says that its run is another's."""

    stolen_run: str

    @property
    def run_id(self) -> str:
        return self.stolen_run


async def test_in_its_bundle(stage: Stage) -> None:
    """An agent puts another agent's run and receipts into its bundle, and a gate that does not look closes with it."""
    world = await stage.log_of_its_own(roles=AGENTS)
    honest = await stage.simulated(world)
    thief = await (await stage.simulated(world, agent=THIEF)).executed()
    thief.bundle = await log_stolen_bundle(thief, honest)
    await thief.approved(CLOSE)
    denied = await thief.ask(CLOSE)
    assert denied.denied_with("RECEIPT_SET_INCOMPLETE", "BUNDLE_MISMATCH")
    careless = await (await stage.simulated(world, agent=THIEF)).executed()
    careless.bundle = await log_stolen_bundle(careless, honest)
    await close_on(careless, careless.bundle, await careless.approve(CLOSE, OWNER, SECURITY, bundle=careless.bundle))
    await stage.leave(careless, fail("BUNDLE_MISMATCH"), like=denied)
    await thief.closed()


async def test_with_its_bundle(stage: Stage) -> None:
    """An agent closes its own ticket with the other agent's bundle."""
    world = await stage.log_of_its_own(roles=AGENTS)
    honest = await (await (await stage.simulated(world)).executed()).bundled()
    thief = await (await stage.simulated(world, agent=THIEF)).executed()
    thief.bundle = honest.bundle
    denied = await thief.ask(CLOSE)
    assert denied.denied_with("BUNDLE_NOT_LOGGED", "APPROVALS_INSUFFICIENT")
    assert denied.says(honest.bundle)
    await thief.closed()
    await stage.leave(thief, PASS)
    await honest.closed()


async def test_the_same_agent_with_two_jobs(stage: Stage) -> None:
    """The receipts of one job do not serve another of the same agent: token scopes differ by job."""
    first = await stage.simulated()
    second = stage.change()
    await second.issue_token()
    await second.simulate()
    await second.approved()
    assert (await second.ask(EXECUTE)).denied_with("RECEIPTS_MISSING")
    await second.call_model("draft the plan")
    await second.simulate()
    await second.executed()
    second.bundle = await log_stolen_bundle(second, first)
    await second.approved(CLOSE)
    denied = await second.ask(CLOSE)
    assert "RECEIPT_SET_INCOMPLETE" in denied.codes
    await second.closed()
    careless = await (await stage.simulated()).executed()
    careless.bundle = await log_stolen_bundle(careless, first)
    await close_on(careless, careless.bundle, await careless.approve(CLOSE, OWNER, SECURITY, bundle=careless.bundle))
    await stage.leave(careless, fail("BUNDLE_MISMATCH"), like=denied)
