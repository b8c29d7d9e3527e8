"""The honest path is allowed, step by step, and each step missing from it is denied."""

from __future__ import annotations

from tests.unit.gate.story import CLOSE, EXECUTE, Story


def test_a_change_goes_from_policy_to_closure() -> None:
    story = Story().up_to_approvals()
    assert story.codes(EXECUTE) == set()
    end = story.execute(story.decide(EXECUTE))
    story.bundle(end)
    assert story.codes(CLOSE) == {"APPROVALS_INSUFFICIENT", "APPROVAL_ROLE_MISSING"}
    story.approve(CLOSE)
    assert story.codes(CLOSE) == set()
    closure = story.close(story.decide(CLOSE))
    assert closure.candidate is not None
    assert "JOB_ENDED" in story.codes(EXECUTE)
