"""What a gate denies, and a dishonest one goes on with, fails at the verifier; what it allows passes there.

After random honest and dishonest steps of several jobs the gate is asked. Whatever it says, a gate that is not honest then logs an
allow, the runner begins and ends, or the closure is logged, and the verifier judges the pack with the whole log beside it.
Compared are status and reason: an allow to close with PASS; an allow to execute with what only lacks its closure; a deny with
neither, and then the verifier's first reason with the gate's reasons: those against the action, or against an earlier allow that
something of the job was begun under. ``DECISION_PENDING`` is a gate's prudence and left out, and so
are payloads of revocations that are missing.
The long form: ``TRUSTLOG_EXAMPLES=2000 python -m pytest tests/integration/differential/test_going_on.py``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test

from tests.integration.differential.judging import judged_by_trustlog
from tests.integration.differential.whole_story import judge_story
from tests.property.gate.broken import BROKEN, MISSTATED
from tests.property.gate.course import Broken, Misstated, play
from tests.property.gate.jobs import Jobs, Stuck
from tests.property.gate.test_never_allowed_without import ACTIONS, Histories
from tests.unit.gate.story import CLOSE, EXECUTE, Story
from trustlog.errors import Refused
from trustlog.gate.judge import Judgement
from trustlog.gate.logged import Logged
from trustlog.records.scope import BUNDLE_MEMBER, is_complete_scope
from verifier.report import Check, Report, Status

EXAMPLES: Final = int(os.environ.get("TRUSTLOG_EXAMPLES", "20"))


# Conditions that nobody can break in what is logged: without them there is no complete scope, or no token to name.
CANNOT_BE_LOGGED: Final = {
    *("policy not published", "token not logged", "token signed by another", "never simulated", "simulated in vain"),
    *("plan not at hand", "another plan's bytes", "a bundle that is not logged", "no roster, where nobody has to approve"),
}
CANNOT_BE_USED: Final = {"a bundle that closed something"}  # its closure is void
NOT_THE_VERIFIERS: Final = {
    "an entry that lies",  # void for every reader; a gate stops deciding on a log that lies at all
    "token says another end than its issuance",  # the token is seen by the gate alone
    "an allow to execute that may be used yet",  # a gate's prudence, not a rule
    "an allow to close that may be used yet",
}
# What the verifier says first, where the gate says it in other words, or says something else before it looks at that.
IN_OTHER_WORDS: Final[Mapping[str, frozenset[str]]] = {
    "PAYLOAD_MISSING": frozenset(
        {
            *("PAYLOAD_UNREADABLE", "JOB_DENIED", "PLAN_DENIED"),
            *("JOB_REVOKED", "TOKEN_REVOKED", "POLICY_REVOKED", "APPROVAL_REVOKED", "KEY_REVOKED"),
        }
    ),
    "POLICY_MISMATCH": frozenset({"SIMULATION_MISSING"}),
    "TOKEN_SCOPE_MISMATCH": frozenset({"SIMULATION_MISSING"}),
    "EXECUTION_FAILED": frozenset({"REQUIRED_STEP_MISSING"}),
    "BUNDLE_MISMATCH": frozenset({"REQUIRED_STEP_MISSING"}),
    "DECISION_WITHDRAWN": frozenset({"REQUIRED_STEP_MISSING", "EXECUTION_MISMATCH"}),
    "DECISION_EXPIRED": frozenset({"EXECUTION_MISMATCH"}),
    "EVIDENCE_FOREIGN": frozenset({"JOB_ENDED"}),
    "APPROVALS_INSUFFICIENT": frozenset({"REQUIRED_STEP_MISSING"}),
}


def ask(story: Story, action: str) -> Judgement:
    """What the gate says by its rules."""
    judgement = story.ask(action)
    return replace(judgement, findings=tuple(one for one in judgement.findings if one.code != "DECISION_PENDING"))


def log_anyway(story: Story, action: str, judgement: Judgement) -> Logged | None:
    """The allow that a dishonest gate logs whatever was found; None where there is nothing that could be logged, or used."""
    if not (is_complete_scope(judgement.scope) and judgement.run_id and judgement.roster_b64u):
        return None
    if action == CLOSE and BUNDLE_MEMBER not in judgement.scope:
        return None
    with suppress(Refused):  # a closing reason without a bundle cannot even be said
        allow = story.log_decision(action, replace(judgement, findings=()))
        return allow if allow.candidate is not None else None
    return None


def go_on(story: Story, action: str, allow: Logged) -> bool:
    """Use the allow; whether that is in the log."""
    scope = allow.record.scope
    if action == CLOSE:
        return story.close(allow, run_id=allow.record.run_id).candidate is not None
    members = {name: scope[name] for name in ("plan_hash_b64u", "policy_hash_b64u", "environment", "ticket")}
    members |= {"run_id": allow.record.run_id, "token_scope_hash_b64u": allow.record.token_scope_hash_b64u}
    begin = story.begin(allow, **members)
    return begin.candidate is not None and story.end(begin, **members).candidate is not None


def expected_reasons(story: Story, judgement: Judgement) -> set[str]:
    """What the gate has against the action, and against the allows that something of the job was begun under."""
    codes = {finding.code for finding in judgement.findings}
    for begin in story.view.valid("execution", "job", story.job, story.view.size):
        allow = story.view.first(begin.record.decision_b64u, "gate_decision", begin.index)
        if allow is not None and allow.record.decision == "allow":
            codes |= {*judged_by_trustlog(story, allow)}
    return codes


def against(verdict: Report) -> list[Check]:
    """The checks that did not pass; a change that was not closed yet lacks its closure."""
    failed = [check for check in verdict.checks if check.status not in (Status.PASS, Status.PROVEN)]
    return [check for check in failed if check.code != "CLOSURE_MISSING"]


def is_unread_revocation(story: Story, check: Check) -> bool:
    """Whether it is about a revocation whose payload is withheld: a gate takes it at its worst, which may be nothing.

    The verifier fails for want of any payload.
    """
    one = None if check.index is None else story.view.at(check.index)
    return check.code == "PAYLOAD_MISSING" and one is not None and one.kind == "revocation"


def compare(story: Story, action: str, judgement: Judgement, verdict: Report) -> None:
    """That both say the same, and for a reason that the gate has too."""
    ours = [finding.code for finding in judgement.findings]
    said = f"{action} of {story.job}: trustlog {ours}, verifier {verdict.status} {verdict.reason}"
    failed = against(verdict)
    wrong = [check for check in failed if not is_unread_revocation(story, check)]
    assert judgement.allow == (not wrong), f"{said} {wrong}"
    assert action == EXECUTE or (verdict.status is Status.PASS) == (not failed), said
    if wrong:
        reasons = expected_reasons(story, judgement)
        code = wrong[0].code or ""
        assert reasons & {code, *IN_OTHER_WORDS.get(code, ())}, f"{said} {wrong}"


class GoingOn(Histories):
    """The histories of the gate's property test, and a dishonest gate that goes on at any step of them."""

    @rule(
        action=ACTIONS,
        broken=st.sampled_from([None, None, *(one for one in BROKEN if one.governed and one.name not in NOT_THE_VERIFIERS)]),
    )
    def a_new_change_is_gone_on_with(self, action: str, broken: Broken | None) -> None:
        """A new job, complete or but for one condition; what went before may stand against it too."""
        self._turn_to_a_new_job()
        with suppress(Stuck, Refused):
            if broken is None:
                play(self.story, action, {})
            else:
                broken.play(self.story)
                action = broken.asked_for
            self.a_dishonest_gate_goes_on(action)

    @rule(action=ACTIONS)
    def a_dishonest_gate_goes_on(self, action: str) -> None:
        story = self.story
        if not story.token or action not in (EXECUTE, CLOSE):
            return
        judgement = ask(story, action)
        allow = log_anyway(story, action, judgement)
        if allow is None:
            return
        self.allows.append((story.job, allow))
        if go_on(story, action, allow):
            compare(story, action, judgement, judge_story(story))

    def an_allow_has_all_its_conditions(self) -> None:
        """The other test's business."""

    def teardown(self) -> None:
        """At last every job that has come so far."""
        for job in self.story.names:
            self.story.turn_to(job)
            with suppress(Stuck):
                self.a_dishonest_gate_goes_on(CLOSE)


@pytest.mark.parametrize("action", [EXECUTE, CLOSE])
def test_what_is_allowed_passes(action: str) -> None:
    story = Jobs()
    play(story, action, {})
    judgement = story.ask(action)
    assert judgement.allow
    allow = log_anyway(story, action, judgement)
    assert allow is not None
    assert go_on(story, action, allow)
    compare(story, action, judgement, judge_story(story))


LOGGABLE: Final = [one for one in BROKEN if one.asked_for in (EXECUTE, CLOSE) and not one.asked]


@pytest.mark.parametrize("broken", LOGGABLE, ids=lambda one: one.name)
def test_each_condition_broken_is_found_out(broken: Broken) -> None:
    story = Jobs()
    broken.play(story)
    judgement = broken.ask(story)
    allow = log_anyway(story, broken.asked_for, judgement)
    assert (allow is None) == (broken.name in CANNOT_BE_LOGGED)
    if allow is None:
        return
    assert go_on(story, broken.asked_for, allow) == (broken.name not in CANNOT_BE_USED)
    if broken.name in NOT_THE_VERIFIERS:
        assert not judgement.allow
    elif broken.name not in CANNOT_BE_USED:
        compare(story, broken.asked_for, judgement, judge_story(story))


@pytest.mark.parametrize("misstated", MISSTATED, ids=lambda one: one.name)
def test_an_allow_that_says_otherwise_is_found_out(misstated: Misstated) -> None:
    story = Jobs()
    play(story, misstated.action, {})
    allow = misstated.log(story, story.ask(misstated.action))
    assert judged_by_trustlog(story, allow)
    assert go_on(story, misstated.action, allow)
    assert against(judge_story(story))


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_a_dishonest_gate_that_goes_on_is_found_out() -> None:
    run_state_machine_as_test(
        GoingOn,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=12,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
