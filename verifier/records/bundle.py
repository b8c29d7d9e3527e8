"""Proof bundles (Clawsig v1): an agent's account of one run: event chain, receipts, and what the change was."""

# ruff: noqa: RUF009 - s.member and s.optional are field specifiers, evaluated once on purpose

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from verifier import schema as s
from verifier.encodings import hash_b64u
from verifier.errors import Refused
from verifier.jsonforms import dump
from verifier.limits import MAX_EVENTS, MAX_METADATA_BYTES, MAX_RECEIPTS
from verifier.records.bundled import BundledReceipts, read_receipts
from verifier.records.claims import RateLimitClaim, check_rate_limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event of the chain. `event_hash_b64u` covers the other six, in this order."""

    event_id: str = s.member(s.text)
    run_id: str = s.member(s.text)
    event_type: str = s.member(s.text)
    timestamp: str = s.member(s.text)
    payload_hash_b64u: str = s.member(s.loose_hash)
    prev_hash_b64u: str | None = s.member(s.nullable(s.loose_hash))
    event_hash_b64u: str = s.member(s.loose_hash)

    def to_json(self) -> dict[str, str | None]:
        """The seven members in their published order."""
        return {
            "event_id": self.event_id,
            "run_id": self.run_id,
            "event_type": self.event_type,
            "timestamp": self.timestamp,
            "payload_hash_b64u": self.payload_hash_b64u,
            "prev_hash_b64u": self.prev_hash_b64u,
            "event_hash_b64u": self.event_hash_b64u,
        }

    def compute_hash(self) -> str:
        """SHA-256 over compact JSON of all members but itself in their published order."""
        document = self.to_json()
        del document["event_hash_b64u"]
        return hash_b64u(dump(document))  # of strings and null


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceManifest:
    """The `urm` reference of a bundle; carried, not relied on."""

    urm_version: str = s.member(s.one_of("1"))
    urm_id: str = s.member(s.text)
    resource_type: str = s.member(s.text)
    resource_hash_b64u: str = s.member(s.loose_hash)
    metadata: dict[str, object] | None = s.optional(s.free_object())


_many = s.list_of(s.free_object(), maximum=MAX_RECEIPTS)
_some = s.list_of(s.anything, minimum=1, maximum=MAX_RECEIPTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofBundle:
    """The members of a bundle. Lists of receipts stay raw here; `check_bundle` opens them.

    Members that nothing here could check (vir and web receipts, attestations) are refused with the bundle.
    """

    bundle_version: str = s.member(s.one_of("1"))
    bundle_id: str = s.member(s.text)
    agent_did: str = s.member(s.did_key)
    eip8004_agent_id: str | None = s.optional(s.matching(r"[0-9]{1,78}", "1 to 78 digits"))
    eip8004_registry: str | None = s.optional(s.matching(r"eip155:[0-9]{1,32}:0x[0-9a-fA-F]{40}", "an EIP-155 registry"))
    urm: ResourceManifest | None = s.optional(s.object_of(ResourceManifest))
    event_chain: tuple[Event, ...] | None = s.optional(s.list_of(s.object_of(Event), minimum=1, maximum=MAX_EVENTS))
    receipts: tuple[object, ...] | None = s.optional(_some)
    tool_receipts: tuple[dict[str, object], ...] | None = s.optional(_many)
    side_effect_receipts: tuple[dict[str, object], ...] | None = s.optional(_many)
    human_approval_receipts: tuple[dict[str, object], ...] | None = s.optional(_many)
    delegation_receipts: tuple[dict[str, object], ...] | None = s.optional(_many)
    rate_limit_claims: tuple[RateLimitClaim, ...] | None = s.optional(s.list_of(s.object_of(RateLimitClaim), maximum=256))
    metadata: dict[str, object] | None = s.optional(s.free_object(MAX_METADATA_BYTES))

    def run_id(self) -> str | None:
        """`metadata.change.run_id`, else that of the first event, else None."""
        change = (self.metadata or {}).get("change")
        if isinstance(change, dict) and isinstance(change.get("run_id"), str):
            return str(change["run_id"])
        return self.event_chain[0].run_id if self.event_chain else None

    def refs_with(self, payload_hash_b64u: str) -> dict[str, str]:
        """`bundle` (its own payload hash) and `run`."""
        run_id = self.run_id()
        return {"bundle": payload_hash_b64u} | ({"run": run_id} if run_id is not None else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class BundledChange:
    """`metadata.change`: which change a bundle is about. Closed."""

    change_version: str = s.member(s.one_of("1"))
    ticket: str = s.member(s.ticket)
    job_id: str = s.member(s.identifier)
    run_id: str = s.member(s.identifier)
    policy_hash_b64u: str = s.member(s.hash43)
    plan_hash_b64u: str = s.member(s.hash43)
    token_scope_hash_b64u: str = s.member(s.hash43)
    simulation_b64u: str = s.member(s.hash43)
    decision_b64u: str = s.member(s.hash43)
    execution_b64u: str = s.member(s.hash43)


@dataclass(frozen=True, slots=True)
class OpenedBundle:
    """A bundle whose own claims hold: its record, its events by hash, and its opened receipts."""

    record: ProofBundle
    events: Mapping[str, Event]
    receipts: BundledReceipts

    def change(self) -> BundledChange:
        """The closed `metadata.change`. Raises Refused SCHEMA_VALIDATION_FAILED."""
        return s.decode(BundledChange, (self.record.metadata or {}).get("change"), "metadata.change")


def check_bundle(record: ProofBundle, signer_did: str) -> OpenedBundle:
    """Check what a bundle claims about itself: signer, event chain, receipts and their binding, claims.

    Raises Refused PROOF_BUNDLE_AGENT_MISMATCH, EVENT_CHAIN_INVALID, RECEIPT_BINDING_MISMATCH, and what opening
    the receipts raises.
    """
    if record.agent_did != signer_did:
        raise Refused("PROOF_BUNDLE_AGENT_MISMATCH", "agent_did", expected=signer_did, found=record.agent_did)
    evidence = (
        record.urm,
        record.event_chain,
        record.receipts,
        record.tool_receipts,
        record.side_effect_receipts,
        record.human_approval_receipts,
        record.delegation_receipts,
    )
    if all(item is None for item in evidence):
        s.refuse("proof_bundle", "at least one kind of evidence")
    events = _check_event_chain(record.event_chain or ())
    run_id = record.event_chain[0].run_id if record.event_chain else None
    receipts = read_receipts(
        gateway=record.receipts or (),
        tool=record.tool_receipts or (),
        side_effect=record.side_effect_receipts or (),
        approvals=record.human_approval_receipts or (),
        delegations=record.delegation_receipts or (),
        agent_did=record.agent_did,
    )
    for where, binding in receipts.bindings:
        _check_binding(where, binding, run_id, events)
    for position, (_, receipt) in enumerate(receipts.gateway):
        bound = receipt.binding
        if bound is None or bound.run_id is None or bound.event_hash_b64u is None:
            raise Refused("RECEIPT_BINDING_MISMATCH", f"receipts[{position}].binding", expected="run_id and event_hash_b64u")
    check_rate_limits(record.rate_limit_claims or (), run_id)
    return OpenedBundle(record, events, receipts)


def _check_event_chain(events: tuple[Event, ...]) -> dict[str, Event]:
    """Every hash, every link, one run, unique ids, times that never run backwards."""
    by_hash: dict[str, Event] = {}
    ids: set[str] = set()
    previous: Event | None = None
    last_time = None
    for position, event in enumerate(events):
        where = f"event_chain[{position}]"
        moment = s.any_time(event.timestamp, f"{where}.timestamp")
        if event.compute_hash() != event.event_hash_b64u:
            raise Refused("EVENT_CHAIN_INVALID", f"{where}.event_hash_b64u", expected=event.compute_hash())
        link = previous.event_hash_b64u if previous else None
        if event.prev_hash_b64u != link:
            raise Refused("EVENT_CHAIN_INVALID", f"{where}.prev_hash_b64u", expected=link or "null")
        if event.run_id != events[0].run_id or event.event_id in ids:
            raise Refused("EVENT_CHAIN_INVALID", where, expected="one run_id, unique event_ids")
        if last_time is not None and moment < last_time:
            raise Refused("EVENT_CHAIN_INVALID", f"{where}.timestamp", expected="never before the previous")
        ids.add(event.event_id)
        by_hash[event.event_hash_b64u] = event
        previous, last_time = event, moment
    return by_hash


def _check_binding(where: str, binding: Mapping[str, object], run_id: str | None, events: Mapping[str, Event]) -> None:
    """A run or event that a receipt names must be the chain's."""
    named_run, named_event = binding.get("run_id"), binding.get("event_hash_b64u")
    if named_run is not None and named_run != run_id:
        raise Refused("RECEIPT_BINDING_MISMATCH", f"{where}.binding.run_id", expected=run_id or "an event chain")
    if named_event is not None and named_event not in events:
        raise Refused("RECEIPT_BINDING_MISMATCH", f"{where}.binding.event_hash_b64u", expected="an event of the chain")
