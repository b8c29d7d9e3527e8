"""A deny can be acted on: each unmet condition names the command or the person, with the job and the hashes of this very case."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Final

import click
import pytest

from tests.support import keys
from tests.support.payloads import payload_hash, person
from tests.unit.gate.story import CLOSE, DORA, EXECUTE, TICKET, Story, people, plan_bytes, policy
from tests.unit.policy.test_rules_both_ways import BY_NAME, ROWS, looked_at
from trustlog.cli.main import trustlog
from trustlog.formats.timestamp import format_timestamp

APPROVE: Final = "trustlog approve --job job-1 --action change.execute --plan FILE"


def hint(story: Story, code: str, action: str = EXECUTE, **changes: str) -> str:
    """The next step of the one finding with this code."""
    findings = [finding for finding in story.ask(action, **changes).findings if finding.code == code]
    assert len(findings) == 1, findings
    return findings[0].hint


# Who has to approve.


def test_missing_approvals_name_who_holds_each_missing_role_and_the_command() -> None:
    story = Story().up_to_simulation()
    said = hint(story, "APPROVALS_INSUFFICIENT")
    assert "service_owner: p-alice or p-carol" in said
    assert "platform_security: p-bob or p-carol" in said
    assert APPROVE in said
    assert "p-dora" not in said  # who asks for the change


def test_who_has_approved_is_not_asked_again() -> None:
    story = Story().up_to_simulation()
    story.approve(EXECUTE, "p-alice")
    said = hint(story, "APPROVALS_INSUFFICIENT")
    assert "platform_security: p-bob or p-carol" in said
    assert "p-alice" not in said


def test_people_outside_their_validity_and_people_without_a_key_are_not_asked() -> None:
    story = Story()
    left = person("p-alice", keys.ALICE, roles=("service_owner",), valid_until=format_timestamp(story.now_ns))
    keyless = {**person("p-erin", keys.fixture_key("erin"), roles=("service_owner",)), "keys": []}
    said = hint(story.govern(roster=[left, keyless, *people()[1:]]).up_to_simulation(), "APPROVALS_INSUFFICIENT")
    assert "service_owner: p-carol;" in said


def test_a_person_whose_only_key_was_revoked_is_not_asked() -> None:
    story = Story().up_to_simulation()
    story.revoke(f"key:{keys.ALICE.did}", keys.ALICE)
    said = hint(story, "APPROVALS_INSUFFICIENT")
    assert "service_owner: p-carol;" in said
    assert "p-alice" not in said


def test_a_role_that_nobody_has_is_for_the_roster_authority() -> None:
    roster = [person("p-alice", keys.ALICE, roles=("service_owner",)), person("p-dora", DORA, roles=("platform_security",))]
    story = Story().govern(roster=roster).up_to_simulation()
    said = hint(story, "APPROVALS_INSUFFICIENT")
    assert "platform_security: nobody else has this role; ask a roster authority to add one: trustlog roster publish" in said


def test_where_no_role_is_named_anybody_else_is_asked() -> None:
    story = Story().govern(policy(tools={EXECUTE: {"approver_constraints": None}})).up_to_simulation()
    assert "2 of: p-alice or p-bob or p-carol" in hint(story, "APPROVALS_INSUFFICIENT")


def test_of_many_people_a_few_are_named() -> None:
    many = [person(f"p-{n}", keys.fixture_key(f"many {n}"), roles=("service_owner",)) for n in range(20)]
    story = Story().govern(roster=[*people(), *many]).up_to_simulation()
    assert "service_owner: p-alice or p-carol or p-0 or p-1 or p-2 or others" in hint(story, "APPROVALS_INSUFFICIENT")


def test_an_approval_of_closing_names_the_bundle() -> None:
    story = Story().up_to_bundle()
    said = hint(story, "APPROVALS_INSUFFICIENT", CLOSE)
    assert f"trustlog approve --job job-1 --action ticket.close --plan FILE --bundle {story.bundle_hash}" in said


def test_the_person_whose_approval_expired_is_asked_again() -> None:
    story = Story().up_to_simulation()
    story.approve(EXECUTE, "p-alice")
    story.pass_time(3601)
    story.issue()
    assert f"Ask p-alice to look again and run: {APPROVE}" in hint(story, "APPROVAL_EXPIRED")


# What has to be done.


def test_a_missing_simulation_names_the_job() -> None:
    story = Story().govern().issue()
    assert "trustlog simulate --job job-1 " in hint(story, "SIMULATION_MISSING")


def test_another_plan_than_the_simulated_says_both_ways_out() -> None:
    story = Story().up_to_approvals()
    said = hint(story, "PLAN_MISMATCH", plan_hash=payload_hash({"another": "plan"}))
    assert "Use a plan that was simulated, or simulate this one" in said


def test_a_close_without_a_reference_says_who_builds_the_bundle() -> None:
    story = Story().up_to_closing()
    said = hint(story, "BUNDLE_REFERENCE_MISSING", CLOSE, closing_reason="done")
    assert "trustlog bundle --job job-1 " in said
    assert f"trustlog close --ticket {TICKET} --closing-reason" in said


def test_an_unknown_outcome_names_the_begin_to_resolve() -> None:
    story = Story().up_to_approvals()
    begin = story.begin(story.decide(EXECUTE))
    said = hint(story, "EXECUTION_OUTCOME_UNKNOWN")
    assert f"trustlog resolve --begin {begin.payload_hash} --note" in said
    assert "other than the requester p-dora" in said


def test_an_expired_token_is_renewed_for_the_same_job() -> None:
    story = Story().up_to_approvals()
    story.pass_time(700)
    said = hint(story, "TOKEN_EXPIRED")
    assert f"trustlog token mint --job job-1 --ticket {TICKET} --requester p-dora --agent {keys.AGENT.did}" in said
    assert f"--policy {story.policy_hash}" in said
    assert "approvals stay valid" in said


def test_an_ended_job_says_why_and_that_a_new_one_is_needed() -> None:
    story = Story().up_to_closing()
    story.close(story.decide(CLOSE))
    said = hint(story, "JOB_ENDED")
    assert "Its ticket was closed, so job job-1 is over for ever" in said
    assert "trustlog token mint --job NEW-ID" in said


def test_a_denied_job_names_who_denied_it() -> None:
    story = Story().up_to_approvals()
    story.deny("p-carol")
    assert "p-carol denied it (ask why), so job job-1 is over for ever" in hint(story, "JOB_DENIED")


def test_a_superseded_policy_names_the_newer_one() -> None:
    story = Story().up_to_approvals()
    newer = story.publish_policy(policy(supersedes="b64u:" + story.policy_hash, policy_name="newer"))
    assert f"trustlog token mint --policy {newer.payload_hash}" in hint(story, "POLICY_SUPERSEDED")


def test_missing_receipts_send_the_agent_to_the_model_proxy() -> None:
    story = Story().govern().issue()
    story.simulate()
    assert "through the model proxy, with the job's token" in hint(story, "RECEIPTS_MISSING")


def test_a_step_before_is_named_with_its_command() -> None:
    story = Story().up_to_approvals()
    said = [finding.hint for finding in story.ask(CLOSE).findings if finding.code == "REQUIRED_STEP_MISSING"]
    assert said
    assert all(f"trustlog execute --ticket {TICKET} --token FILE" in one for one in said)


# Whatever is said.


def steps() -> Iterator[tuple[str, str]]:
    """The next steps of all faults of all rules."""
    for name, row in ROWS.items():
        rule = BY_NAME[name]
        for changed, _codes in row.faults:
            for finding in rule.against(changed(looked_at(rule, row.action))):
                yield name, finding.hint


def command_of(words: list[str]) -> click.Command:
    found: click.Command = trustlog
    for word in words:
        if not isinstance(found, click.Group):
            break
        command = found.get_command(click.Context(found), word)
        assert command is not None, words
        found = command
    return found


def test_every_command_and_option_that_is_named_exists() -> None:
    seen = set()
    for name, step in steps():
        for said in re.findall(r"trustlog [^;…]+", step):
            words = re.match(r"trustlog ((?:[a-z]+ ?)+)", said)
            assert words is not None, said
            command = command_of(words[1].split()[:2])
            options = {option for parameter in command.params for option in parameter.opts}
            named = set(re.findall(r"--[a-z-]+", said))
            assert named <= options, (name, said)
            seen.add(command.name)
    assert {"approve", "simulate", "bundle", "close", "resolve", "mint", "execute", "publish", "check"} <= seen


def test_every_command_is_one_that_can_be_typed_once_its_capitals_are_filled_in() -> None:
    seen = set()
    for name, step in steps():
        assert "…" not in step, (name, step)
        for said in re.findall(r"trustlog [a-z]+ [^;]*?--log URL --trust FILE(?: -- COMMAND)?", step):
            words = shlex.split(said)[1:]
            command = command_of(words[:2])
            given = words[2:] if command.name != words[0] else words[1:]
            context = command.make_context(command.name, given)  # raises for an unknown option, and for one that lacks
            assert context.params
            seen.add(command.name)
    assert {"approve", "simulate", "bundle", "close", "resolve", "mint", "execute", "check"} <= seen


def test_no_step_repeats_what_a_stranger_wrote() -> None:
    """Plans, bundles and approvals hold free text; what a person is to type holds none of it."""
    story = Story()
    story.plan = plan_bytes(change_type="x'; rm -rf ~ #", environment="$(reboot)")
    story.up_to_simulation()
    findings = story.ask(EXECUTE).findings
    assert any("rm -rf" in finding.detail for finding in findings)
    assert any("trustlog approve" in finding.hint for finding in findings)
    assert not any("rm -rf" in finding.hint or "reboot" in finding.hint for finding in findings)


@pytest.mark.parametrize("action", [EXECUTE, CLOSE])
def test_no_step_holds_the_token(action: str) -> None:
    story = Story().up_to_simulation()
    assert all(story.token not in finding.hint for finding in story.ask(action).findings)
