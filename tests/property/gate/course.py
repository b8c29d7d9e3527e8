"""A change played step by step, complete or with one step that is another one than the honest one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.property.gate.jobs import Jobs, Stuck
from tests.support.payloads import Payload
from tests.unit.gate.story import CLOSE, EXECUTE, people, plan_bytes, policy
from trustlog.gate.judge import Judgement
from trustlog.gate.logged import Logged

Step = Callable[[Jobs], object]


@dataclass(frozen=True)
class Broken:
    """One condition broken. `steps` replace honest ones by name, `asked` are words of the request, or make them.

    `governed` is False where nothing may come before, for want of a roster, or after, because everything is denied for ever.
    """

    name: str
    rules: tuple[str, ...]
    action: str = EXECUTE
    steps: Mapping[str, Step] = field(default_factory=dict)
    asked: Mapping[str, str | Callable[[Jobs], str]] = field(default_factory=dict)
    governed: bool = True
    asks: str | None = None

    @property
    def asked_for(self) -> str:
        """The action that the gate is asked for: the one that was played for, or another."""
        return self.asks or self.action

    def play(self, story: Jobs) -> None:
        """Play the change on a log that may hold others."""
        play(story, self.action, self.steps)

    def ask(self, story: Jobs) -> Judgement:
        """What the gate makes of it."""
        words = {name: word if isinstance(word, str) else word(story) for name, word in self.asked.items()}
        return story.ask(self.asked_for, **words)


@dataclass(frozen=True)
class Misstated:
    """A complete change, and an allow of it in the log that says or rests on something else."""

    name: str
    rules: tuple[str, ...]
    log: Callable[[Jobs, Judgement], Logged]
    action: str = EXECUTE


def play(story: Jobs, action: str, steps: Mapping[str, Step]) -> None:
    """Everything but the decision on the action, with these steps in place of the honest ones."""
    story.plan = plan_bytes(body={"limit": len(story.envelopes)})
    order = ["govern", "issue", "call", "simulate", "approve"]
    order += ["execute", "bundle", "approve closing"] if action == CLOSE else []
    assert steps.keys() <= {*order, "last"}, steps
    for name in [*order, "last"]:
        steps.get(name, HONEST[name])(story)


# The honest steps.


def govern(story: Jobs, document: Payload | None = None, **members: Any) -> None:
    """A policy of its own for the change, and the first roster where there is none."""
    document = {**(document or policy()), **members, "policy_name": f"for a change {len(story.envelopes)}"}
    story.publish_policy(document)
    story.policies.append(story.policy_hash)
    if story.view.rosters.at(story.view.size) is None:
        story.own_log("roster", people=people())


def call(story: Jobs) -> None:
    story.call_model()
    story.call_model()


def approve(action: str) -> Step:
    """Alice and Bob approve."""

    def act(story: Jobs) -> None:
        if "simulation_b64u" not in story.scope(action):
            raise Stuck
        story.approve(action)

    return act


def decide(story: Jobs, action: str) -> Logged:
    """The gate's allow, logged."""
    judgement = story.ask(action)
    if not judgement.allow:
        raise Stuck(*(finding.code for finding in judgement.findings))
    return story.log_decision(action, judgement)


def execute(story: Jobs) -> None:
    story.execute(decide(story, EXECUTE))


def bundle(story: Jobs, **changes: Any) -> None:
    story.bundle(end_of(story), **changes)


def end_of(story: Jobs) -> Logged:
    """The last end of the job."""
    read = (one for one in story.view.of_kind("execution", story.view.size) if one.candidate is not None)
    ends = [one for one in read if one.record.phase == "end"]
    mine = [one for one in ends if one.record.job_id == story.job]
    if not mine:
        raise Stuck
    return mine[-1]


HONEST: Final[Mapping[str, Step]] = {
    "govern": govern,
    "issue": lambda story: story.issue(),
    "call": call,
    "simulate": lambda story: story.simulate(),
    "approve": approve(EXECUTE),
    "execute": execute,
    "bundle": bundle,
    "approve closing": approve(CLOSE),
    "last": lambda story: None,
}
