"""Signing what :mod:`tests.support.payloads` builds, and reading it back as the log does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tests.support import keys, payloads
from tests.support.trust import ORIGIN
from trustlog.formats.envelope import parse_envelope, seal_envelope
from trustlog.keys.signer import SeedSigner
from trustlog.records.candidate import Candidate, read_candidate

SIGNERS: Final[Mapping[str, SeedSigner]] = {
    "gateway_receipt": keys.GATEWAY,
    "tool_receipt": keys.AGENT,
    "side_effect_receipt": keys.AGENT,
    "work_policy_contract": keys.POLICY_ISSUER,
    "roster": keys.ROSTER_AUTHORITY,
    "token_issued": keys.TOKEN_ISSUER,
    "simulation": keys.RUNNER,
    "human_approval_receipt": keys.ALICE,
    "step_up": keys.GATE,
    "gate_decision": keys.GATE,
    "execution": keys.RUNNER,
    "resolution": keys.BOB,
    "proof_bundle": keys.AGENT,
    "closure": keys.GATE,
    "revocation": keys.TOKEN_ISSUER,
    "violation": keys.GATE,
    "tombstone": keys.CUSTODIAN,
}  # by kind: a key in the right role


def seal(kind: str, payload: Mapping[str, Any], signer: SeedSigner | None = None, *, issued_at: str = payloads.NOW) -> bytes:
    """The signed envelope around a payload's RFC 8785 form, by the kind's usual signer unless another is given."""
    return seal_envelope(kind, payload, signer or SIGNERS[kind], issued_at)


def candidate(
    kind: str, payload: Mapping[str, Any] | None = None, signer: SeedSigner | None = None, *, origin: str = ORIGIN
) -> Candidate:
    """The candidate of a payload (the kind's valid one, unless given), through the whole way an envelope takes."""
    value = payloads.VALID[kind]() if payload is None else payload
    return read_candidate(parse_envelope(seal(kind, value, signer)), origin=origin)
