"""A complete change is allowed; with any one condition broken it is denied, and an allow of it that is logged does not hold."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.property.gate.broken import BROKEN, MISSTATED
from tests.property.gate.course import Broken, Misstated, play
from tests.property.gate.jobs import Jobs
from tests.property.gate.model import missing
from tests.unit.gate.story import CLOSE, EXECUTE
from trustlog.policy.rules import RULES
from trustlog.records.scope import SCOPE_MEMBERS

PRESENTED = {"token_is_logged_and_signed", "token_says_what_its_issuance_says", "token_is_of_the_ticket"}
OF_NOW = {"allows_are_not_ahead"}


@pytest.mark.parametrize("action", [EXECUTE, CLOSE])
def test_a_complete_change_is_allowed_and_its_allow_holds(action: str) -> None:
    story = Jobs()
    for _ in range(2):  # the second on a log that holds the first
        play(story, action, {})
        assert missing(story, action) == []
        assert story.rejudge(story.decide(action)) == set()
        story.turn_to(f"job-{len(story.names)}")
        story.run = f"run-{len(story.names)}"


@pytest.mark.parametrize("broken", BROKEN, ids=lambda one: one.name)
def test_a_change_with_one_condition_broken_is_denied(broken: Broken) -> None:
    story = Jobs()
    broken.play(story)
    judgement = broken.ask(story)
    assert not judgement.allow
    if broken.asked or not broken.rules or (PRESENTED | OF_NOW) & {*broken.rules}:
        return  # only the caller's words were wrong, or their token, or the time of asking, or the gate was prudent
    if len(judgement.scope) < len(SCOPE_MEMBERS) or not (judgement.run_id and judgement.roster_b64u):
        return  # nothing that could be logged as an allow
    forged = story.log_decision(broken.asked_for, replace(judgement, findings=()))
    assert forged.candidate is None or story.rejudge(forged), "an allow that a careless gate logs"


@pytest.mark.parametrize("misstated", MISSTATED, ids=lambda one: one.name)
def test_an_allow_that_says_otherwise_does_not_hold(misstated: Misstated) -> None:
    story = Jobs()
    play(story, misstated.action, {})
    judgement = story.ask(misstated.action)
    assert judgement.allow
    assert story.rejudge(misstated.log(story, judgement))


def test_every_rule_of_the_gate_is_broken_by_some_change() -> None:
    named = {name for one in BROKEN for name in one.rules} | {name for one in MISSTATED for name in one.rules}
    assert named == {one.name for one in RULES}
