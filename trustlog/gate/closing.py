"""The proof bundle that a closing reason names: whether it is this change's, complete and unused."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from trustlog.formats.envelope import Envelope
from trustlog.gate.job import Job
from trustlog.gate.view import Logged
from trustlog.policy.finding import Finding
from trustlog.records.event_chain import HASHED_MEMBERS, Event
from trustlog.records.fields import UnsetType
from trustlog.records.kind import identity_key

REFERENCE: Final = re.compile(r"(?<![A-Za-z0-9_-])bundle:([A-Za-z0-9_-]{43})(?![A-Za-z0-9_-])")
ANY_REFERENCE: Final = re.compile(r"bundle:[A-Za-z0-9_-]{43}")


def named_bundle(closing_reason: str | None) -> tuple[str | None, list[Finding]]:
    """The hash that the one ``bundle:<43>`` token of a closing reason names."""
    expected = "a closing reason with exactly one token bundle:<43 characters>"
    if closing_reason is None:
        return None, [Finding("BUNDLE_REFERENCE_MISSING", expected, "no closing reason")]
    whole, any_ = REFERENCE.findall(closing_reason), ANY_REFERENCE.findall(closing_reason)
    if len(whole) != 1 or len(any_) != 1:
        return None, [Finding("BUNDLE_REFERENCE_MISSING", expected, f"{len(any_)} in the reason given")]
    return whole[0], []


def find_bundle(job: Job, bundle_hash: str) -> tuple[Logged | None, list[Finding]]:
    """The logged bundle of the job's agent with this hash, and what stands against using it again."""
    found = job.view.by_payload(bundle_hash, "proof_bundle", job.size)
    mine = next((one for one in found if one.entry.signer_did == job.terms.agent_did), None)
    if mine is None:
        expected = f"proof bundle {bundle_hash} in the log, signed by {job.terms.agent_did}"
        return None, [Finding("BUNDLE_NOT_LOGGED", expected, f"{len(found)} by others" if found else "none")]
    closures = job.view.valid("closure", "bundle", bundle_hash, job.size)
    used = [Finding("BUNDLE_ALREADY_USED", "an unused bundle", f"the closure at index {one.index}") for one in closures]
    return mine, used


def check_change(bundle: Logged, expected: Mapping[str, str]) -> Iterator[Finding]:
    """``metadata.change`` is closed and all this change's."""
    change: Any = bundle.record.metadata.get("change")
    if not isinstance(change, dict):
        yield Finding("BUNDLE_MISMATCH", "metadata.change in the bundle", "none")
        return
    for name in sorted({*expected, *change}):
        if name not in change or name not in expected or change[name] != expected[name]:
            wanted = f"metadata.change.{name} {expected.get(name, 'absent')}"
            yield Finding("BUNDLE_MISMATCH", wanted, str(change.get(name, "absent"))[:200])


def check_receipts(job: Job, bundle: Logged, run_id: str) -> Iterator[Finding]:
    """The bundle holds every receipt of the job below it, all of this run and policy, none of another, each of them logged."""
    scope, policy = job.terms.token_scope_hash_b64u, job.terms.policy_hash_b64u
    logged = {_identity(one): one for one in job.receipts(bundle.index)}
    inside = {_inner_identity(receipt.envelope): receipt.record for receipt in bundle.record.receipts}
    for identity, one in logged.items():
        if identity not in inside:
            yield _incomplete("every receipt of the job below the bundle in it", f"not the one at index {one.index}")
    for identity, receipt in inside.items():
        if identity not in logged:
            yield _incomplete("every receipt of the bundle logged below it, for this job", f"not {receipt.receipt_id}")
        binding = receipt.binding
        if (binding.run_id, binding.policy_hash, binding.token_scope_hash_b64u) != (run_id, policy, scope):
            yield _incomplete("every receipt bound to the job's run, policy and token scope", f"not {receipt.receipt_id}")


def check_tool_receipts(job: Job, bundle: Logged) -> Iterator[Finding]:
    """A signed tool receipt in the bundle is logged below it too. Version 2 exists inside bundles only."""
    for receipt in bundle.record.tool_receipts:
        if receipt.envelope is None or receipt.record.receipt_version != "1":
            continue
        logged = job.view.named(receipt.envelope.payload_hash_b64u, receipt.kind, bundle.index)
        if not any(one.candidate is not None and one.entry.signer_did == receipt.envelope.signer_did for one in logged):
            yield _incomplete("every signed tool receipt of the bundle logged below it", f"not {receipt.record.receipt_id}")


def check_event_headers(bundle: Logged) -> Iterator[Finding]:
    """A receipt that carries its event's header carries that of the chain, and the event is of its request."""
    events = {event.event_hash_b64u: event for event in bundle.record.event_chain}
    for receipt in bundle.record.receipts:
        metadata = receipt.record.metadata
        if isinstance(metadata, UnsetType) or "event" not in metadata:
            continue
        event = events[receipt.record.binding.event_hash_b64u]
        same_request = event.payload_hash_b64u == receipt.record.request_hash_b64u
        if metadata["event"] != _header(event) or not same_request:
            expected = "metadata.event of every receipt to be its event in the chain, of its request"
            yield Finding("RECEIPT_BINDING_MISMATCH", expected, f"another in {receipt.record.receipt_id}")


def check_events(bundle: Logged, run_id: str) -> Iterator[Finding]:
    """Every ``llm_call`` event has a receipt, and the chain is this run's."""
    receipted = {receipt.record.binding.event_hash_b64u for receipt in bundle.record.receipts}
    for event in bundle.record.event_chain:
        if event.run_id != run_id:
            yield Finding("BUNDLE_MISMATCH", f"events of run {run_id}", f"{event.event_id} of {event.run_id}")
        if event.event_type == "llm_call" and event.event_hash_b64u not in receipted:
            yield _incomplete("a receipt for every llm_call event", f"none for {event.event_id}")


def _header(event: Event) -> dict[str, object]:
    return {name: getattr(event, name) for name in HASHED_MEMBERS} | {
        "timestamp": event.timestamp.text,
        "event_hash_b64u": event.event_hash_b64u,
    }


def _identity(one: Logged) -> bytes:
    assert one.candidate is not None
    return one.candidate.identity


def _inner_identity(envelope: Envelope) -> bytes:
    return identity_key(envelope.kind, envelope.signer_did, envelope.payload_hash_b64u)


def _incomplete(expected: str, found: str) -> Finding:
    return Finding("RECEIPT_SET_INCOMPLETE", expected, found)
