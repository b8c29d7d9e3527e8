"""Which approvals count, how many are enough, and who may not approve."""

from __future__ import annotations

import itertools

import pytest

from tests.support import keys
from tests.support.payloads import person
from tests.support.trust import LOG_KEY, trust_policy, trust_text
from tests.unit.gate.story import CLOSE, DORA, EXECUTE, Story, people, policy
from trustlog.formats.jsontext import parse_json
from trustlog.formats.timestamp import format_timestamp
from trustlog.formats.trustpolicy import TrustPolicy
from trustlog.policy.rules import assign_roles
from trustlog.records.scope import compute_scope_hash


def codes_with(story: Story, subject: str, **changes: object) -> set[str]:
    """The codes when Alice approved properly, and `subject` did with these changes."""
    story.approve(EXECUTE, "p-alice")
    story.approve(EXECUTE, subject, **changes)
    return story.codes(EXECUTE)


def test_two_people_with_the_two_roles_are_enough() -> None:
    story = Story().up_to_simulation()
    assert codes_with(story, "p-bob") == set()


def test_the_same_person_twice_counts_once() -> None:
    story = Story().up_to_simulation()
    assert codes_with(story, "p-alice") >= {"APPROVAL_SAME_PERSON", "APPROVALS_INSUFFICIENT"}


def test_the_same_person_with_two_keys_counts_once() -> None:
    other = keys.fixture_key("alice's other key")
    roster = [person("p-alice", keys.ALICE, other, roles=("service_owner", "platform_security")), *people()[1:]]
    story = Story().govern(roster=roster).up_to_simulation()
    story.approve(EXECUTE, "p-alice")
    story.log("human_approval_receipt", story.approval("p-alice", EXECUTE), other)
    assert story.codes(EXECUTE) >= {"APPROVAL_SAME_PERSON", "APPROVALS_INSUFFICIENT"}


def test_the_requester_does_not_count() -> None:
    roster = [person("p-dora", DORA, roles=("platform_security",)), *people()[:3]]
    story = Story().govern(roster=roster).up_to_simulation()
    assert codes_with(story, "p-dora") >= {"APPROVAL_BY_REQUESTER", "APPROVALS_INSUFFICIENT"}


@pytest.mark.parametrize("needs_two", [True, False])
def test_where_two_are_demanded_the_requester_is_a_person_of_the_roster(needs_two: bool) -> None:
    one_person = {"step_up_approvals": 1, "two_person_rule": False, "approver_constraints": None}
    story = Story().govern(policy(tools={} if needs_two else {EXECUTE: one_person}))
    story.requester = "p-nobody"
    assert story.up_to_approvals().codes(EXECUTE) == ({"REQUESTER_UNKNOWN"} if needs_two else set())


def test_a_requester_outside_the_rosters_validity_is_nobody() -> None:
    story = Story()
    left = person("p-dora", DORA, valid_until=format_timestamp(story.now_ns))
    story.govern(roster=[*people()[:3], left])
    assert story.up_to_approvals().codes(EXECUTE) == {"REQUESTER_UNKNOWN"}


def test_a_role_without_its_person_is_missing() -> None:
    roster = [person("p-alice", keys.ALICE), person("p-bob", keys.BOB), *people()[2:]]
    story = Story().govern(roster=roster).up_to_approvals()
    assert story.codes(EXECUTE) == {"APPROVAL_ROLE_MISSING"}


def test_one_person_with_both_roles_does_not_fill_both() -> None:
    """Carol could be either; Alice and Dora's colleague are both service owners."""
    roster = [*people(), person("p-erin", keys.fixture_key("erin"))]
    story = Story().govern(roster=roster).up_to_simulation()
    story.approve(EXECUTE, "p-carol")
    assert "APPROVAL_ROLE_MISSING" in story.codes(EXECUTE)
    story.approve(EXECUTE, "p-alice")
    assert story.codes(EXECUTE) == set()


def test_assignment_finds_what_a_greedy_choice_misses() -> None:
    roles = {"a": frozenset({"x", "y"}), "b": frozenset({"x"}), "c": frozenset({"y", "z"})}
    assert assign_roles(["x", "y", "z"], roles) == {"x#0": "b", "y#1": "a", "z#2": "c"}
    assert assign_roles(["x", "x"], {"a": frozenset({"x"})}) is None
    assert assign_roles([], {}) == {}


def test_assignment_agrees_with_trying_everything() -> None:
    sets = [frozenset(s) for s in ("", "x", "y", "xy", "xyz", "z")]
    for has in itertools.product(sets, repeat=3):
        roles = {str(i): one for i, one in enumerate(has)}
        for constraints in itertools.product("xyz", repeat=2):
            possible = any(
                all(role in roles[who] for role, who in zip(constraints, chosen, strict=True))
                for chosen in itertools.permutations(roles, 2)
            )
            assert (assign_roles(list(constraints), roles) is not None) == possible


@pytest.mark.parametrize("approval_type", ["auto_approve", "timeout_deny", "explicit_deny"])
def test_only_an_explicit_approval_counts(approval_type: str) -> None:
    story = Story().up_to_simulation()
    assert codes_with(story, "p-bob", approval_type=approval_type) >= {"APPROVAL_MISMATCH", "APPROVALS_INSUFFICIENT"}


def test_an_approval_of_another_program_does_not_count() -> None:
    story = Story().up_to_simulation()
    assert "APPROVAL_MISMATCH" in codes_with(story, "p-bob", receipt_id="rcpt_0123456789")


@pytest.mark.parametrize(
    "changes",
    [
        {"policy_hash_b64u": "A" * 43, "binding": {"run_id": "run-1", "nonce": "n"}},
        {"plan_hash_b64u": "A" * 43},
        {"plan_hash_b64u": None},
        {"agent_did": keys.STRANGER.did},
    ],
)
def test_an_approval_of_something_else_does_not_count(changes: dict[str, object]) -> None:
    story = Story().up_to_simulation()
    assert "APPROVAL_MISMATCH" in codes_with(story, "p-bob", **changes)


@pytest.mark.parametrize("member", ["run_id", "token_scope_hash_b64u", "nonce"])
def test_an_approval_is_bound_to_run_and_token_scope_and_has_a_nonce(member: str) -> None:
    story = Story().up_to_simulation()
    assert "APPROVAL_MISMATCH" in codes_with(story, "p-bob", binding=story.bound(**{member: None}))


def test_an_approval_of_the_job_that_names_another_run_stops_the_job() -> None:
    story = Story().up_to_approvals()
    story.approve(EXECUTE, "p-carol", binding=story.bound(run_id="run-2"))
    assert story.codes(EXECUTE) == {"RUN_MISMATCH"}


@pytest.mark.parametrize(
    "member", ["job_id", "requester", "ticket", "action", "environment", "change_type", "simulation_b64u", "round", "origin"]
)
def test_an_approval_of_another_scope_is_not_seen(member: str) -> None:
    story = Story().up_to_simulation()
    story.approve(EXECUTE, "p-alice")
    other = {**story.scope(EXECUTE), member: "2"}
    story.approve(EXECUTE, "p-bob", scope_hash_b64u=hash_scope(other))
    assert "APPROVALS_INSUFFICIENT" in story.codes(EXECUTE)


def hash_scope(scope: dict[str, str]) -> str:
    return compute_scope_hash(scope)


def test_an_approval_from_before_the_simulation_does_not_count() -> None:
    """The scope can be known before: what a simulation says is its signer's to choose. Its place in the log is not."""
    known = Story().up_to_simulation()
    story = Story().govern()
    story.token = known.token
    story.log("token_issued", dict(logged_payload(known, "token_issued")))
    for _ in range(3):
        story.call_model()
    for subject, signer in (("p-alice", keys.ALICE), ("p-bob", keys.BOB)):
        story.log("human_approval_receipt", known.approval(subject, EXECUTE), signer)
    story.log("simulation", dict(logged_payload(known, "simulation")))
    story.plans = known.plans
    assert story.scope(EXECUTE) == known.scope(EXECUTE)
    judgement = story.ask(EXECUTE)
    assert judgement.approvals == ()
    assert {"APPROVAL_MISMATCH", "APPROVALS_INSUFFICIENT"} <= {finding.code for finding in judgement.findings}


def logged_payload(story: Story, kind: str) -> dict[str, object]:
    candidate = list(story.view.of_kind(kind, story.view.size))[-1].candidate
    assert candidate is not None
    value = parse_json(candidate.payload_text)
    assert isinstance(value, dict)
    return value


def test_to_close_an_approval_comes_after_the_bundle() -> None:
    story = Story()
    end = story.up_to_execution()
    first = story.bundle(end)
    story.approve(CLOSE)
    assert story.codes(CLOSE) == set()
    second = story.bundle(end)
    assert second.index > first.index
    assert "APPROVALS_INSUFFICIENT" in story.codes(CLOSE)


@pytest.mark.parametrize(("age_s", "codes"), [(3600, set()), (3601, {"APPROVAL_EXPIRED", "APPROVALS_INSUFFICIENT"})])
def test_an_approval_lives_as_long_as_the_policy_says(age_s: int, codes: set[str]) -> None:
    story = Story().govern(policy(token_requirements=long_tokens())).issue(ttl_s=7200)
    story.call_model()
    story.simulate()
    timestamp = story.now_ns
    story.approve(EXECUTE, "p-alice", "p-carol", timestamp=format_timestamp(timestamp))
    story.now_ns = timestamp + age_s * 10**9
    assert story.codes(EXECUTE) >= codes
    assert bool(story.codes(EXECUTE)) == bool(codes)


def long_tokens() -> dict[str, object]:
    return {
        "require_cst": True,
        "optional_policy_hash_pinning": False,
        "job_scoped_binding": True,
        "max_ttl_s": 86400,
    }


def test_the_age_of_an_approval_is_exact_to_the_nanosecond() -> None:
    story = Story().govern(policy(token_requirements=long_tokens())).issue(ttl_s=7200)
    story.call_model()
    story.simulate()
    timestamp = story.now_ns
    story.approve(EXECUTE, timestamp=format_timestamp(timestamp))
    story.now_ns = timestamp + 3600 * 10**9 + 1
    assert "APPROVAL_EXPIRED" in story.codes(EXECUTE)


@pytest.mark.parametrize(("ahead_s", "allowed"), [(302, True), (303, False)])
def test_an_approval_from_the_future_does_not_count(ahead_s: int, allowed: bool) -> None:
    story = Story().up_to_simulation()
    story.approve(EXECUTE, timestamp=format_timestamp(story.now_ns + ahead_s * 10**9))
    assert (story.codes(EXECUTE) == set()) == allowed


def test_what_witnesses_had_seen_is_as_old_as_that_whatever_the_approver_wrote() -> None:
    story = Story().govern(policy(token_requirements=long_tokens())).issue(ttl_s=7200)
    story.call_model()
    story.simulate()
    seen = story.now_ns
    story.approve(EXECUTE, timestamp=format_timestamp(seen + 3000 * 10**9))
    story.now_ns = seen + 3601 * 10**9
    assert story.codes(EXECUTE) == set()
    story.view.note_sighting(story.view.size - 2, seen)  # a tree without them tells nothing
    assert story.codes(EXECUTE) == set()
    story.view.note_sighting(story.view.size, seen)
    assert "APPROVAL_EXPIRED" in story.codes(EXECUTE)


def test_a_key_counts_for_whom_it_belongs_to_in_both_rosters() -> None:
    story = Story().up_to_simulation()
    story.approve(EXECUTE)
    story.next_roster([people()[0], *people()[2:]])
    assert story.codes(EXECUTE) >= {"APPROVAL_NOT_PERMITTED", "APPROVALS_INSUFFICIENT"}


def test_a_person_who_joined_after_approving_did_not_approve() -> None:
    story = Story().govern(roster=[people()[0], people()[3]]).up_to_simulation()
    story.approve(EXECUTE, "p-alice")
    stranger = story.log("human_approval_receipt", story.approval("p-bob", EXECUTE), keys.BOB)
    assert stranger.void == "SIGNER_NOT_TRUSTED"
    story.next_roster(people())
    assert "APPROVALS_INSUFFICIENT" in story.codes(EXECUTE)


def test_an_approval_in_anothers_name_does_not_count() -> None:
    story = Story().up_to_simulation()
    story.approve(EXECUTE, "p-alice")
    story.log("human_approval_receipt", story.approval("p-bob", EXECUTE), keys.CAROL)
    assert story.codes(EXECUTE) >= {"APPROVAL_NOT_PERMITTED", "APPROVALS_INSUFFICIENT"}


@pytest.mark.parametrize(("until_s", "allowed"), [(8, False), (9000, True)])
def test_a_persons_validity_is_measured_when_it_is_decided(until_s: int, allowed: bool) -> None:
    story = Story()
    until = format_timestamp(story.now_ns + until_s * 10**9)
    bob = person("p-bob", keys.BOB, roles=("platform_security",), valid_until=until)
    story.govern(roster=[people()[0], bob, *people()[2:]]).up_to_approvals()
    assert (story.codes(EXECUTE) == set()) == allowed


def test_a_key_in_a_role_is_nobodys() -> None:
    roster = [people()[0], person("p-bob", keys.RUNNER, roles=("platform_security",)), people()[3]]
    story = Story().govern(roster=roster).up_to_simulation()
    story.approve(EXECUTE, "p-alice")
    logged = story.log("human_approval_receipt", story.approval("p-bob", EXECUTE), keys.RUNNER)
    assert logged.void == "SIGNER_WRONG_ROLE"
    assert "APPROVALS_INSUFFICIENT" in story.codes(EXECUTE)


def test_a_key_that_ever_had_a_role_is_nobodys() -> None:
    trust = trust_policy(roles={"runners": [keys.RUNNER.did, (keys.BOB.did, 500, 501)]})
    story = Story(trust=trust).govern().up_to_simulation()
    story.approve(EXECUTE, "p-alice")
    story.log("human_approval_receipt", story.approval("p-bob", EXECUTE), keys.BOB)
    assert "APPROVALS_INSUFFICIENT" in story.codes(EXECUTE)


def test_the_agent_is_not_a_person_even_if_the_roster_says_so() -> None:
    trust = trust_policy(roles={"agents": [keys.STRANGER.did]})
    roster = [people()[0], person("p-bob", keys.AGENT, roles=("platform_security",)), people()[3]]
    story = Story(trust=trust).govern(roster=roster)
    story.up_to_simulation()
    story.approve(EXECUTE, "p-alice")
    story.log("human_approval_receipt", story.approval("p-bob", EXECUTE), keys.AGENT)
    assert story.codes(EXECUTE) >= {"APPROVAL_BY_REQUESTER", "APPROVALS_INSUFFICIENT"}


def test_who_holds_the_agents_key_is_the_agent_whatever_key_they_sign_with() -> None:
    roster = people()
    roster[0]["keys"].append(keys.AGENT.did)
    story = Story().govern(roster=roster).up_to_approvals()
    assert story.codes(EXECUTE) >= {"APPROVAL_BY_REQUESTER", "APPROVALS_INSUFFICIENT"}


def test_the_logs_own_key_is_nobodys() -> None:
    log_as_person = keys.fixture_key(LOG_KEY.key.name)
    trust = TrustPolicy.parse(trust_text().encode())
    roster = [people()[0], person("p-bob", log_as_person, roles=("platform_security",)), people()[3]]
    story = Story(trust=trust).govern(roster=roster).up_to_simulation()
    story.approve(EXECUTE, "p-alice")
    story.log("human_approval_receipt", story.approval("p-bob", EXECUTE), log_as_person)
    assert "APPROVALS_INSUFFICIENT" in story.codes(EXECUTE)


def test_approvals_serve_one_action() -> None:
    story = Story().up_to_bundle()
    assert "APPROVALS_INSUFFICIENT" in story.codes(CLOSE)


def test_approvals_are_used_up_by_an_allow() -> None:
    story = Story().up_to_approvals()
    story.decide(EXECUTE)
    assert story.scope(EXECUTE)["round"] == "2"
    assert "APPROVALS_INSUFFICIENT" in story.codes(EXECUTE)
    story.approve(EXECUTE)
    assert story.codes(EXECUTE) == set()


def test_approvals_of_another_job_do_not_count() -> None:
    story = Story().up_to_approvals()
    story.job, story.run, story.events, story.receipts = "job-2", "run-2", [], []
    story.up_to_simulation()
    assert "APPROVALS_INSUFFICIENT" in story.codes(EXECUTE)


def test_extra_approvals_that_do_not_count_do_no_harm() -> None:
    story = Story().up_to_approvals()
    story.approve(EXECUTE, "p-carol", agent_did=keys.STRANGER.did)
    story.approve(EXECUTE, "p-alice")
    judgement = story.ask(EXECUTE)
    assert judgement.allow
    assert len(judgement.approvals) == 2


def test_more_people_than_two_where_the_policy_says_so() -> None:
    story = Story().govern(policy(tools={EXECUTE: {"step_up_approvals": 3}})).up_to_approvals()
    assert story.codes(EXECUTE) == {"APPROVALS_INSUFFICIENT"}
    story.approve(EXECUTE, "p-carol")
    assert story.codes(EXECUTE) == set()


def test_roles_alone_say_how_many_people() -> None:
    tool = {"step_up_approvals": None, "two_person_rule": None}
    story = Story().govern(policy(tools={EXECUTE: tool})).up_to_simulation()
    story.approve(EXECUTE, "p-carol")
    assert story.codes(EXECUTE) >= {"APPROVALS_INSUFFICIENT", "APPROVAL_ROLE_MISSING"}


def test_without_a_roster_nobody_approves() -> None:
    story = Story()
    story.publish_policy(policy())
    story.up_to_simulation()
    assert story.codes(EXECUTE) >= {"ROSTER_MISSING", "APPROVALS_INSUFFICIENT"}


def test_a_roster_needs_its_quorum() -> None:
    second = keys.fixture_key("second authority")
    trust = trust_policy(roster_quorum=2, roles={"roster_authorities": [keys.ROSTER_AUTHORITY.did, second.did]})
    story = Story(trust=trust)
    story.publish_policy(policy())
    roster = story.own("roster", people=people())
    story.log("roster", roster)
    story.up_to_simulation()
    assert "ROSTER_MISSING" in story.codes(EXECUTE)
    story.log("roster", roster, second)
    story.approve(EXECUTE)
    assert story.codes(EXECUTE) == set()


def test_an_old_roster_logged_again_has_no_effect() -> None:
    story = Story().govern()
    first = story.view.rosters.at(story.view.size)
    story.next_roster([people()[0], people()[3]])
    again = story.own_log("roster", number=1, previous_b64u=None, people=people())
    assert again.void == "ROSTER_NOT_CONTINUING"
    now = story.view.rosters.at(story.view.size)
    assert first is not None
    assert now is not None
    assert now.record.number == 2
