"""The model that allows are held to misses nothing on the honest path, and sees every fault that the histories can hold."""

from __future__ import annotations

import pytest

from tests.property.gate.broken import BROKEN
from tests.property.gate.course import Broken
from tests.property.gate.jobs import POLICIES, Jobs, rosters
from tests.property.gate.model import missing
from tests.support import keys
from tests.unit.gate.story import CLOSE, EXECUTE, plan_bytes


def approved() -> Jobs:
    """Everything but the decision to execute."""
    story = Jobs()
    story.up_to_approvals()
    return story


def test_nothing_is_missing_on_the_honest_path() -> None:
    story = approved()
    assert missing(story, EXECUTE) == []
    story.bundle(story.execute(story.decide(EXECUTE)))
    story.approve(CLOSE)
    assert missing(story, CLOSE) == []


@pytest.mark.parametrize(
    "name", ["usual", "without bob", "alice has no role", "bob's time is over", "without the requester"]
)
def test_the_roster_of_now_counts(name: str) -> None:
    story = approved()
    story.next_roster(rosters()[name])
    assert bool(missing(story, EXECUTE)) == (name != "usual")


def test_a_roster_that_moves_a_key_is_none() -> None:
    story = approved()
    assert story.next_roster(rosters()["bob has alice's key"]).void == "ROSTER_INVALID"
    assert missing(story, EXECUTE) == []


@pytest.mark.parametrize("who", ["p-dora", "p-alice"])
def test_the_requester_does_not_count(who: str) -> None:
    story = Jobs()
    story.requester = who
    story.up_to_approvals()
    assert bool(missing(story, EXECUTE)) == (who == "p-alice")


@pytest.mark.parametrize(
    "fault", ["superseded", "policy", "key", "approval", "plan denied elsewhere", "denied", "other run", "late", "roster"]
)
def test_it_sees_a_fault(fault: str) -> None:
    story = approved()
    match fault:
        case "superseded":
            story.publish({**POLICIES["usual"], "supersedes": f"b64u:{story.policy_hash}"})
        case "policy":
            story.revoke(f"policy:{story.policy_hash}")
        case "key":
            story.revoke(f"key:{keys.ALICE.did}", readable=False)
        case "approval":
            [one, *_] = story.view.of_kind("human_approval_receipt", story.view.size)
            story.revoke(f"approval:{one.payload_hash}")
        case "plan denied elsewhere":
            story.begin_job(story.policy_hash, "p-dora")
            story.call_model()
            story.simulate()
            story.deny()
            story.turn_to("job-0")
        case "denied":
            story.deny()
        case "other run":
            story.call_model(binding=story.bound(run_id="run-9"))
        case "late":
            story.pass_time(3700)
        case _:
            story.next_roster([])
    assert missing(story, EXECUTE)


@pytest.mark.parametrize("name", ["three people", "two owners", "staging", "no execution"])
def test_every_policy_is_read(name: str) -> None:
    story = Jobs()
    story.govern(POLICIES[name]).up_to_simulation()
    story.approve(EXECUTE)
    assert missing(story, EXECUTE)


def test_jobs_keep_apart() -> None:
    story = approved()
    story.begin_job(story.policy_hash, "p-dora")
    story.plan = plan_bytes()
    story.call_model()
    story.simulate()
    assert missing(story, EXECUTE)
    story.turn_to("job-0")
    assert missing(story, EXECUTE) == []


NOT_OF_THE_RECORDS = {
    "an entry that lies",  # the records are what was logged, not what a log says of it
    "a deny made on another tree",  # nor the trees that it had
    "a deny that lists another entry",
    "token says another end than its issuance",  # which token was presented, for which ticket, with which reason, is the request's
    "token of another ticket",
    "a reason without a bundle",
    "a reason with two bundles",
    "a reason whose bundle touches another letter",
    "approvals that witnesses saw long ago",  # nor when witnesses saw it
    "denied, tied by the scope asked for",  # it knows the scopes of decisions
}


@pytest.mark.parametrize("broken", BROKEN, ids=lambda one: one.name)
def test_it_sees_every_condition_broken(broken: Broken) -> None:
    story = Jobs()
    broken.play(story)
    assert bool(missing(story, broken.asked_for)) == (broken.name not in NOT_OF_THE_RECORDS)
