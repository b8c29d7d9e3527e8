"""The gate against a real log over loopback: logged first, then released; every failure is a deny with its reason."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.integration.log.conftest import serving
from tests.support import keys
from tests.support.payloads import payload_hash
from tests.support.trust import trust_text
from tests.unit.gate.scene import Scene, codes, make_directory, playing
from tests.unit.gate.story import CLOSE, EXECUTE, TICKET, Story, fingerprint, policy
from trustlog.client.log import LogClient
from trustlog.client.memory import ProcessMemory
from trustlog.errors import Refused
from trustlog.formats.note import ED25519_COSIGNATURE
from trustlog.formats.trustpolicy import TrustPolicy
from trustlog.gate import hearing
from trustlog.gate.gate import Gate
from trustlog.gate.identify import GateRequest
from trustlog.log.directory import LogDirectory


@pytest.fixture
async def directory(tmp_path: Path) -> LogDirectory:
    return make_directory(tmp_path / "log")


@pytest.fixture
async def scene(directory: LogDirectory) -> AsyncIterator[Scene]:
    async with playing(directory) as scene:
        yield scene


# Allow and deny.


async def test_an_allow_is_in_the_log_before_it_is_released(scene: Scene) -> None:
    scene.story.up_to_approvals()
    await scene.publish()
    decision = await (await scene.gate()).decide(scene.request())
    assert decision.allow, decision.findings
    [logged] = await scene.decisions()
    assert (logged["decision"], logged["scope"]) == ("allow", decision.scope)
    assert decision.index == logged["view"]["size"]
    assert (logged["audience"], logged["nonce"]) == ("desk.test", "n")


async def test_a_simple_tool_is_allowed_without_an_entry(scene: Scene) -> None:
    scene.story.govern().issue()
    await scene.publish()
    decision = await (await scene.gate()).decide(scene.request("ticket.read"))
    assert (decision.allow, decision.index) == (True, None)
    assert await scene.decisions() == []


async def test_the_plan_of_a_simple_tool_is_fetched(scene: Scene) -> None:
    scene.story.govern(policy(tools={"change.simulate": {"environments": ["production"]}})).issue()
    scene.story.plans[fingerprint(scene.story.plan)] = scene.story.plan
    await scene.publish()
    gate = await scene.gate()
    assert codes(await gate.decide(scene.request("change.simulate"))) == {"ENVIRONMENT_NOT_ALLOWED"}
    named = scene.request("change.simulate", plan_hash=fingerprint(scene.story.plan))
    assert (await gate.decide(named)).allow


async def test_a_deny_is_logged_with_its_reasons(scene: Scene) -> None:
    scene.story.up_to_simulation()
    await scene.publish()
    decision = await (await scene.gate()).decide(scene.request())
    [logged] = await scene.decisions()
    assert {reason["code"] for reason in logged["reasons"]} == codes(decision)
    assert logged["decision"] == "deny"


async def test_the_next_decision_sees_the_last(scene: Scene) -> None:
    scene.story.up_to_approvals()
    await scene.publish()
    gate = await scene.gate()
    assert (await gate.decide(scene.request())).allow
    again = await gate.decide(scene.request())
    assert not again.allow
    assert again.scope["round"] == "2"


async def test_two_gates_racing_on_one_scope_give_exactly_one_allow(scene: Scene) -> None:
    scene.story.up_to_approvals()
    await scene.publish()
    gates = [await scene.gate() for _ in range(4)]
    await asyncio.gather(*(gate.decide(scene.request("ticket.read")) for gate in gates))  # all have read the log
    decisions = await asyncio.gather(*(gate.decide(scene.request()) for gate in gates))
    assert sum(decision.allow for decision in decisions) == 1
    logged = await scene.decisions()
    assert sum(one["decision"] == "allow" for one in logged) == 1
    for decision in decisions:
        if not decision.allow:
            assert codes(decision) & {"APPROVAL_ALREADY_USED", "APPROVALS_INSUFFICIENT"}


# Between view and index.


class SlippedIn(LogClient):
    """A client whose first submission comes just after somebody else's."""

    first: list[bytes]

    async def offer(self, envelopes: Sequence[bytes]) -> list[Refused | None]:
        while self.first:
            await super().submit(self.first.pop())
        return await super().offer(envelopes)


@pytest.mark.parametrize("what", ["job", "token", "policy", "denial"])
async def test_a_restriction_that_slips_in_withdraws_the_allow(scene: Scene, what: str) -> None:
    story = scene.story.up_to_approvals()
    await scene.publish()
    targets = {"job": story.job, "token": story.scoped.token_hash, "policy": story.policy_hash}
    if what == "denial":
        story.deny()
    else:
        story.revoke(f"{what}:{targets[what]}")
    client = await scene.client(SlippedIn)
    assert isinstance(client, SlippedIn)
    client.first = [story.envelopes[-1]]
    decision = await (await scene.gate(client)).decide(scene.request())
    expected = {"job": "JOB_REVOKED", "token": "TOKEN_REVOKED", "policy": "POLICY_REVOKED", "denial": "JOB_DENIED"}[what]
    assert codes(decision) >= {"DECISION_WITHDRAWN", expected}
    allow, deny = await scene.decisions()
    assert (allow["decision"], deny["decision"]) == ("allow", "deny")
    assert deny["withdraws_b64u"] == hash_of(allow)
    assert deny["scope"] == allow["scope"]
    assert len(deny["evidence"]) > len(allow["evidence"])


async def test_what_slips_in_about_others_changes_nothing(scene: Scene) -> None:
    story = scene.story.up_to_approvals()
    await scene.publish()
    story.revoke("job:job-9")
    client = await scene.client(SlippedIn)
    assert isinstance(client, SlippedIn)
    client.first = [story.envelopes[-1]]
    assert (await (await scene.gate(client)).decide(scene.request())).allow


class SlippedInAfter(LogClient):
    """A client after whose first submission somebody else submits."""

    then: list[bytes]

    async def offer(self, envelopes: Sequence[bytes]) -> list[Refused | None]:
        answers = await super().offer(envelopes)
        while self.then:
            await super().submit(self.then.pop())
        return answers


async def test_a_restriction_seen_before_the_release_stops_it_even_above_the_allow(scene: Scene) -> None:
    story = scene.story.up_to_approvals()
    await scene.publish()
    story.revoke(f"job:{story.job}")
    client = await scene.client(SlippedInAfter)
    assert isinstance(client, SlippedInAfter)
    client.then = [story.envelopes[-1]]
    decision = await (await scene.gate(client)).decide(scene.request())
    assert codes(decision) >= {"DECISION_WITHDRAWN", "JOB_REVOKED"}


def hash_of(payload: dict[str, Any]) -> str:
    return payload_hash(payload)


class LosesAnswers(LogClient):
    """A client that hears nothing of its first submission."""

    lost = False

    async def offer(self, envelopes: Sequence[bytes]) -> list[Refused | None]:
        answers = await super().offer(envelopes)
        if not self.lost:
            self.lost = True
            return [Refused("LOG_UNREACHABLE", "the answer was lost") for _ in envelopes]
        return answers


async def test_an_allow_whose_answer_was_lost_is_a_deny_and_is_withdrawn(scene: Scene) -> None:
    scene.story.up_to_approvals()
    await scene.publish()
    gate = await scene.gate(await scene.client(LosesAnswers))
    assert codes(await gate.decide(scene.request())) == {"LOG_UNREACHABLE"}
    again = await gate.decide(scene.request())
    assert not again.allow
    allow, withdrawal, _deny = await scene.decisions()
    assert withdrawal["withdraws_b64u"] == hash_of(allow)
    await gate.decide(scene.request("ticket.read"))
    assert len(await scene.decisions()) == 3


async def test_an_allow_that_takes_too_long_is_withdrawn(scene: Scene) -> None:
    scene.story.up_to_approvals()
    await scene.publish()

    class Slow(LogClient):
        async def offer(self, envelopes: Sequence[bytes]) -> list[Refused | None]:
            answers = await super().offer(envelopes)
            scene.story.pass_time(60)
            return answers

    decision = await (await scene.gate(await scene.client(Slow))).decide(scene.request())
    assert codes(decision) == {"DECISION_WITHDRAWN", "DECISION_EXPIRED"}


# Equal denies.


async def test_equal_denies_are_logged_once_a_minute(scene: Scene) -> None:
    scene.story.up_to_simulation()
    await scene.publish()
    gate = await scene.gate()
    for _ in range(4):
        assert not (await gate.decide(scene.request())).allow
    assert [one["count"] for one in await scene.decisions()] == [1]
    scene.story.pass_time(60)
    await gate.decide(scene.request())
    assert [one["count"] for one in await scene.decisions()] == [1, 4]


async def test_garbage_tokens_do_not_flood_the_log(scene: Scene) -> None:
    scene.story.govern().issue()
    await scene.publish()
    gate = await scene.gate()
    for number in range(5):
        assert codes(await gate.decide(scene.request(token=f"garbage{number}"))) == {"TOKEN_MALFORMED"}
    assert len(await scene.decisions()) == 1


# A log that is away, stale, or not the one it was.


async def test_a_log_that_is_not_there_is_a_deny(scene: Scene) -> None:
    scene.story.up_to_approvals()
    gate = await scene.gate(await scene.client(url="http://127.0.0.1:9"))
    assert codes(await gate.decide(scene.request())) == {"LOG_UNREACHABLE"}


@pytest.mark.parametrize("limit", ["a request's", "a decision's"])
async def test_a_log_that_never_answers_is_a_deny_in_time(scene: Scene, limit: str) -> None:
    silent = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{silent.getsockname()[1]}"
    scene.story.govern().issue()
    client = await scene.client(url=url, timeout_s=0.2 if limit == "a request's" else 30)
    gate = await scene.gate(client, answer_within_s=0.2 if limit == "a decision's" else 60)
    async with asyncio.timeout(60):  # a hang, not a slow machine
        both = await asyncio.gather(gate.decide(scene.request()), gate.decide(scene.request("ticket.read")))
    assert [codes(one) for one in both] == [{"LOG_UNREACHABLE"}] * 2
    silent.close()


@pytest.mark.parametrize("grown", [False, True])
async def test_a_log_restored_from_a_backup_is_stale_or_inconsistent(
    scene: Scene, directory: LogDirectory, tmp_path: Path, grown: bool
) -> None:
    scene.story.govern()
    await scene.publish()
    shutil.copytree(directory.path, tmp_path / "copy")
    scene.story.up_to_approvals()
    await scene.publish()
    memory = ProcessMemory()
    assert (await (await scene.gate(await scene.client(memory=memory))).decide(scene.request("ticket.read"))).allow
    async with serving(LogDirectory(tmp_path / "copy")) as copy:
        client = await scene.client(url=copy.url)
        for number in range(20 if grown else 0):
            await client.submit(other_revocation(scene.story, number))
        gate = await scene.gate(await scene.client(url=copy.url, memory=memory))
        expected = "CHECKPOINT_INCONSISTENT" if grown else "CHECKPOINT_STALE"
        for _ in range(2):
            assert codes(await gate.decide(scene.request("ticket.read"))) == {expected}


def other_revocation(story: Story, number: int) -> bytes:
    story.revoke(f"job:other-{number}")
    return story.envelopes.pop()


async def test_a_gate_that_met_an_inconsistent_log_goes_on_when_the_log_is_itself_again(scene: Scene) -> None:
    scene.story.up_to_approvals()
    await scene.publish()

    class Sometimes(LogClient):
        good = True

        async def checkpoint(self, **options: Any) -> Any:
            if not self.good:
                raise Refused("CHECKPOINT_INCONSISTENT", "not the same log")
            return await super().checkpoint(**options)

    client = await scene.client(Sometimes)
    assert isinstance(client, Sometimes)
    gate = await scene.gate(client)
    client.good = False
    assert codes(await gate.decide(scene.request())) == {"CHECKPOINT_INCONSISTENT"}
    client.good = True
    assert (await gate.decide(scene.request())).allow


async def test_a_reading_that_broke_off_goes_on_where_it_was(scene: Scene) -> None:
    scene.story.up_to_simulation()
    await scene.publish()

    class Breaks(LogClient):
        breaks = False
        asked = 0

        async def payload(self, sha256: bytes, **options: Any) -> bytes:
            self.asked += 1
            if self.breaks:
                raise Refused("LOG_UNREACHABLE", "for now")
            return await super().payload(sha256, **options)

    client = await scene.client(Breaks)
    assert isinstance(client, Breaks)
    gate = await scene.gate(client)
    assert not (await gate.decide(scene.request())).allow
    scene.story.approve(EXECUTE)
    await scene.publish()
    client.breaks = True
    assert codes(await gate.decide(scene.request())) == {"LOG_UNREACHABLE"}
    client.breaks, client.asked = False, 0
    assert (await gate.decide(scene.request())).allow
    assert client.asked < 6  # the approvals, the deny, the allow


async def test_an_unmet_quorum_is_a_deny(scene: Scene) -> None:
    scene.story.up_to_approvals()
    await scene.publish()
    witness = keys.fixture_note_key("witness.test", key_type=ED25519_COSIGNATURE)
    policy = f"log {scene.trust.log_keys[0].encode()}\nwitness w {witness.key.encode()}\nquorum w\n"
    trust = TrustPolicy.parse(trust_text(log_policy=policy).encode())
    gate = await scene.gate(await scene.client(trust=trust))
    assert codes(await gate.decide(scene.request())) == {"QUORUM_NOT_MET"}


async def test_a_gate_that_the_log_does_not_trust_allows_nothing(scene: Scene) -> None:
    scene.story.up_to_approvals()
    await scene.publish()
    gate = Gate(await scene.client(), keys.STRANGER, clock=lambda: scene.story.now_ns)
    assert codes(await gate.decide(scene.request())) == {"SIGNER_NOT_TRUSTED"}


@pytest.mark.parametrize("seconds", [-400, 400])
async def test_a_gate_whose_clock_is_wrong_allows_nothing(scene: Scene, seconds: int) -> None:
    scene.story.up_to_approvals()
    await scene.publish()
    scene.story.pass_time(seconds)
    decision = await (await scene.gate()).decide(scene.request())
    assert not decision.allow
    assert "CLOCK_SKEW" in codes(decision) or "DECISION_NOT_LOGGED" in codes(decision)


# Callers.


@pytest.mark.parametrize(
    "changes",
    [
        {"action": ""},
        {"action": "x" * 257},
        {"ticket": "a\nb"},
        {"nonce": ""},
        {"audience": "\ud800"},
        {"closing_reason": "x" * 4097},
        {"plan_hash": "x"},
        {"plan_hash": "\ud800"},
        {"simulation": "A" * 44},
    ],
    ids=str,
)
async def test_words_that_cannot_be_logged_are_refused(scene: Scene, changes: dict[str, Any]) -> None:
    scene.story.up_to_approvals()
    await scene.publish()
    gate = await scene.gate()
    request = GateRequest(
        **{
            "action": EXECUTE,
            "ticket": TICKET,
            "token": scene.story.token,
            "audience": "a",
            "nonce": "n",
            **changes,
        }
    )
    assert codes(await gate.decide(request)) <= {"PARAMETER_INVALID", "BASE64URL_INVALID"}
    assert await scene.decisions() == []


async def test_a_closing_reason_that_is_no_text_is_a_deny(scene: Scene) -> None:
    story = scene.story.up_to_closing()
    await scene.publish()
    gate = await scene.gate()
    reason = f"\ud800 bundle:{story.bundle_hash}"
    assert not (await gate.decide(scene.request(CLOSE, closing_reason=reason))).allow
    assert (await gate.decide(scene.request(CLOSE))).allow


async def test_a_defect_of_the_gate_is_a_deny(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    scene.story.up_to_approvals()
    await scene.publish()

    def broken(*_: object) -> None:
        raise KeyError(scene.story.token)

    monkeypatch.setattr(hearing, "judge", broken)
    decision = await (await scene.gate()).decide(scene.request())
    assert codes(decision) == {"INTERNAL_ERROR"}
    assert "KeyError" in caplog.text
    assert scene.story.token not in caplog.text
    assert scene.story.token not in str(decision.findings)
