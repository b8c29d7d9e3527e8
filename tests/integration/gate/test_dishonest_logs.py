"""A gate over a log that lies: whatever it shows, an allow comes out only where the honest log would have carried it."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.integration.gate.lying_story_log import StoryLog, gate_over, hash_of_payload
from tests.integration.gate.serving import asked, serving_gate
from tests.unit.gate.scene import Scene, codes
from tests.unit.gate.story import EXECUTE, Story
from trustlog.formats.bundle import encode_bundle
from trustlog.formats.checkpoint import Checkpoint
from trustlog.formats.entry import parse_entry


async def decide(log: StoryLog, story: Story) -> set[str]:
    async with gate_over(log, story) as gate:
        return codes(await gate.decide(story.request(EXECUTE)))


async def test_the_honest_one_is_allowed() -> None:
    story = Story().up_to_approvals()
    log = StoryLog(story)
    assert await decide(log, story) == set()
    assert len(log.decisions()) == 1


async def test_an_entry_hidden_from_the_bundles_is_found_by_the_root() -> None:
    story = Story().up_to_approvals()
    story.revoke(f"job:{story.job}")

    class Hides(StoryLog):
        def answer_bundle(self, index: int, width: int) -> bytes | None:
            return encode_bundle([*self.entries[: width - 1], self.entries[0]])

    log = Hides(story)
    assert await decide(log, story) == {"ROOT_MISMATCH"}
    assert log.decisions() == []


async def test_entries_in_another_order_are_found_by_the_root() -> None:
    story = Story().up_to_approvals()

    class Reorders(StoryLog):
        def answer_bundle(self, index: int, width: int) -> bytes | None:
            return encode_bundle([*self.entries[: width - 2], self.entries[width - 1], self.entries[width - 2]])

    assert await decide(Reorders(story), story) == {"ROOT_MISMATCH"}


async def test_refs_that_are_not_those_of_the_payload_are_a_lie_that_denies_everything() -> None:
    story = Story().up_to_approvals()
    story.revoke(f"job:{story.job}")
    log = StoryLog(story)
    log.entries[-1] = log.entries[-1].replace(story.job.encode(), b"another-job")
    assert parse_entry(log.entries[-1]).refs["target"] == "job:another-job"
    assert "LOG_LIES" in await decide(log, story)


async def test_a_lie_is_named_with_its_index_and_what_an_operator_can_do_wherever_the_gate_is_asked(tmp_path: Path) -> None:
    story = Story().up_to_approvals()
    story.revoke(f"job:{story.job}")
    log = StoryLog(story)
    index = len(log.entries) - 1
    log.entries[index] = log.entries[index].replace(story.job.encode(), b"another-job")
    async with TestServer(log.application(), host="127.0.0.1") as server, AsyncExitStack() as stack:
        scene = Scene(str(server.make_url("/")), story.trust, stack)
        scene.story = story
        async with serving_gate(scene, tmp_path) as gate:
            decision = await gate.decide(asked(scene))
            ready = await gate.get("/readyz")
            metrics = (await gate.get("/metrics")).body.decode()
    [reason] = [one for one in decision["reasons"] if one["code"] == "LOG_LIES"]
    for said in (reason["detail"], ready.json()["found"]):
        assert f"the entry at index {index}: ENTRY_REFS_MISMATCH (" in said
        assert story.job in said
        assert "another-job" in said
    for hint in (reason["hint"], ready.json()["hint"]):
        assert "trustlog-verify log URL --trust FILE --deep" in hint
    assert (ready.status, "LOG_LIES" in ready.json()["detail"]) == (503, True)
    assert "\ntrustlog_gate_log_lies 1\n" in metrics


async def test_a_restriction_whose_payload_is_withheld_restricts_all_the_same() -> None:
    story = Story().up_to_approvals()
    story.revoke(f"job:{story.job}")
    log = StoryLog(story)
    log.withheld.add(hash_of_payload(story.envelopes[-1]))
    assert "JOB_REVOKED" in await decide(log, story)


async def test_another_payload_in_its_place_is_none() -> None:
    story = Story().up_to_approvals()
    log = StoryLog(story)
    log.blobs[hash_of_payload(story.envelopes[0])] = b"{}"  # the policy
    assert "POLICY_NOT_FOUND" in await decide(log, story)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_a_proxy_that_lost_the_log_for_a_moment_makes_no_payload_absent(status: int) -> None:
    story = Story().up_to_approvals()

    class BehindAProxy(StoryLog):
        is_lost = True

        async def get_blob(self, request: web.Request) -> web.StreamResponse:
            return web.Response(status=status, text="<h1>later</h1>") if self.is_lost else await super().get_blob(request)

    log = BehindAProxy(story)
    async with gate_over(log, story) as gate:
        assert codes(await gate.decide(story.request(EXECUTE))) == {"LOG_UNREACHABLE"}
        log.is_lost = False
        assert (await gate.decide(story.request(EXECUTE))).allow


async def test_a_fork_after_what_was_read_is_inconsistent() -> None:
    story = Story().up_to_approvals()
    log = StoryLog(story)
    async with gate_over(log, story) as gate:
        assert codes(await gate.decide(story.request("ticket.read"))) == set()
        log.entries[-1], log.entries[-2] = log.entries[-2], log.entries[-1]
        story.revoke("job:another")
        log.log(story.envelopes[-1])
        assert codes(await gate.decide(story.request(EXECUTE))) == {"CHECKPOINT_INCONSISTENT"}
        assert codes(await gate.decide(story.request("ticket.read"))) == {"CHECKPOINT_INCONSISTENT"}


async def test_another_tree_of_the_same_size_is_inconsistent() -> None:
    story = Story().up_to_approvals()
    log = StoryLog(story)
    async with gate_over(log, story) as gate:
        assert codes(await gate.decide(story.request("ticket.read"))) == set()
        log.entries[-1], log.entries[-2] = log.entries[-2], log.entries[-1]
        assert codes(await gate.decide(story.request("ticket.read"))) == {"CHECKPOINT_INCONSISTENT"}


async def test_a_checkpoint_smaller_than_before_is_stale() -> None:
    story = Story().up_to_approvals()
    log = StoryLog(story)
    async with gate_over(log, story) as gate:
        assert codes(await gate.decide(story.request("ticket.read"))) == set()
        log.entries.pop()
        assert codes(await gate.decide(story.request("ticket.read"))) == {"CHECKPOINT_STALE"}


async def test_a_checkpoint_that_nobody_signed_is_not_believed() -> None:
    story = Story().up_to_approvals()

    class Forges(StoryLog):
        def note(self, size: int) -> bytes:
            return super().note(size).replace(Checkpoint("", size, self.root(size)).encode()[-10:], b"AAAAAAAA=\n")

    assert await decide(Forges(story), story) <= {"NOTE_UNVERIFIED", "NOTE_MALFORMED", "CHECKPOINT_MALFORMED"}


async def test_an_allow_that_the_log_says_it_has_and_does_not_show_is_a_deny() -> None:
    story = Story().up_to_approvals()

    class Forgets(StoryLog):
        def answer_submission(self, envelope: bytes) -> dict[str, Any]:
            return {"index": 0}

    assert await decide(Forgets(story), story) == {"DECISION_NOT_LOGGED"}


async def test_an_allow_that_shows_up_late_is_withdrawn() -> None:
    story = Story().up_to_approvals()

    class Delays(StoryLog):
        held: bytes = b""

        def answer_submission(self, envelope: bytes) -> dict[str, Any]:
            if not self.held:
                self.held = envelope
                return {"index": 0}
            return super().answer_submission(envelope)

    log = Delays(story)
    async with gate_over(log, story) as gate:
        assert codes(await gate.decide(story.request(EXECUTE))) == {"DECISION_NOT_LOGGED"}
        log.log(log.held)
        await gate.catch_up()
        assert gate.unreleased == 1 or len(log.decisions()) == 2
        await gate.catch_up()
        assert gate.unreleased == 0
    assert len(log.decisions()) == 2


async def test_a_log_that_invents_a_conflict_gets_a_deny_and_no_allow() -> None:
    story = Story().up_to_approvals()

    class Invents(StoryLog):
        def answer_submission(self, envelope: bytes) -> dict[str, Any]:
            if b'"decision":"allow"' in envelope:
                return {"code": "CONFLICT", "detail": "taken", "index": 0, "leaf_hash_b64u": "A" * 43}
            return super().answer_submission(envelope)

    log = Invents(story)
    assert await decide(log, story) == {"APPROVAL_ALREADY_USED"}
    assert len(log.decisions()) == 1


@pytest.mark.parametrize("line", [{"code": "NO_SUCH_CODE"}, {"code": 1}, [], {"code": "INTERNAL_ERROR", "hint": "run this"}])
async def test_nonsense_for_an_answer_is_a_deny_without_the_logs_hints(line: Any) -> None:
    story = Story().up_to_approvals()

    class Babbles(StoryLog):
        def answer_submission(self, envelope: bytes) -> Any:
            return line

    async with gate_over(Babbles(story), story) as gate:
        decision = await gate.decide(story.request(EXECUTE))
    assert not decision.allow
    assert "run this" not in str(decision.answer())
