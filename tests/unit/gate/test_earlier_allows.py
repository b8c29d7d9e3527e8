"""An allow that is in the log is judged again by whoever relies on it: permissions below its view, restrictions below its index."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.support import keys
from tests.support.payloads import hash_of, salt_of
from tests.support.trust import trust_policy
from tests.unit.gate.story import CLOSE, EXECUTE, Story, people, plan_bytes
from trustlog.formats.timestamp import format_timestamp
from trustlog.gate.decision import ViewOfLog, decision_payload
from trustlog.gate.evidence import collect_evidence
from trustlog.gate.job import Job
from trustlog.gate.judge import Judgement
from trustlog.gate.logged import Logged
from trustlog.records.scope import compute_scope_hash


def allow_of(story: Story, size: int, judgement: Judgement, **changes: object) -> Logged:
    """An allow that says it was decided on the view of `size`."""
    payload = decision_payload(
        story.request(EXECUTE),
        judgement,
        story.scoped,
        origin=story.view.origin,
        view=ViewOfLog(size, story.view.root_at(min(size, story.view.size))),
        trust_policy_sha256=story.trust.sha256,
        at_ns=story.now_ns,
        salt=salt_of(f"allow {size}"),
    )
    return story.log("gate_decision", {**payload, **changes})


def test_an_allow_that_the_evidence_carries_is_well_founded() -> None:
    story = Story().up_to_approvals()
    assert story.rejudge(story.decide(EXECUTE)) == set()


def test_entries_about_others_between_view_and_index_change_nothing() -> None:
    story = Story().up_to_approvals()
    size, judgement = story.view.size, story.ask(EXECUTE)
    story.own_log("revocation", keys.TOKEN_ISSUER, target="job:job-9")
    assert story.rejudge(allow_of(story, size, judgement)) == set()


@pytest.mark.parametrize("sort", ["job", "token", "policy", "denial", "approval", "key", "allow"])
def test_a_restriction_between_view_and_index_counts(sort: str) -> None:
    story = Story().up_to_approvals()
    size, judgement = story.view.size, story.ask(EXECUTE)
    match sort:
        case "denial":
            story.deny()
        case "allow":
            story.forge_allow(EXECUTE, scope={**judgement.scope, "change_type": "other"})
        case "key":
            story.revoke(f"key:{keys.BOB.did}")
        case "approval":
            story.revoke(f"approval:{judgement.approvals[0]}")
        case _:
            names = {"job": story.job, "token": story.scoped.token_hash, "policy": story.policy_hash}
            story.revoke(f"{sort}:{names[sort]}")
    assert story.rejudge(allow_of(story, size, judgement))


def test_a_permission_between_view_and_index_does_not_count() -> None:
    story = Story().up_to_simulation()
    story.approve(EXECUTE, "p-alice")
    size = story.view.size
    story.approve(EXECUTE, "p-bob")
    assert "APPROVALS_INSUFFICIENT" in story.rejudge(allow_of(story, size, story.ask(EXECUTE)))


def test_a_roster_between_view_and_index_is_not_the_one_decided_on() -> None:
    story = Story().up_to_approvals()
    size, judgement = story.view.size, story.ask(EXECUTE)
    story.next_roster(people())
    assert story.rejudge(allow_of(story, size, judgement)) == {"DECISION_INVALID"}


def test_a_view_lies_below_the_decision() -> None:
    story = Story().up_to_approvals()
    allow = allow_of(story, story.view.size + 1, story.ask(EXECUTE))
    assert story.rejudge(allow) == {"VIEW_INVALID"}


# What a decision says of the log.


@pytest.mark.parametrize("size", [0, 1, -1])
def test_an_allow_made_on_another_tree_does_not_hold(size: int) -> None:
    story = Story().up_to_approvals()
    other = story.tree(size % story.view.size)["root_b64u"]
    view = {"size": story.view.size, "root_b64u": other}
    assert story.rejudge(allow_of(story, story.view.size, story.ask(EXECUTE), view=view)) == {"VIEW_INVALID"}


def test_a_job_with_a_decision_made_on_another_tree_is_over() -> None:
    story = Story().up_to_approvals()
    allow = story.decide(EXECUTE, view={**story.tree(), "root_b64u": hash_of("another tree")})
    story.bundle(story.execute(allow))
    story.approve(CLOSE)
    assert story.codes(CLOSE) >= {"VIEW_INVALID", "DECISION_INVALID"}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"view": {"size": 3, "root_b64u": hash_of("another tree")}, "evidence": []}, "VIEW_INVALID"),
        ({"view": {"size": 1000, "root_b64u": hash_of("a tree to come")}}, "VIEW_INVALID"),
        ({"evidence": [{"index": 0, "leaf_hash_b64u": hash_of("another entry")}]}, "EVIDENCE_INCOMPLETE"),
        ({"evidence": [{"index": 1000, "leaf_hash_b64u": hash_of("an entry to come")}]}, "EVIDENCE_INCOMPLETE"),
    ],
)
def test_a_deny_that_says_of_the_log_what_is_not_so_stands_against_the_job_and_its_plan(
    changes: dict[str, Any], code: str
) -> None:
    story = Story().up_to_approvals()
    story.log_decision(CLOSE, story.ask(CLOSE), **changes)
    assert story.codes(EXECUTE) == {code}
    story.job, story.run, story.receipts, story.events = "job-9", "run-9", [], []
    story.up_to_simulation().approve(EXECUTE)
    assert story.codes(EXECUTE) == {code}


def test_a_deny_of_another_plan_and_job_is_nobody_elses_business() -> None:
    story = Story().up_to_approvals()
    story.log_decision(CLOSE, story.ask(CLOSE), view={**story.tree(), "root_b64u": hash_of("another tree")})
    story.job, story.run, story.receipts, story.events = "job-9", "run-9", [], []
    story.plan = plan_bytes(body={"limit": 9})
    story.up_to_simulation().approve(EXECUTE)
    assert story.codes(EXECUTE) == set()


# The evidence that it lists.


@pytest.mark.parametrize("fault", ["omitted", "wrong leaf", "beyond the view"])
def test_the_listed_evidence_is_what_the_log_has(fault: str) -> None:
    story = Story().up_to_approvals()
    judgement = story.ask(EXECUTE)
    listed = [{"index": one.index, "leaf_hash_b64u": one.leaf_hash_b64u} for one in judgement.evidence]
    evidence = {
        "omitted": listed[:-1],
        "wrong leaf": [{**listed[0], "leaf_hash_b64u": hash_of("x")}, *listed[1:]],
        "beyond the view": [*listed, {"index": story.view.size, "leaf_hash_b64u": hash_of("x")}],
    }[fault]
    assert story.rejudge(allow_of(story, story.view.size, judgement, evidence=evidence)) == {"EVIDENCE_INCOMPLETE"}


def test_more_evidence_than_demanded_is_no_fault() -> None:
    story = Story().up_to_approvals()
    other = story.own_log("revocation", keys.TOKEN_ISSUER, target="job:job-9")
    judgement = story.ask(EXECUTE)
    listed = [{"index": one.index, "leaf_hash_b64u": one.leaf_hash_b64u} for one in (*judgement.evidence, other)]
    assert story.rejudge(allow_of(story, story.view.size, judgement, evidence=listed)) == set()


@pytest.mark.parametrize("member", ["run_id", "roster_b64u", "token_scope_hash_b64u", "approvals", "token_hash"])
def test_an_allow_says_what_the_evidence_says(member: str) -> None:
    story = Story().up_to_approvals()
    story.approve(EXECUTE, "p-carol")
    judgement = story.ask(EXECUTE)
    other = {
        "run_id": "run-9",
        "approvals": [*judgement.approvals, hash_of("another")],
        "token_hash": "0" * 64,
    }.get(member, hash_of("other"))
    assert story.rejudge(allow_of(story, story.view.size, judgement, **{member: other}))


def test_fewer_approvals_than_needed_are_listed_in_vain() -> None:
    story = Story().up_to_approvals()
    judgement = story.ask(EXECUTE)
    allow = allow_of(story, story.view.size, judgement, approvals=list(judgement.approvals[:1]))
    assert "APPROVALS_INSUFFICIENT" in story.rejudge(allow)


@pytest.mark.parametrize(
    "member", ["environment", "requester", "round", "simulation_b64u", "plan_hash_b64u", "policy_hash_b64u"]
)
def test_an_allow_of_another_scope_is_ill_founded(member: str) -> None:
    story = Story().up_to_approvals()
    judgement = story.ask(EXECUTE)
    other = hash_of("other") if member.endswith("_b64u") else "2"
    assert story.rejudge(allow_of(story, story.view.size, judgement, scope={**judgement.scope, member: other}))


def test_times_are_judged_as_of_the_decision() -> None:
    story = Story().up_to_approvals()
    judgement = story.ask(EXECUTE)
    late = story.now_ns + 700 * 10**9
    times = {"decided_at": format_timestamp(late), "expires_at": format_timestamp(late)}
    assert story.rejudge(allow_of(story, story.view.size, judgement, **times)) == {"TOKEN_EXPIRED"}
    story.pass_time(10_000)
    assert story.rejudge(next(story.view.of_kind("gate_decision", story.view.size)))


def test_an_allow_of_a_time_to_come_stands_against_the_job_until_then() -> None:
    story = Story().up_to_approvals()
    story.pass_time(400)
    allow = story.decide(EXECUTE)
    story.pass_time(-400)
    story.approve(EXECUTE)
    assert story.codes(EXECUTE) == set(), "nothing rests on it"
    story.pass_time(400)
    story.execute(allow)
    story.pass_time(-400)
    story.approve(EXECUTE)
    assert story.codes(EXECUTE) == {"DECISION_IN_FUTURE"}
    assert story.rejudge(allow) == set()
    story.pass_time(200)
    assert story.codes(EXECUTE) == set()


def test_the_round_is_counted_at_the_index_of_the_allow() -> None:
    """The first allow of the action came after what the gate of the second had read."""
    story = Story().up_to_simulation()
    scope = {**story.scope(EXECUTE), "round": "2"}
    story.approve(EXECUTE, scope_hash_b64u=compute_scope_hash(scope))
    size = story.view.size
    approvals = tuple(one.payload_hash for one in story.view.of_kind("human_approval_receipt", size))
    evidence = tuple(one for index in range(size) if (one := story.view.at(index)) is not None)
    foreseen = replace(story.ask(EXECUTE), findings=(), scope=scope, approvals=approvals, evidence=evidence)
    story.forge_allow(EXECUTE)
    assert story.rejudge(allow_of(story, size, foreseen)) == set()


def test_two_approvals_of_one_person_may_be_listed_both() -> None:
    story = Story().up_to_approvals()
    again = story.approve(EXECUTE, "p-alice")[0]
    judgement = story.ask(EXECUTE)
    allow = allow_of(story, story.view.size, judgement, approvals=[*judgement.approvals, again.payload_hash])
    assert story.rejudge(allow) == set()


# An allow that held is not judged again, unless something could be otherwise.


def test_only_an_allow_that_holds_is_remembered() -> None:
    story = Story().up_to_approvals()
    forged = story.forge_allow(EXECUTE, run_id="run-9")
    assert story.rejudge(forged)
    assert not story.view.well_founded
    honest = Story().up_to_approvals()
    allow = honest.decide(EXECUTE)
    assert honest.rejudge(allow) == set()
    assert set(honest.view.well_founded) == {allow.index}


def test_an_allow_that_held_is_judged_again_once_its_plan_is_gone() -> None:
    story = Story().up_to_approvals()
    allow = story.decide(EXECUTE)
    assert story.rejudge(allow) == set()
    story.plans.clear()
    assert "PLAN_MISSING" in story.rejudge(allow)


def test_an_allow_that_held_is_judged_again_once_its_approvals_prove_older() -> None:
    story = Story().up_to_approvals()
    allow = story.decide(EXECUTE)
    assert story.rejudge(allow) == set()
    story.view.note_sighting(story.view.size, story.now_ns)
    assert story.rejudge(allow) == set()
    story.view.note_sighting(story.view.size, 0)
    assert "APPROVAL_EXPIRED" in story.rejudge(allow)


def test_what_comes_after_an_allow_that_held_does_not_touch_it() -> None:
    story = Story().up_to_approvals()
    allow = story.decide(EXECUTE)
    assert story.rejudge(allow) == set()
    story.revoke(f"job:{story.job}")
    assert story.rejudge(allow) == set()


# What is listed.


def indexes(story: Story) -> set[int]:
    return {one.index for one in story.ask(EXECUTE).evidence}


def test_the_evidence_is_every_entry_that_concerns_the_change() -> None:
    story = Story().govern()
    other = story.own_log("revocation", keys.TOKEN_ISSUER, target="job:job-9")
    story.up_to_simulation().approve(EXECUTE)
    assert indexes(story) == set(range(story.view.size)) - {other.index}


@pytest.mark.parametrize(
    "target",
    ["job:{job}", "token:{token}", "policy:{policy}", "approval:{approval}", "key:{alice}", "key:{carol}", "key:{runner}"],
)
def test_the_evidence_lists_every_revocation_that_concerns_the_change(target: str) -> None:
    story = Story().up_to_approvals()
    approval = story.ask(EXECUTE).approvals[0]
    names = {"job": story.job, "token": story.scoped.token_hash, "policy": story.policy_hash, "approval": approval}
    dids = {"alice": keys.ALICE.did, "carol": keys.CAROL.did, "runner": keys.RUNNER.did}
    revocation = story.revoke(target.format(**names, **dids))
    assert revocation.index in indexes(story)


def test_the_key_of_who_revoked_something_listed_is_looked_up_too() -> None:
    second = keys.fixture_key("second authority")
    trust = trust_policy(roles={"roster_authorities": [keys.ROSTER_AUTHORITY.did, second.did]})
    story = Story(trust=trust).up_to_approvals()
    first = story.revoke(f"key:{keys.CAROL.did}", second)
    then = story.revoke(f"key:{second.did}")
    assert {first.index, then.index} <= indexes(story)


def test_resolutions_and_superseding_policies_are_listed() -> None:
    story = Story().up_to_approvals()
    begin = story.begin(story.decide(EXECUTE))
    resolution = story.own_log("resolution", keys.CAROL, begin_b64u=begin.payload_hash)
    assert resolution.index in indexes(story)


def test_what_is_not_known_yet_is_not_looked_for() -> None:
    story = Story().govern().issue()
    issuance = story.view.valid("token_issued", "job", story.job, story.view.size)[0]
    job = Job(story.view, story.view.size, issuance)
    assert {one.kind for one in collect_evidence(job, run_id=None, scope_hash=None, plan_hash=None)} == {
        "work_policy_contract",
        "roster",
        "token_issued",
    }


def test_what_does_not_concern_the_change_is_not_demanded() -> None:
    """A roster that is void, and a step-up: whoever lists only what the format names lists enough."""
    story = Story().up_to_approvals()
    approval = story.ask(EXECUTE).approvals[0]
    void = story.own_log("roster", number=7, previous_b64u=hash_of("no roster"), people=people())
    assert void.void is not None
    step_up = story.own_log("step_up", approval_b64u=approval, subject="p-alice")
    assert {void.index, step_up.index}.isdisjoint(indexes(story))
