"""Policies of many steps, each of which wants all others first: every allow is judged, and none again and again."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.verifier.changebuilder import Change, default_policy
from tests.verifier.judging import assert_fails, assert_passes, verdict
from verifier.change import decision_rules

STEPS = tuple(f"step.{number:02}" for number in range(30))


def many_steps(*, careless: bool = False) -> Change:
    """Each step is allowed by one person, after all before it; the `careless` first one asked nobody."""
    policy = default_policy()
    for number, step in enumerate(STEPS):
        later = [*STEPS[number + 1 :], "change.execute"]
        policy["tools"][step] = {"allowed": True, "step_up_approvals": 1, "required_before": later}

    def take_steps(change: Change) -> None:
        for step in STEPS:
            change._approve(f"{step} 1", step)
            approvals = [] if careless and step == STEPS[0] else [change.hashes[f"{step} 1"]]
            change.put_decision(f"decide {step}", change.decision(f"decide {step}", step, approvals))

    return Change(policy=policy, before={"approve_execute_1": take_steps}).build()


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each decision is judged. One that is judged without end is told at once."""
    counts: Counter[str] = Counter()
    check = decision_rules.check_decision

    def count(case: Any, findings: Any, decision_b64u: str, **options: Any) -> None:
        counts[decision_b64u] += 1
        assert counts[decision_b64u] <= 2, "judged for what relies on it, and once more to be told"
        check(case, findings, decision_b64u, **options)

    monkeypatch.setattr(decision_rules, "check_decision", count)
    return counts


def test_a_chain_of_many_steps_passes(judged: Counter[str]) -> None:
    assert_passes(verdict(many_steps()))
    assert len(judged) >= len(STEPS)


def test_a_chain_of_many_steps_whose_first_asked_nobody(judged: Counter[str]) -> None:
    assert_fails(
        verdict(many_steps(careless=True)), "APPROVALS_INSUFFICIENT", "approvals.enough[step.00] APPROVALS_INSUFFICIENT"
    )
    assert len(judged) >= len(STEPS)
