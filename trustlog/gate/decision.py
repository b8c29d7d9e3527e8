"""From a judgement to the record that is signed and logged, and to the answer that a caller gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from trustlog.errors import REASONS
from trustlog.formats.base64 import encode_b64u
from trustlog.formats.timestamp import NS, format_timestamp
from trustlog.gate.identify import GateRequest
from trustlog.gate.judge import Judgement
from trustlog.limits import DECISION_TTL_S
from trustlog.policy.finding import Finding
from trustlog.tokens.scoped_token import ScopedToken

# What ends a job for ever, and what then needs no next step: nothing of it can be mended in this job.
JOB_OVER: Final = ("JOB_ENDED", "JOB_DENIED", "JOB_REVOKED", "TOKEN_REVOKED", "APPROVAL_REVOKED", "RUN_MISMATCH")
MOOT: Final = ("APPROVAL", "BUNDLE_", "PLAN_MI", "RECEIPT", "REQUIRED_STEP_", "ROUND_", "SIMULATION_", "TOKEN_EXPIRED")

MAX_LOGGED_REASONS: Final = 64
MAX_LOGGED_DETAIL_CHARACTERS: Final = 1000


@dataclass(frozen=True, slots=True)
class ViewOfLog:
    """The tree that was read: size, and 32-byte root."""

    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class TokenNames:
    """What a decision says of a token."""

    token_hash: str
    token_scope_hash_b64u: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What the gate answers: every deny, and every allow that is logged, with its signed record in `envelope`.

    `index` is where that is logged; None for the equal denies that are not logged again, and where nothing could be. `decided` is
    False where nothing was judged: the log could not be asked, or the gate failed.
    """

    allow: bool
    findings: tuple[Finding, ...]
    request: GateRequest
    scope: Mapping[str, str]
    decided_at: str
    expires_at: str
    index: int | None = None
    payload_hash: str | None = None
    envelope: bytes | None = None
    approvals: tuple[str, ...] = ()
    run_id: str | None = None
    plan_hash: str | None = None
    decided: bool = True

    def answer(self) -> dict[str, Any]:
        """The decision as JSON: ``decision``, ``status``, ``reason_code``, ``reasons`` and what it rests on."""
        hints = next_steps(self.findings)
        reasons = [{"code": f.code, "detail": f.detail, "hint": h} for f, h in zip(self.findings, hints, strict=True)]
        return {
            "decision": "allow" if self.allow else "deny",
            "status": "PASS" if self.allow else "FAIL",
            "reason_code": self.findings[0].code if self.findings else None,
            "reasons": reasons,
            "action": self.request.action,
            "ticket": self.request.ticket,
            "scope": {name: str(value) for name, value in self.scope.items()},
            "run_id": self.run_id,
            "approvals": list(self.approvals),
            "audience": self.request.audience,
            "nonce": self.request.nonce,
            "decided_at": self.decided_at,
            "expires_at": self.expires_at,
            "index": self.index,
            "decision_b64u": self.payload_hash,
        }


def next_steps(findings: Sequence[Finding]) -> list[str]:
    """The next step of each finding; where the job is over, what could have been mended in it has none of its own."""
    over = next((one.code for one in findings if one.code in JOB_OVER), None)
    if over is None:
        return [one.hint for one in findings]
    moot = f"Nothing mends this any more: the job is over for ever, see {over}."
    return [moot if one.code not in JOB_OVER and one.code.startswith(MOOT) else one.hint for one in findings]


def decision_payload(
    request: GateRequest,
    judgement: Judgement,
    token: ScopedToken | TokenNames | None,
    *,
    origin: str,
    view: ViewOfLog,
    trust_policy_sha256: bytes,
    at_ns: int,
    salt: str,
    withdraws: str | None = None,
    count: int | None = None,
) -> dict[str, Any]:
    """The ``gate_decision`` record of a judgement made at `at_ns` on `view`."""
    allow = judgement.allow
    decided_at = format_timestamp(at_ns)
    payload: dict[str, Any] = {
        "record": "trustlog/gate_decision/v1",
        "origin": origin,
        "issued_at": decided_at,
        "salt": salt,
        "decision": "allow" if allow else "deny",
        "reasons": [] if allow else _reasons(judgement.findings),
        "scope": {name: str(value) for name, value in judgement.scope.items()},
        "approvals": list(judgement.approvals) if allow else [],
        "evidence": [{"index": one.index, "leaf_hash_b64u": one.leaf_hash_b64u} for one in judgement.evidence],
        "view": {"size": view.size, "root_b64u": encode_b64u(view.root)},
        "requested": {"action": request.action, "ticket": request.ticket},
        "trust_policy_b64u": encode_b64u(trust_policy_sha256),
        "audience": request.audience,
        "nonce": request.nonce,
        "decided_at": decided_at,
        "expires_at": format_timestamp(at_ns + DECISION_TTL_S * NS),
    }
    optional = {
        "token_hash": token.token_hash if token else None,
        "token_scope_hash_b64u": token.token_scope_hash_b64u if token and judgement.scope else None,
        "run_id": judgement.run_id,
        "roster_b64u": judgement.roster_b64u,
        "closing_reason": request.closing_reason if allow and "bundle_b64u" in judgement.scope else None,
        "withdraws_b64u": withdraws,
        "count": count,
    }
    return payload | {name: value for name, value in optional.items() if value is not None}


def _reasons(findings: tuple[Finding, ...]) -> list[dict[str, str]]:
    assert all(finding.code in REASONS for finding in findings)
    return [
        {"code": finding.code, "detail": finding.detail[:MAX_LOGGED_DETAIL_CHARACTERS]}
        for finding in findings[:MAX_LOGGED_REASONS]
    ]
