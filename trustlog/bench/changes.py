"""Changes that are ready to be decided: policy and roster, and for each a token, three receipts, a dry run, two approvals."""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass
from typing import Any, Final

from trustlog.formats.base64 import encode_b64u
from trustlog.formats.envelope import seal_envelope
from trustlog.formats.jsontext import canonicalize
from trustlog.formats.timestamp import NS, format_timestamp
from trustlog.keys.signer import SeedSigner
from trustlog.proxy.receipt import CallBinding, ModelCall, published_call, receipt_payload
from trustlog.records.own import SALT_BYTES, own_payload
from trustlog.records.plan import compute_fingerprint
from trustlog.records.scope import compute_scope_hash
from trustlog.tokens.scoped_token import issuance_members, mint_token, parse_token

ORIGIN: Final = "bench.invalid/gate"
ACTION: Final = "change.execute"
RECEIPTS: Final = 3
ROLES: Final = ("gateways", "policy_issuers", "token_issuers", "roster_authorities", "agents", "runners", "gates")
APPROVERS: Final = ("owner", "security")
REQUESTER: Final = "requester"
TOKEN_LIFE_S: Final = 3600

_POLICY: Final[dict[str, Any]] = {
    "wpc_version": "1",
    "policy_name": "bench",
    "enforcement": {"fail_closed": True, "require_gateway_receipts": True, "require_proof_bundle": True},
    "token_requirements": {
        "require_cst": True,
        "optional_policy_hash_pinning": False,
        "job_scoped_binding": True,
        "max_ttl_s": TOKEN_LIFE_S,
    },
    "tools": {
        "ticket.read": {"allowed": True},
        "change.simulate": {"allowed": True, "required_before": [ACTION]},
        ACTION: {
            "allowed": True,
            "requires_plan_fingerprint_match": True,
            "change_types": ["config"],
            "environments": ["production"],
            "approval_ttl_s": 3600,
            "step_up_approvals": 2,
            "two_person_rule": True,
            "approver_constraints": list(APPROVERS),
        },
    },
}
_TRUST: Final = '''allow_unwitnessed = true
absence = "gate"
[log]
policy = """
log {vkey}
quorum none
"""
[roles]
{roles}
'''


@dataclass(frozen=True, slots=True)
class PreparedChange:
    """A change that a gate would allow: what to ask with, its plan, and the envelopes to log, in this order."""

    ticket: str
    token: str
    plan: bytes
    envelopes: tuple[bytes, ...]


class Workshop:
    """Makes changes, with keys of its own that are thrown away with it."""

    def __init__(self, gate: SeedSigner) -> None:
        self.keys = {role: SeedSigner(os.urandom(32)) for role in ROLES} | {"gates": gate}
        self._people = {subject: SeedSigner(os.urandom(32)) for subject in (*APPROVERS, REQUESTER)}
        self._policy_hash = encode_b64u(hashlib.sha256(canonicalize(_POLICY)).digest())

    def trust_text(self, vkey: str) -> str:
        """The trust policy of the log with this key."""
        roles = "\n".join(f'{role} = ["{signer.did}"]' for role, signer in self.keys.items())
        return _TRUST.format(vkey=vkey, roles=roles)

    def rules(self) -> list[bytes]:
        """Policy and roster."""
        people = [
            {"subject": subject, "keys": [signer.did], "roles": [subject], "idp": []}
            for subject, signer in self._people.items()
        ]
        policy = seal_envelope("work_policy_contract", _POLICY, self.keys["policy_issuers"], _now())
        roster = {"number": 1, "previous_b64u": None, "people": people}
        return [policy, self._record("roster", "roster_authorities", roster)]

    def change(self, number: int) -> PreparedChange:
        """One change, signed now."""
        job, run, ticket = f"job-{number}", f"run-{number}", f"bench:CHG-{number}"
        now_s = time.time_ns() // NS
        token = mint_token(
            self.keys["token_issuers"],
            agent_did=self.keys["agents"].did,
            aud=["bench"],
            scope=["change:execute"],
            job_id=job,
            policy_hash_b64u=self._policy_hash,
            iat=now_s,
            exp=now_s + TOKEN_LIFE_S,
            jti=encode_b64u(os.urandom(16)),
        )
        issued = self._record("token_issued", "token_issuers", issuance_members(token, ticket=ticket, requester=REQUESTER))
        scope_hash = parse_token(token).token_scope_hash_b64u
        receipts = self._receipts(job, run, scope_hash)
        body = {"service": "bench", "set": {"replicas": number}}
        plan_document = {"plan_version": "1", "change_type": "config", "environment": "production", "ticket": ticket}
        plan = canonicalize({**plan_document, "body": body})
        of_plan = {"plan_hash_b64u": compute_fingerprint(plan), "policy_hash_b64u": self._policy_hash}
        dry_run = {"job_id": job, "run_id": run, "ticket": ticket, "token_scope_hash_b64u": scope_hash, **of_plan}
        payload = _own("simulation", {**dry_run, "artefacts": [], "outcome": "success"})
        simulated = seal_envelope("simulation", payload, self.keys["runners"], _now())
        scope = {
            "scope_version": "1",
            "origin": ORIGIN,
            "job_id": job,
            "agent_did": self.keys["agents"].did,
            "requester": REQUESTER,
            "ticket": ticket,
            "action": ACTION,
            "change_type": "config",
            "environment": "production",
            **of_plan,
            "simulation_b64u": encode_b64u(hashlib.sha256(canonicalize(payload)).digest()),
            "round": "1",
        }
        approvals = [self._approval(subject, scope, run, scope_hash) for subject in APPROVERS]
        return PreparedChange(ticket, token, plan, (issued, *receipts, simulated, *approvals))

    def _receipts(self, job: str, run: str, scope_hash: str) -> list[bytes]:
        envelopes, previous = [], None
        for number in range(RECEIPTS):
            call = ModelCall(
                call_id=f"{job}-call-{number}",
                provider="example",
                model="example-model",
                request_hash_b64u=encode_b64u(hashlib.sha256(f"{job} {number} asks".encode()).digest()),
                response_hash_b64u=encode_b64u(hashlib.sha256(f"{job} {number} hears".encode()).digest()),
                tokens_input=800,
                tokens_output=340,
                latency_ms=820,
                timestamp=_now(),
            )
            payload = receipt_payload("bench-gateway", call, CallBinding(run, self._policy_hash, scope_hash, previous))
            previous = published_call(payload)
            envelopes.append(seal_envelope("gateway_receipt", payload, self.keys["gateways"], _now()))
        return envelopes

    def _approval(self, subject: str, scope: dict[str, str], run: str, token_scope_hash: str) -> bytes:
        payload = {
            "receipt_version": "1",
            "receipt_id": f"trustlog:approval:v1:{encode_b64u(os.urandom(16))}",
            "approval_type": "explicit_approve",
            "approver_subject": subject,
            "agent_did": scope["agent_did"],
            "scope_hash_b64u": compute_scope_hash(scope),
            "policy_hash_b64u": self._policy_hash,
            "plan_hash_b64u": scope["plan_hash_b64u"],
            "hash_algorithm": "SHA-256",
            "timestamp": _now(),
            "binding": {
                "run_id": run,
                "nonce": encode_b64u(os.urandom(16)),
                "policy_hash": self._policy_hash,
                "token_scope_hash_b64u": token_scope_hash,
            },
        }
        return seal_envelope("human_approval_receipt", payload, self._people[subject], _now())

    def _record(self, kind: str, role: str, members: dict[str, Any]) -> bytes:
        return seal_envelope(kind, _own(kind, members), self.keys[role], _now())


def _own(kind: str, members: dict[str, Any]) -> dict[str, Any]:
    return own_payload(kind, members, origin=ORIGIN, at_ns=time.time_ns(), salt=os.urandom(SALT_BYTES))


def _now() -> str:
    return format_timestamp(time.time_ns())
