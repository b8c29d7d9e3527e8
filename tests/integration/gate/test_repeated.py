"""The same request again: an allow is given once more only where it stands by then, whatever a file says."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.integration.gate.serving import asked, codes_of, serving_gate
from tests.integration.gate.test_restrictions import EXPECTED, Refusing, restriction
from tests.unit.gate.scene import Scene
from tests.unit.gate.story import EXECUTE
from trustlog.gate.answered import request_digest
from trustlog.gate.identify import GateRequest
from trustlog.gate.kept_view import FILE_NAME, KeptAllow, KeptView
from trustlog.merkle.edge import Edge
from trustlog.merkle.hashing import hash_leaf


@pytest.mark.parametrize("what", EXPECTED)
async def test_an_allow_is_not_given_again_after_a_restriction_was_handed_in(scene: Scene, state: Path, what: str) -> None:
    scene.story.up_to_approvals()
    await scene.publish()
    envelope = restriction(scene.story, what)
    request = asked(scene)
    async with serving_gate(scene, state, kind=Refusing) as gate:
        assert (await gate.decide(request))["decision"] == "allow"
        assert (await gate.post("/v1/restrictions", envelope)).status == 202
        again = await gate.decide(request)
    assert again["decision"] == "deny"
    assert EXPECTED[what] in codes_of(again) or what in {"approval", "key"}  # other approvals are needed by now


async def test_an_allow_without_a_record_is_not_given_again_either(scene: Scene, state: Path) -> None:
    scene.story.up_to_approvals()
    await scene.publish()
    envelope = restriction(scene.story, "job")
    request = asked(scene, "ticket.read")
    async with serving_gate(scene, state, kind=Refusing) as gate:
        assert (await gate.decide(request))["decision"] == "allow"
        await gate.post("/v1/restrictions", envelope)
        assert codes_of(await gate.decide(request)) == {"JOB_REVOKED"}


async def test_an_allow_is_not_given_again_after_a_restriction_was_logged(scene: Scene, state: Path) -> None:
    scene.story.up_to_approvals()
    await scene.publish()
    envelope = restriction(scene.story, "job")
    request = asked(scene)
    async with serving_gate(scene, state) as gate:
        assert (await gate.decide(request))["decision"] == "allow"
        await (await scene.client()).submit(envelope)
        assert "JOB_REVOKED" in codes_of(await gate.decide(request))


async def test_a_restart_gives_no_allow_a_longer_life(scene: Scene, state: Path) -> None:
    scene.story.up_to_approvals()
    await scene.publish()
    request = asked(scene)
    async with serving_gate(scene, state) as gate:
        assert (await gate.decide(request))["decision"] == "allow"
    scene.story.pass_time(50)
    async with serving_gate(scene, state) as gate:
        assert (await gate.decide(request))["decision"] == "allow"
        scene.story.pass_time(20)
        assert (await gate.decide(request))["decision"] == "deny"


async def test_an_allow_that_cannot_be_told_to_stand_is_kept_for_when_it_can(scene: Scene, state: Path) -> None:
    scene.story.up_to_approvals()
    await scene.publish()
    request = asked(scene)
    async with serving_gate(scene, state) as gate:
        first = await gate.decide(request)
        right, gate.client.http.url = gate.client.http.url, gate.client.http.url.with_port(9)
        assert codes_of(await gate.decide(request)) == {"LOG_UNREACHABLE"}
        gate.client.http.url = right
        assert await gate.decide(request) == first


# A file that somebody wrote into: what the log does not have is not allowed.


def keep_as_released(scene: Scene, state: Path, request: dict[str, Any], *, envelope: bytes, name: str, index: int) -> None:
    kept = KeptView.open(state, scene.trust)
    members = {"closing_reason": None, "plan_hash": None, "simulation": None, **request}
    digest = request_digest(GateRequest(**members))
    kept.add_allows([KeptAllow(name, digest, envelope, scene.story.now_ns, index)])
    kept.close()


async def test_an_allow_that_only_the_file_has_is_not_given(scene: Scene, state: Path) -> None:
    story = scene.story.up_to_approvals()
    await scene.publish()
    async with serving_gate(scene, state) as gate:
        await gate.decide(asked(scene, "ticket.read"))
    never_logged = story.decide(EXECUTE)
    request = asked(scene, nonce=never_logged.record.nonce, audience=never_logged.record.audience)
    story.deny()
    keep_as_released(
        scene, state, request, envelope=story.envelopes[-2], name=never_logged.payload_hash, index=never_logged.index
    )
    await (await scene.client()).submit(story.envelopes[-1])
    async with serving_gate(scene, state) as gate:
        assert (await gate.decide(request))["decision"] == "deny"


async def test_a_denial_that_somebody_wrote_over_in_the_file_is_missed(scene: Scene, state: Path) -> None:
    scene.story.up_to_approvals().deny()
    await scene.publish()
    async with serving_gate(scene, state) as gate:
        assert "JOB_DENIED" in codes_of(await gate.decide(asked(scene)))
    write_over(state, scene.story.view.size - 1)
    async with serving_gate(scene, state) as gate:
        assert codes_of(await gate.decide(asked(scene))) == {"ROOT_MISMATCH"}


def write_over(state: Path, index: int) -> None:
    """Put another entry in the place of one, and the root that follows from it."""
    with closing(sqlite3.connect(state / FILE_NAME)) as db:
        db.execute("UPDATE entries SET entry = (SELECT entry FROM entries WHERE idx = 0) WHERE idx = ?", (index,))
        entries = [row[0] for row in db.execute("SELECT entry FROM entries ORDER BY idx")]
        edge, _tiles = Edge.empty().append([hash_leaf(entry) for entry in entries])
        db.execute("UPDATE reached SET root = ?", (edge.root(),))
        db.commit()


@pytest.mark.parametrize("other", [{"ticket": "test:OTHER"}, {"nonce": "another"}, {"token": "e30.e30.e30"}], ids=str)
async def test_an_allow_is_no_answer_to_another_request(scene: Scene, state: Path, other: dict[str, str]) -> None:
    scene.story.up_to_approvals()
    await scene.publish()
    request = asked(scene)
    async with serving_gate(scene, state) as gate:
        first = await gate.decide(request)
    assert first["decision"] == "allow"
    envelope, name = first["envelope"].encode(), first["decision_b64u"]
    keep_as_released(scene, state, {**request, **other}, envelope=envelope, name=name, index=first["index"])
    async with serving_gate(scene, state) as gate:
        assert (await gate.decide({**request, **other}))["decision"] == "deny"
