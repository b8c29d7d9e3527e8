"""Every trap is found where it is, named with the member at fault, and not found where it is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pytest

from tests.support import keys, payloads
from tests.support.payloads import NOW_NS, person
from tests.unit.gate.story import policy
from trustlog.formats.jsontext import canonicalize
from trustlog.policy.paths import json_path
from trustlog.policy.trap import TRAPS, Trap
from trustlog.policy.traps import find_traps
from trustlog.records.roster import ROSTER, Roster
from trustlog.records.work_policy_contract import policy_from_text

Document = dict[str, Any]
TWO: Final = {"two_person_rule": True, "approver_constraints": ["service_owner", "platform_security"]}
STEP_UP: Final = {"acr": ["mfa"], "max_age_s": 300}


def tools(**changes: Mapping[str, Any] | None) -> Document:
    """The honest policy with changed tools: ``change_execute={…}`` changes members of ``change.execute``."""
    return policy(tools={name.replace("_", ".", 1): members for name, members in changes.items()})


def enforced(**changes: bool) -> Document:
    return policy(enforcement={**policy()["enforcement"], **changes})


NO_BUNDLE: Final = enforced(require_proof_bundle=False)["enforcement"]


def token(**changes: Any) -> Document:
    return policy(token_requirements={**policy()["token_requirements"], **changes})


def clawsig(**metadata: Any) -> Document:
    return {"policy_version": "1", "policy_id": "p", "issuer_did": "did:x", "metadata": metadata}


def people(*roles: list[str], **changes: Any) -> Roster:
    """A roster in which each person has these roles."""
    signers = (keys.ALICE, keys.BOB, keys.CAROL, keys.STRANGER)
    members = [person(f"p-{n}", signers[n], roles=tuple(has)) for n, has in enumerate(roles)]
    record = ROSTER.read(payloads.roster(people=[{**one, **changes} for one in members]), b"")
    assert isinstance(record, Roster)
    return record


OWNER, SECURITY = ["service_owner"], ["platform_security"]
ENOUGH: Final = people(OWNER, SECURITY, [*OWNER, *SECURITY])

# name: a policy that has the trap, the member at fault, and one that is like it and has it not.
ROWS: Final[dict[str, tuple[Document, str, Document]]] = {
    "no-rules": (clawsig(), "$.metadata.change_management", clawsig(change_management=policy())),
    "no-tools": (policy() | {"tools": {}}, "$.tools", policy()),
    "expired": (
        policy(valid_until="2026-03-02T09:00:00Z"),
        "$.valid_until",
        policy(valid_until="2026-03-02T09:00:00.001Z"),
    ),
    "possession-unsupported": (
        token(proof_of_possession=True),
        "$.token_requirements.proof_of_possession",
        token(proof_of_possession=False),
    ),
    "models-unsupported": (policy(models={"providers": ["*"], "models": ["*"]}), "$.models", policy()),
    "budgets-unsupported": (policy(budgets={"max_calls": 1}), "$.budgets", policy()),
    "receipts-not-required": (
        enforced(require_gateway_receipts=False),
        "$.enforcement.require_gateway_receipts",
        policy(),
    ),
    "bundle-not-required": (enforced(require_proof_bundle=False), "$.enforcement.require_proof_bundle", policy()),
    "egress-not-enforced": (policy(egress={"hosts": ["a.example"]}), "$.egress.hosts", policy()),
    "demand-always-made": (token(require_cst=False), "$.token_requirements.require_cst", policy()),
    "nobody-approves": (
        tools(db_restart={"allowed": True}),
        "$.tools['db.restart'].two_person_rule",
        tools(db_restart={"allowed": True, **TWO}, db_status={"allowed": True}, db_merge={"allowed": False}),
    ),
    "one-person-decides": (
        tools(db_status={"allowed": True, "approver_constraints": ["dba"]}),
        "$.tools['db.status'].two_person_rule",
        tools(db_status={"allowed": True, "step_up_approvals": 2, "approver_constraints": ["dba", "dba"]}),
    ),
    "anyone-may-approve": (
        tools(change_execute={"step_up_approvals": 3}),
        "$.tools['change.execute'].approver_constraints",
        tools(change_execute={"step_up_approvals": 2}),
    ),
    "roles-raise-approvals": (
        tools(change_execute={"step_up_approvals": 1}),
        "$.tools['change.execute'].step_up_approvals",
        tools(change_execute={"step_up_approvals": 0}),
    ),
    "plan-match-stays": (
        tools(change_execute={"requires_plan_fingerprint_match": False}),
        "$.tools['change.execute'].requires_plan_fingerprint_match",
        tools(ticket_read={"requires_plan_fingerprint_match": False}),
    ),
    "approvals-outlive-tokens": (
        tools(change_execute={"approval_ttl_s": 901}),
        "$.tools['change.execute'].approval_ttl_s",
        tools(change_execute={"approval_ttl_s": 900}, ticket_close={"approval_ttl_s": 900}),
    ),
    "tokens-outlive-approvals": (
        tools(change_execute={"approval_ttl_s": 899}),
        "$.tools['change.execute'].approval_ttl_s",
        tools(change_execute={"approval_ttl_s": 900}),
    ),
    "step-up-unsupported": (
        tools(ticket_close={"step_up": STEP_UP}),
        "$.tools['ticket.close'].step_up",
        tools(ticket_read={"allowed": False, "step_up": STEP_UP}),
    ),
    "no-simulation": (
        tools(change_simulate=None),
        "$.tools['change.simulate']",
        policy() | {"tools": {"ticket.read": {"allowed": True}}},
    ),
    "simulation-needs-itself": (
        tools(change_simulate={"step_up_approvals": 2}),
        "$.tools['change.simulate']",
        policy(),
    ),
    "step-circle": (
        tools(ticket_close={"required_before": ["change.execute"]}, change_execute={"required_before": ["ticket.close"]}),
        "$.tools['ticket.close'].required_before",
        tools(ticket_approve={"allowed": True, "required_before": ["change.execute"], **TWO}),
    ),
    "step-denied": (
        tools(ticket_approve={"allowed": False, "required_before": ["change.execute"], **TWO}),
        "$.tools['ticket.approve'].allowed",
        tools(ticket_approve={"allowed": True, "required_before": ["change.execute"], **TWO}),
    ),
    "step-after-close": (
        tools(ticket_close={"required_before": ["ticket.archive"]}, ticket_archive={"allowed": True}),
        "$.tools['ticket.close'].required_before",
        tools(ticket_close={"required_before": ["ticket.archive"]}),
    ),
    "bundle-without-execution": (
        tools(change_execute=None),
        "$.tools['ticket.close'].requires_proof_bundle_reference",
        tools(change_execute={"required_before": None}),
    ),
    "execution-without-decision": (
        policy() | {"tools": {"change.execute": {"allowed": True}, "change.simulate": {"allowed": True}}},
        "$.tools['change.execute'].two_person_rule",
        policy()
        | {
            "tools": {
                "change.execute": {"allowed": True, "requires_plan_fingerprint_match": True},
                "change.simulate": {"allowed": True},
            }
        },
    ),
    "close-without-bundle": (
        tools(ticket_close={"requires_proof_bundle_reference": None}) | {"enforcement": NO_BUNDLE},
        "$.tools['ticket.close'].requires_proof_bundle_reference",
        enforced(require_proof_bundle=False),
    ),
    "no-change-types-left": (
        tools(ticket_close={"change_types": ["schema"]}),
        "$.tools['ticket.close'].change_types",
        tools(ticket_close={"change_types": ["schema", "config"]}),
    ),
    "no-environments-left": (
        tools(ticket_close={"environments": ["lab"]}),
        "$.tools['ticket.close'].environments",
        tools(ticket_close={"environments": ["lab", "staging"]}),
    ),
    "earlier-step-forbids": (
        tools(ticket_close={"environments": ["staging", "lab"]}),
        "$.tools['ticket.close'].environments[1]",
        tools(ticket_close={"environments": ["staging"]}),
    ),
    "unlisted-step": (
        tools(change_simulate={"required_before": ["change.execute", "ticket.clsoe"]}),
        "$.tools['change.simulate'].required_before[1]",
        policy(),
    ),
    "name-like-another": (
        policy() | {"tools": {"change.simulat": {"allowed": True}}},
        "$.tools['change.simulat']",
        tools(change_simulation={"allowed": True}),
    ),
    "plan-always-needed": (
        tools(ticket_read={"environments": ["staging"]}),
        "$.tools['ticket.read'].environments",
        policy(),
    ),
}
# name: people with whom the honest policy has the trap, and people with whom it has not.
ROSTER_ROWS: Final = {
    "too-few-people": (people([*OWNER, *SECURITY]), "$.tools['change.execute']", ENOUGH),
    "no-such-people": (people(OWNER, OWNER, []), "$.tools['change.execute'].approver_constraints", ENOUGH),
    "requester-leaves-too-few": (
        people(OWNER, SECURITY, OWNER),
        "$.tools['change.execute'].approver_constraints",
        people(OWNER, SECURITY, OWNER, SECURITY),
    ),
}


def traps(document: Document, roster: Roster | None = None) -> list[Trap]:
    return find_traps(policy_from_text(canonicalize(document)), NOW_NS, roster)


def paths(found: list[Trap], name: str) -> list[str]:
    return [json_path(trap.path) for trap in found if trap.name == name]


def test_every_trap_has_a_test_both_ways() -> None:
    assert ROWS.keys() | ROSTER_ROWS.keys() == TRAPS.keys()


@pytest.mark.parametrize("name", ROWS)
def test_a_trap_is_found_where_it_is(name: str) -> None:
    with_it, path, _ = ROWS[name]
    assert path in paths(traps(with_it), name)


@pytest.mark.parametrize("name", ROWS)
def test_a_trap_is_not_found_where_it_is_not(name: str) -> None:
    assert paths(traps(ROWS[name][2]), name) == []


@pytest.mark.parametrize("name", ROSTER_ROWS)
def test_people_that_do_not_suffice_are_found_and_those_that_do_are_not(name: str) -> None:
    lacking, path, enough = ROSTER_ROWS[name]
    assert path in paths(traps(policy(), lacking), name)
    assert paths(traps(policy(), enough), name) == []
    assert paths(traps(policy()), name) == []


def test_the_honest_policy_has_no_warning() -> None:
    assert [
        trap.name for trap in traps(policy(), people(OWNER, SECURITY, [*OWNER, *SECURITY], OWNER)) if trap.is_warning
    ] == []


def test_a_trap_says_what_is_wrong_and_what_to_do() -> None:
    for with_it, _, _ in ROWS.values():
        for trap in traps(with_it):
            assert trap.sentence.endswith(".")
            assert trap.next_step.endswith(".")
            assert trap.is_warning == (TRAPS[trap.name].weight != "note")


def test_a_trap_is_told_once() -> None:
    for with_it, _, _ in ROWS.values():
        found = traps(with_it)
        assert len(found) == len(set(found))


def test_everything_after_a_step_that_can_never_be_done_can_never_be_done() -> None:
    found = traps(tools(change_simulate={"allowed": False}))
    assert paths(found, "no-simulation") == ["$.tools['change.simulate'].allowed"] * 2
    later = traps(tools(change_execute={"step_up": STEP_UP}))
    assert paths(later, "step-up-unsupported") == ["$.tools['change.execute'].step_up"]
    assert paths(later, "step-denied") == ["$.tools['change.execute']"]


@pytest.mark.parametrize(
    "change", [{"keys": []}, {"valid_until": "2026-03-02T09:00:00Z"}, {"valid_from": "2026-03-02T09:00:01Z"}]
)
def test_people_without_a_key_or_outside_their_validity_do_not_count(change: dict[str, Any]) -> None:
    found = traps(policy(), people(OWNER, SECURITY, [*OWNER, *SECURITY], **change))
    assert len(paths(found, "too-few-people")) == 2


def test_a_role_named_twice_needs_two_people() -> None:
    twice = tools(change_execute={"approver_constraints": ["service_owner", "service_owner"]})
    assert paths(traps(twice, people(OWNER, SECURITY, SECURITY)), "no-such-people") == [
        "$.tools['change.execute'].approver_constraints"
    ]


def test_whoever_may_not_request_is_named_and_nobody_else() -> None:
    (said, _) = [t.sentence for t in traps(policy(), people(OWNER, SECURITY, OWNER)) if t.name == "requester-leaves-too-few"]
    assert "requested by p-1:" in said
    (said, _) = [t.sentence for t in traps(policy(), people(OWNER, SECURITY)) if t.name == "requester-leaves-too-few"]
    assert "requested by anybody of the roster:" in said


def test_traps_of_rules_inside_a_clawsig_policy_are_found_alike() -> None:
    rules = tools(ticket_close={"environments": ["lab"]})
    assert traps(clawsig(change_management=rules)) == traps(rules)


def test_an_unregistered_trap_is_a_defect() -> None:
    with pytest.raises(AssertionError):
        Trap("no-such-trap", (), "x")
