"""``POST /v1/restrictions``: what restricts counts from first sight, whether the log has it or not; what permits is refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.integration.gate.serving import ServedGate, asked, codes_of, serving_gate
from tests.support import keys
from tests.unit.gate.scene import Scene
from tests.unit.gate.story import EXECUTE, Story
from tests.waiting import until
from trustlog.client.checking import Logged as Submitted
from trustlog.client.log import LogClient
from trustlog.errors import Refused
from trustlog.formats.envelope import parse_envelope


class Refusing(LogClient):
    """A client whose log takes no restrictions; decisions it takes."""

    down = True

    async def submit(self, envelope: bytes) -> Submitted:
        if self.down:
            raise Refused("LOG_UNREACHABLE", "for now")
        return await super().submit(envelope)


def restriction(story: Story, what: str) -> bytes:
    """An envelope that nobody has logged."""
    if what == "denial":
        story.deny()
    else:
        approvals = [one.payload_hash for one in story.view.of_kind("human_approval_receipt", story.view.size)]
        targets = {
            "job": story.job,
            "token": story.scoped.token_hash,
            "policy": story.policy_hash,
            "approval": approvals[0],
            "key": keys.ALICE.did,
        }
        story.revoke(f"{what}:{targets[what]}")
    return story.envelopes.pop()


EXPECTED = {
    "job": "JOB_REVOKED",
    "token": "TOKEN_REVOKED",
    "policy": "POLICY_REVOKED",
    "approval": "APPROVAL_REVOKED",
    "key": "KEY_REVOKED",
    "denial": "JOB_DENIED",
}


@pytest.mark.parametrize("what", EXPECTED)
async def test_it_counts_at_once_and_after_a_restart_though_no_log_takes_it(scene: Scene, state: Path, what: str) -> None:
    scene.story.up_to_approvals()
    await scene.publish()
    envelope = restriction(scene.story, what)
    async with serving_gate(scene, state, kind=Refusing) as gate:
        answer = await gate.post("/v1/restrictions", envelope)
        assert (answer.status, answer.json()["logged"], answer.json()["reason_code"]) == (202, False, "LOG_UNREACHABLE")
        denied = await gate.decide(asked(scene))
        assert EXPECTED[what] in codes_of(denied)
        assert "not logged yet" in json.dumps(denied["reasons"])
        assert (await gate.get("/readyz")).json()["restrictions_pending"] == 1
    async with serving_gate(scene, state, kind=Refusing) as gate:
        assert EXPECTED[what] in codes_of(await gate.decide(asked(scene)))
    evidence = {one["index"] for record in await scene.decisions() for one in record["evidence"]}
    assert max(evidence) < scene.story.view.size + 2  # only what is in the log


async def test_it_counts_though_the_log_is_gone_when_it_is_handed_in(scene: Scene, state: Path) -> None:
    scene.story.up_to_approvals()
    await scene.publish()
    envelope = restriction(scene.story, "job")
    async with serving_gate(scene, state) as gate:
        assert (await gate.decide(asked(scene, "ticket.read")))["decision"] == "allow"
        right, gate.client.http.url = gate.client.http.url, gate.client.http.url.with_port(9)
        assert (await gate.post("/v1/restrictions", envelope)).status == 202
        assert codes_of(await gate.decide(asked(scene))) == {"LOG_UNREACHABLE"}
        gate.client.http.url = right
        assert "JOB_REVOKED" in codes_of(await gate.decide(asked(scene)))


async def test_it_is_logged_at_once_where_the_log_takes_it(scene: Scene, state: Path) -> None:
    scene.story.up_to_approvals()
    await scene.publish()
    envelope = restriction(scene.story, "job")
    async with serving_gate(scene, state) as gate:
        answer = await gate.post("/v1/restrictions", envelope)
        again = await gate.post("/v1/restrictions", envelope)
        decision = await gate.decide(asked(scene))
    said = answer.json()
    assert (answer.status, said["logged"], said["index"]) == (200, True, scene.story.view.size - 1)
    assert (again.status, again.json()["index"]) == (200, said["index"])
    assert "JOB_REVOKED" in codes_of(decision)
    assert f"at index {said['index']}" in json.dumps(decision["reasons"])


async def test_it_is_sent_again_until_the_log_has_it_and_then_counts_from_there(scene: Scene, state: Path) -> None:
    scene.story.up_to_approvals()
    await scene.publish()
    envelope = restriction(scene.story, "token")
    async with serving_gate(scene, state, kind=Refusing) as gate:
        assert isinstance(gate.client, Refusing)
        assert (await gate.post("/v1/restrictions", envelope)).status == 202
        gate.client.down = False
        await until(lambda: not len(gate.gate.restrictions))
        assert gate.kept.restrictions() == []
        [reason] = [one for one in (await gate.decide(asked(scene)))["reasons"] if one["code"] == "TOKEN_REVOKED"]
        assert "not logged yet" not in reason["detail"]


class HandsIn(LogClient):
    """A client that hands a restriction to its own gate while an allow is on its way."""

    gate: ServedGate
    envelope: bytes

    async def offer(self, envelopes: Sequence[bytes]) -> list[Refused | None]:
        answers = await super().offer(envelopes)
        if self.envelope:
            handed, self.envelope = self.envelope, b""
            self.gate.gate.restrict(handed)
        return answers


async def test_it_stops_an_allow_that_is_logged_and_not_released(scene: Scene, state: Path) -> None:
    scene.story.up_to_approvals()
    await scene.publish()
    envelope = restriction(scene.story, "job")
    async with serving_gate(scene, state, kind=HandsIn) as gate:
        assert isinstance(gate.client, HandsIn)
        gate.client.gate, gate.client.envelope = gate, b""
        await gate.decide(asked(scene, "ticket.read"))
        gate.client.envelope = envelope
        denied = await gate.decide(asked(scene))
    assert codes_of(denied) == {"DECISION_WITHDRAWN", "JOB_REVOKED"}
    allow, deny = await scene.decisions()
    assert (allow["decision"], deny["decision"]) == ("allow", "deny")
    assert "withdraws_b64u" in deny


async def test_what_is_about_others_changes_nothing(scene: Scene, state: Path) -> None:
    scene.story.up_to_approvals()
    await scene.publish()
    scene.story.revoke("job:another")
    async with serving_gate(scene, state, kind=Refusing) as gate:
        assert (await gate.post("/v1/restrictions", scene.story.envelopes.pop())).status == 202
        assert (await gate.decide(asked(scene)))["decision"] == "allow"


# What is not taken.


async def refused(scene: Scene, state: Path, envelope: bytes) -> tuple[int, str]:
    async with serving_gate(scene, state) as gate:
        await gate.decide(asked(scene, "ticket.read"))
        answer = await gate.post("/v1/restrictions", envelope)
        decision = await gate.decide(asked(scene))
    assert decision["decision"] == "allow"
    return answer.status, answer.json()["code"]


async def test_permissions_never_come_in_this_way(scene: Scene, state: Path) -> None:
    scene.story.up_to_approvals()
    await scene.publish()
    scene.story.approve(EXECUTE, "p-carol")
    assert await refused(scene, state, scene.story.envelopes.pop()) == (400, "PARAMETER_INVALID")


@pytest.mark.parametrize(
    ("signer", "code"), [(keys.STRANGER, "REVOCATION_NOT_PERMITTED"), (keys.GATEWAY, "REVOCATION_NOT_PERMITTED")]
)
async def test_who_may_not_revoke_restricts_nothing(scene: Scene, state: Path, signer: Any, code: str) -> None:
    scene.story.up_to_approvals()
    await scene.publish()
    scene.story.revoke(f"job:{scene.story.job}", signer)
    assert await refused(scene, state, scene.story.envelopes.pop()) == (403, code)


async def test_who_is_no_person_of_the_roster_denies_nothing(scene: Scene, state: Path) -> None:
    scene.story.up_to_approvals()
    await scene.publish()
    scene.story.log(
        "human_approval_receipt",
        scene.story.approval("p-carol", EXECUTE, approval_type="explicit_deny"),
        keys.STRANGER,
    )
    assert await refused(scene, state, scene.story.envelopes.pop()) == (403, "SIGNER_NOT_TRUSTED")


async def test_a_broken_signature_restricts_nothing(scene: Scene, state: Path) -> None:
    scene.story.up_to_approvals()
    await scene.publish()
    good = restriction(scene.story, "job")
    signature = parse_envelope(good).signature
    envelope = json.loads(good)
    first = "B" if envelope["signature_b64u"][0] == "A" else "A"
    envelope["signature_b64u"] = first + envelope["signature_b64u"][1:]
    assert signature
    assert await refused(scene, state, json.dumps(envelope, separators=(",", ":")).encode()) == (422, "SIGNATURE_INVALID")


async def test_one_signed_long_ago_is_refused_as_the_log_would(scene: Scene, state: Path) -> None:
    scene.story.up_to_approvals()
    await scene.publish()
    now_ns = scene.story.now_ns
    scene.story.pass_time(-1000)
    envelope = restriction(scene.story, "job")
    scene.story.now_ns = now_ns
    assert await refused(scene, state, envelope) == (422, "CLOCK_SKEW")


@pytest.mark.parametrize(
    ("body", "status", "code"), [(b"{}", 400, "MALFORMED_ENVELOPE"), (b"x" * 300_000, 413, "BODY_TOO_LARGE")]
)
async def test_what_is_no_envelope_is_a_problem(scene: Scene, state: Path, body: bytes, status: int, code: str) -> None:
    scene.story.up_to_approvals()
    await scene.publish()
    assert await refused(scene, state, body) == (status, code)


# What the log will never take.


AWAY_S = 1000


@pytest.mark.parametrize(
    ("what", "command"),
    [
        ("job", "trustlog revoke job:{job} --reason"),
        ("key", "trustlog revoke key:{alice} --reason"),
        ("denial", "trustlog deny --job {job} --action"),
    ],
)
async def test_one_that_came_too_late_for_the_log_counts_here_and_says_who_signs_it_again(
    scene: Scene, state: Path, what: str, command: str
) -> None:
    story = scene.story.up_to_approvals()
    await scene.publish()
    now_ns = story.now_ns
    story.pass_time(-AWAY_S)  # signed, and handed in, when the log went away
    old, old_kind = restriction(story, what), "revocation" if what != "denial" else "human_approval_receipt"
    old_name = parse_envelope(old).payload_hash_b64u
    async with serving_gate(scene, state) as gate:
        taken = (await gate.post("/v1/restrictions", old)).json()
        assert (taken["logged"], taken["must_be_signed_again"], taken["reason_code"]) == (False, False, "CLOCK_SKEW")
    story.now_ns = now_ns  # the log is back
    async with serving_gate(scene, state) as gate:
        await gate.gate.restrictions.send()
        told = await gate.post("/v1/restrictions", old)
        ready = (await gate.get("/readyz")).json()
        metrics = (await gate.get("/metrics")).body.decode()
        denied = await gate.decide(asked(scene))
    names = {"job": story.job, "alice": keys.ALICE.did}
    assert (told.status, told.json()["must_be_signed_again"], told.json()["reason_code"]) == (202, True, "CLOCK_SKEW")
    assert command.format(**names) in told.json()["hint"]
    assert taken["loggable_until"] == told.json()["loggable_until"] < "9999"
    assert (ready["restrictions_pending"], ready["restrictions_refused"]) == (1, 1)
    assert ready["restrictions"] == [
        {
            "kind": old_kind,
            "payload_hash_b64u": old_name,
            **{name: told.json()[name] for name in ("reason_code", "detail", "loggable_until", "hint")},
            "must_be_signed_again": True,
        }
    ]
    assert "\ntrustlog_gate_restrictions_refused 1\n" in metrics
    assert EXPECTED[what] in codes_of(denied)
    assert f"{old_name}, handed in and never to be logged (CLOCK_SKEW)" in json.dumps(denied["reasons"])


@pytest.mark.parametrize("what", ["job", "key", "denial"])
async def test_a_fresh_one_that_is_logged_replaces_it(scene: Scene, state: Path, what: str) -> None:
    story = scene.story.up_to_approvals()
    await scene.publish()
    now_ns = story.now_ns
    story.pass_time(-AWAY_S)
    old = restriction(story, what)
    async with serving_gate(scene, state) as gate:
        await gate.post("/v1/restrictions", old)
    story.now_ns = now_ns
    other = restriction(story, "token")  # of another target: it replaces nothing
    async with serving_gate(scene, state) as gate:
        await gate.gate.restrictions.send()
        assert (await gate.post("/v1/restrictions", other)).status == 200
        await gate.gate.catch_up()
        assert (await gate.get("/readyz")).json()["restrictions_refused"] == 1
        assert (await gate.post("/v1/restrictions", restriction(story, what))).status == 200
        denied = await gate.decide(asked(scene))
        ready = (await gate.get("/readyz")).json()
        assert gate.kept.restrictions() == []
    assert (ready["restrictions_pending"], ready["restrictions_refused"], ready["restrictions"]) == (0, 0, [])
    assert EXPECTED[what] in codes_of(denied)
    assert "handed in" not in json.dumps(denied["reasons"])
