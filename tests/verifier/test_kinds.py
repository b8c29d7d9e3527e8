"""Who may sign each kind, and which kinds may be erased."""

from __future__ import annotations

import pytest

from tests.verifier.changebuilder import ROLE_KEYS, Change
from tests.verifier.logbuilder import hash_of
from tests.verifier.test_conflict_keys import FIRST
from tests.verifier.test_records_alone import read as read_alone
from tests.verifier.test_who_may import ended, last
from verifier.records.kinds import KINDS, compute_refs
from verifier.trust import Role

SIGNED_BY = {
    "gateway_receipt": {"gateways"},
    "tool_receipt": {"agents", "gateways"},
    "side_effect_receipt": {"agents", "gateways"},
    "work_policy_contract": {"policy_issuers"},
    "roster": {"roster_authorities"},
    "token_issued": {"token_issuers"},
    "simulation": {"runners"},
    "step_up": {"gates"},
    "gate_decision": {"gates"},
    "execution": {"runners"},
    "proof_bundle": {"agents"},
    "closure": {"gates"},
    "violation": {"gates"},
    "tombstone": {"custodians"},
}
SIGNED_BY_PEOPLE = {"human_approval_receipt", "resolution"}
JUDGED_BY_TARGET = {"revocation"}
ERASABLE = {"gateway_receipt", "tool_receipt", "side_effect_receipt", "proof_bundle"}


def test_every_kind_is_here() -> None:
    assert set(KINDS) == set(SIGNED_BY) | SIGNED_BY_PEOPLE | JUDGED_BY_TARGET
    assert {kind for kind, _ in FIRST.values()} == set(KINDS)
    assert set(ROLE_KEYS) >= {role for roles in SIGNED_BY.values() for role in roles}


@pytest.mark.parametrize("role", ROLE_KEYS)
@pytest.mark.parametrize("step", [step for step, (kind, _) in FIRST.items() if kind not in JUDGED_BY_TARGET])
def test_who_may_sign(step: str, role: str) -> None:
    kind, payload = FIRST[step]
    change = Change().build()
    refs = compute_refs(read_alone(kind, payload), hash_of(payload))
    change.log.add(kind, payload, refs=refs, signer=ROLE_KEYS[role])
    is_refused = ended(last(change)) in ("SIGNER_WRONG_ROLE", "PROOF_BUNDLE_AGENT_MISMATCH")
    assert is_refused == (role not in SIGNED_BY.get(kind, ()))


def test_what_may_be_erased_is_what_permits_and_restricts_nothing() -> None:
    assert {name for name, kind in KINDS.items() if kind.erasable} == ERASABLE
    assert all(isinstance(role, Role) for kind in KINDS.values() for role in kind.roles)
