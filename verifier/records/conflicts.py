"""Conflict keys: what a valid entry takes, so that another payload or another signer under it is refused.

A plain key holds signer and payload hash; a job id holds the tuple of its tokens; a run id holds its job.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from verifier.records.kinds import Record

BUNDLE_KEY = "closure with bundle"  # a bundle closes one ticket only
ConflictKey = tuple[tuple[str, ...], str]  # a key, and the value that it holds


def conflict_keys(kind: str, record: Record, *, signer_did: str, payload_hash_b64u: str) -> list[ConflictKey]:
    """The keys that an entry takes. Another value under a taken key is a conflict."""
    mine = holding(signer_did, payload_hash_b64u)
    return _KEYS[kind](record, signer_did, mine) if kind in _KEYS else []


def holding(signer_did: str, payload_hash_b64u: str) -> str:
    """What a plain key holds."""
    return f"{signer_did} {payload_hash_b64u}"


_RECEIPTS = ("gateway_receipt", "tool_receipt", "side_effect_receipt", "human_approval_receipt")


def _receipt_keys(kind: str) -> Callable[[Any, str, str], list[ConflictKey]]:
    return lambda record, signer, mine: [((kind, signer, record.receipt_id), mine)]


_KEYS: dict[str, Callable[[Any, str, str], list[ConflictKey]]] = {
    **{kind: _receipt_keys(kind) for kind in _RECEIPTS},
    "proof_bundle": lambda record, signer, mine: [(("bundle", signer, record.record.bundle_id), mine)],
    "token_issued": lambda record, _, mine: [
        (("token", record.token_hash), mine),
        (("job", record.job_id), record.job_tuple()),
    ],
    "simulation": lambda record, _, __: [(("run", record.run_id), record.job_id)],
    "gate_decision": lambda record, _, mine: [(("allow", record.scope_hash()), mine)] if record.is_allow else [],
    "execution": lambda record, _, mine: [(("execution", record.decision_b64u, record.phase), mine)],
    "resolution": lambda record, _, mine: [(("resolution", record.begin_b64u), mine)],
    "closure": lambda record, _, mine: [
        (("closure of decision", record.decision_b64u), mine),
        ((BUNDLE_KEY, record.bundle_b64u), mine),
    ],
    "step_up": lambda record, _, mine: [(("step_up", record.approval_b64u), mine)],
    "tombstone": lambda record, _, mine: [(("tombstone", record.payload_b64u), mine)],
}
