"""Each thing that holds for a whole policy has its sentence, and has it only where it holds."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.payloads import hash_of
from tests.unit.gate.story import policy
from tests.unit.policy.test_traps import STEP_UP, enforced, token, tools
from trustlog.formats.jsontext import canonicalize
from trustlog.policy.sentences import policy_sentences, tool_sentences
from trustlog.records.work_policy_contract import ChangeManagement, policy_from_text

HASH = hash_of("another policy")
NOT_SUPPORTED = "It limits models or budgets, which nothing enforces yet, so it is denied."


def rules_of(document: dict[str, Any]) -> ChangeManagement:
    found = policy_from_text(canonicalize(document)).rules
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("document", "sentence", "other"),
    [
        (policy(), "It is valid at any time.", policy(valid_from="2026-01-01T00:00:00Z")),
        (
            policy(valid_from="2026-01-01T00:00:00Z", valid_until="2027-01-01T00:00:00Z"),
            "It is valid from 2026-01-01T00:00:00Z until 2027-01-01T00:00:00Z.",
            policy(),
        ),
        (policy(valid_until="2027-01-01T00:00:00Z"), "It is valid until 2027-01-01T00:00:00Z.", policy()),
        (
            policy(supersedes=f"b64u:{HASH}"),
            f"It replaces policy {HASH}, under which everything is denied once this one is in force.",
            policy(),
        ),
        (
            policy(),
            "Every action needs a logged token of exactly one job, pinned to this policy, that lives 15 minutes at most.",
            token(max_ttl_s=901),
        ),
        (
            token(optional_policy_hash_pinning=True),
            "A token that was minted elsewhere may lack the pin; a pin to another policy is refused.",
            policy(),
        ),
        (
            token(cst_scope_hash=f"b64u:{HASH}"),
            f"The token's audience and scope are exactly those with the hash b64u:{HASH}.",
            policy(),
        ),
        (
            policy(),
            "What needs approvals needs a logged receipt of a model call as well.",
            enforced(require_gateway_receipts=False),
        ),
        (enforced(require_gateway_receipts=False), "No receipt of a model call is demanded.", policy()),
        (
            policy(),
            "A ticket closes only with the logged proof bundle of its change.",
            enforced(require_proof_bundle=False),
        ),
        (
            enforced(require_proof_bundle=False),
            "The proof bundle is demanded only where a tool says so.",
            policy(),
        ),
        (
            policy(),
            "Allowed, each under its own conditions: change.execute, change.simulate, ticket.close, ticket.read.",
            tools(ticket_read={"allowed": False}),
        ),
        (tools(ticket_read={"allowed": False}), "Never allowed: ticket.read.", policy()),
        (policy() | {"tools": {}}, "Nothing is allowed.", policy()),
        (policy(), "change.execute comes before ticket.close.", tools(change_execute={"required_before": None})),
        (policy(budgets={"max_calls": 1}), NOT_SUPPORTED, policy()),
        (policy(models={"providers": ["*"], "models": ["*"]}), NOT_SUPPORTED, policy()),
        (
            token(proof_of_possession=True),
            "The token's holder proves possession of a key; no gate can check that yet, so it is denied.",
            policy(),
        ),
        (
            policy(egress={"hosts": ["a.example", "b.example"]}),
            "Meant to reach no hosts but a.example, b.example; nothing here enforces it.",
            policy(),
        ),
    ],
)
def test_each_demand_on_everything_has_its_sentence(document: dict[str, Any], sentence: str, other: dict[str, Any]) -> None:
    assert sentence in policy_sentences(rules_of(document))
    assert sentence not in policy_sentences(rules_of(other))


def test_what_always_holds_is_always_said() -> None:
    for document in (policy(), policy() | {"tools": {}}):
        said = policy_sentences(rules_of(document))
        assert "A tool that is not listed is denied." in said
        assert "Whatever is missing, stale, unreadable or undecided is denied." in said


def test_a_simulation_that_no_step_names_is_said_all_the_same() -> None:
    said = "A successful simulation of the plan, for the same job, comes before it."
    rules = rules_of(tools(change_simulate={"required_before": None}))
    assert said in tool_sentences(rules, "ticket.close")
    assert said not in tool_sentences(rules, "ticket.read")
    assert said not in tool_sentences(rules_of(policy()), "ticket.close")


def test_a_plan_match_that_is_waived_in_vain_is_still_said() -> None:
    rules = rules_of(tools(change_execute={"requires_plan_fingerprint_match": False}))
    assert "Only the plan that was simulated, byte for byte." in tool_sentences(rules, "change.execute")
    assert "Only the plan that was simulated, byte for byte." not in tool_sentences(rules, "ticket.read")


def test_step_up_is_said_once_and_in_the_largest_unit() -> None:
    said = tool_sentences(rules_of(tools(ticket_close={"step_up": STEP_UP})), "ticket.close")
    assert [one for one in said if "within 5 minutes" in one] == [said[-1]]
