"""Finding the traps of a valid policy: what can never be allowed, what protects less than it seems to, what surprises.

Pure: the time and the roster are given. :data:`~trustlog.policy.trap.TRAPS` says what each trap means and what to do about it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from trustlog.policy.duration import duration
from trustlog.policy.order import CLOSE, EXECUTE, LISTS, SIMULATE, Obstacle, Order, allowed_list, is_usable
from trustlog.policy.paths import CLAWSIG_BLOCK, Path
from trustlog.policy.people import roster_traps
from trustlog.policy.trap import Trap
from trustlog.policy.unsupported import unsupported_in_policy
from trustlog.records.fields import UnsetType
from trustlog.records.roster import Roster
from trustlog.records.work_policy_contract import ChangeManagement, Tool, WorkPolicyContract

KNOWN_TOOLS: Final = ("ticket.read", "ticket.comment", "ticket.approve", CLOSE, SIMULATE, EXECUTE)
NEAR: Final = 0.85  # how alike two names must be to be taken for one: a letter or two in fifteen
DECIDES: Final = re.compile(
    r"(?:^|[._-])(?:approve|execute|close|apply|deploy|merge|delete|rollback|restart)(?:$|[._-])", re.IGNORECASE
)
"""Names of tools that change something or settle something, so that nobody should decide alone."""


def find_traps(policy: WorkPolicyContract, at_ns: int, roster: Roster | None = None) -> list[Trap]:
    """Every trap of the policy at a time (nanoseconds since 1970), those of the whole policy first, then tool by tool."""
    rules = policy.rules
    if rules is None:
        said = "It is a Clawsig policy without rules for changes, so every action under it is denied."
        return [Trap("no-rules", CLAWSIG_BLOCK, said)]
    found = [trap for look in _WHOLE for trap in look(rules, at_ns)]
    order = Order(rules)
    obstacles = order.find_unreachable()
    for name, tool in rules.tools.items():
        found += (_of_obstacle(rules, name, one) for one in obstacles.get(name, ()))
        found += (trap for look in _EACH for trap in look(rules, name, tool))
        found += _lists(order, name, tool)
    if roster is not None:
        found += roster_traps(rules, roster, at_ns)
    return list(dict.fromkeys(found))


# The whole policy.


def _validity(rules: ChangeManagement, at_ns: int) -> Iterator[Trap]:
    until = rules.valid_until
    if not isinstance(until, UnsetType) and until.ns <= at_ns:
        yield Trap("expired", ("valid_until",), f"It was valid until {until.text}, which is over, so everything is denied.")


def _unsupported(rules: ChangeManagement, _at_ns: int) -> Iterator[Trap]:
    names = {"proof_of_possession": "possession-unsupported"}
    for path, sentence in unsupported_in_policy(rules).items():
        last = str(path[-1])
        yield Trap(names.get(last, f"{last}-unsupported"), path, sentence)


def _demands(rules: ChangeManagement, _at_ns: int) -> Iterator[Trap]:
    if not rules.enforcement.require_gateway_receipts:
        said = "No receipt of a model call is demanded, so nobody can prove which model calls led to a change."
        yield Trap("receipts-not-required", ("enforcement", "require_gateway_receipts"), said)
    if not rules.enforcement.require_proof_bundle:
        said = "The policy as a whole does not demand the proof bundle for closing."
        yield Trap("bundle-not-required", ("enforcement", "require_proof_bundle"), said)
    if not isinstance(rules.egress, UnsetType):
        yield Trap(
            "egress-not-enforced", ("egress", "hosts"), "The hosts are informational: no gate and no proxy enforces them."
        )
    for name in ("require_cst", "job_scoped_binding"):
        if not getattr(rules.token_requirements, name):
            said = f"{name} is false, and yet a logged token of exactly one job is always demanded."
            yield Trap("demand-always-made", ("token_requirements", name), said)


def _tool_names(rules: ChangeManagement, _at_ns: int) -> Iterator[Trap]:
    if not rules.tools:
        yield Trap("no-tools", ("tools",), "No tool is listed, so everything is denied.")
    for name in rules.tools:
        near = difflib.get_close_matches(name, KNOWN_TOOLS, n=1, cutoff=NEAR)
        if near and name not in KNOWN_TOOLS and near[0] not in rules.tools:
            yield Trap("name-like-another", ("tools", name), f"{name} is listed and {near[0]}, which looks like it, is not.")


_WHOLE: Final[Sequence[Callable[[ChangeManagement, int], Iterator[Trap]]]] = (_validity, _unsupported, _demands, _tool_names)


# One tool. What is not allowed is denied whatever else is written about it.


def _approvals(_rules: ChangeManagement, name: str, tool: Tool) -> Iterator[Trap]:
    needed, path = tool.approvals_needed, ("tools", name)
    if not tool.allowed:
        return
    if needed == 0 and DECIDES.search(name):
        yield Trap("nobody-approves", (*path, "two_person_rule"), f"{name} needs nobody's approval.")
    if needed == 1:
        yield Trap(
            "one-person-decides", (*path, "two_person_rule"), f"{name} needs one approval, so one person decides alone."
        )
    free = needed - len(tool.constraints)
    if needed and free:
        who = "any person of the roster" if free == needed else f"{free} of them any person of the roster"
        roles = _count(len(tool.constraints), "role") if tool.constraints else "no role"
        said = f"{name} needs {_count(needed, 'approval')} and names {roles}: {who} may approve."
        yield Trap("anyone-may-approve", (*path, "approver_constraints"), said)
    if 0 < tool.step_up_approvals < needed:
        said = f"step_up_approvals is {tool.step_up_approvals}, and {name} needs {needed} people for its other demands."
        yield Trap("roles-raise-approvals", (*path, "step_up_approvals"), said)
    if needed and tool.requires_plan_fingerprint_match is False:
        said = f"requires_plan_fingerprint_match is false, and yet {name} is only allowed for the plan that was simulated."
        yield Trap("plan-match-stays", (*path, "requires_plan_fingerprint_match"), said)


def _lifetimes(rules: ChangeManagement, name: str, tool: Tool) -> Iterator[Trap]:
    if not tool.allowed or not tool.approvals_needed:
        return
    token_s, approval_s = rules.token_requirements.max_ttl_s, tool.approval_ttl_s
    path = ("tools", name, "approval_ttl_s")
    token, approval = duration(token_s), duration(approval_s)
    if token_s < approval_s:
        said = f"An approval of {name} counts for {approval}, a token lives {token} at most: it may end first."
        yield Trap("approvals-outlive-tokens", path, said)
    if approval_s < token_s:
        said = f"A token may live {token}, an approval of {name} counts for {approval} only: it may end first."
        yield Trap("tokens-outlive-approvals", path, said)


def _steps(rules: ChangeManagement, name: str, tool: Tool) -> Iterator[Trap]:
    later = [] if isinstance(tool.required_before, UnsetType) else tool.required_before
    for position, other in enumerate(later):
        if other not in rules.tools:
            said = f"{name} comes before {other}, which is not listed."
            yield Trap("unlisted-step", ("tools", name, "required_before", position), said)


def _lists(order: Order, name: str, tool: Tool) -> Iterator[Trap]:
    for member in LISTS:
        values = allowed_list(tool, member)
        if not tool.allowed or values is None:
            continue
        if not tool.decision_is_logged:
            said = f"{name} is only allowed for some {member.replace('_', ' ')}, so it is denied where no plan is named."
            yield Trap("plan-always-needed", ("tools", name, member), said)
        if order.permitted_values(name, member):
            yield from _forbidden_earlier(order, name, member, values)


def _forbidden_earlier(order: Order, name: str, member: str, values: list[str]) -> Iterator[Trap]:
    """What a step before it does not permit: the first such step is named."""
    tools = order.rules.tools
    before = [step for step in (SIMULATE, *order.all_prior[name]) if step != name and is_usable(order.rules, step)]
    permitted = {step: set(given) for step in before if (given := allowed_list(tools[step], member)) is not None}
    for position, value in enumerate(values):
        step = next((one for one, given in permitted.items() if value not in given), None)
        if step is not None:
            said = f"{name} permits {value}, and {step}, which comes before it, does not."
            yield Trap("earlier-step-forbids", ("tools", name, member, position), said)


_EACH: Final[Sequence[Callable[[ChangeManagement, str, Tool], Iterator[Trap]]]] = (_approvals, _lifetimes, _steps)


# What keeps a tool from ever being done.

_MEMBERS: Final = {
    "step-up-unsupported": "step_up",
    "step-circle": "required_before",
    "step-after-close": "required_before",
    "execution-without-decision": "two_person_rule",
    "close-without-bundle": "requires_proof_bundle_reference",
    "no-change-types-left": "change_types",
    "no-environments-left": "environments",
}


def _of_obstacle(rules: ChangeManagement, name: str, obstacle: Obstacle) -> Trap:
    """The trap that an obstacle is, at the member where it can be mended."""
    path: Path = ("tools", obstacle.at)
    if obstacle.at in rules.tools and obstacle.trap in _MEMBERS:
        path = (*path, _MEMBERS[obstacle.trap])
    elif obstacle.at in rules.tools and not rules.tools[obstacle.at].allowed:
        path = (*path, "allowed")
    if obstacle.trap == "bundle-without-execution":
        path = ("tools", name, "requires_proof_bundle_reference")
    return Trap(obstacle.trap, path, obstacle.sentence)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")
