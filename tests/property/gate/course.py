"""A change played step by step, complete or with one step that is another one than the honest one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.property.gate.jobs import Jobs
from tests.support.payloads import Payload
from tests.unit.gate.story import CLOSE, EXECUTE, people, plan_bytes, policy
from trustlog.gate.judge import Judgement
from trustlog.gate.view import Logged

Step = Callable[[Jobs], object]


@dataclass(frozen=True)
class Broken:
    """One condition broken. `steps` replace honest ones by name, `asked` are words of the request.

    `governed` is False where the log's first roster or its trust is another one: no history may come before.
    """

    name: str
    rules: tuple[str, ...]
    action: str = EXECUTE
    steps: Mapping[str, Step] = field(default_factory=dict)
    asked: Mapping[str, str] = field(default_factory=dict)
    governed: bool = True

    def play(self, story: Jobs) -> None:
        """Play the change on a log that may hold others."""
        play(story, self.action, self.steps)

    def ask(self, story: Jobs) -> Judgement:
        """What the gate makes of it."""
        return story.ask(self.action, **self.asked)


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


def execute(story: Jobs) -> None:
    story.execute(story.decide(EXECUTE))


def bundle(story: Jobs, **changes: Any) -> None:
    story.bundle(end_of(story), **changes)


def end_of(story: Jobs) -> Logged:
    """The last end of the job."""
    ends = [one for one in story.view.of_kind("execution", story.view.size) if one.record.phase == "end"]
    return [one for one in ends if one.record.job_id == story.job][-1]


HONEST: Final[Mapping[str, Step]] = {
    "govern": govern,
    "issue": lambda story: story.issue(),
    "call": call,
    "simulate": lambda story: story.simulate(),
    "approve": lambda story: story.approve(EXECUTE),
    "execute": execute,
    "bundle": bundle,
    "approve closing": lambda story: story.approve(CLOSE),
    "last": lambda story: None,
}
