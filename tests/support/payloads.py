"""A valid payload of every kind, as JSON values. Keyword arguments replace members; all of them tell of one change."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from tests.support import keys
from tests.support.trust import ORIGIN
from trustlog.formats.base64 import encode_b64u
from trustlog.formats.envelope import seal_envelope
from trustlog.formats.jsontext import canonicalize, parse_json
from trustlog.formats.timestamp import NS, parse_timestamp
from trustlog.keys.signer import SeedSigner
from trustlog.records.scope import compute_scope_hash
from trustlog.records.token_scope import compute_token_scope_hash

Payload = dict[str, Any]

NOW: Final = "2026-03-02T09:00:00.000Z"  # every signed time, unless a test says otherwise
NOW_NS: Final = parse_timestamp(NOW, "now")
NOW_S: Final = NOW_NS // NS
JOB: Final = "job-1"
RUN: Final = "run-1"
TICKET: Final = "servicedesk.test:CHG-1"
ALICE: Final = "p-alice"  # subjects of the roster
BOB: Final = "p-bob"


def hash_of(text: str) -> str:
    """The base64url SHA-256 of a text: a plausible hash of something that no test needs to have."""
    return encode_b64u(hashlib.sha256(text.encode()).digest())


def payload_hash(payload: Mapping[str, Any]) -> str:
    """The base64url payload hash of a payload in RFC 8785 form: how other records name it."""
    return encode_b64u(hashlib.sha256(canonicalize(dict(payload))).digest())


def salt_of(name: str) -> str:
    """A salt of 16 bytes that differs by `name`."""
    return encode_b64u(hashlib.sha256(name.encode()).digest()[:16])


POLICY_HASH: Final = hash_of("the policy")
PLAN_HASH: Final = hash_of("the plan")
BUNDLE_HASH: Final = hash_of("the bundle")
SIMULATION_HASH: Final = hash_of("the simulation")
DECISION_HASH: Final = hash_of("the decision")
BEGIN_HASH: Final = hash_of("the begin")
TOKEN_HASH: Final = hashlib.sha256(b"the token").hexdigest()
AUDIENCE: Final = "gate.test"
TOKEN_SCOPE_HASH: Final = compute_token_scope_hash(
    {
        "token_version": "1",
        "sub": keys.AGENT.did,
        "aud": [AUDIENCE],
        "scope": ["change:execute"],
        "mission_id": JOB,
        "policy_hash_b64u": POLICY_HASH,
    }
)


# Clawsig's kinds.


def binding(**changes: Any) -> Payload:
    return {
        "run_id": RUN,
        "event_hash_b64u": hash_of("an event"),
        "nonce": "nonce-1",
        "policy_hash": POLICY_HASH,
        "token_scope_hash_b64u": TOKEN_SCOPE_HASH,
        **changes,
    }


def gateway_receipt(**changes: Any) -> Payload:
    return {
        "receipt_version": "1",
        "receipt_id": "receipt-1",
        "gateway_id": "gateway.test",
        "provider": "openai",
        "model": "gpt-test",
        "request_hash_b64u": hash_of("a request"),
        "response_hash_b64u": hash_of("a response"),
        "tokens_input": 120,
        "tokens_output": 30,
        "latency_ms": 900,
        "timestamp": NOW,
        "binding": binding(),
        "metadata": {"note": "free-form"},
        **changes,
    }


def tool_receipt(**changes: Any) -> Payload:
    return {
        "receipt_version": "1",
        "receipt_id": "tool-receipt-1",
        "tool_name": "ticket.read",
        "tool_version": "1.2",
        "args_hash_b64u": hash_of("arguments"),
        "result_hash_b64u": hash_of("a result"),
        "result_status": "success",
        "hash_algorithm": "SHA-256",
        "agent_did": keys.AGENT.did,
        "timestamp": NOW,
        "latency_ms": 12,
        "binding": binding(),
        **changes,
    }


def side_effect_receipt(**changes: Any) -> Payload:
    return {
        "receipt_version": "1",
        "receipt_id": "effect-1",
        "effect_class": "external_api_write",
        "target_hash_b64u": hash_of("a target"),
        "vendor_id": "vendor.test",
        "request_hash_b64u": hash_of("a request"),
        "response_hash_b64u": hash_of("a response"),
        "response_status": "success",
        "hash_algorithm": "SHA-256",
        "agent_did": keys.AGENT.did,
        "timestamp": NOW,
        "latency_ms": 12,
        "bytes_written": 512,
        "binding": binding(),
        **changes,
    }


def human_approval_receipt(**changes: Any) -> Payload:
    return {
        "receipt_version": "1",
        "receipt_id": "trustlog:approval:v1:" + salt_of("approval"),
        "approval_type": "explicit_approve",
        "approver_subject": ALICE,
        "approver_method": "cli_confirm",
        "agent_did": keys.AGENT.did,
        "scope_hash_b64u": compute_scope_hash(scope()),
        "scope_summary": "raise the connection limit",
        "policy_hash_b64u": POLICY_HASH,
        "plan_hash_b64u": PLAN_HASH,
        "hash_algorithm": "SHA-256",
        "timestamp": NOW,
        "binding": binding(),
        **changes,
    }


def event(run_id: str, number: int, previous: str | None, event_type: str = "llm_call", **changes: Any) -> Payload:
    """An event whose hash is right: over compact JSON of its other six members in this order."""
    header = {
        "event_id": f"event-{number}",
        "run_id": run_id,
        "event_type": event_type,
        "timestamp": NOW,
        "payload_hash_b64u": hash_of(f"request {number}"),
        "prev_hash_b64u": previous,
        **changes,
    }
    return {**header, "event_hash_b64u": hash_of(json.dumps(header, separators=(",", ":"), ensure_ascii=False))}


def event_chain(length: int = 2, run_id: str = RUN) -> list[Payload]:
    """A chain of events of one run, each naming the one before."""
    chain: list[Payload] = []
    for number in range(length):
        chain.append(event(run_id, number, chain[-1]["event_hash_b64u"] if chain else None))
    return chain


def proof_bundle(**changes: Any) -> Payload:
    """Two events, and a receipt for each, signed by the gateway."""
    chain = event_chain()
    receipts = [
        gateway_receipt(
            receipt_id=f"receipt-{number}",
            request_hash_b64u=link["payload_hash_b64u"],
            binding=binding(event_hash_b64u=link["event_hash_b64u"]),
        )
        for number, link in enumerate(chain)
    ]
    return {
        "bundle_version": "1",
        "bundle_id": "bundle-1",
        "agent_did": keys.AGENT.did,
        "event_chain": chain,
        "receipts": [envelope("gateway_receipt", receipt, keys.GATEWAY) for receipt in receipts],
        "metadata": {"change": {"change_version": "1", "run_id": RUN}},
        **changes,
    }


def work_policy_contract(**changes: Any) -> Payload:
    """The policy of the honest path: simulate first, two people of two roles, a bundle to close."""
    two_people = {
        "allowed": True,
        "step_up_approvals": 2,
        "two_person_rule": True,
        "approver_constraints": ["service_owner", "platform_security"],
    }
    return {
        "wpc_version": "1",
        "policy_name": "production-changes",
        "enforcement": {"fail_closed": True, "require_gateway_receipts": True, "require_proof_bundle": True},
        "token_requirements": {
            "require_cst": True,
            "optional_policy_hash_pinning": False,
            "job_scoped_binding": True,
            "max_ttl_s": 900,
        },
        "tools": {
            "ticket.read": {"allowed": True},
            "change.simulate": {"allowed": True, "required_before": ["change.execute", "ticket.close"]},
            "change.execute": {
                **two_people,
                "requires_plan_fingerprint_match": True,
                "required_before": ["ticket.close"],
                "change_types": ["config"],
                "environments": ["staging", "production"],
                "approval_ttl_s": 3600,
            },
            "ticket.close": {**two_people, "requires_proof_bundle_reference": True},
        },
        **changes,
    }


# Our own kinds: a header of four members, then their own.


def _own(kind: str, members: Payload, changes: Payload) -> Payload:
    header = {"record": f"trustlog/{kind}/v1", "origin": ORIGIN, "issued_at": NOW, "salt": salt_of(kind)}
    return {**header, **members, **changes}


def person(subject: str, *signers: SeedSigner, roles: tuple[str, ...] = ("service_owner",), **changes: Any) -> Payload:
    """A person of a roster with these keys."""
    idp = [hash_of(f"provider id of {subject}")]
    return {"subject": subject, "keys": [signer.did for signer in signers], "roles": list(roles), "idp": idp, **changes}


def people() -> list[Payload]:
    """Alice owns the service, Bob is platform security."""
    return [person(ALICE, keys.ALICE), person(BOB, keys.BOB, roles=("platform_security",))]


def roster(**changes: Any) -> Payload:
    return _own("roster", {"number": 1, "previous_b64u": None, "people": people()}, changes)


def token_issued(**changes: Any) -> Payload:
    """The scope hash is that of the other members, unless given."""
    members = {
        "token_hash": TOKEN_HASH,
        "job_id": JOB,
        "ticket": TICKET,
        "requester": "p-dora",
        "agent_did": keys.AGENT.did,
        "policy_hash_b64u": POLICY_HASH,
        "aud": [AUDIENCE],
        "scope": ["change:execute"],
        "iat": NOW_S,
        "exp": NOW_S + 600,
        **changes,
    }
    names = {
        "sub": "agent_did",
        "aud": "aud",
        "scope": "scope",
        "mission_id": "job_id",
        "policy_hash_b64u": "policy_hash_b64u",
    }
    claims = {"token_version": "1", **{claim: members[name] for claim, name in names.items()}}
    members.setdefault("token_scope_hash_b64u", compute_token_scope_hash(claims))
    return _own("token_issued", members, {})


def simulation(**changes: Any) -> Payload:
    artefact = {"role": "expected diff", "media_type": "text/plain", "size": 5, "sha256_b64u": hash_of("a diff")}
    return _own("simulation", {**_job(), "artefacts": [artefact], "outcome": "success"}, changes)


def scope(**changes: str) -> dict[str, str]:
    """The scope document of executing the plan."""
    return {
        "scope_version": "1",
        "origin": ORIGIN,
        "job_id": JOB,
        "agent_did": keys.AGENT.did,
        "requester": "p-dora",
        "ticket": TICKET,
        "action": "change.execute",
        "change_type": "config",
        "environment": "production",
        "policy_hash_b64u": POLICY_HASH,
        "plan_hash_b64u": PLAN_HASH,
        "simulation_b64u": SIMULATION_HASH,
        "round": "1",
        **changes,
    }


def gate_decision(**changes: Any) -> Payload:
    """An allow of executing the plan; :func:`deny` and :func:`allow_to_close` are the others."""
    members = {
        "decision": "allow",
        "reasons": [],
        "scope": scope(),
        "token_hash": TOKEN_HASH,
        "token_scope_hash_b64u": TOKEN_SCOPE_HASH,
        "run_id": RUN,
        "roster_b64u": hash_of("the roster"),
        "approvals": [hash_of("approval 1"), hash_of("approval 2")],
        "evidence": [{"index": 0, "leaf_hash_b64u": hash_of("leaf 0")}],
        "view": {"size": 9, "root_b64u": hash_of("root 9")},
        "requested": {"action": "change.execute", "ticket": TICKET},
        "trust_policy_b64u": hash_of("the gate's trust policy"),
        "audience": AUDIENCE,
        "nonce": "nonce-1",
        "decided_at": NOW,
        "expires_at": "2026-03-02T09:01:00.000Z",
    }
    return _own("gate_decision", members, changes)


def deny(**changes: Any) -> Payload:
    """A deny of a request of which nothing was established."""
    allowed = gate_decision(
        decision="deny",
        reasons=[{"code": "TOKEN_NOT_LOGGED", "detail": "no issuance of this token is in the log"}],
        scope={},
        approvals=[],
        evidence=[],
    )
    for name in ("token_hash", "token_scope_hash_b64u", "run_id", "roster_b64u"):
        del allowed[name]
    return {**allowed, **changes}


def allow_to_close(**changes: Any) -> Payload:
    """An allow of closing the ticket with the bundle."""
    return gate_decision(
        **{
            "scope": scope(action="ticket.close", bundle_b64u=BUNDLE_HASH),
            "requested": {"action": "ticket.close", "ticket": TICKET},
            "closing_reason": f"done, bundle:{BUNDLE_HASH}",
            **changes,
        }
    )


def execution(**changes: Any) -> Payload:
    """The begin; :func:`execution_end` is the other."""
    members = {"phase": "begin", "decision_b64u": DECISION_HASH, **_job(), "environment": "production"}
    return _own("execution", members, changes)


def execution_end(**changes: Any) -> Payload:
    return execution(**{"phase": "end", "begin_b64u": BEGIN_HASH, "outcome": "success", **changes})


def resolution(**changes: Any) -> Payload:
    return _own("resolution", {"begin_b64u": BEGIN_HASH, "note": "the limit was not raised"}, changes)


def closure(**changes: Any) -> Payload:
    members = {
        "ticket": TICKET,
        "job_id": JOB,
        "run_id": RUN,
        "decision_b64u": DECISION_HASH,
        "bundle_b64u": BUNDLE_HASH,
        "closing_reason": f"done, bundle:{BUNDLE_HASH}",
        "closed_at": NOW,
    }
    return _own("closure", members, changes)


def step_up(**changes: Any) -> Payload:
    members = {
        "approval_b64u": hash_of("approval 1"),
        "subject": ALICE,
        "issuer": "https://login.test/",
        "subject_hash": hash_of("provider id of p-alice"),
        "acr": ["c1"],
        "auth_time": NOW_S,
        "token_salted_hash": hash_of("a provider's token"),
        "jwks_b64u": hash_of("a key set"),
    }
    return _own("step_up", members, changes)


def revocation(**changes: Any) -> Payload:
    return _own("revocation", {"target": f"token:{TOKEN_HASH}", "reason": "leaked"}, changes)


def violation(**changes: Any) -> Payload:
    members = {
        "code": "BUNDLE_REFERENCE_MISSING",
        "ticket": TICKET,
        "job_id": JOB,
        "run_id": RUN,
        "seen": [{"index": 3, "leaf_hash_b64u": hash_of("leaf 3")}],
        "expected": "a closure",
        "found": "a closed ticket",
        "done": "reopened",
    }
    return _own("violation", members, changes)


def tombstone(**changes: Any) -> Payload:
    members = {
        "payload_b64u": hash_of("an erased payload"),
        "index": 0,
        "leaf_hash_b64u": hash_of("leaf 0"),
        "rule": "retention-90d",
        "reason": "retention ended",
    }
    return _own("tombstone", members, changes)


def _job() -> Payload:
    return {
        "job_id": JOB,
        "run_id": RUN,
        "ticket": TICKET,
        "plan_hash_b64u": PLAN_HASH,
        "policy_hash_b64u": POLICY_HASH,
        "token_scope_hash_b64u": TOKEN_SCOPE_HASH,
    }


VALID: Final[Mapping[str, Callable[..., Payload]]] = {
    builder.__name__: builder
    for builder in (
        gateway_receipt,
        tool_receipt,
        side_effect_receipt,
        work_policy_contract,
        roster,
        token_issued,
        simulation,
        human_approval_receipt,
        step_up,
        gate_decision,
        execution,
        resolution,
        proof_bundle,
        closure,
        revocation,
        violation,
        tombstone,
    )
}  # by kind


def envelope(kind: str, payload: Payload, signer: SeedSigner) -> Payload:
    """A signed envelope as a JSON value: how a receipt stands inside a bundle."""
    value = parse_json(seal_envelope(kind, payload, signer, NOW))
    assert isinstance(value, dict)
    return value
