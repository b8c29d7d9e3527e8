"""A restriction that is handed in while the gate waits for the log, for another's sake, counts in every answer after it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.gate.scene import Scene, codes, make_directory, playing
from tests.unit.gate.story import EXECUTE
from trustlog.client.log import LogClient
from trustlog.errors import Refused
from trustlog.formats.envelope import parse_envelope
from trustlog.gate.decision import Decision
from trustlog.gate.gate import Gate
from trustlog.gate.identify import GateRequest


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with playing(make_directory(tmp_path / "log")) as scene:
        yield scene


class WhileFetching(LogClient):
    """A client that does something while one payload is fetched, and before whose first submission somebody else submits."""

    first: Sequence[bytes] = ()
    awaited = b""
    meanwhile: Callable[[], object]

    async def payload(self, sha256: bytes, **options: int) -> bytes:
        if sha256 == self.awaited:
            self.awaited = b""
            self.meanwhile()
        return await super().payload(sha256, **options)

    async def offer(self, envelopes: Sequence[bytes]) -> list[Refused | None]:
        first, self.first = self.first, ()
        for envelope in first:
            await super().submit(envelope)
        return await super().offer(envelopes)


def second_change(scene: Scene) -> None:
    story = scene.story
    story.job, story.run, story.events, story.receipts = "job-second", "run-second", [], []
    story.plan = story.plan.replace(b"200", b"300")
    story.up_to_approvals()


async def decide_both(
    scene: Scene, first: GateRequest, second: GateRequest, *, restriction: bytes, awaited: bytes, slips_in: bool
) -> tuple[list[Decision], bool]:
    """The answers to both, asked at once, and whether the restriction was handed in while `awaited` was fetched."""
    client = await scene.client(WhileFetching)
    assert isinstance(client, WhileFetching)
    gate: Gate = await scene.gate(client)
    assert (await gate.decide(replace(first, action="ticket.read", nonce="before"))).allow  # has read the first job
    client.first = [awaited] if slips_in else []
    client.awaited = parse_envelope(awaited).payload_hash
    client.meanwhile = lambda: gate.restrict(restriction)
    decisions = await asyncio.gather(gate.decide(first), gate.decide(second))
    return list(decisions), client.awaited == b""


async def test_no_allow_is_released_while_another_is_judged_again(scene: Scene) -> None:
    story = scene.story.up_to_approvals()
    first = scene.request(nonce="first")
    story.revoke(f"job:{story.job}")
    restriction = story.envelopes.pop()
    second_change(scene)
    await scene.publish()
    story.call_model()  # comes between the view and the index of the second allow, and is read late
    both = first, scene.request(nonce="second")
    answers, met = await decide_both(scene, *both, restriction=restriction, awaited=story.envelopes[-1], slips_in=True)
    assert met
    assert codes(answers[0]) == {"DECISION_WITHDRAWN", "JOB_REVOKED"}
    assert answers[1].allow


async def test_no_allow_without_a_record_is_given_while_another_is_read(scene: Scene) -> None:
    story = scene.story.up_to_approvals()
    first = scene.request("ticket.read", nonce="first")
    story.revoke(f"job:{story.job}")
    restriction = story.envelopes.pop()
    second_change(scene)
    receipt = next(one for one in story.envelopes if b"job-second-receipt-0" in one)
    await scene.publish()
    both = first, scene.request(EXECUTE, nonce="second")
    answers, met = await decide_both(scene, *both, restriction=restriction, awaited=receipt, slips_in=False)
    assert met
    assert codes(answers[0]) == {"JOB_REVOKED"}
    assert answers[1].allow
