"""While the log takes one submission, a gate goes on deciding; nothing that is under way is lost, doubled or withdrawn for that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.gate.scene import Scene, codes, make_directory, playing
from tests.waiting import PATIENCE_S
from trustlog.client.log import LogClient
from trustlog.errors import Refused
from trustlog.gate import flights
from trustlog.gate.flights import MAX_FLIGHTS
from trustlog.gate.gate import Gate
from trustlog.gate.identify import GateRequest


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flights, "PATIENCE_S", 0)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with playing(make_directory(tmp_path / "log")) as scene:
        yield scene


class Slow(LogClient):
    """A client whose submissions wait, before the log has them or after, until they are let go."""

    answers_late = False
    held: list[asyncio.Event]
    came: asyncio.Event

    async def offer(self, envelopes: Sequence[bytes]) -> list[Refused | None]:
        if not self.answers_late:
            await self._hold()
        answers = await super().offer(envelopes)
        if self.answers_late:
            await self._hold()
        return answers

    async def _hold(self) -> None:
        event = asyncio.Event()
        self.held.append(event)
        self.came.set()
        await event.wait()

    async def until_held(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while len(self.held) < count:
                self.came.clear()
                await self.came.wait()


async def slow_gate(scene: Scene, *, answers_late: bool = False) -> tuple[Gate, Slow]:
    client = await scene.client(Slow)
    assert isinstance(client, Slow)
    client.held, client.came, client.answers_late = [], asyncio.Event(), answers_late
    return await scene.gate(client), client


async def publish_changes(scene: Scene, count: int) -> list[GateRequest]:
    """So many changes that are ready, and the requests that would be allowed."""
    story, requests = scene.story, []
    for number in range(count):
        story.job, story.run, story.events, story.receipts = f"job-{number}", f"run-{number}", [], []
        story.plan = story.plan.replace(b"200", f"{300 + number}".encode()) if number else story.plan
        story.up_to_approvals()
        requests.append(scene.request(nonce=f"n{number}"))
        story.plan = story.plan.replace(f"{300 + number}".encode(), b"200")
    await scene.publish()
    return requests


async def test_what_is_asked_meanwhile_is_answered_before_it_lands(scene: Scene) -> None:
    (request,) = await publish_changes(scene, 1)
    gate, client = await slow_gate(scene)
    first = asyncio.create_task(gate.decide(request))
    await client.until_held(1)
    assert (await gate.decide(replace(request, action="ticket.read", nonce="meanwhile"))).allow
    assert not first.done()
    client.held[0].set()
    assert (await first).allow


async def test_a_later_submission_may_land_first(scene: Scene) -> None:
    one, other = await publish_changes(scene, 2)
    gate, client = await slow_gate(scene)
    first = asyncio.create_task(gate.decide(one))
    await client.until_held(1)
    second = asyncio.create_task(gate.decide(other))
    await client.until_held(2)
    client.held[1].set()
    landed = await second
    assert landed.allow
    assert not first.done()
    client.held[0].set()
    assert (await first).allow
    assert [one["decision"] for one in await scene.decisions()] == ["allow", "allow"]


async def test_of_one_job_no_second_allow_is_sent_while_one_is_under_way(scene: Scene) -> None:
    (request,) = await publish_changes(scene, 1)
    gate, client = await slow_gate(scene)
    first = asyncio.create_task(gate.decide(request))
    await client.until_held(1)
    second = asyncio.create_task(gate.decide(replace(request, nonce="second")))
    await gate.catch_up()
    await gate.catch_up()
    assert (len(client.held), second.done(), gate.waiting) == (1, False, 1)
    client.held[0].set()
    await client.until_held(2)
    client.held[1].set()
    answers = await asyncio.gather(first, second)
    assert [answer.allow for answer in answers] == [True, False]
    assert [one["decision"] for one in await scene.decisions()] == ["allow", "deny"]


async def test_an_allow_that_is_logged_and_not_answered_yet_is_not_withdrawn(scene: Scene) -> None:
    (request,) = await publish_changes(scene, 1)
    gate, client = await slow_gate(scene, answers_late=True)
    first = asyncio.create_task(gate.decide(request))
    await client.until_held(1)
    await gate.catch_up()
    assert len(await scene.decisions()) == 1
    assert gate.unreleased == 1
    client.held[0].set()
    assert (await first).allow
    assert gate.unreleased == 0
    assert [one["decision"] for one in await scene.decisions()] == ["allow"]


async def test_what_restricts_a_change_meanwhile_withdraws_its_allow(scene: Scene) -> None:
    (request,) = await publish_changes(scene, 1)
    gate, client = await slow_gate(scene)
    first = asyncio.create_task(gate.decide(request))
    await client.until_held(1)
    scene.story.revoke(f"job:{scene.story.job}")
    await scene.publish()
    await gate.catch_up()  # a round that knows it, before the allow is logged
    for event in client.held:
        event.set()
    await client.until_held(2)
    client.held[1].set()
    assert codes(await first) >= {"DECISION_WITHDRAWN", "JOB_REVOKED"}


async def test_only_so_many_submissions_are_under_way(scene: Scene) -> None:
    requests = await publish_changes(scene, MAX_FLIGHTS + 1)
    gate, client = await slow_gate(scene)
    decisions = []
    for number, request in enumerate(requests[:MAX_FLIGHTS], start=1):
        decisions.append(asyncio.create_task(gate.decide(request)))
        await client.until_held(number)
    decisions.append(asyncio.create_task(gate.decide(requests[-1])))
    await asyncio.sleep(0)  # it has been asked
    await gate.catch_up()
    assert (len(client.held), gate.waiting) == (MAX_FLIGHTS, 1)
    client.held[0].set()
    await client.until_held(MAX_FLIGHTS + 1)
    for event in client.held:
        event.set()
    assert all(decision.allow for decision in await asyncio.gather(*decisions))


async def test_what_comes_soon_after_a_submission_waits_for_its_end_and_goes_together(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flights, "PATIENCE_S", 3600)
    first, *later = await publish_changes(scene, 3)
    gate, client = await slow_gate(scene)
    decisions = [asyncio.create_task(gate.decide(first))]
    await client.until_held(1)
    decisions += [asyncio.create_task(gate.decide(request)) for request in later]
    await asyncio.sleep(0)  # they have been asked
    await gate.catch_up()
    assert (len(client.held), gate.waiting) == (1, 2)
    client.held[0].set()
    await client.until_held(2)
    client.held[1].set()
    assert all(decision.allow for decision in await asyncio.gather(*decisions))
    assert len(client.held) == 2
