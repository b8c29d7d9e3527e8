"""Rules of one allow about policy, token, tool, simulation, plan, run and round."""

from __future__ import annotations

from verifier.change.absence import check_absent
from verifier.change.case import Allow, Case
from verifier.change.findings import Findings
from verifier.errors import Refused
from verifier.ledger.logged import Logged
from verifier.records.decision import Scope
from verifier.records.execution import Execution
from verifier.records.plan import parse_plan
from verifier.records.policy import CLOSE, EXECUTE, SIMULATE, Policy
from verifier.records.receipts import GatewayReceipt
from verifier.records.simulation import Simulation
from verifier.records.token import TokenIssued
from verifier.times import NS, format_time


def check_policy(case: Case, findings: Findings, allow: Allow) -> None:
    """The policy was published by a quorum below the view, valid at the decision, neither revoked nor superseded."""
    name, policy_hash = allow.name("policy.in_force"), allow.scope.policy_hash_b64u
    since = case.history.policies.in_force_since(policy_hash)
    if since is None or since >= allow.view or allow.policy is None:
        fault = _policy_fault(case, allow)
        findings.refused(name, fault, index=allow.index)
        return
    if not allow.policy.is_valid_at(allow.decision.decided_at):
        findings.failed(
            name, "POLICY_NOT_IN_FORCE", expected="valid at decided_at", found=_decided(allow), index=allow.index
        )
        return
    if allow.policy.models is not None or allow.policy.budgets is not None:
        findings.failed(
            name,
            "POLICY_UNSUPPORTED",
            expected="no models and budgets: nothing here shows that they were enforced",
            found=" and ".join(name for name in ("models", "budgets") if getattr(allow.policy, name) is not None),
            index=allow.index,
        )
        return
    findings.passed(name, f"policy {policy_hash}, in force since index {since}", index=allow.index)
    revoked = case.history.revocations.first_below(f"policy:{policy_hash}", allow.index)
    check_absent(
        case,
        findings,
        allow,
        "policy.not_revoked",
        expected="policy not revoked",
        adverse=_at("POLICY_REVOKED", "policy", revoked),
    )
    superseded = case.history.policies.superseded_below(policy_hash, allow.index)
    check_absent(
        case,
        findings,
        allow,
        "policy.not_superseded",
        expected="policy not superseded",
        adverse=_at("POLICY_SUPERSEDED", "policy", superseded),
    )


def _policy_fault(case: Case, allow: Allow) -> Refused:
    policy_hash = allow.scope.policy_hash_b64u
    found = case.history.find("work_policy_contract", policy_hash)
    if found is None:
        return Refused("POLICY_NOT_FOUND", "policy", expected=policy_hash)
    if found.fault is not None:
        return found.fault
    since = case.history.policies.in_force_since(policy_hash)
    if since is not None and since < allow.view:
        return Refused("POLICY_INVALID", "policy", expected="rules for changes")
    return Refused("POLICY_NOT_IN_FORCE", "policy", expected="a quorum of trusted issuers below the view")


def _at(code: str, what: str, index: int | None) -> Refused | None:
    return None if index is None else Refused(code, what, found=f"at index {index}")


def _decided(allow: Allow) -> str:
    return f"decided at {format_time(allow.decision.decided_at)}"


def check_token(case: Case, findings: Findings, allow: Allow) -> None:
    """The token is logged below the view, is of this job, ticket, requester, agent and policy, and was alive."""
    name, decision, scope = allow.name("policy.token"), allow.decision, allow.scope
    logged = [
        (item, token)
        for item, token in case.records("token_issued", TokenIssued)
        if token.token_hash == decision.token_hash and item.index < allow.view
    ]
    if not logged:
        findings.failed(name, "TOKEN_NOT_LOGGED", expected=f"token {decision.token_hash}", index=allow.index)
        return
    item, token = logged[0]
    fault = _token_fault(allow, token, scope)
    if fault is not None:
        findings.refused(name, fault, index=item.index)
        return
    findings.passed(name, f"token of job {token.job_id}, scope hash recomputed", index=item.index)


def _token_fault(allow: Allow, token: TokenIssued, scope: Scope) -> Refused | None:
    for what, code, expected, found in (
        ("job_id", "TOKEN_TICKET_MISMATCH", scope.job_id, token.job_id),
        ("ticket", "TOKEN_TICKET_MISMATCH", scope.ticket, token.ticket),
        ("requester", "TOKEN_TICKET_MISMATCH", scope.requester, token.requester),
        ("agent_did", "TOKEN_TICKET_MISMATCH", scope.agent_did, token.agent_did),
        ("policy_hash_b64u", "POLICY_MISMATCH", scope.policy_hash_b64u, token.policy_hash_b64u),
        (
            "token_scope_hash_b64u",
            "TOKEN_SCOPE_MISMATCH",
            allow.decision.token_scope_hash_b64u,
            token.token_scope_hash_b64u,
        ),
    ):
        if expected != found:
            return Refused(code, what, expected=expected, found=found)
    decided = allow.decision.decided_at
    if not token.iat * NS <= decided < token.exp * NS:
        return Refused("TOKEN_EXPIRED", "token", expected="iat ≤ decided_at < exp", found=_decided(allow))
    return _token_requirement_fault(allow.policy, token) if allow.policy else None


def _token_requirement_fault(policy: Policy, token: TokenIssued) -> Refused | None:
    rules = policy.token_requirements
    if rules.proof_of_possession:
        return Refused(
            "PROOF_OF_POSSESSION_UNSUPPORTED", "token_requirements", expected="none", found="proof_of_possession: true"
        )
    if token.exp - token.iat > rules.max_ttl_s:
        return Refused(
            "TOKEN_TTL_EXCEEDED", "token", expected=f"at most {rules.max_ttl_s} s", found=f"{token.exp - token.iat} s"
        )
    if rules.cst_scope_hash not in (None, token.compute_cst_scope_hash()):
        return Refused("TOKEN_SCOPE_MISMATCH", "cst_scope_hash", expected=rules.cst_scope_hash)
    return None


def check_tool(case: Case, findings: Findings, allow: Allow) -> None:
    """The tool is listed and allowed, for this change type and environment, and demands nothing unsupported."""
    name, scope, tool = allow.name("policy.tool"), allow.scope, allow.tool
    if allow.policy is None:
        return
    simulate = allow.policy.tools.get("change.simulate")
    if tool is None:
        findings.failed(name, "TOOL_NOT_LISTED", expected="a listed tool", found=scope.action, index=allow.index)
        return
    problems = (
        (not tool.allowed, "TOOL_NOT_ALLOWED", "allowed: true", scope.action),
        (
            tool.change_types is not None and scope.change_type not in tool.change_types,
            "CHANGE_TYPE_NOT_ALLOWED",
            ", ".join(tool.change_types or ()),
            scope.change_type,
        ),
        (
            tool.environments is not None and scope.environment not in tool.environments,
            "ENVIRONMENT_NOT_ALLOWED",
            ", ".join(tool.environments or ()),
            scope.environment,
        ),
        (tool.step_up is not None, "STEP_UP_UNSUPPORTED", "no step_up", "step_up"),
        (simulate is None, "TOOL_NOT_LISTED", "change.simulate, on which the allow rests", "not listed"),
        (
            simulate is not None and not simulate.allowed,
            "TOOL_NOT_ALLOWED",
            "change.simulate, on which the allow rests, allowed",
            "allowed: false",
        ),
        (
            bool(tool.requires_proof_bundle_reference) != (scope.bundle_b64u is not None),
            "DECISION_INVALID",
            "bundle_b64u exactly when the tool requires it",
            scope.bundle_b64u or "none",
        ),
    )
    for wrong, code, expected, found in problems:
        if wrong:
            findings.failed(name, code, expected=expected, found=found, index=allow.index)
            return
    findings.passed(name, f"{scope.action} of {scope.change_type} in {scope.environment}", index=allow.index)
    _check_required_steps(case, findings, allow)


def _check_required_steps(case: Case, findings: Findings, allow: Allow) -> None:
    assert allow.policy is not None, "the caller checked"
    required = allow.policy.required_steps(allow.scope.action)
    missing = [step for step in required if not is_done(case, allow, step)]
    name = allow.name("policy.required_steps")
    if missing:
        code = "EXECUTION_FAILED" if EXECUTE in missing and _has_failed(case, allow) else "REQUIRED_STEP_MISSING"
        findings.failed(name, code, expected=", ".join(missing), found="not done", index=allow.index)
    else:
        findings.passed(name, f"done: {', '.join(required) or 'none required'}", index=allow.index)


def _has_failed(case: Case, allow: Allow) -> bool:
    ends = [record for item, record in case.executions if item.index < allow.view and _is_end(record)]
    return any(end.outcome == "failure" or _is_resolved(case, allow, end) for end in ends)


def _is_resolved(case: Case, allow: Allow, end: Execution) -> bool:
    """Whether somebody had to look into the outcome: it then counts as a failure, whatever the end says."""
    return any(item.index < allow.view and record.begin_b64u == end.begin_b64u for item, record in case.resolutions)


def is_done(case: Case, allow: Allow, step: str) -> bool:
    """Whether a step was done below the view, successfully and for the same plan and job."""
    plan = allow.scope.plan_hash_b64u
    if step == SIMULATE:
        return any(
            item.index < allow.view
            and (record.job_id, record.plan_hash_b64u, record.outcome) == (case.job_id, plan, "success")
            for item, record in case.records("simulation", Simulation)
        )
    if step == EXECUTE:
        return any(
            item.index < allow.view
            and (record.plan_hash_b64u, record.outcome) == (plan, "success")
            and not _is_resolved(case, allow, record)
            for item, record in case.executions
        )
    if step == CLOSE:
        return any(item.index < allow.view and record.job_id == case.job_id for item, record in case.closures)
    return any(item.index < allow.view for item in step_allows(case, allow, step))


def step_allows(case: Case, allow: Allow, step: str) -> list[Logged]:
    """The allows of another tool for the same job and plan, below the view."""
    return [
        item
        for item, decision in case.allows
        if item.index < allow.view
        and (decision.scope["action"], decision.scope["plan_hash_b64u"]) == (step, allow.scope.plan_hash_b64u)
    ]


def check_simulation(case: Case, findings: Findings, allow: Allow) -> None:
    """The simulation that the scope names succeeded, below the view, for the same job, run, plan and policy."""
    name, scope = allow.name("policy.simulation"), allow.scope
    found = case.history.find("simulation", scope.simulation_b64u)
    if found is None or found.index >= allow.view:
        findings.failed(name, "SIMULATION_MISSING", expected=f"{scope.simulation_b64u} below the view", index=allow.index)
        return
    record = found.record
    if not isinstance(record, Simulation):
        fault = found.fault or Refused("PAYLOAD_UNREADABLE", "simulation", expected="its payload")
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
            findings.failed(name, code, expected=f"{what} {expected}", found=actual, index=found.index)
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
    findings.failed(
        name, "RECEIPTS_MISSING", expected="a gateway receipt of the job below the simulation", index=allow.index
    )


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
            expected=" / ".join(stated),
            found=f"{plan.change_type} / {plan.environment} / {plan.ticket}",
            index=allow.index,
        )
        return
    findings.passed(name, f"fingerprint {scope.plan_hash_b64u}", index=allow.index)


def check_run_and_round(case: Case, findings: Findings, allow: Allow) -> None:
    """Everything of the job names one run, and the round is one more than the allows so far."""
    run_id = allow.decision.run_id or ""
    other = next(
        (
            item
            for item in case.history
            if item.is_valid and item.index < allow.index and case.is_tied(item)
            if item.ref("run") not in (None, run_id)
        ),
        None,
    )
    adverse = None
    if other is not None:
        adverse = Refused("RUN_MISMATCH", "run", expected=run_id, found=f"{other.ref('run')} at index {other.index}")
    check_absent(case, findings, allow, "policy.one_run", expected="one run in all records of the job", adverse=adverse)
    before = [
        item for item, decision in case.allows if item.index < allow.index and decision.scope["action"] == allow.scope.action
    ]
    wrong = None
    if allow.scope.round != str(len(before) + 1):
        wrong = Refused("ROUND_MISMATCH", "round", expected=str(len(before) + 1), found=allow.scope.round)
    check_absent(case, findings, allow, "policy.round", expected="no earlier allow beyond its round", adverse=wrong)


def check_job_open(case: Case, findings: Findings, allow: Allow) -> None:
    """Neither the job, nor any of its tokens, nor an approval that it used was revoked; no outcome is unknown."""
    check_absent(
        case,
        findings,
        allow,
        "policy.job_not_revoked",
        expected="job, tokens and used approvals not revoked",
        adverse=_job_revoked(case, allow),
    )
    if allow.scope.action in (EXECUTE, CLOSE):
        check_absent(
            case,
            findings,
            allow,
            "policy.outcome_known",
            expected="no begin without end or resolution",
            adverse=_outcome_unknown(case, allow.index),
        )


def _job_revoked(case: Case, allow: Allow) -> Refused | None:
    first_below = case.history.revocations.first_below
    revoked = _at("JOB_REVOKED", "job", first_below(f"job:{case.job_id}", allow.index))
    for _, token in case.tokens:
        revoked = revoked or _at("TOKEN_REVOKED", "token", first_below(f"token:{token.token_hash}", allow.index))
    for item, decision in case.allows:
        if item.index < allow.index:
            for approval in decision.approvals:
                used = first_below(f"approval:{approval}", allow.index)
                revoked = revoked or _at("APPROVAL_REVOKED", "a used approval", used)
    return revoked


def _outcome_unknown(case: Case, index: int) -> Refused | None:
    for item, _ in case.begins:
        begin = item.entry.payload_hash_b64u
        ended = any(end.begin_b64u == begin and logged.index < index for logged, end in case.executions if _is_end(end))
        resolved = any(record.begin_b64u == begin and logged.index < index for logged, record in case.resolutions)
        if item.index < index and not ended and not resolved:
            return Refused("EXECUTION_OUTCOME_UNKNOWN", "begin", found=f"begin at index {item.index} without end")
    return None


def _is_end(record: Execution) -> bool:
    return record.phase == "end"
