"""A decision that lies stands against whatever leads to it: who shows a change shows it too, and the verifier fails that pack."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.differential.whole_story import judge_story
from tests.support.payloads import JOB, hash_of
from tests.unit.gate.story import CLOSE, EXECUTE, Story, plan_bytes
from trustlog.gate.logged import Logged
from verifier.report import Report, Status


def lie(story: Story, **changes: Any) -> Logged:
    """A deny of the job at hand that says to have been made on another tree than this log's."""
    view = {**story.tree(), "root_b64u": hash_of("another tree")}
    return story.log_decision(CLOSE, story.ask(CLOSE), view=view, **changes)


def with_another_job() -> tuple[Story, Logged]:
    """A job at hand that is ready to be executed, and a lie about a job with another plan, run and token."""
    story = Story().up_to_simulation()
    false = lie(story)
    story.job, story.run, story.receipts, story.events = "job-9", "run-9", [], []
    story.plan = plan_bytes(body={"limit": 9})
    story.up_to_simulation().approve(EXECUTE)
    return story, false


def listing(story: Story, *more: Logged) -> list[dict[str, object]]:
    """The evidence that is demanded, and more."""
    listed = {one.index: one.leaf_hash_b64u for one in (*story.ask(EXECUTE).evidence, *more)}
    return [{"index": index, "leaf_hash_b64u": listed[index]} for index in sorted(listed)]


def failed(report: Report) -> set[str | None]:
    return {check.code for check in report.checks if check.status is Status.FAIL}


def test_a_lie_that_nothing_of_the_job_leads_to_is_nobodys_business() -> None:
    story, _ = with_another_job()
    story.bundle(story.execute(story.decide(EXECUTE)))
    story.approve(CLOSE)
    story.close(story.decide(CLOSE))
    assert judge_story(story).status is Status.PASS


def test_an_allow_that_lists_a_lie_about_another_job_does_not_hold() -> None:
    story, false = with_another_job()
    allow = story.decide(EXECUTE, evidence=listing(story, false))
    assert story.rejudge(allow) == {"VIEW_INVALID"}
    story.bundle(story.execute(allow))
    story.approve(CLOSE)
    assert story.codes(CLOSE) >= {"VIEW_INVALID"}
    assert failed(judge_story(story)) >= {"VIEW_INVALID"}


def test_an_allow_that_leads_to_a_lie_over_another_decision_does_not_hold() -> None:
    story, false = with_another_job()
    between = story.log_decision(CLOSE, story.ask(CLOSE), evidence=listing(story, false))
    assert story.view.misstated[between.index] == story.view.misstated[false.index]
    assert story.codes(EXECUTE) == {"VIEW_INVALID"}
    assert failed(judge_story(story)) >= {"VIEW_INVALID"}


@pytest.mark.parametrize("shared", ["run", "token"])
def test_a_lie_about_another_job_that_shares_something_with_a_record_of_this_one_stands_against_it(shared: str) -> None:
    story = Story().up_to_approvals()
    token, run, job, plan = story.token, story.run, story.job, story.plan
    scoped = story.scoped
    story.job, story.plan = "job-9", plan_bytes(body={"limit": 9})
    story.run = run if shared == "run" else "run-9"
    story.issue()
    changes = {"token_hash": scoped.token_hash} if shared == "token" else {"run_id": run}
    lie(story, **changes)
    story.job, story.run, story.token, story.plan = job, run, token, plan
    assert story.codes(EXECUTE) == {"VIEW_INVALID"}
    assert failed(judge_story(story)) >= {"VIEW_INVALID"}


def test_a_lie_about_a_plan_that_the_job_has_given_up_stands_against_it() -> None:
    """Its simulation is shown with the change, and so is what was decided about that plan elsewhere."""
    story = Story().up_to_simulation()
    run = story.run
    story.job, story.run, story.receipts, story.events = "job-9", "run-9", [], []
    story.up_to_simulation()
    lie(story)
    story.job, story.run, story.receipts, story.events = JOB, run, [], []
    story.plan = plan_bytes(body={"limit": 12})
    story.issue()
    story.call_model()
    story.simulate()
    story.approve(EXECUTE)
    assert "VIEW_INVALID" in story.codes(EXECUTE)
    assert failed(judge_story(story)) >= {"VIEW_INVALID"}


def test_honest_decisions_that_list_each_other_leave_nothing_behind() -> None:
    story = Story().up_to_approvals()
    story.bundle(story.execute(story.decide(EXECUTE)))
    story.approve(CLOSE)
    story.decide(CLOSE)
    assert not story.view.misstated
