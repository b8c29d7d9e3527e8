"""What a gate holds is bounded, whoever asks and whatever the log refuses; nobody takes the room of those who restrict."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.integration.gate.serving import asked, codes_of, serving_gate
from tests.integration.gate.test_restrictions import Refusing
from tests.support import keys
from tests.unit.gate.scene import Scene
from tests.unit.gate.story import TICKET
from trustlog.client.log import LogClient
from trustlog.errors import Refused
from trustlog.gate import follow, restrictions
from trustlog.keys.signer import SeedSigner
from trustlog.limits import STRANGER_DENIES_A_MINUTE
from trustlog.tokens.scoped_token import MAX_TOKEN_CHARACTERS


def revocation(scene: Scene, target: str, signer: SeedSigner | None = None) -> bytes:
    scene.story.revoke(target, signer)
    return scene.story.envelopes.pop()


async def test_a_key_that_nobody_relies_on_cannot_be_handed_in(scene: Scene, state: Path) -> None:
    scene.story.up_to_approvals()
    await scene.publish()
    stranger = revocation(scene, f"key:{keys.STRANGER.did}", keys.STRANGER)
    async with serving_gate(scene, state, kind=Refusing) as gate:
        answer = await gate.post("/v1/restrictions", stranger)
        assert (answer.status, answer.json()["code"]) == (403, "REVOCATION_NOT_PERMITTED")
        assert len(gate.gate.restrictions) == 0


@pytest.mark.parametrize("signer", [keys.ALICE, keys.RUNNER, keys.GATE], ids=["a person", "a runner", "a gate"])
async def test_a_key_that_somebody_relies_on_may_revoke_itself(scene: Scene, state: Path, signer: SeedSigner) -> None:
    scene.story.up_to_approvals()
    await scene.publish()
    envelope = revocation(scene, f"key:{signer.did}", signer)
    async with serving_gate(scene, state, kind=Refusing) as gate:
        assert (await gate.post("/v1/restrictions", envelope)).status == 202


async def test_one_signer_does_not_take_the_room_of_others(
    scene: Scene, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restrictions, "MAX_PENDING_OF_ONE", 2)
    story = scene.story.up_to_approvals()
    await scene.publish()
    many = [revocation(scene, f"job:other-{number}") for number in range(3)]
    story.deny()
    denial = story.envelopes.pop()
    async with serving_gate(scene, state, kind=Refusing) as gate:
        statuses = [(await gate.post("/v1/restrictions", envelope)).status for envelope in (*many, many[0], denial)]
        assert statuses == [202, 202, 503, 202, 202]
        assert "JOB_DENIED" in codes_of(await gate.decide(asked(scene)))


class TakesNothing(LogClient):
    """A client whose log takes no record."""

    async def offer(self, envelopes: Sequence[bytes]) -> list[Refused | None]:
        return [Refused("LOG_UNREACHABLE", "for now") for _ in envelopes]


async def test_records_that_no_log_takes_are_not_kept_for_ever(
    scene: Scene, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "MAX_EXPECTED", 3)
    scene.story.up_to_simulation()
    await scene.publish()
    async with serving_gate(scene, state, kind=TakesNothing) as gate:
        for number in range(5):
            await gate.decide(asked(scene, ticket=f"test:CHG-{number}"))
        assert gate.gate.expected == 3


async def test_records_that_were_read_are_not_expected_any_more(scene: Scene, state: Path) -> None:
    scene.story.up_to_approvals()
    await scene.publish()
    async with serving_gate(scene, state) as gate:
        assert (await gate.decide(asked(scene)))["decision"] == "allow"
        assert (await gate.decide(asked(scene)))["index"] is not None
        assert gate.gate.expected == 0


async def test_a_released_allow_is_kept_as_long_as_it_lives(scene: Scene, state: Path) -> None:
    story = scene.story.up_to_approvals()
    await scene.publish()
    async with serving_gate(scene, state) as gate:
        assert (await gate.decide(asked(scene)))["decision"] == "allow"
        scene.story.pass_time(61)
        story.job, story.run, story.events, story.receipts = "job-second", "run-second", [], []
        story.plan = story.plan.replace(b"200", b"300")
        story.up_to_approvals()
        await scene.publish()
        second: dict[str, Any] = await gate.decide(asked(scene))
        assert second["decision"] == "allow"
        assert [one.payload_hash for one in gate.kept.allows()] == [second["decision_b64u"]]


async def test_a_token_longer_than_any_is_not_kept(scene: Scene, state: Path) -> None:
    scene.story.govern().issue()
    await scene.publish()
    async with serving_gate(scene, state) as gate:
        answer = await gate.post("/v1/decisions", asked(scene, token="x" * (MAX_TOKEN_CHARACTERS + 1)))
        assert (answer.status, answer.json()["param"]) == (400, "token")
        assert await gate.decide(asked(scene, token="x" * MAX_TOKEN_CHARACTERS))


async def test_strangers_who_invent_tickets_are_all_answered_and_do_not_fill_the_log(scene: Scene, state: Path) -> None:
    scene.story.up_to_simulation()
    await scene.publish()
    invented = [asked(scene, ticket=f"test:CHG-{number}", token=f"nobody's {number}") for number in range(40)]
    async with serving_gate(scene, state) as gate:
        answers = (await gate.post("/v1/decisions", invented)).json()
        own = await gate.decide(asked(scene))
    assert {one["decision"] for one in answers} == {"deny"}
    assert all(one["envelope"] for one in answers)
    logged = [one for one in await scene.decisions() if one["requested"]["ticket"] != TICKET]
    assert len(logged) == STRANGER_DENIES_A_MINUTE + 1
    assert own["index"] is not None  # a job's deny has room of its own
