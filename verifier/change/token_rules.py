"""Rules of one allow about the token that it was asked with."""

from __future__ import annotations

from verifier.change.case import Allow, Case
from verifier.change.findings import Findings
from verifier.errors import Refused
from verifier.records.decision import Scope
from verifier.records.policy import Policy
from verifier.records.token import TokenIssued
from verifier.times import NS, format_time


def check_token(case: Case, findings: Findings, allow: Allow) -> None:
    """The token is logged below the view, is of this job, ticket, requester, agent and policy, and was alive."""
    name, decision, scope = allow.name("policy.token"), allow.decision, allow.scope
    logged = [
        (item, token)
        for item, token in case.records("token_issued", TokenIssued)
        if token.token_hash == decision.token_hash and item.index < allow.view
    ]
    if not logged:
        expected = f"a record of token {decision.token_hash} below the view of {allow.view} entries"
        findings.failed(name, "TOKEN_NOT_LOGGED", expected=expected, index=allow.index)
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
        expected = f"issued at or before {format_time(decided)}, when the gate decides, and not expired then"
        found = f"of {format_time(token.iat * NS)} to {format_time(token.exp * NS)}"
        return Refused("TOKEN_EXPIRED", "token", expected=expected, found=found)
    return _token_requirement_fault(allow.policy, token) if allow.policy else None


def _token_requirement_fault(policy: Policy, token: TokenIssued) -> Refused | None:
    rules = policy.token_requirements
    if rules.proof_of_possession:
        where = "token_requirements.proof_of_possession"
        return Refused("PROOF_OF_POSSESSION_UNSUPPORTED", where, expected="absent or false", found="true")
    if token.exp - token.iat > rules.max_ttl_s:
        expected = f"issued for at most {rules.max_ttl_s} s"
        return Refused("TOKEN_TTL_EXCEEDED", "token", expected=expected, found=f"for {token.exp - token.iat} s")
    found = token.compute_cst_scope_hash()
    if rules.cst_scope_hash not in (None, found):
        return Refused("TOKEN_SCOPE_MISMATCH", "hash of aud and scope", expected=rules.cst_scope_hash, found=found)
    return None
