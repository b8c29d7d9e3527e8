"""Rules of the proof bundle that a closing scope names: it is logged, about this change, and complete."""

from __future__ import annotations

from collections.abc import Sequence

from verifier.change.absence import check_absent
from verifier.change.case import Allow, Case
from verifier.change.execution_rules import failure, later_begin
from verifier.change.findings import Findings
from verifier.errors import Refused
from verifier.ledger.logged import Logged, State
from verifier.records.bundle import BundledChange, OpenedBundle
from verifier.records.closure import bundles_named
from verifier.records.envelope import SealedReceipt
from verifier.records.execution import Execution
from verifier.records.receipts import GatewayReceipt


def check_bundle(case: Case, findings: Findings, allow: Allow) -> None:
    """The closing reason names the scope's bundle, which is logged below the view and proves this change."""
    bundle_b64u = allow.scope.bundle_b64u
    if bundle_b64u is None:
        return
    name = allow.name("execution.closing_reason")
    named = bundles_named(allow.decision.closing_reason or "")
    if named != [bundle_b64u]:
        findings.failed(
            name,
            "BUNDLE_REFERENCE_MISSING",
            expected=f"a closing reason that names bundle:{bundle_b64u} and no other",
            found=", ".join(f"bundle:{one}" for one in named)[:200] or "none",
            index=allow.index,
        )
        return
    findings.passed(name, f"bundle:{bundle_b64u}", index=allow.index)
    found = case.history.find("proof_bundle", bundle_b64u)
    fault = _logged_fault(found, allow)
    if fault is not None:
        findings.refused(allow.name("execution.bundle"), fault, index=found.index if found else allow.index)
        return
    assert found is not None, "the fault says so"
    if found.state is State.UNREAD:
        name, expected = allow.name("execution.bundle"), "the bundle's payload, which shows what was done"
        findings.undecided(name, "PAYLOAD_ERASED", expected=expected, index=found.index)
        return
    bundle = found.record
    assert isinstance(bundle, OpenedBundle), "a valid bundle"
    _check_contents(case, findings, allow, found, bundle)


def _check_contents(case: Case, findings: Findings, allow: Allow, found: Logged, bundle: OpenedBundle) -> None:
    fault = _change_fault(case, allow, found, bundle) or _receipt_fault(case, allow, found, bundle)
    if fault is not None:
        findings.refused(allow.name("execution.bundle"), fault, index=found.index)
        return
    findings.passed(
        allow.name("execution.bundle"),
        f"{len(bundle.receipts.gateway)} gateway receipts, {len(bundle.events)} events",
        index=found.index,
    )
    if bundle.receipts.raw:
        findings.not_proven.append(
            f"{bundle.receipts.raw} receipts or approvals in the bundle carry no signature but the agent's"
        )
    check_absent(
        case,
        findings,
        allow,
        "execution.last_execution",
        expected="the bundle tells of the job's last execution",
        adverse=_later_begin(case, allow, bundle),
    )
    check_absent(
        case,
        findings,
        allow,
        "execution.receipts_complete",
        expected="no receipt of the job left out of the bundle",
        adverse=_left_out(case, allow, found, bundle),
    )
    check_absent(
        case,
        findings,
        allow,
        "execution.bundle_not_used",
        expected="bundle not used before",
        adverse=_used(case, allow, found.entry.payload_hash_b64u),
    )


def _logged_fault(found: Logged | None, allow: Allow) -> Refused | None:
    if found is None or found.index >= allow.view:
        found_at = "none" if found is None else f"at index {found.index}"
        expected = f"logged below the view of {allow.view} entries"
        return Refused("BUNDLE_NOT_LOGGED", f"bundle {allow.scope.bundle_b64u}", expected=expected, found=found_at)
    return found.fault


def _change_fault(case: Case, allow: Allow, item: Logged, bundle: OpenedBundle) -> Refused | None:
    """metadata.change is closed and this change's; the execution that it names ended below the bundle."""
    try:
        change = bundle.change()
    except Refused as error:
        return Refused("BUNDLE_MISMATCH", error.detail, expected=error.expected, found=error.found)
    expected = {
        "ticket": allow.scope.ticket,
        "job_id": allow.scope.job_id,
        "run_id": allow.decision.run_id,
        "policy_hash_b64u": allow.scope.policy_hash_b64u,
        "plan_hash_b64u": allow.scope.plan_hash_b64u,
        "token_scope_hash_b64u": allow.decision.token_scope_hash_b64u,
        "simulation_b64u": allow.scope.simulation_b64u,
    }
    for what, value in expected.items():
        found = getattr(change, what)
        if found != value:
            return Refused("BUNDLE_MISMATCH", f"metadata.change.{what}", expected=value, found=found)
    if bundle.record.agent_did != allow.scope.agent_did:
        return Refused("BUNDLE_MISMATCH", "agent_did", expected=allow.scope.agent_did, found=bundle.record.agent_did)
    chain = bundle.record.event_chain or ()
    if any(event.run_id != allow.decision.run_id for event in chain):
        found = f"run {chain[0].run_id[:200]}"
        return Refused("BUNDLE_MISMATCH", "event_chain", expected=f"run {allow.decision.run_id}", found=found)
    return _execution_fault(case, change, item.index, allow.index)


def _execution_fault(case: Case, change: BundledChange, below: int, decided: int) -> Refused | None:
    """The execution that a bundle names ended with success below it, in this job, under the decision that it names.

    `decided` is the index at which closing is decided; a resolution below it makes the execution a failure.
    """
    end = case.history.find("execution", change.execution_b64u)
    record = end.record if end is not None else None
    if end is None or not isinstance(record, Execution) or record.phase != "end" or end.index >= below:
        found = "no such end" if end is None or end.index < below else f"one at index {end.index}"
        return Refused("BUNDLE_MISMATCH", "metadata.change.execution_b64u", expected="an end below the bundle", found=found)
    if record.decision_b64u != change.decision_b64u:
        expected = f"{record.decision_b64u}, under which it was executed"
        return Refused("BUNDLE_MISMATCH", "metadata.change.decision_b64u", expected=expected, found=change.decision_b64u)
    for what in ("job_id", "run_id", "ticket", "plan_hash_b64u", "policy_hash_b64u", "token_scope_hash_b64u"):
        if getattr(record, what) != getattr(change, what):
            expected = f"{getattr(record, what)}, as in the execution"
            return Refused("BUNDLE_MISMATCH", f"metadata.change.{what}", expected=expected, found=getattr(change, what))
    return failure(case, record, decided)


def _later_begin(case: Case, allow: Allow, bundle: OpenedBundle) -> Refused | None:
    """Whether the job's last execution, when closing is decided, is another: what was done last is in no bundle then."""
    end = case.history.find("execution", bundle.change().execution_b64u)
    record = end.record if end is not None else None
    assert isinstance(record, Execution), "its change was checked"
    return later_begin(case, record, allow.index)


def _receipt_fault(case: Case, allow: Allow, item: Logged, bundle: OpenedBundle) -> Refused | None:
    """Every receipt in it is logged below it and bound to this job; every model call has one."""
    answered: set[str] = set()
    wanted = (
        ("token_scope_hash_b64u", allow.decision.token_scope_hash_b64u),
        ("run_id", allow.decision.run_id),
        ("policy_hash", allow.scope.policy_hash_b64u),
    )
    for position, (sealed, receipt) in enumerate(bundle.receipts.gateway):
        where = f"receipts[{position}]"
        fault = _bound_fault(wanted, receipt, bundle, where) or _unlogged_fault(case, sealed, item.index, where)
        if fault is not None:
            return fault
        assert receipt.binding is not None, "a bound receipt"
        answered.add(receipt.binding.event_hash_b64u or "")
    for sealed in bundle.receipts.signed_tools:
        if sealed.payload["receipt_version"] == "1":  # version 2 exists inside bundles only
            fault = _unlogged_fault(case, sealed, item.index, "tool_receipts")
            if fault is not None:
                return fault
    for event in bundle.record.event_chain or ():
        if event.event_type == "llm_call" and event.event_hash_b64u not in answered:
            where = f"model call {event.event_id[:64]}"
            return Refused("RECEIPT_SET_INCOMPLETE", where, expected="a gateway receipt of it in the bundle", found="none")
    return None


def _bound_fault(
    wanted: Sequence[tuple[str, str | None]], receipt: GatewayReceipt, bundle: OpenedBundle, where: str
) -> Refused | None:
    """A receipt's binding has the members that are wanted and names an event of the chain, whose header it may carry."""
    bound = receipt.binding
    for what, expected in wanted:
        found = getattr(bound, what, None)
        if found != expected:
            return Refused("RECEIPT_SET_INCOMPLETE", f"{where}.binding.{what}", expected=expected, found=found or "none")
    event = bundle.events.get(bound.event_hash_b64u or "") if bound else None
    if event is None:
        return Refused("RECEIPT_BINDING_MISMATCH", f"{where}.binding", expected="an event of the chain", found="none")
    header = (receipt.metadata or {}).get("event")
    if header is not None and header != event.to_json():
        return Refused(
            "RECEIPT_BINDING_MISMATCH", f"{where}.metadata.event", expected="the event of the chain", found="another"
        )
    if header is not None and event.payload_hash_b64u != receipt.request_hash_b64u:
        expected = f"payload hash {receipt.request_hash_b64u}, that of the request"
        return Refused(
            "RECEIPT_BINDING_MISMATCH", f"{where}.metadata.event", expected=expected, found=event.payload_hash_b64u
        )
    return None


def _unlogged_fault(case: Case, sealed: SealedReceipt, below: int, where: str) -> Refused | None:
    for item in case.history.named(sealed.kind, sealed.payload_hash_b64u):
        counts = item.is_valid or case.is_erased(item)
        if counts and item.index < below and item.entry.signer_did == sealed.signer_did:
            return None
    return Refused(
        "RECEIPT_SET_INCOMPLETE", where, expected="a receipt that is logged below the bundle", found="no such entry"
    )


def _left_out(case: Case, allow: Allow, item: Logged, bundle: OpenedBundle) -> Refused | None:
    inside = {(sealed.signer_did, sealed.payload_hash_b64u) for sealed, _ in bundle.receipts.gateway}
    for logged in case.history:
        if logged.entry.kind != "gateway_receipt" or logged.index >= item.index or logged.state is State.VOID:
            continue
        if logged.ref("token_scope") != allow.decision.token_scope_hash_b64u:
            continue
        if (logged.entry.signer_did, logged.entry.payload_hash_b64u) not in inside:
            return Refused("RECEIPT_SET_INCOMPLETE", "bundle", found=f"without the receipt at index {logged.index}")
    return None


def _used(case: Case, allow: Allow, bundle_b64u: str) -> Refused | None:
    for item, closure in case.closures:
        if closure.bundle_b64u == bundle_b64u and item.index < allow.index:
            return Refused("BUNDLE_ALREADY_USED", "bundle", found=f"closure at index {item.index} used it")
    return None
