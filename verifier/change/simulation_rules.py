"""Rules of one allow about the simulation and the plan that it rests on."""

from __future__ import annotations

from verifier.change.case import Allow, Case
from verifier.change.findings import Findings
from verifier.entry import ref_value
from verifier.errors import Refused
from verifier.ledger.logged import Logged
from verifier.records.plan import parse_plan
from verifier.records.receipts import GatewayReceipt
from verifier.records.simulation import Simulation


def check_simulation(case: Case, findings: Findings, allow: Allow) -> None:
    """The simulation that the scope names succeeded, below the view, for the same job, run, plan and policy."""
    name, scope = allow.name("policy.simulation"), allow.scope
    found = case.history.find("simulation", scope.simulation_b64u)
    if found is None or found.index >= allow.view:
        wanted = f"simulation {scope.simulation_b64u} below the view of {allow.view} entries"
        found_at = "none" if found is None else f"it at index {found.index}"
        findings.failed(name, "SIMULATION_MISSING", expected=wanted, found=found_at, index=allow.index)
        return
    record = found.record
    if not isinstance(record, Simulation):
        fault = found.fault or Refused("PAYLOAD_UNREADABLE", "simulation", expected="its payload", found="none")
        findings.refused(name, fault, index=found.index)
        return
    for what, code, expected, actual in (
        ("job_id", "SIMULATION_MISSING", scope.job_id, record.job_id),
        ("ticket", "SIMULATION_MISSING", scope.ticket, record.ticket),
        ("run_id", "RUN_MISMATCH", allow.decision.run_id, record.run_id),
        ("plan_hash_b64u", "PLAN_MISMATCH", scope.plan_hash_b64u, record.plan_hash_b64u),
        ("policy_hash_b64u", "POLICY_MISMATCH", scope.policy_hash_b64u, record.policy_hash_b64u),
        (
            "token_scope_hash_b64u",
            "TOKEN_SCOPE_MISMATCH",
            allow.decision.token_scope_hash_b64u,
            record.token_scope_hash_b64u,
        ),
        ("outcome", "SIMULATION_FAILED", "success", record.outcome),
    ):
        if expected != actual:
            findings.failed(name, code, expected=f"{what}: {expected}", found=actual, index=found.index)
            return
    findings.passed(name, "success, before the decision", index=found.index)
    _check_receipts_present(case, findings, allow, found.index)


def _check_receipts_present(case: Case, findings: Findings, allow: Allow, simulation_index: int) -> None:
    policy, tool = allow.policy, allow.tool
    if policy is None or tool is None:
        return
    if not (policy.enforcement.require_gateway_receipts and tool.approvals_needed):
        return
    wanted = (allow.decision.run_id, allow.decision.token_scope_hash_b64u, allow.scope.policy_hash_b64u)
    name = allow.name("policy.receipts_present")
    for item, receipt in case.records("gateway_receipt", GatewayReceipt):
        bound = receipt.binding
        if item.index >= simulation_index or bound is None:
            continue
        if (bound.run_id, bound.token_scope_hash_b64u, bound.policy_hash) == wanted:
            findings.passed(name, "a model call of this run, token scope and policy", index=item.index)
            return
    expected = "a gateway receipt of the job's run, token scope and policy below the simulation"
    erased = _erased_receipt(case, allow, simulation_index)
    if erased is not None:
        findings.undecided(name, "PAYLOAD_ERASED", expected=expected, found="one that was erased", index=erased.index)
        return
    findings.failed(name, "RECEIPTS_MISSING", expected=expected, index=allow.index)


def _erased_receipt(case: Case, allow: Allow, simulation_index: int) -> Logged | None:
    """The first receipt below the simulation that is one of the job by its refs, and whose payload was erased."""
    wanted = (allow.decision.run_id or "", allow.decision.token_scope_hash_b64u or "", allow.scope.policy_hash_b64u)
    refs = tuple(map(ref_value, wanted))
    for item in case.history:
        if item.entry.kind != "gateway_receipt" or item.index >= simulation_index or not case.is_erased(item):
            continue
        if (item.ref("run"), item.ref("token_scope"), item.ref("policy")) == refs:
            return item
    return None


def check_plan(case: Case, findings: Findings, allow: Allow) -> None:
    """The plan's bytes have the fingerprint, are canonical, and say what the scope says."""
    name, scope = allow.name("policy.plan"), allow.scope
    data = case.payloads.get(scope.plan_hash_b64u)
    if data is None:
        findings.undecided(name, "PLAN_MISSING", expected=f"plan {scope.plan_hash_b64u} in the pack", index=allow.index)
        return
    try:
        plan = parse_plan(data)
    except Refused as error:
        findings.refused(name, error, index=allow.index)
        return
    stated = (scope.change_type, scope.environment, scope.ticket)
    if (plan.change_type, plan.environment, plan.ticket) != stated:
        findings.failed(
            name,
            "PLAN_MISMATCH",
            expected=_say_plan(*stated),
            found=_say_plan(plan.change_type, plan.environment, plan.ticket),
            index=allow.index,
        )
        return
    findings.passed(name, f"fingerprint {scope.plan_hash_b64u}", index=allow.index)


def _say_plan(change_type: str, environment: str, ticket: str) -> str:
    return f"a plan of change type {change_type} in {environment} for {ticket}"
