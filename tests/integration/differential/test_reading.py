"""trustlog and the verifier read the same payloads, refuse the others for the same reason, and derive the same keys.

The long form: ``TRUSTLOG_EXAMPLES=20000 python -m pytest tests/integration/differential/test_reading.py``.
"""

from __future__ import annotations

import os
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.differential.mutation import FORMS, Step, full_bundle, mutate, seal_again
from tests.integration.differential.reading import SameKeys, read_by_trustlog, read_by_verifier
from tests.support import keys, payloads
from tests.support.envelopes import SIGNERS
from tests.support.payloads import Payload
from tests.unit.records.test_schemas import CASES, kind_of

EXAMPLES: Final = int(os.environ.get("TRUSTLOG_EXAMPLES", "150"))
CLAWSIG_POLICY: Final[Payload] = {
    "policy_version": "1",
    "policy_id": "p",
    "issuer_did": "did:web:issuer.example",
    "allowed_providers": ["openai"],
    "allowed_models": ["m*"],
    "minimum_model_identity_tier": "tee_measured",
    "required_audit_packs": ["abcdefgh"],
    "redaction_rules": [{"path": "$.a", "action": "mask"}],
    "receipt_privacy_mode": "hash_only",
    "egress_allowlist": ["h.example"],
    "metadata": {"change_management": payloads.work_policy_contract()},
}
EVERYTHING: Final[dict[str, Payload]] = {
    **CASES,
    "work_policy_contract, Clawsig's": CLAWSIG_POLICY,
    "proof_bundle": payloads.proof_bundle(),
    "proof_bundle, full": full_bundle(keys.AGENT, keys.GATEWAY),
}
INNER_SIGNERS: Final[dict[str, Any]] = {keys.AGENT.did: keys.AGENT, keys.GATEWAY.did: keys.GATEWAY}

NUMBER: Final = st.integers(0, 2**16)
STEPS: Final = st.lists(st.tuples(NUMBER, NUMBER, NUMBER), max_size=3)
FORM: Final = st.sampled_from([*([0] * 12), *([1] * 6), *range(len(FORMS))])


def compare(case: str, payload: Payload, form: int, same: SameKeys, *, one_fault: bool) -> bool:
    """Whether the payload was read, after asserting that both readers say the same."""
    kind = kind_of(case)
    text = FORMS[form](payload)
    ours = read_by_trustlog(kind, text, SIGNERS[kind])
    theirs = read_by_verifier(kind, text, SIGNERS[kind])
    shown = f"{case}: {text[:3000]!r}\ntrustlog {ours.code} {ours.detail}\nverifier {theirs.code} {theirs.detail}"
    assert (ours.code is None) == (theirs.code is None), shown
    if one_fault:
        assert ours.code == theirs.code, shown
    if ours.keys is None or theirs.keys is None:
        return False
    assert ours.refs == theirs.refs, shown
    same.add(ours.keys, theirs.keys)
    return True


@pytest.mark.slow
@pytest.mark.timeout(0)
@pytest.mark.parametrize("case", EVERYTHING)
def test_both_readers_say_the_same_of_changed_payloads(case: str) -> None:
    same = SameKeys()
    assert compare(case, EVERYTHING[case], 0, same, one_fault=True)

    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
    @given(STEPS, FORM, st.booleans())
    def check(steps: list[Step], form: int, again: bool) -> None:
        payload = mutate(EVERYTHING[case], steps)
        if again and case.startswith("proof_bundle"):
            payload = seal_again(payload, INNER_SIGNERS)
        compare(case, payload, form, same, one_fault=len(steps) + (form > 1) <= 1)

    check()
