"""Rules about the proof bundle that a closing reason names: whether it is this change's, complete and unused."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from trustlog.formats.envelope import Envelope
from trustlog.policy.facts import BundleFact, ExecutedFact, Missing, ReceiptFact, SimulationFact
from trustlog.policy.finding import Finding
from trustlog.policy.rules.rule import closes, rule
from trustlog.records.event_chain import HASHED_MEMBERS, Event
from trustlog.records.fields import UnsetType
from trustlog.records.receipts import GatewayReceipt
from trustlog.records.token_issued import TokenIssued

REFERENCE: Final = re.compile(r"(?<![A-Za-z0-9_-])bundle:([A-Za-z0-9_-]{43})(?![A-Za-z0-9_-])")
ANY_REFERENCE: Final = re.compile(r"bundle:[A-Za-z0-9_-]{43}")


@rule(
    "BUNDLE_REFERENCE_MISSING",
    "BUNDLE_NOT_LOGGED",
    "BUNDLE_ALREADY_USED",
    enforces=["tools.*.requires_proof_bundle_reference", "enforcement.require_proof_bundle"],
    applies=closes,
)
def bundle_is_logged_and_unused(bundle: BundleFact, token: TokenIssued) -> Iterator[Finding]:
    """The closing reason names one proof bundle, logged by the job's agent, that closed nothing yet.

    “Closing reason contains exactly one token `bundle:<43>`, not touching another character of `[A-Za-z0-9_-]`.”
    """
    for index in bundle.closed_at:
        expected = "an unused bundle"
        yield Finding("BUNDLE_ALREADY_USED", expected, f"the closure at index {index}", build_command(token))


@rule(
    "BUNDLE_MISMATCH",
    "REQUIRED_STEP_MISSING",
    "EXECUTION_FAILED",
    enforces=["bundle: metadata.change is this change's", "bundle: of the job's last execution, with success"],
    applies=closes,
)
def bundle_is_of_this_change(
    bundle: BundleFact, simulation: SimulationFact, executed: ExecutedFact, token: TokenIssued
) -> Iterator[Finding]:
    """The bundle's signed statement names this change in all its members, and the job's last execution, which succeeded.

    “That bundle's signed `metadata.change` is closed, … all this change's.” Who reads it takes what it tells of for what is.
    """
    expected = {
        "change_version": "1",
        "ticket": token.ticket,
        "job_id": token.job_id,
        "run_id": simulation.record.run_id,
        "policy_hash_b64u": token.policy_hash_b64u,
        "plan_hash_b64u": simulation.record.plan_hash_b64u,
        "token_scope_hash_b64u": token.token_scope_hash_b64u,
        "simulation_b64u": simulation.payload_hash,
        "decision_b64u": executed.decision,
        "execution_b64u": executed.end,
    }
    change: Any = bundle.record.metadata.get("change")
    step = build_command(token)
    if not isinstance(change, dict):
        yield Finding("BUNDLE_MISMATCH", "metadata.change in the bundle", "none", step)
        return
    for name in sorted({*expected, *change}):
        if name not in change or name not in expected or change[name] != expected[name]:
            wanted = f"metadata.change.{name} {expected.get(name, 'absent')}"
            yield Finding("BUNDLE_MISMATCH", wanted, str(change.get(name, "absent"))[:200], step)
    if not executed.succeeded:
        found = f"the one begun at index {executed.begun_at}, without"
        again = f"Execute a plan that puts it right: trustlog execute --ticket {token.ticket} --token FILE …; then: {step}"
        yield Finding("EXECUTION_FAILED", "the last execution of the job to have ended with success", found, again)


@rule("RECEIPT_SET_INCOMPLETE", enforces=["bundle: every receipt of the job, and no other"], applies=closes)
def bundle_holds_every_receipt(
    bundle: BundleFact, receipts: Sequence[ReceiptFact], simulation: SimulationFact, token: TokenIssued
) -> Iterator[Finding]:
    """The bundle holds exactly the receipts that the log has of the job.

    “The bundle contains *every* gateway receipt that the log holds below it with the job's token scope hash, all naming
    the job's run and policy, and none with another or no
    scope hash.” “Every receipt in it is logged below it.”
    """
    terms = (simulation.record.run_id, token.policy_hash_b64u, token.token_scope_hash_b64u)
    logged = {(one.signer_did, one.payload_hash): one.index for one in receipts if one.index < bundle.index}
    inside = {(envelope.signer_did, envelope.payload_hash_b64u): receipt for envelope, receipt in _receipts(bundle)}
    for identity, index in logged.items():
        if identity not in inside:
            yield _incomplete("every receipt of the job below the bundle in it", f"not the one at index {index}", token)
    for identity, receipt in inside.items():
        found = f"not {receipt.receipt_id}"
        if identity not in logged:
            yield _incomplete("every receipt of the bundle logged below it, for this job", found, token)
        binding = receipt.binding
        if (binding.run_id, binding.policy_hash, binding.token_scope_hash_b64u) != terms:
            yield _incomplete("every receipt bound to the job's run, policy and token scope", found, token)


@rule("RECEIPT_SET_INCOMPLETE", enforces=["bundle: every receipt in it is logged below it"], applies=closes)
def bundle_holds_logged_tool_receipts(bundle: BundleFact, token: TokenIssued) -> Iterator[Finding]:
    """Every signed tool receipt in the bundle is in the log below it.

    “Every receipt in it is logged below it”: signed tool receipts too; version 2 exists inside bundles only.
    """
    for receipt_id in bundle.unlogged_tool_receipts:
        yield _incomplete("every signed tool receipt of the bundle logged below it", f"not {receipt_id}", token)


@rule("BUNDLE_MISMATCH", "RECEIPT_SET_INCOMPLETE", enforces=["bundle: every llm_call has its receipt"], applies=closes)
def events_are_receipted(bundle: BundleFact, simulation: SimulationFact, token: TokenIssued) -> Iterator[Finding]:
    """Every model call in the event chain has its receipt, and the chain is of the job's run.

    “Every `llm_call` event has one [a receipt].” “One `run_id`”: the job's.
    """
    run_id = simulation.record.run_id
    receipted = {receipt.binding.event_hash_b64u for _, receipt in _receipts(bundle)}
    for event in bundle.record.event_chain:
        if event.run_id != run_id:
            found = f"{event.event_id} of {event.run_id}"
            yield Finding("BUNDLE_MISMATCH", f"events of run {run_id}", found, build_command(token))
        if event.event_type == "llm_call" and event.event_hash_b64u not in receipted:
            yield _incomplete("a receipt for every llm_call event", f"none for {event.event_id}", token)


@rule("RECEIPT_BINDING_MISMATCH", enforces=["bundle: receipts carry their own event"], applies=closes)
def receipts_carry_their_event(bundle: BundleFact, token: TokenIssued) -> Iterator[Finding]:
    """A receipt that carries its event's header carries that of the chain, and the event is of its request.

    “Receipts that we issue carry their event header in `metadata.event` … `payload_hash_b64u` equals the receipt's
    `request_hash_b64u`.”
    """
    events = {event.event_hash_b64u: event for event in bundle.record.event_chain}
    for _, receipt in _receipts(bundle):
        metadata, bound_to = receipt.metadata, receipt.binding.event_hash_b64u
        if isinstance(metadata, UnsetType) or "event" not in metadata:
            continue
        event = None if isinstance(bound_to, UnsetType) else events.get(bound_to)
        same_request = event is not None and event.payload_hash_b64u == receipt.request_hash_b64u
        if event is None or metadata["event"] != _header(event) or not same_request:
            expected = "metadata.event of every receipt to be its event in the chain, of its request"
            yield Finding("RECEIPT_BINDING_MISMATCH", expected, f"another in {receipt.receipt_id}", build_command(token))


def read_reference(closing_reason: str | None, token: TokenIssued) -> str | Missing:
    """The hash that the one ``bundle:<43>`` token of a closing reason names."""
    expected = "a closing reason with exactly one token bundle:<43 characters>"
    found = "no closing reason"
    if closing_reason is not None:
        whole, any_ = REFERENCE.findall(closing_reason), ANY_REFERENCE.findall(closing_reason)
        if len(whole) == 1 and len(any_) == 1:
            return str(whole[0])
        found = f"{len(any_)} in the reason given"
    step = (
        f"{build_command(token)} (it prints the reference); then: "
        f"trustlog close --ticket {token.ticket} --closing-reason 'done, bundle:HASH' …"
    )
    return Missing((Finding("BUNDLE_REFERENCE_MISSING", expected, found, step),))


def bundle_not_logged(bundle_hash: str, token: TokenIssued, *, by_others: int) -> Missing:
    """No bundle of the job's agent with this hash is in the log."""
    expected = f"proof bundle {bundle_hash} in the log, signed by {token.agent_did}"
    found = f"{by_others} by others" if by_others else "none"
    return Missing((Finding("BUNDLE_NOT_LOGGED", expected, found, build_command(token)),))


def nothing_executed(token: TokenIssued) -> Missing:
    """No execution of the plan ended with success under an allow that holds."""
    step = f"Execute the approved plan first: trustlog execute --ticket {token.ticket} --token FILE …"
    expected = "a successful execution for the bundle to name"
    return Missing((Finding("REQUIRED_STEP_MISSING", expected, "none that counts", step),))


def last_execution_has_no_end(begun_at: int, token: TokenIssued) -> Missing:
    """The job's last execution has no end that a bundle could name."""
    found = f"another, before the one that began at index {begun_at} and has no end"
    again = f"Execute a plan that puts it right: trustlog execute --ticket {token.ticket} --token FILE …"
    return Missing((Finding("BUNDLE_MISMATCH", "a bundle of the last execution of the job", found, again),))


def build_command(token: TokenIssued) -> str:
    """The sentence that says who builds the bundle of the change, and how."""
    return f"The agent builds the bundle of this change and logs it: trustlog bundle --job {token.job_id} …"


def _receipts(bundle: BundleFact) -> Iterator[tuple[Envelope, GatewayReceipt]]:
    """The gateway receipts of a bundle, each with its envelope: a bundle is read only if every one is signed."""
    for one in bundle.record.receipts:
        assert one.envelope is not None
        assert isinstance(one.record, GatewayReceipt)
        yield one.envelope, one.record


def _header(event: Event) -> dict[str, object]:
    return {name: getattr(event, name) for name in HASHED_MEMBERS} | {
        "timestamp": event.timestamp.text,
        "event_hash_b64u": event.event_hash_b64u,
    }


def _incomplete(expected: str, found: str, token: TokenIssued) -> Finding:
    return Finding("RECEIPT_SET_INCOMPLETE", expected, found, build_command(token))
