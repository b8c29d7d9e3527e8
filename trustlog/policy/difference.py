"""What changes between two policies, member by member, and what each change means: stricter, looser, or merely different.

*Stricter* and *looser* speak about what may be done: a looser change lets something through that the first policy stops. Members
are compared as they read, so a default that is written out changes nothing; what keeps a tool from being used at all outweighs
what else is written about it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from trustlog.policy.duration import duration
from trustlog.policy.paths import Path
from trustlog.policy.rules import steps_before
from trustlog.records.fields import Instant, UnsetType
from trustlog.records.work_policy_contract import ChangeManagement, StepUpDemand, Tool

Effect: TypeAlias = Literal["looser", "stricter", "different"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One member that reads differently: where it stands in the rules, and what the change means in a sentence."""

    path: Path
    effect: Effect
    sentence: str


def find_differences(before: ChangeManagement, after: ChangeManagement) -> list[Difference]:
    """Every difference between the rules of two policies, those of the whole policy first, then tool by tool."""
    found = [
        *_names(before, after),
        *_validity(before, after),
        *_demands(before, after),
        *_limits(before, after),
    ]
    for name in dict.fromkeys((*before.tools, *after.tools)):
        found += _of_tool(name, before, after)
    return found


def find_other_differences(before: Any, after: Any, known: Sequence[Difference], within: Path = ()) -> list[Difference]:
    """What else reads differently between the JSON of two rules, below `within`: it means the same, or no gate sees it."""
    known_paths = [one.path for one in known]
    return [
        Difference(path, "different", f"{path[-1]} is written otherwise, and means the same to a gate.")
        for path in _differing(before, after, within)
        if not any(path[: len(one)] == one[: len(path)] for one in known_paths)
    ]


def _differing(before: Any, after: Any, path: Path) -> Iterator[Path]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys((*before, *after)):
            yield from _differing(before.get(name, _ABSENT), after.get(name, _ABSENT), (*path, name))
    elif type(before) is not type(after) or before != after:
        yield path


_ABSENT: Final = object()


# The whole policy.


def _names(before: ChangeManagement, after: ChangeManagement) -> Iterator[Difference]:
    if before.policy_name != after.policy_name:
        said = f"It is called {after.policy_name}, no longer {before.policy_name}."
        yield Difference(("policy_name",), "different", said)
    if before.superseded_policy != after.superseded_policy:
        old, new = before.superseded_policy or "no policy", after.superseded_policy or "no policy"
        yield Difference(("supersedes",), "different", f"It replaces {new}; before, {old}.")


def _validity(before: ChangeManagement, after: ChangeManagement) -> Iterator[Difference]:
    for name, unbounded, word in (("valid_from", float("-inf"), "from"), ("valid_until", float("inf"), "until")):
        old, new = getattr(before, name), getattr(after, name)
        at = [one.ns if isinstance(one, Instant) else unbounded for one in (old, new)]
        if at[0] == at[1]:
            continue
        longer = at[1] < at[0] if name == "valid_from" else at[1] > at[0]
        was, now = (one.text if isinstance(one, Instant) else "any time" for one in (old, new))
        yield Difference((name,), _effect(looser=longer), f"It is valid {word} {now}; before, {word} {was}.")


_FLAGS: Final[tuple[tuple[Path, str, str], ...]] = (
    (
        ("enforcement", "require_gateway_receipts"),
        "What needs approvals needs a receipt of a model call.",
        "No receipt of a model call is demanded any more.",
    ),
    (
        ("enforcement", "require_proof_bundle"),
        "Every ticket.close needs the proof bundle.",
        "The proof bundle is demanded only where a tool says so.",
    ),
    (("token_requirements", "require_cst"), "A scoped token is demanded.", "The policy no longer asks for a scoped token."),
    (
        ("token_requirements", "job_scoped_binding"),
        "A token must be bound to one job.",
        "The policy no longer asks for tokens of one job.",
    ),
    (
        ("token_requirements", "proof_of_possession"),
        "A token's holder must prove possession of a key.",
        "Whoever has a token may use it.",
    ),
)
"""Demands that are stricter when they are true: path, and what to say when they become true, and false."""


def _demands(before: ChangeManagement, after: ChangeManagement) -> Iterator[Difference]:
    for path, demanded, waived in _FLAGS:
        group, name = str(path[0]), str(path[1])
        old, new = getattr(getattr(before, group), name), getattr(getattr(after, group), name)
        if old != new:
            yield Difference(path, _effect(looser=old), demanded if new else waived)
    old, new = before.token_requirements, after.token_requirements
    pinning = ("token_requirements", "optional_policy_hash_pinning")
    if old.optional_policy_hash_pinning != new.optional_policy_hash_pinning:
        said = (
            "A token may lack the pin to the policy." if new.optional_policy_hash_pinning else "Every token must be pinned."
        )
        yield Difference(pinning, _effect(looser=new.optional_policy_hash_pinning), said)
    if old.max_ttl_s != new.max_ttl_s:
        said = f"A token lives {duration(new.max_ttl_s)} at most; before, {duration(old.max_ttl_s)}."
        yield Difference(("token_requirements", "max_ttl_s"), _effect(looser=new.max_ttl_s > old.max_ttl_s), said)
    yield from _pinned_scope(old.cst_scope_hash, new.cst_scope_hash)


def _pinned_scope(old: str | UnsetType, new: str | UnsetType) -> Iterator[Difference]:
    path = ("token_requirements", "cst_scope_hash")
    if old == new:
        return
    if isinstance(new, UnsetType):
        yield Difference(path, "looser", "A token may have any audience and scope.")
    elif isinstance(old, UnsetType):
        yield Difference(path, "stricter", f"A token's audience and scope must have the hash {new}.")
    else:
        said = f"A token's audience and scope must have the hash {new}; before, {old}: others than before get through."
        yield Difference(path, "looser", said)


def _limits(before: ChangeManagement, after: ChangeManagement) -> Iterator[Difference]:
    """The parts for the model proxy, each of which may be absent: then there is no limit."""
    for part, names in (
        ("models", ("providers", "models")),
        ("egress", ("hosts",)),
        ("budgets", ("max_calls", "max_tokens")),
    ):
        old, new = getattr(before, part), getattr(after, part)
        if isinstance(old, UnsetType) != isinstance(new, UnsetType):
            gone = isinstance(new, UnsetType)
            effect: Effect = "different" if part == "egress" else _effect(looser=gone)
            yield Difference(
                (part,), effect, f"There is no limit on {part} any more." if gone else f"There is a limit on {part}."
            )
        elif not isinstance(old, UnsetType):
            yield from _limit(part, names, old, new)


def _limit(part: str, names: Sequence[str], old: object, new: object) -> Iterator[Difference]:
    for name in names:
        was, now = getattr(old, name), getattr(new, name)
        if was == now:
            continue
        if part == "budgets":
            looser = isinstance(now, UnsetType) or (not isinstance(was, UnsetType) and now > was)
            yield Difference((part, name), _effect(looser=looser), f"{name} is {_said(now)}; before, {_said(was)}.")
        elif effect := _compare_allowed(was, now):
            effect = "different" if part == "egress" else effect
            yield Difference((part, name), effect, f"{name} are {_said(now)}; before, {_said(was)}.")


# One tool.


def _of_tool(name: str, before: ChangeManagement, after: ChangeManagement) -> list[Difference]:
    old, new = before.tools.get(name), after.tools.get(name)
    found: list[Difference] = []
    if old is not None and new is not None:
        found = [*_people(name, old, new), *_conditions(name, old, new), *_steps(name, before, after)]
    was, now = old is not None and old.allowed, new is not None and new.allowed
    if was and now:
        return found
    # What is denied on either side gets no easier and no harder by its other members.
    return [*_listing(name, old, new), *(Difference(one.path, "different", one.sentence) for one in found)]


def _listing(name: str, old: Tool | None, new: Tool | None) -> Iterator[Difference]:
    path = ("tools", name)
    was, now = old is not None and old.allowed, new is not None and new.allowed
    if old is None and new is not None:
        said = (
            f"{name} is listed and allowed, and was denied." if now else f"{name} is listed as not allowed; it was denied."
        )
        yield Difference(path, "looser" if now else "different", said)
    elif new is None and old is not None:
        said = f"{name} is no longer listed, so it is denied." if was else f"{name} is no longer listed; it stays denied."
        yield Difference(path, "stricter" if was else "different", said)
    elif was != now:
        said = f"{name} is allowed, and was not." if now else f"{name} is not allowed any more."
        yield Difference((*path, "allowed"), _effect(looser=now), said)


def _people(name: str, old: Tool, new: Tool) -> Iterator[Difference]:
    """Approvals by what they come to: how many people, and who."""
    path = ("tools", name)
    was, now = old.approvals_needed, new.approvals_needed
    changed = [one for one in ("two_person_rule", "step_up_approvals") if getattr(old, one) != getattr(new, one)]
    roles = _compare_demands(old.constraints, new.constraints)
    if was != now:
        member = changed[0] if changed else "approver_constraints"
        said = f"{name} needs {_people_said(now)}; before, {_people_said(was)}."
        yield Difference((*path, member), _effect(looser=now < was), said)
        changed = [one for one in changed if one != member]
    for member in changed:
        yield Difference(
            (*path, member), "different", f"{member} of {name} reads otherwise; it needs {_people_said(now)} anyway."
        )
    if roles is not None:
        now_said, was_said = (_said(one) or "no role" for one in (new.constraints, old.constraints))
        said = f"Approvers of {name} must cover {now_said}; before, {was_said}."
        yield Difference((*path, "approver_constraints"), roles, said)


def _conditions(name: str, old: Tool, new: Tool) -> Iterator[Difference]:
    path = ("tools", name)
    if old.requires_proof_bundle_reference != new.requires_proof_bundle_reference:
        needs = new.requires_proof_bundle_reference
        said = f"{name} {'needs' if needs else 'no longer needs'} the proof bundle."
        yield Difference((*path, "requires_proof_bundle_reference"), _effect(looser=not needs), said)
    if old.requires_plan_fingerprint_match != new.requires_plan_fingerprint_match:
        yield _plan_match(name, old, new)
    for member in ("change_types", "environments"):
        was, now = getattr(old, member), getattr(new, member)
        if was != now and (effect := _compare_allowed(was, now)):
            said = f"{member.replace('_', ' ')} of {name}: {_said(now)}; before, {_said(was)}."
            yield Difference((*path, member), effect, said)
    if old.approval_ttl_s != new.approval_ttl_s:
        said = f"An approval of {name} counts for {duration(new.approval_ttl_s)}; before, {duration(old.approval_ttl_s)}."
        effect = _effect(looser=new.approval_ttl_s > old.approval_ttl_s) if new.approvals_needed else "different"
        yield Difference((*path, "approval_ttl_s"), effect, said)
    yield from _step_up((*path, "step_up"), name, old.step_up, new.step_up)


def _plan_match(name: str, old: Tool, new: Tool) -> Difference:
    """What counts is whether a logged decision, and with it the simulated plan, is needed."""
    path = ("tools", name, "requires_plan_fingerprint_match")
    if old.decision_is_logged == new.decision_is_logged:
        return Difference(
            path, "different", f"requires_plan_fingerprint_match of {name} reads otherwise and changes nothing."
        )
    said = f"{name} {'needs' if new.decision_is_logged else 'no longer needs'} the plan that was simulated."
    return Difference(path, _effect(looser=old.decision_is_logged), said)


def _step_up(path: Path, name: str, old: StepUpDemand | UnsetType, new: StepUpDemand | UnsetType) -> Iterator[Difference]:
    if isinstance(old, UnsetType) or isinstance(new, UnsetType):
        if isinstance(old, UnsetType) != isinstance(new, UnsetType):
            gone = isinstance(new, UnsetType)
            said = f"Approvers of {name} {'need not sign in again' if gone else 'must have signed in again'}."
            yield Difference(path, _effect(looser=gone), said)
        return
    if old.max_age_s != new.max_age_s:
        said = f"Approvers of {name} have signed in within {duration(new.max_age_s)}; before, {duration(old.max_age_s)}."
        yield Difference((*path, "max_age_s"), _effect(looser=new.max_age_s > old.max_age_s), said)
    if effect := _compare_allowed(old.acr, new.acr):
        said = f"Approvers of {name} have signed in with {_said(new.acr)}; before, {_said(old.acr)}."
        yield Difference((*path, "acr"), effect, said)


def _steps(name: str, before: ChangeManagement, after: ChangeManagement) -> Iterator[Difference]:
    """The steps before a tool, wherever they are written."""
    old, new = steps_before(before, name), steps_before(after, name)
    for step in old:
        if step not in new:
            yield Difference(("tools", step, "required_before"), "looser", f"{name} no longer needs {step} first.")
    for step in new:
        if step not in old:
            yield Difference(("tools", step, "required_before"), "stricter", f"{name} needs {step} first.")


# What the comparisons share.


def _effect(*, looser: bool) -> Effect:
    return "looser" if looser else "stricter"


def _compare_allowed(old: Sequence[str] | UnsetType, new: Sequence[str] | UnsetType) -> Effect | None:
    """Of two lists of what is allowed, where absent means anything; None where they allow the same."""
    if isinstance(new, UnsetType) or isinstance(old, UnsetType):
        return (
            None if isinstance(old, UnsetType) == isinstance(new, UnsetType) else _effect(looser=isinstance(new, UnsetType))
        )
    if set(old) == set(new):
        return None
    return _effect(looser=not set(new) <= set(old))


def _compare_demands(old: Sequence[str], new: Sequence[str]) -> Effect | None:
    """Of two lists of what is demanded, each name as often as it stands there; None where they demand the same."""
    was, now = Counter(old), Counter(new)
    if was == now:
        return None
    return _effect(looser=not was <= now)


def _people_said(count: int) -> str:
    return {0: "nobody's approval", 1: "1 approval"}.get(count, f"{count} different people's approvals")


def _said(value: object) -> str:
    if isinstance(value, UnsetType):
        return "anything"
    return ", ".join(value) if isinstance(value, list) else str(value)
