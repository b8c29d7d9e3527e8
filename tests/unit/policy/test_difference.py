"""What a revision changes: each member told, stricter one way and looser the other; and nothing gets looser in silence."""

from __future__ import annotations

import itertools
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.payloads import hash_of
from tests.unit.gate.story import policy
from tests.unit.policy.test_sentences import rules_of
from tests.unit.policy.test_traps import STEP_UP, TWO, enforced, token, tools
from trustlog.policy.difference import Difference, find_differences, find_other_differences
from trustlog.policy.paths import json_path
from trustlog.policy.rules import assign_roles, steps_before
from trustlog.records.fields import Instant
from trustlog.records.work_policy_contract import ChangeManagement

Document = dict[str, Any]
EXECUTE: Final = "$.tools['change.execute']"
A_HASH, B_HASH = f"b64u:{hash_of('a')}", f"b64u:{hash_of('b')}"
SCOPED: Final = token(cst_scope_hash=A_HASH)
ALLOWED: Final = tools(change_execute={"step_up": STEP_UP})

# From a policy to a stricter one: the member, and what is said each way.
STRICTER: Final[list[tuple[Document, Document, str, str, str]]] = [
    (policy(), policy(valid_from="2026-01-01T00:00:00Z"), "$.valid_from", "from 2026-01-01T00:00:00Z;", "from any time;"),
    (
        policy(),
        policy(valid_until="2026-01-01T00:00:00Z"),
        "$.valid_until",
        "until 2026-01-01T00:00:00Z;",
        "until any time;",
    ),
    (
        enforced(require_gateway_receipts=False),
        policy(),
        "$.enforcement.require_gateway_receipts",
        "needs a receipt of a model call.",
        "No receipt of a model call",
    ),
    (
        enforced(require_proof_bundle=False),
        policy(),
        "$.enforcement.require_proof_bundle",
        "Every ticket.close needs the proof bundle.",
        "only where a tool says so.",
    ),
    (
        token(require_cst=False),
        policy(),
        "$.token_requirements.require_cst",
        "A scoped token is demanded.",
        "no longer asks",
    ),
    (
        token(job_scoped_binding=False),
        policy(),
        "$.token_requirements.job_scoped_binding",
        "must be bound to one job.",
        "no longer asks",
    ),
    (
        policy(),
        token(proof_of_possession=True),
        "$.token_requirements.proof_of_possession",
        "must prove possession",
        "Whoever has a token",
    ),
    (
        token(optional_policy_hash_pinning=True),
        policy(),
        "$.token_requirements.optional_policy_hash_pinning",
        "Every token must be pinned.",
        "may lack the pin",
    ),
    (policy(), token(max_ttl_s=60), "$.token_requirements.max_ttl_s", "1 minute at most;", "15 minutes at most;"),
    (policy(), SCOPED, "$.token_requirements.cst_scope_hash", f"must have the hash {A_HASH}.", "any audience and scope."),
    (policy(), policy(models={"providers": ["a"], "models": ["*"]}), "$.models", "a limit on models.", "no limit on models"),
    (
        policy(models={"providers": ["a", "b"], "models": ["*"]}),
        policy(models={"providers": ["a"], "models": ["*"]}),
        "$.models.providers",
        "providers are a;",
        "providers are a, b;",
    ),
    (policy(), policy(budgets={"max_calls": 1}), "$.budgets", "a limit on budgets.", "no limit on budgets"),
    (
        policy(budgets={"max_calls": 2}),
        policy(budgets={"max_calls": 1}),
        "$.budgets.max_calls",
        "max_calls is 1; before, 2.",
        "max_calls is 2; before, 1.",
    ),
    (
        policy(budgets={"max_calls": 2}),
        policy(budgets={"max_calls": 2, "max_tokens": 5}),
        "$.budgets.max_tokens",
        "max_tokens is 5; before, anything.",
        "max_tokens is anything; before, 5.",
    ),
    (
        policy(),
        tools(ticket_read=None),
        "$.tools['ticket.read']",
        "no longer listed, so it is denied.",
        "listed and allowed",
    ),
    (
        policy(),
        tools(ticket_read={"allowed": False}),
        "$.tools['ticket.read'].allowed",
        "not allowed any more.",
        "is allowed, and was not.",
    ),
    (
        tools(ticket_read={"step_up_approvals": 1}),
        tools(ticket_read={"step_up_approvals": 3}),
        "$.tools['ticket.read'].step_up_approvals",
        "3 different people's approvals; before, 1 approval.",
        "1 approval; before, 3",
    ),
    (
        policy(),
        tools(ticket_read={"two_person_rule": True}),
        "$.tools['ticket.read'].two_person_rule",
        "2 different people's approvals; before, nobody's approval.",
        "nobody's approval; before, 2",
    ),
    (
        tools(change_execute={"approver_constraints": ["service_owner"]}),
        policy(),
        f"{EXECUTE}.approver_constraints",
        "must cover service_owner, platform_security; before, service_owner.",
        "must cover service_owner; before,",
    ),
    (
        enforced(require_proof_bundle=False)
        | {"tools": tools(ticket_close={"requires_proof_bundle_reference": None})["tools"]},
        enforced(require_proof_bundle=False),
        "$.tools['ticket.close'].requires_proof_bundle_reference",
        "ticket.close needs the proof bundle.",
        "no longer needs the proof bundle.",
    ),
    (
        policy(),
        tools(ticket_read={"requires_plan_fingerprint_match": True}),
        "$.tools['ticket.read'].requires_plan_fingerprint_match",
        "ticket.read needs the plan that was simulated.",
        "no longer needs the plan",
    ),
    (
        policy(),
        tools(change_execute={"environments": ["staging"]}),
        f"{EXECUTE}.environments",
        "environments of change.execute: staging; before, staging, production.",
        "environments of change.execute: staging, production; before, staging.",
    ),
    (
        tools(change_execute={"change_types": None}),
        policy(),
        f"{EXECUTE}.change_types",
        "change types of change.execute: config; before, anything.",
        "change types of change.execute: anything; before, config.",
    ),
    (
        policy(),
        tools(change_execute={"approval_ttl_s": 60}),
        f"{EXECUTE}.approval_ttl_s",
        "counts for 1 minute; before, 1 hour.",
        "counts for 1 hour; before, 1 minute.",
    ),
    (policy(), ALLOWED, f"{EXECUTE}.step_up", "must have signed in again.", "need not sign in again."),
    (
        ALLOWED,
        tools(change_execute={"step_up": {**STEP_UP, "max_age_s": 60}}),
        f"{EXECUTE}.step_up.max_age_s",
        "within 1 minute; before, 5 minutes.",
        "within 5 minutes; before, 1 minute.",
    ),
    (
        tools(change_execute={"step_up": {**STEP_UP, "acr": ["mfa", "otp"]}}),
        ALLOWED,
        f"{EXECUTE}.step_up.acr",
        "signed in with mfa; before, mfa, otp.",
        "signed in with mfa, otp; before, mfa.",
    ),
    (
        tools(change_execute={"required_before": None}),
        policy(),
        f"{EXECUTE}.required_before",
        "ticket.close needs change.execute first.",
        "ticket.close no longer needs change.execute first.",
    ),
]
# Neither stricter nor looser, told all the same.
DIFFERENT: Final[list[tuple[Document, Document, str, str]]] = [
    (policy(), policy(policy_name="other"), "$.policy_name", "called other, no longer production-changes."),
    (policy(), policy(supersedes=A_HASH), "$.supersedes", f"It replaces {A_HASH[5:]}; before, no policy."),
    (policy(), policy(egress={"hosts": ["a"]}), "$.egress", "There is a limit on egress."),
    (policy(egress={"hosts": ["a"]}), policy(egress={"hosts": ["b"]}), "$.egress.hosts", "hosts are b; before, a."),
    (policy(), tools(change_execute={"two_person_rule": False}), f"{EXECUTE}.two_person_rule", "needs 2 different people's"),
    (
        policy(),
        tools(change_execute={"requires_plan_fingerprint_match": False}),
        f"{EXECUTE}.requires_plan_fingerprint_match",
        "changes nothing.",
    ),
    (policy(), tools(ticket_read={"approval_ttl_s": 60}), "$.tools['ticket.read'].approval_ttl_s", "counts for 1 minute;"),
    (policy(), tools(x_y={"allowed": False}), "$.tools['x.y']", "listed as not allowed; it was denied."),
    (tools(x_y={"allowed": False}), policy(), "$.tools['x.y']", "no longer listed; it stays denied."),
    (
        tools(x_y={"allowed": False}),
        tools(x_y={"allowed": False, "environments": ["lab"]}),
        "$.tools['x.y'].environments",
        "environments of x.y: lab; before, anything.",
    ),
]


def told(before: Document, after: Document) -> dict[str, Difference]:
    found = find_differences(rules_of(before), rules_of(after))
    found += find_other_differences(before, after, found)
    return {json_path(one.path): one for one in found}


@pytest.mark.parametrize(("loose", "strict", "path", "stricter", "looser"), STRICTER)
def test_a_demand_is_stricter_one_way_and_looser_the_other(
    loose: Document, strict: Document, path: str, stricter: str, looser: str
) -> None:
    forth, back = told(loose, strict)[path], told(strict, loose)[path]
    assert (forth.effect, back.effect) == ("stricter", "looser")
    assert stricter in forth.sentence
    assert looser in back.sentence


@pytest.mark.parametrize(("before", "after", "path", "sentence"), DIFFERENT)
def test_what_changes_no_demand_is_merely_different(before: Document, after: Document, path: str, sentence: str) -> None:
    found = told(before, after)
    assert found[path].effect == "different"
    assert sentence in found[path].sentence
    assert {one.effect for one in found.values()} == {"different"}


@pytest.mark.parametrize(
    ("before", "after", "path"),
    [
        (SCOPED, token(cst_scope_hash=B_HASH), "$.token_requirements.cst_scope_hash"),
        (policy(), tools(change_execute={"environments": ["lab"]}), f"{EXECUTE}.environments"),
        (policy(), tools(change_execute={"approver_constraints": ["dba", "dba"]}), f"{EXECUTE}.approver_constraints"),
    ],
)
def test_what_lets_others_through_is_looser_both_ways(before: Document, after: Document, path: str) -> None:
    assert told(before, after)[path].effect == told(after, before)[path].effect == "looser"


def test_a_step_that_is_no_longer_listed_is_missed_by_what_needed_it() -> None:
    found = told(policy(), tools(change_execute=None))
    assert found["$.tools['change.execute']"].effect == "stricter"
    assert found[f"{EXECUTE}.required_before"].effect == "looser"


def test_a_default_that_is_written_out_is_told_and_changes_nothing() -> None:
    found = told(policy(), tools(ticket_read={"two_person_rule": False}))
    assert {path: one.effect for path, one in found.items()} == {"$.tools['ticket.read'].two_person_rule": "different"}
    assert "means the same" in found["$.tools['ticket.read'].two_person_rule"].sentence


def test_a_policy_does_not_differ_from_itself() -> None:
    for loose, strict, *_ in STRICTER:
        assert told(loose, loose) == told(strict, strict) == {}


def test_every_member_that_reads_differently_is_told() -> None:
    before = tools(ticket_approve={"allowed": True, **TWO})
    after = policy(policy_name="b", supersedes=A_HASH, valid_until="2027-01-01T00:00:00Z", tools={"ticket.read": None})
    assert {"$.policy_name", "$.supersedes", "$.valid_until", "$.tools['ticket.read']"} <= told(before, after).keys()
    assert "$.tools['ticket.approve']" in told(before, after)


# Nothing gets looser in silence: whatever the second policy lets through, the first does too, unless a looser change is told.

ROLES: Final = ("owner", "security")
ONE_OR_BOTH = st.sampled_from([["x"], ["y"], ["x", "y"]])
MEMBERS: Final[dict[str, st.SearchStrategy[Any]]] = {
    "allowed": st.sampled_from([True, True, True, False]),
    "step_up_approvals": st.integers(0, 3),
    "two_person_rule": st.booleans(),
    "approver_constraints": st.lists(st.sampled_from(ROLES), min_size=1, max_size=2),
    "approval_ttl_s": st.integers(1, 2),
    "environments": ONE_OR_BOTH,
    "change_types": ONE_OR_BOTH,
    "requires_plan_fingerprint_match": st.booleans(),
    "requires_proof_bundle_reference": st.booleans(),
}
TOOL = st.fixed_dictionaries({"allowed": MEMBERS["allowed"]}, optional={n: m for n, m in MEMBERS.items() if n != "allowed"})
SECONDS: Final = {"valid_from": (None, 1, 2), "valid_until": (None, 3, 4)}
DEMANDED: Final = st.sampled_from([None, ["a"], ["ticket.read"]])  # by change.simulate, of those that come after it


def document(tool: Document, others: dict[str, Any]) -> Document:
    times = {name: f"1970-01-01T00:00:0{others[name]}Z" for name in SECONDS if others[name] is not None}
    simulate = {"allowed": True} | ({} if others["steps"] is None else {"required_before": others["steps"]})
    tools = {"change.simulate": simulate, "ticket.read": {"allowed": True}} | ({"a": tool} if others["listed"] else {})
    requirements = {**policy()["token_requirements"], "max_ttl_s": others["max_ttl_s"]}
    return {**policy(), **times, "token_requirements": requirements, "tools": tools}


@st.composite
def revisions(draw: st.DrawFn) -> tuple[Document, Document]:
    """A policy, and the same with one or two members drawn again."""
    drawn = {
        **{name: st.sampled_from(seconds) for name, seconds in SECONDS.items()},
        "max_ttl_s": st.integers(1, 2),
        "steps": DEMANDED,
        "listed": st.sampled_from([True, True, True, False]),
    }
    tool, others = draw(TOOL), {name: draw(strategy) for name, strategy in drawn.items()}
    new_tool, new_others = dict(tool), dict(others)
    for name in draw(st.sets(st.sampled_from([*MEMBERS, *drawn]), min_size=1, max_size=2)):
        if name in drawn:
            new_others[name] = draw(drawn[name])
        elif name != "allowed" and name in tool and draw(st.booleans()):
            del new_tool[name]
        else:
            new_tool[name] = draw(MEMBERS[name])
    return document(tool, others), document(new_tool, new_others)


SITUATIONS: Final = [
    dict(
        zip(("second", "ttl_s", "approvers", "age_s", "environment", "change_type", "simulated", "bundle"), one, strict=True)
    )
    for one in itertools.product(
        (0, 1, 2, 3),
        (1, 2),
        ([], ["owner"], ["owner", "owner"], ["owner", "security"], ["owner", "owner", "security", "security"]),
        (1, 2),
        "xy",
        "xy",
        (False, True),
        (False, True),
    )
]


def permits(rules: ChangeManagement, situation: dict[str, Any]) -> bool:
    """A naive gate: whether the policy lets an action through in this situation."""
    tool = rules.tools.get("a")
    if tool is None or not tool.allowed:
        return False
    ns = situation["second"] * 10**9
    if isinstance(rules.valid_from, Instant) and ns < rules.valid_from.ns:
        return False
    if isinstance(rules.valid_until, Instant) and ns >= rules.valid_until.ns:
        return False
    fresh = situation["age_s"] <= tool.approval_ttl_s
    approvers = {str(n): frozenset([role]) for n, role in enumerate(situation["approvers"])} if fresh else {}
    before = steps_before(rules, "a")
    return (
        situation["ttl_s"] <= rules.token_requirements.max_ttl_s
        and len(approvers) >= tool.approvals_needed
        and assign_roles(tool.constraints, approvers) is not None
        and (not isinstance(tool.environments, list) or situation["environment"] in tool.environments)
        and (not isinstance(tool.change_types, list) or situation["change_type"] in tool.change_types)
        and (situation["simulated"] or not (before or tool.decision_is_logged))
        and (situation["bundle"] or not tool.requires_proof_bundle_reference)
    )


@settings(max_examples=400)
@given(revision=revisions())
def test_nothing_gets_looser_in_silence(revision: tuple[Document, Document]) -> None:
    old, new = map(rules_of, revision)
    if "looser" not in {one.effect for one in find_differences(old, new)}:
        assert [one for one in SITUATIONS if permits(new, one) and not permits(old, one)] == []


@given(revision=revisions())
def test_the_way_back_from_what_is_only_stricter_is_only_looser(revision: tuple[Document, Document]) -> None:
    old, new = map(rules_of, revision)
    if "looser" not in {one.effect for one in find_differences(old, new)}:
        assert "stricter" not in {one.effect for one in find_differences(new, old)}
