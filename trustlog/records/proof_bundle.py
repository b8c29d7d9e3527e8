"""The proof bundle of a run (Clawsig proof_bundle v1)."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from msgspec import Meta

from trustlog.limits import MAX_BUNDLE_EVENTS, MAX_BUNDLE_RECEIPTS
from trustlog.records.fields import UNSET, Did, Instant, LooseHash, Struct, Text, UnsetType
from trustlog.records.kind import Claim, Kind, by_schema, claim


class Event(Struct, frozen=True, kw_only=True):
    """One link of the event chain."""

    event_id: Text
    run_id: Text
    event_type: Text
    timestamp: Instant
    payload_hash_b64u: LooseHash
    prev_hash_b64u: LooseHash | None
    event_hash_b64u: LooseHash


class ProofBundle(Struct, frozen=True, kw_only=True):
    """``metadata.change`` ties the bundle to a change; the rest is Clawsig's."""

    bundle_version: Literal["1"]
    bundle_id: Text
    agent_did: Did
    event_chain: Annotated[list[Event], Meta(min_length=1, max_length=MAX_BUNDLE_EVENTS)] | UnsetType = UNSET
    receipts: Annotated[list[Any], Meta(min_length=1, max_length=MAX_BUNDLE_RECEIPTS)] | UnsetType = UNSET
    metadata: dict[str, Any] | UnsetType = UNSET

    def inner_signers(self) -> list[tuple[str, str]]:
        """Kind and signer of every signed envelope inside: their roles are judged at the bundle's index."""
        receipts = [] if isinstance(self.receipts, UnsetType) else self.receipts
        return [("gateway_receipt", receipt["signer_did"]) for receipt in receipts]


def _refs(record: ProofBundle, payload_hash: str) -> dict[str, object]:
    change = {} if isinstance(record.metadata, UnsetType) else record.metadata.get("change")
    run = change.get("run_id") if isinstance(change, dict) else None
    if not isinstance(run, str):
        run = None if isinstance(record.event_chain, UnsetType) else record.event_chain[0].run_id
    return {"bundle": payload_hash, "run": run}


def _claims(record: ProofBundle, signer_did: str, payload_hash: str) -> list[Claim]:
    return [claim("payload.bundle_id", "bundle", signer_did, record.bundle_id, value=(signer_did, payload_hash))]


PROOF_BUNDLE: Final = Kind(
    "proof_bundle",
    by_schema(ProofBundle),
    ("agents",),
    erasable=True,
    refs=_refs,
    claims=_claims,
    signed_at=lambda _record: None,
)
