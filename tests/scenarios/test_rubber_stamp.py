"""Threat: the two people are not two, or not the right two."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from making.case import PASS, fail
from making.dishonest import execute_anyway
from making.inputs import OWNER, REQUESTER, SECOND_OWNER, SECURITY, fixture_signer
from making.world import ROSTER, World

from tests.scenarios.change import CLOSE, EXECUTE, Person, owner, requester, second_owner, security
from tests.scenarios.refusing import refuses
from tests.scenarios.stage import Stage
from trustlog.formats.timestamp import NS, format_timestamp

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECOND_KEY = "service-owner-1, second key"


def roster_with(subject: str, **members: Any) -> dict[str, Any]:
    """The roster in which the entry of one person has these members instead."""
    return {"people": [{**one, **(members if one["subject"] == subject else {})} for one in ROSTER["people"]]}


async def next_roster(world: World, draft: Mapping[str, Any]) -> None:
    """The roster authority replaces the newest roster."""
    newest = world.desk.reading.view.rosters.at(world.desk.reading.view.size)
    assert newest is not None
    follows = {"number": newest.record.number + 1, "previous_b64u": newest.payload_hash_b64u}
    await world.publish("roster", {**follows, **draft}, "roster authority")


async def test_one_person_twice(stage: Stage) -> None:
    """The service owner approves, and approves again."""
    change = await stage.simulated()
    await owner.approve(change)
    await owner.approve(change)
    denied = await change.ask(EXECUTE)
    assert denied.denied_with("APPROVAL_SAME_PERSON", "APPROVALS_INSUFFICIENT", "APPROVAL_ROLE_MISSING")
    assert denied.says(OWNER, "again")
    careless = await stage.simulated()
    await execute_anyway(careless, await careless.approve(EXECUTE, OWNER, OWNER))
    await stage.leave(careless, fail("APPROVAL_SAME_PERSON"), like=denied)
    await security.approve(change)
    await change.finished()


async def test_one_person_with_two_keys(stage: Stage) -> None:
    """The service owner has a second key, on a second device, and approves with both. People are counted, not keys."""
    keys = [fixture_signer(OWNER).did, fixture_signer(SECOND_KEY).did]
    world = await stage.log_of_its_own(roster=roster_with(OWNER, keys=keys, roles=["service_owner", "platform_security"]))
    change = await stage.simulated(world)
    await owner.approve(change)
    await Person(SECOND_KEY).approve(change)
    denied = await change.ask(EXECUTE)
    assert denied.denied_with("APPROVAL_SAME_PERSON", "APPROVALS_INSUFFICIENT", "APPROVAL_ROLE_MISSING")
    careless = await stage.simulated(world)
    await execute_anyway(careless, await careless.approve(EXECUTE, OWNER, SECOND_KEY))
    await stage.leave(careless, fail("APPROVAL_SAME_PERSON"), like=denied)
    await security.approve(change)
    await change.finished()


async def test_their_own_request(stage: Stage) -> None:
    """Whoever asked for the change is one of the two, with the right role even."""
    world = await stage.log_of_its_own(roster=roster_with(REQUESTER, roles=["platform_security"]))
    change = await stage.simulated(world)
    await owner.approve(change)
    await requester.approve(change)
    denied = await change.ask(EXECUTE)
    assert denied.denied_with("APPROVAL_BY_REQUESTER", "APPROVALS_INSUFFICIENT", "APPROVAL_ROLE_MISSING")
    assert denied.says(REQUESTER)
    careless = await stage.simulated(world)
    await execute_anyway(careless, await careless.approve(EXECUTE, OWNER, REQUESTER))
    await stage.leave(careless, fail("APPROVAL_BY_REQUESTER"), like=denied)
    await security.approve(change)
    await change.finished()


async def test_two_people_with_one_key(stage: Stage) -> None:
    """A roster that gives the owner's key to a second person never comes into force, nor one that moves it to somebody else."""
    world = await stage.log_of_its_own()
    change = await stage.simulated(world)
    shared = roster_with(SECURITY, keys=[fixture_signer(SECURITY).did, fixture_signer(OWNER).did])
    moved = {
        "people": [
            {**one, "keys": [fixture_signer("new key").did if one["subject"] == OWNER else one["keys"][0]]}
            for one in shared["people"]
            if one["subject"] != SECURITY
        ]
        + [{**shared["people"][-1], "keys": [fixture_signer(OWNER).did]}]
    }
    for draft in (shared, moved):
        with refuses("ROSTER_INVALID"):
            await next_roster(world, draft)
    await owner.approve(change)
    denied = await change.ask(EXECUTE)
    assert denied.denied_with("APPROVALS_INSUFFICIENT", "APPROVAL_ROLE_MISSING")
    careless = await stage.simulated(world)
    await execute_anyway(careless, await careless.approve(EXECUTE, OWNER))
    await stage.leave(careless, fail("APPROVALS_INSUFFICIENT"), like=denied)
    await security.approve(change)
    assert (await change.ask(EXECUTE)).allowed


@pytest.mark.parametrize("role", ["agent", "runner", "gate", "token issuer"])
async def test_a_machine_among_the_people(stage: Stage, role: str) -> None:
    """A roster gives the agent's key, the runner's or the gate's to a person: a key that has a role stays nobody's."""
    world = await stage.log_of_its_own()
    change = await stage.simulated(world)
    await owner.approve(change)
    await next_roster(world, roster_with(SECURITY, keys=[fixture_signer(SECURITY).did, fixture_signer(role).did]))
    with refuses("APPROVAL_NOT_PERMITTED"):
        await Person(role).approve(change)
    denied = await change.ask(EXECUTE)
    assert denied.denied_with("APPROVALS_INSUFFICIENT", "APPROVAL_ROLE_MISSING")
    careless = await stage.simulated(world)
    await execute_anyway(careless, await careless.approve(EXECUTE, OWNER))
    await stage.leave(careless, fail("APPROVALS_INSUFFICIENT"), like=denied)
    await security.approve(change)
    if role == "agent":  # whoever the roster says holds it is the agent, until a roster says otherwise
        assert (await change.ask(EXECUTE)).denied_with(
            "APPROVAL_BY_REQUESTER", "APPROVALS_INSUFFICIENT", "APPROVAL_ROLE_MISSING"
        )
        await next_roster(world, roster_with(SECURITY, keys=[fixture_signer(SECURITY).did]))
        await security.approve(change)
    assert (await change.ask(EXECUTE)).allowed


async def test_a_role_is_missing(stage: Stage) -> None:
    """Two service owners approve, and nobody from platform security."""
    change = await stage.simulated()
    await owner.approve(change)
    await second_owner.approve(change)
    denied = await change.ask(EXECUTE)
    assert denied.denied_with("APPROVAL_ROLE_MISSING")
    assert denied.says("platform_security", OWNER, SECOND_OWNER)
    careless = await stage.simulated()
    await execute_anyway(careless, await careless.approve(EXECUTE, OWNER, SECOND_OWNER))
    await stage.leave(careless, fail("APPROVAL_ROLE_MISSING"), like=denied)
    await security.approve(change)
    await change.finished()


async def test_one_person_with_both_roles(stage: Stage) -> None:
    """One person has both roles; alone they are one of the two, and the other one needs a role too."""
    world = await stage.log_of_its_own(roster=roster_with(OWNER, roles=["service_owner", "platform_security"]))
    change = await stage.simulated(world)
    await owner.approve(change)
    denied = await change.ask(EXECUTE)
    assert denied.denied_with("APPROVALS_INSUFFICIENT", "APPROVAL_ROLE_MISSING")
    await second_owner.approve(change)  # the owner then stands for platform security
    await change.run(await change.ask(EXECUTE))
    await change.bundled()
    await change.approve(CLOSE, OWNER, SECOND_OWNER, bundle=change.bundle)
    await change.closed_as_approved()
    await stage.leave(change, PASS)


async def test_somebody_who_left(stage: Stage) -> None:
    """An approver whose time in the roster is over does not count; whoever took their place does."""
    over = format_timestamp(stage.world.clock() - 3600 * NS)
    draft = roster_with(SECURITY, valid_until=over)
    draft["people"].append(
        {"subject": "new-one", "keys": [fixture_signer("new-one").did], "roles": ["platform_security"], "idp": []}
    )
    world = await stage.log_of_its_own(roster=draft)
    world.clock.step(stage.world.clock() // NS - world.clock() // NS)
    change = await stage.simulated(world)
    await change.approve(EXECUTE, OWNER, SECURITY)
    denied = await change.ask(EXECUTE)
    assert denied.denied_with("APPROVAL_NOT_PERMITTED", "APPROVALS_INSUFFICIENT", "APPROVAL_ROLE_MISSING")
    assert denied.says(SECURITY, "validity")
    careless = await stage.simulated(world)
    await execute_anyway(careless, await careless.approve(EXECUTE, OWNER, SECURITY))
    await stage.leave(careless, fail("APPROVAL_NOT_PERMITTED"), like=denied)
    await Person("new-one").approve(change)
    assert (await change.ask(EXECUTE)).allowed


async def test_a_stolen_key(stage: Stage) -> None:
    """An approver's key is revoked after it approved, before the gate decides."""
    draft = {"people": [*ROSTER["people"]]}
    draft["people"].append(
        {"subject": "new-one", "keys": [fixture_signer("new-one").did], "roles": ["platform_security"], "idp": []}
    )
    world = await stage.log_of_its_own(roster=draft)
    change = await stage.simulated(world)
    await change.approve(EXECUTE, OWNER, SECURITY)
    careless = await stage.simulated(world)
    approvals = await careless.approve(EXECUTE, OWNER, SECURITY)
    await change.revoke(f"key:{fixture_signer(SECURITY).did}", "roster authority", why="stolen")
    denied = await change.ask(EXECUTE)
    assert denied.denied_with("KEY_REVOKED", "APPROVALS_INSUFFICIENT", "APPROVAL_ROLE_MISSING")
    await execute_anyway(careless, approvals)
    await stage.leave(careless, fail("KEY_REVOKED"), like=denied)
    with refuses("KEY_REVOKED"):
        await security.approve(change)
    await Person("new-one").approve(change)
    assert (await change.ask(EXECUTE)).allowed
