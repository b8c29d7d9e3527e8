"""Every rule of the table, both ways: nothing against the honest path to which it applies, and its codes against each fault.

A rule without a row, a row without a rule, and a code that no row provokes fail.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from tests.support import keys
from tests.support.payloads import hash_of
from tests.unit.gate.story import CLOSE, EXECUTE, TICKET, Story, fingerprint, plan_bytes, policy
from tests.unit.policy.facts_of import case_of, change, decision_of, facts_of, had, with_rules, with_tool
from trustlog.errors import REASONS
from trustlog.formats.timestamp import NS
from trustlog.policy import rules as rules_package
from trustlog.policy.facts import (
    DenialFact,
    Facts,
    Lie,
    Missing,
    Misstatement,
    PresentedToken,
    RecordFact,
    RevocationFact,
)
from trustlog.policy.finding import Finding
from trustlog.policy.rules import NOT_A_RULE, RULES, check_logged_allow, check_question, count_approvals, find_demand
from trustlog.policy.rules.closing import bundle_not_logged, last_execution_has_no_end, read_reference
from trustlog.policy.rules.page import rules_page
from trustlog.policy.rules.rule import Rule
from trustlog.policy.rules.steps import choose_simulation
from trustlog.policy.rules.token import token_not_logged
from trustlog.policy.rules.tool import NO_PLAN_AT_ALL, find_tool, read_plan
from trustlog.policy.rules.whole import policy_not_found
from trustlog.records.fields import UNSET, Instant
from trustlog.records.work_policy_contract import Budgets, ChangeManagement, Models, StepUpDemand, Tool

Change = Callable[[Any], Any]


@dataclass(frozen=True)
class Row:
    """`action` is whose honest path is looked at; `faults` changes its facts, each with the codes that must come of it."""

    action: str
    faults: tuple[tuple[Change, set[str]], ...]
    honest: tuple[Change, ...] = ()  # changes that must not matter


@cache
def honest(action: str) -> Facts:
    story = Story().govern(policy(tools={"change.execute": {"change_types": ["config"], "environments": ["production"]}}))
    match action:
        case "ticket.close":
            story.up_to_closing()
        case "change.execute":
            story.up_to_approvals()
    return facts_of(story, action)


def presented() -> PresentedToken:
    terms = {"sub": keys.AGENT.did, "mission_id": "job-1", "policy_hash_b64u": hash_of("p"), "aud": ["a"], "exp": 1}
    return PresentedToken(
        token_hash="0" * 64,
        kid="0" * 16,
        is_signed_by_issuer=True,
        issuer_did=keys.TOKEN_ISSUER.did,
        claims=terms,
        issued=terms,
        issued_ticket=TICKET,
        asked_ticket=TICKET,
    )


@dataclass(frozen=True)
class Presented:
    """What the rules about a presented token look at."""

    presented: PresentedToken | Missing


def looked_at(rule: Rule, action: str) -> Any:
    """The honest facts that a rule looks at."""
    facts = honest(action)
    match rule.about:
        case "presented token":
            return Presented(presented())
        case "approval":
            return case_of(facts)
        case "logged allow":
            return replace(facts, decision=decision_of(facts))
    return facts


# How tests change facts.


def on(name: str, **members: Any) -> Change:
    """One fact with other members."""
    return lambda facts: replace(facts, **{name: change(getattr(facts, name), **members)})


def instead(**facts_: Any) -> Change:
    """Other facts; a function makes its fact of the facts."""
    return lambda facts: replace(facts, **{n: v(facts) if inspect.isfunction(v) else v for n, v in facts_.items()})


def rules(**members: Any) -> Change:
    return lambda facts: with_rules(facts, **members)


def requirement(**members: Any) -> Change:
    return lambda facts: with_rules(facts, token_requirements=change(had(facts.policy).rules.token_requirements, **members))


def tool(**members: Any) -> Change:
    return lambda facts: with_tool(facts, **members)


def simulation(**members: Any) -> Change:
    return lambda facts: replace(
        facts, simulation=change(facts.simulation, record=change(facts.simulation.record, **members))
    )


def approval(**members: Any) -> Change:
    return lambda case: replace(case, approval=change(case.approval, record=change(case.approval.record, **members)))


def bound(**members: Any) -> Change:
    return lambda case: approval(binding=change(case.approval.record.binding, **members))(case)


def bundle_change(**members: Any) -> Change:
    def changed(facts: Any) -> Any:
        record = facts.bundle.record
        said = {name: value for name, value in {**record.metadata["change"], **members}.items() if value is not None}
        return replace(facts, bundle=replace(facts.bundle, record=replace(record, metadata={"change": said})))

    return changed


def bundle_record(edit: Callable[[Any], Mapping[str, Any]]) -> Change:
    return lambda facts: replace(
        facts, bundle=replace(facts.bundle, record=replace(facts.bundle.record, **edit(facts.bundle.record)))
    )


def later(seconds: float) -> Change:
    return lambda facts: replace(facts, at_ns=facts.at_ns + int(seconds * NS))


def counting(number: int) -> Change:
    return lambda facts: replace(facts, counted=replace(facts.counted, approvals=facts.counted.approvals[:number]))


def other_receipt(record: Any, **members: Any) -> Mapping[str, Any]:
    """The bundle's first receipt with other members, whatever its hash."""
    first, *rest = record.receipts
    return {"receipts": (replace(first, record=change(first.record, **members)), *rest)}


def plan_of(text: bytes | None, plan_hash: str | None = None) -> Change:
    def changed(facts: Any) -> Any:
        named = fingerprint(text or b"") if plan_hash is None else plan_hash
        return replace(facts, plan=read_plan(named, text, facts.token))

    return changed


def simulations(outcome: str = "success", **asked: Any) -> Change:
    """The simulation that is chosen where there is one, with this outcome, and something is asked for."""

    def changed(facts: Any) -> Any:
        fact = facts.simulation
        there = [replace(fact, record=change(fact.record, outcome=outcome))]
        wanted = {"plan_hash": None, "wanted": None, **asked}
        return replace(facts, simulation=choose_simulation(there, facts.token, **wanted))

    return changed


def at(text: str) -> Any:
    return Instant(text)


LONG_AGO: Final = "2020-01-01T00:00:00Z"
FAR_OFF: Final = "2099-01-01T00:00:00Z"
BAD_PLANS: Final = {
    "JSON_INVALID": b"{",
    "JSON_DUPLICATE_KEY": b'{"a":1,"a":2}',
    "JSON_LONE_SURROGATE": b'{"a":"\\ud800"}',
    "JSON_NUMBER_OUT_OF_RANGE": b'{"a":9007199254740993}',
    "JSON_TOO_DEEP": b"[" * 2000 + b"]" * 2000,
    "SCHEMA_VALIDATION_FAILED": b"{}",
}

ROWS: Final[Mapping[str, Row]] = {
    "log_is_what_it_says": Row(EXECUTE, ((instead(lies=(Lie(3, "HASH_MISMATCH"),)), {"LOG_LIES"}),)),
    "policy_is_valid_now": Row(
        EXECUTE,
        (
            (rules(valid_until=at(LONG_AGO)), {"POLICY_NOT_IN_FORCE"}),
            (rules(valid_from=at(FAR_OFF)), {"POLICY_NOT_IN_FORCE"}),
            (lambda facts: replace(facts, policy=Missing((policy_not_found(facts.token),))), {"POLICY_NOT_FOUND"}),
        ),
        (rules(valid_from=at(LONG_AGO), valid_until=at(FAR_OFF)),),
    ),
    "policy_stands": Row(
        EXECUTE,
        (
            (on("policy", revoked_at=(7,)), {"POLICY_REVOKED"}),
            (on("policy", superseded_by=((hash_of("newer"), 7),)), {"POLICY_SUPERSEDED"}),
        ),
    ),
    "policy_demands_nothing_unsupported": Row(
        EXECUTE,
        (
            (tool(step_up=StepUpDemand(acr=["c2"], max_age_s=60)), {"STEP_UP_UNSUPPORTED"}),
            (requirement(proof_of_possession=True), {"PROOF_OF_POSSESSION_UNSUPPORTED"}),
            (rules(models=Models(providers=["*"], models=["*"])), {"POLICY_UNSUPPORTED"}),
            (rules(budgets=Budgets(max_calls=1)), {"POLICY_UNSUPPORTED"}),
        ),
    ),
    "token_is_logged_and_signed": Row(
        EXECUTE,
        (
            (on("presented", is_signed_by_issuer=False), {"TOKEN_SIGNATURE_INVALID"}),
            (instead(presented=Missing((token_not_logged("0" * 64),))), {"TOKEN_NOT_LOGGED"}),
            (instead(presented=Missing((Finding("TOKEN_MALFORMED", "a token", "none"),))), {"TOKEN_MALFORMED"}),
        ),
    ),
    "token_says_what_its_issuance_says": Row(
        EXECUTE,
        tuple(
            (on("presented", claims={**presented().claims, name: value}), {"TOKEN_SCOPE_MISMATCH"})
            for name, value in (
                ("mission_id", "job-2"),
                ("policy_hash_b64u", UNSET),
                ("aud", ["b"]),
                ("sub", "x"),
                ("exp", 2),
            )
        ),
    ),
    "token_is_of_the_ticket": Row(EXECUTE, ((on("presented", asked_ticket="jira.test:X"), {"TOKEN_TICKET_MISMATCH"}),)),
    "token_is_alive": Row(
        EXECUTE, ((later(10_000), {"TOKEN_EXPIRED"}), (later(-10_000), {"TOKEN_EXPIRED"})), honest=(later(1),)
    ),
    "token_is_short_lived": Row(
        EXECUTE, ((requirement(max_ttl_s=599), {"TOKEN_TTL_EXCEEDED"}),), honest=(requirement(max_ttl_s=600),)
    ),
    "token_has_the_pinned_scope": Row(
        EXECUTE, ((requirement(cst_scope_hash="b64u:" + hash_of("other")), {"TOKEN_SCOPE_MISMATCH"}),)
    ),
    "job_is_readable": Row(EXECUTE, ((on("job", unreadable=(RecordFact(4, "simulation"),)), {"PAYLOAD_UNREADABLE"}),)),
    "job_is_not_revoked": Row(
        EXECUTE,
        tuple(
            (on("job", revocations=(RevocationFact(target, 9),)), {code})
            for target, code in (
                ("job:job-1", "JOB_REVOKED"),
                ("token:" + "0" * 64, "TOKEN_REVOKED"),
                ("approval:" + hash_of("a"), "APPROVAL_REVOKED"),
            )
        ),
    ),
    "job_is_not_denied": Row(
        EXECUTE,
        (
            (on("job", denials=(DenialFact(9, "explicit_deny", "p-carol"),)), {"JOB_DENIED"}),
            (on("job", denials=(DenialFact(9),)), {"JOB_DENIED"}),
        ),
    ),
    "job_is_open": Row(EXECUTE, ((on("job", closures=(9,)), {"JOB_ENDED"}),)),
    "job_names_one_run": Row(
        EXECUTE,
        (
            (on("job", records=(RecordFact(9, "gateway_receipt", "run-2"),)), {"RUN_MISMATCH"}),
            (on("job", records=(RecordFact(9, "gateway_receipt"),)), {"RUN_MISMATCH"}),
        ),
        honest=(on("job", records=(RecordFact(9, "token_issued"),)),),
    ),
    "decisions_say_what_the_log_has": Row(
        EXECUTE,
        tuple(
            (on("job", misstated=(Misstatement(9, code, "this", "that"),)), {code})
            for code in ("VIEW_INVALID", "EVIDENCE_INCOMPLETE")
        ),
    ),
    "allows_are_not_ahead": Row(EXECUTE, ((on("job", ahead=((8, "2036-01-01T00:00:00Z"),)), {"DECISION_IN_FUTURE"}),)),
    "tool_is_listed_and_allowed": Row(
        EXECUTE,
        (
            (tool(allowed=False), {"TOOL_NOT_ALLOWED"}),
            (lambda facts: replace(facts, tool=find_tool(had(facts.policy), "change.other")), {"TOOL_NOT_LISTED"}),
        ),
    ),
    "simulating_is_allowed": Row(
        EXECUTE,
        (
            (rules(tools={"change.simulate": Tool(allowed=False)}), {"TOOL_NOT_ALLOWED"}),
            (rules(tools={}), {"TOOL_NOT_LISTED"}),
        ),
    ),
    "plan_is_simulated": Row(
        EXECUTE,
        (
            (simulation(ticket="jira.test:X"), {"SIMULATION_MISSING"}),
            (simulation(policy_hash_b64u=hash_of("x")), {"SIMULATION_MISSING"}),
            (simulation(token_scope_hash_b64u=hash_of("x")), {"SIMULATION_MISSING"}),
            (simulations(wanted=hash_of("another")), {"SIMULATION_MISSING"}),
            (simulations("failure"), {"SIMULATION_FAILED"}),
            (simulations(plan_hash=hash_of("another")), {"PLAN_MISMATCH"}),
        ),
        honest=(simulations(),),
    ),
    "model_calls_are_receipted": Row(
        EXECUTE,
        (
            (instead(receipts=()), {"RECEIPTS_MISSING"}),
            (instead(receipts=lambda f: tuple(change(r, policy=hash_of("x")) for r in f.receipts)), {"RECEIPTS_MISSING"}),
            (instead(receipts=lambda f: tuple(change(r, run_ref="run-2") for r in f.receipts)), {"RECEIPTS_MISSING"}),
            (instead(receipts=lambda f: tuple(change(r, index=10**6) for r in f.receipts)), {"RECEIPTS_MISSING"}),
        ),
        honest=(instead(receipts=lambda f: f.receipts[:1]),),
    ),
    "plan_is_the_stored_one": Row(
        EXECUTE,
        (
            (plan_of(None), {"PLAN_MISSING"}),
            (instead(plan=None), {"PLAN_MISSING"}),
            (plan_of(plan_bytes(ticket="jira.test:X")), {"PLAN_MISMATCH"}),
            (plan_of(plan_bytes(), plan_hash=hash_of("another")), {"PLAN_MISMATCH"}),
            (plan_of(plan_bytes() + b"\n"), {"PLAN_NOT_CANONICAL"}),
            *((plan_of(text), {code}) for code, text in BAD_PLANS.items()),
        ),
    ),
    "plan_is_not_denied": Row(
        EXECUTE, ((on("job", plan_denials=(DenialFact(2, "timeout_deny", "p-carol"),)), {"PLAN_DENIED"}),)
    ),
    "change_type_is_allowed": Row(
        EXECUTE,
        ((tool(change_types=["schema"]), {"CHANGE_TYPE_NOT_ALLOWED"}), (instead(plan=None), {"CHANGE_TYPE_NOT_ALLOWED"})),
        honest=(tool(change_types=UNSET), tool(change_types=["schema", "config"])),
    ),
    "environment_is_allowed": Row(
        EXECUTE,
        ((tool(environments=["staging"]), {"ENVIRONMENT_NOT_ALLOWED"}), (instead(plan=None), {"ENVIRONMENT_NOT_ALLOWED"})),
        honest=(tool(environments=UNSET), tool(environments=["staging", "production"])),
    ),
    "steps_before_are_done": Row(CLOSE, ((instead(steps_done=frozenset({"change.simulate"})), {"REQUIRED_STEP_MISSING"}),)),
    "outcomes_are_known": Row(CLOSE, ((on("executions", unknown=((hash_of("b"), 9),)), {"EXECUTION_OUTCOME_UNKNOWN"}),)),
    "executions_are_founded": Row(CLOSE, ((on("executions", unfounded=(("begin", 9),)), {"EXECUTION_MISMATCH"}),)),
    "executed_allows_hold": Row(
        CLOSE, ((on("executions", ill_founded=((8, 9, "APPROVALS_INSUFFICIENT"),)), {"DECISION_INVALID"}),)
    ),
    "bundle_is_logged_and_unused": Row(
        CLOSE,
        (
            (on("bundle", closed_at=(9,)), {"BUNDLE_ALREADY_USED"}),
            (instead(bundle=lambda f: bundle_not_logged(hash_of("b"), f.token, by_others=1)), {"BUNDLE_NOT_LOGGED"}),
            *(
                (lambda f, reason=reason: replace(f, bundle=read_reference(reason, f.token)), {"BUNDLE_REFERENCE_MISSING"})
                for reason in (
                    None,
                    "done",
                    "bundle:" + "A" * 42,
                    "bundle:" + "A" * 44,
                    "xbundle:" + "A" * 43,
                    ("bundle:" + "A" * 43 + " ") * 2,
                )
            ),
        ),
    ),
    "bundle_is_of_this_change": Row(
        CLOSE,
        (
            *(
                (bundle_change(**{name: "another"}), {"BUNDLE_MISMATCH"})
                for name in (
                    "change_version",
                    "ticket",
                    "job_id",
                    "run_id",
                    "policy_hash_b64u",
                    "plan_hash_b64u",
                    "token_scope_hash_b64u",
                    "simulation_b64u",
                    "decision_b64u",
                    "execution_b64u",
                    "more",
                )
            ),
            (bundle_change(ticket=None), {"BUNDLE_MISMATCH"}),
            (bundle_record(lambda _: {"metadata": {}}), {"BUNDLE_MISMATCH"}),
            (bundle_record(lambda _: {"metadata": {"change": "ours"}}), {"BUNDLE_MISMATCH"}),
            (instead(executed=Missing((Finding("REQUIRED_STEP_MISSING", "a", "b"),))), {"REQUIRED_STEP_MISSING"}),
            (instead(executed=lambda facts: last_execution_has_no_end(9, facts.token)), {"BUNDLE_MISMATCH"}),
            (on("executed", succeeded=False), {"EXECUTION_FAILED"}),
        ),
    ),
    "bundle_holds_every_receipt": Row(
        CLOSE,
        (
            (bundle_record(lambda record: {"receipts": record.receipts[1:]}), {"RECEIPT_SET_INCOMPLETE"}),
            (instead(receipts=lambda f: f.receipts[1:]), {"RECEIPT_SET_INCOMPLETE"}),
            (instead(receipts=lambda f: tuple(change(r, index=10**6) for r in f.receipts)), {"RECEIPT_SET_INCOMPLETE"}),
            (simulation(run_id="run-2"), {"RECEIPT_SET_INCOMPLETE"}),
            (on("token", token_scope_hash_b64u=hash_of("x")), {"RECEIPT_SET_INCOMPLETE"}),
            (on("token", policy_hash_b64u=hash_of("x")), {"RECEIPT_SET_INCOMPLETE"}),
        ),
    ),
    "bundle_holds_logged_tool_receipts": Row(
        CLOSE, ((on("bundle", unlogged_tool_receipts=("rcpt",)), {"RECEIPT_SET_INCOMPLETE"}),)
    ),
    "events_are_receipted": Row(
        CLOSE,
        (
            (simulation(run_id="run-2"), {"BUNDLE_MISMATCH"}),
            (bundle_record(lambda record: {"receipts": record.receipts[1:]}), {"RECEIPT_SET_INCOMPLETE"}),
        ),
    ),
    "receipts_carry_their_event": Row(
        CLOSE,
        (
            (bundle_record(lambda r: other_receipt(r, request_hash_b64u=hash_of("x"))), {"RECEIPT_BINDING_MISMATCH"}),
            (bundle_record(lambda r: other_receipt(r, metadata={"event": {}})), {"RECEIPT_BINDING_MISMATCH"}),
            (bundle_record(lambda r: {"event_chain": r.event_chain[1:]}), {"RECEIPT_BINDING_MISMATCH"}),
        ),
        honest=(bundle_record(lambda r: other_receipt(r, metadata=UNSET)),),
    ),
    "approval_is_explicit": Row(
        EXECUTE,
        (
            *(
                (approval(approval_type=one), {"APPROVAL_MISMATCH"})
                for one in ("auto_approve", "explicit_deny", "timeout_deny")
            ),
            (approval(receipt_id="rcpt_1"), {"APPROVAL_MISMATCH"}),
        ),
    ),
    "approval_is_of_this_change": Row(
        EXECUTE,
        (
            *(
                (approval(**{name: value}), {"APPROVAL_MISMATCH"})
                for name in ("scope_hash_b64u", "policy_hash_b64u", "plan_hash_b64u", "agent_did")
                for value in ("another", UNSET)
            ),
            *(
                (bound(**{name: value}), {"APPROVAL_MISMATCH"})
                for name, value in (("run_id", "run-2"), ("token_scope_hash_b64u", UNSET), ("nonce", UNSET))
            ),
        ),
    ),
    "approval_is_by_a_person": Row(
        EXECUTE,
        (
            (on("approval", person_then=None), {"APPROVAL_NOT_PERMITTED"}),
            (on("approval", person_now=None), {"APPROVAL_NOT_PERMITTED"}),
            (approval(approver_subject="p-carol"), {"APPROVAL_NOT_PERMITTED"}),
            (
                lambda case: replace(
                    case,
                    approval=change(case.approval, person_now=change(case.approval.person_now, valid_until=at(LONG_AGO))),
                ),
                {"APPROVAL_NOT_PERMITTED"},
            ),
        ),
    ),
    "approval_is_by_another": Row(
        EXECUTE,
        (
            (on("token", requester="p-alice"), {"APPROVAL_BY_REQUESTER"}),
            (on("approval", signer_did=keys.AGENT.did), {"APPROVAL_BY_REQUESTER"}),
        ),
    ),
    "approval_is_in_order": Row(
        EXECUTE,
        ((lambda case: replace(case, above=case.approval.index), {"APPROVAL_MISMATCH"}),),
        honest=(lambda case: replace(case, above=case.approval.index - 1),),
    ),
    "approval_is_in_time": Row(
        EXECUTE,
        (
            (later(3601), {"APPROVAL_EXPIRED"}),
            (on("approval", seen_ns=0), {"APPROVAL_EXPIRED"}),
            (approval(timestamp=at(FAR_OFF)), {"CLOCK_SKEW"}),
        ),
        honest=(later(3500),),
    ),
    "approval_stands": Row(
        EXECUTE,
        (
            (on("approval", revoked_at=(9,)), {"APPROVAL_REVOKED"}),
            (on("approval", key_revoked_at=(9,)), {"KEY_REVOKED"}),
        ),
    ),
    "roster_is_in_force": Row(
        EXECUTE, ((instead(roster=Missing((Finding("ROSTER_MISSING", "a roster", "none"),))), {"ROSTER_MISSING"}),)
    ),
    "people_are_enough": Row(
        EXECUTE,
        (
            (counting(1), {"APPROVALS_INSUFFICIENT"}),
            (counting(0), {"APPROVALS_INSUFFICIENT"}),
            (tool(step_up_approvals=3), {"APPROVALS_INSUFFICIENT"}),
        ),
        honest=(tool(step_up_approvals=0), tool(two_person_rule=False)),
    ),
    "roles_are_filled": Row(
        EXECUTE,
        (
            (tool(approver_constraints=["service_owner", "service_owner"]), {"APPROVAL_ROLE_MISSING"}),
            (counting(1), {"APPROVAL_ROLE_MISSING"}),
        ),
        honest=(tool(approver_constraints=UNSET), tool(approver_constraints=["platform_security"])),
    ),
    "requester_is_a_person": Row(EXECUTE, ((on("token", requester="p-nobody"), {"REQUESTER_UNKNOWN"}),)),
    "decision_says_what_the_log_has": Row(
        EXECUTE,
        tuple(
            (on("decision", misstated=(Misstatement(100, code, "this", "that"),)), {code})
            for code in ("VIEW_INVALID", "EVIDENCE_INCOMPLETE")
        ),
    ),
    "decision_says_what_the_evidence_says": Row(
        EXECUTE,
        (
            *((on("decision", **{name: "another"}), {"DECISION_INVALID"}) for name in ("run_id", "roster_b64u")),
            (on("decision", token_scope_hash_b64u=hash_of("x")), {"DECISION_INVALID"}),
            (on("decision", approvals=frozenset()), {"DECISION_INVALID"}),
            (
                lambda facts: replace(facts, decision=replace(facts.decision, scope={**facts.decision.scope, "round": "2"})),
                {"DECISION_INVALID"},
            ),
        ),
    ),
    "decision_lists_its_evidence": Row(EXECUTE, ((on("decision", omitted=(3,)), {"EVIDENCE_INCOMPLETE"}),)),
}

BY_NAME: Final = {rule.name: rule for rule in RULES}
NOT_BY_ITSELF: Final = {"people_are_enough": {"APPROVAL_SAME_PERSON"}}  # what the count says beside the rule


def codes(rule: Rule, facts: Any) -> set[str]:
    return {finding.code for finding in rule.against(facts)}


def test_every_rule_has_a_row_and_every_row_a_rule() -> None:
    assert len(BY_NAME) == len(RULES)
    assert set(BY_NAME) == set(ROWS)


@pytest.mark.parametrize("name", sorted(ROWS))
def test_the_honest_path_passes_a_rule_that_applies_to_it(name: str) -> None:
    rule, row = BY_NAME[name], ROWS[name]
    facts = looked_at(rule, row.action)
    for changed in (lambda same: same, *row.honest):
        assert codes(rule, changed(facts)) == set()
        if rule.applies is not None:
            demand = find_demand(honest(row.action))
            assert demand is not None
            assert rule.applies(demand)


@pytest.mark.parametrize("name", sorted(ROWS))
def test_each_fault_gets_its_code(name: str) -> None:
    rule, row = BY_NAME[name], ROWS[name]
    facts = looked_at(rule, row.action)
    provoked = NOT_BY_ITSELF.get(name, set())
    assert row.faults
    for number, (changed, expected) in enumerate(row.faults):
        found = codes(rule, changed(facts))
        assert found == expected, f"fault {number}"
        provoked = provoked | found
    assert provoked == set(rule.codes)


@pytest.mark.parametrize("name", sorted(ROWS))
def test_each_fault_stands_against_the_action(name: str) -> None:
    """A rule that nobody runs enforces nothing: what it finds, the whole finds too."""
    rule, row = BY_NAME[name], ROWS[name]
    if rule.about == "question":
        for changed, expected in row.faults:
            assert {finding.code for finding in check_question(changed(honest(row.action)))} >= expected


def test_the_honest_path_is_allowed() -> None:
    for action in (EXECUTE, CLOSE):
        assert check_question(honest(action)) == ()
        facts = honest(action)
        assert check_logged_allow(replace(facts, decision=decision_of(facts))) == ()


@pytest.mark.parametrize("again", [True, False])
def test_two_approvals_of_one_person_count_as_one(again: bool) -> None:
    facts = honest(EXECUTE)
    first = case_of(facts)
    second = had(facts.counted).approvals[0 if again else 1]
    counted = count_approvals([first, replace(first, approval=replace(second, index=second.index + 9))], had(facts.roster))
    assert [finding.code for finding in counted.against] == (["APPROVAL_SAME_PERSON"] if again else [])
    assert len(counted.approvals) == (1 if again else 2)


# No rule passes for want of a fact.

WANT: Final = Missing((Finding("INTERNAL_ERROR", "a fact", "none"),))
UNNEEDED: Final = {EXECUTE: {"bundle", "executed", "decision"}, CLOSE: {"decision"}}


@pytest.mark.parametrize("action", [EXECUTE, CLOSE])
@pytest.mark.parametrize("name", [field.name for field in fields(Facts)])
def test_without_any_one_fact_nothing_is_allowed(action: str, name: str) -> None:
    facts = honest(action)
    dropped = replace(facts, **{name: WANT})  # type: ignore[arg-type]
    found = check_question(dropped)
    assert bool(found) == (name not in UNNEEDED[action])


@pytest.mark.parametrize("name", sorted(set(ROWS)))
def test_a_rule_without_a_fact_says_why_the_fact_is_missing(name: str) -> None:
    rule, row = BY_NAME[name], ROWS[name]
    facts = looked_at(rule, row.action)
    assert rule.needs
    for fact in rule.needs:
        assert codes(rule, replace(facts, **{fact: WANT})) == {"INTERNAL_ERROR"}


def test_a_missing_fact_says_why() -> None:
    with pytest.raises(AssertionError):
        Missing(())


# The table against the document.


def members(schema: type, prefix: str = "") -> Iterator[str]:
    """Every member of the policy's schema, by its path; a tool's members under ``tools.*``."""
    for field in msgspec.structs.fields(schema):
        inner = list(_structs(field.type))
        path = prefix + field.name
        if not inner:
            yield path
        for one in inner:
            yield from members(one, f"{path}.*." if field.name == "tools" else f"{path}.")
        if field.name == "tools":
            yield path


def _structs(annotation: Any) -> Iterator[type]:
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        yield annotation
    for one in getattr(annotation, "__args__", ()):
        yield from _structs(one)


def test_every_member_of_the_policy_is_enforced_by_a_rule_or_says_why_not() -> None:
    schema = set(members(ChangeManagement))
    assert {"valid_from", "tools", "tools.*.step_up.acr", "token_requirements.max_ttl_s"} <= schema
    named = {name for rule in RULES for name in rule.enforces if ":" not in name}
    assert named <= schema
    assert not named & set(NOT_A_RULE)
    assert named | set(NOT_A_RULE) == schema
    assert all(NOT_A_RULE.values())


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_is_named_quotes_its_requirement_and_has_registered_codes(rule: Rule) -> None:
    assert rule.enforces
    assert rule.codes
    assert len(set(rule.codes)) == len(rule.codes)
    assert set(rule.codes) <= set(REASONS)
    summary, _, quoted = rule.requirement.partition("\n\n")
    assert summary.endswith(".")
    assert "“" in quoted
    assert "”" in quoted


def test_every_way_in_which_bytes_are_no_plan_is_tried() -> None:
    assert set(BAD_PLANS) == set(NO_PLAN_AT_ALL)


def test_the_page_says_what_the_table_says() -> None:
    """To write it anew: ``rules_page()`` into the README beside the rules."""
    page = Path(rules_package.__file__).with_name("README.md").read_text(encoding="utf-8")
    assert page == rules_page()
    assert all(f"\n## {rule.name}\n" in page for rule in RULES)
