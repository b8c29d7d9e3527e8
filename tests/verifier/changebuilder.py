"""One whole change with throw-away keys, written straight from the formats, without the code under test.

Every step has a name. `edit[step]` changes its payload before it is signed, `signer[step]` signs with another key,
`skip` leaves it out, `before[step]` runs first and may log anything else: so dishonest histories are as easy to
write as honest ones.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.verifier.logbuilder import Key, LogBuilder, b64, b64u, hash_of, jcs, mth, path, proof, sha

ORIGIN = "log.example/changes"
START = datetime(2026, 3, 1, 10, 0, 0, tzinfo=UTC)
TICKET = "jira.example:CHG-7"
JOB, RUN = "job-7", "run-7"
Payload = dict[str, Any]

ROLE_KEYS = {
    "gateways": Key("gateway"),
    "policy_issuers": Key("policy issuer"),
    "token_issuers": Key("token issuer"),
    "roster_authorities": Key("roster authority"),
    "agents": Key("agent"),
    "runners": Key("runner"),
    "gates": Key("gate"),
    "custodians": Key("custodian"),
}
OWNER, SECURITY, REQUESTER = Key("owner"), Key("security"), Key("requester")


def at(seconds: float) -> str:
    return (START + timedelta(seconds=seconds)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def salt(name: str) -> str:
    return b64u(sha(name.encode())[:16])


def ref(value: str) -> str:
    return value if re.fullmatch(r"[A-Za-z0-9._:/-]{1,96}", value) else "sha256:" + hash_of(value.encode())


def default_policy() -> Payload:
    people = {
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
                "allowed": True,
                "requires_plan_fingerprint_match": True,
                "required_before": ["ticket.close"],
                **people,
                "change_types": ["config"],
                "environments": ["staging", "production"],
                "approval_ttl_s": 3600,
            },
            "ticket.close": {"allowed": True, "requires_proof_bundle_reference": True, **people},
        },
    }


def default_plan() -> Payload:
    return {
        "plan_version": "1",
        "change_type": "config",
        "environment": "production",
        "ticket": TICKET,
        "body": {"set": {"replicas": 3}},
    }


def default_people() -> list[Payload]:
    return [
        {"subject": "p-owner", "keys": [OWNER.did], "roles": ["service_owner"], "idp": [hash_of(b"idp 1")]},
        {"subject": "p-sec", "keys": [SECURITY.did], "roles": ["platform_security"], "idp": [hash_of(b"idp 2")]},
        {"subject": "p-req", "keys": [REQUESTER.did], "roles": ["service_owner"], "idp": []},
    ]


STEPS = (
    "policy",
    "roster",
    "token",
    "receipt_1",
    "receipt_2",
    "receipt_3",
    "simulation",
    "approve_execute_1",
    "approve_execute_2",
    "decide_execute",
    "begin",
    "end",
    "bundle",
    "approve_close_1",
    "approve_close_2",
    "decide_close",
    "closure",
)


@dataclass
class Change:
    """A change and its log. `log` may be shared with another change."""

    log: LogBuilder = field(default_factory=lambda: LogBuilder(ORIGIN))
    edit: dict[str, Callable[[Payload], object]] = field(default_factory=dict)
    signer: dict[str, Key] = field(default_factory=dict)
    before: dict[str, Callable[[Change], object]] = field(default_factory=dict)
    skip: set[str] = field(default_factory=set)
    policy: Payload = field(default_factory=default_policy)
    plan: Payload = field(default_factory=default_plan)
    people: list[Payload] = field(default_factory=default_people)
    ticket: str = TICKET
    job: str = JOB
    run: str = RUN
    clock: float = 0
    hashes: dict[str, str] = field(default_factory=dict)
    payloads: dict[str, Payload] = field(default_factory=dict)
    cosigners: tuple[tuple[str, Key, int], ...] = ()
    receipts: list[Payload] = field(default_factory=list)
    events: list[Payload] = field(default_factory=list)

    def build(self) -> Change:
        for step in STEPS:
            if step in self.before:
                self.before[step](self)
            self.clock += 1
            if step not in self.skip:
                getattr(self, "_" + re.sub(r"_\d$", "", step))(step)
        if "after" in self.before:
            self.before["after"](self)
        return self

    # what the steps share

    @property
    def plan_bytes(self) -> bytes:
        return jcs(self.plan)

    @property
    def policy_hash(self) -> str:
        return hash_of(self.policy)

    @property
    def token_scope(self) -> str:
        return hash_of(
            {
                "token_version": "1",
                "sub": ROLE_KEYS["agents"].did,
                "aud": ["gate.example"],
                "scope": ["change:execute", "proxy:call"],
                "mission_id": self.job,
                "policy_hash_b64u": self.policy_hash,
            }
        )

    @property
    def token_hash(self) -> str:
        return sha(b"token of " + self.job.encode()).hex()

    def header(self, kind: str, step: str) -> Payload:
        return {
            "record": f"trustlog/{kind}/v1",
            "origin": self.log.origin,
            "issued_at": at(self.clock),
            "salt": salt(step + self.job),
        }

    def put(
        self,
        step: str,
        kind: str,
        payload: Payload,
        role: Key,
        refs: Callable[[Payload], dict[str, str | None]],
    ) -> str:
        """Edit, sign and log one payload."""
        if step in self.edit:
            self.edit[step](payload)
        present = {name: ref(value) for name, value in refs(payload).items() if value is not None}
        if kind in ("work_policy_contract", "proof_bundle"):
            name = "policy" if kind == "work_policy_contract" else "bundle"
            present[name] = hash_of(payload)
        signer = self.signer.get(step, role)
        self.hashes[step] = self.log.add(kind, payload, refs=present, signer=signer)
        self.payloads[step] = payload
        return self.hashes[step]

    # the steps

    def _policy(self, step: str) -> None:
        if self.policy_hash in {item.payload_hash for item in self.log.items}:
            return
        self.put_policy(step, self.policy)

    def put_policy(self, step: str, policy: Payload) -> None:
        target = policy.get("supersedes")
        refs = {"target": "policy:" + target.removeprefix("b64u:") if target else None}
        self.put(step, "work_policy_contract", policy, ROLE_KEYS["policy_issuers"], lambda _: refs)

    def _roster(self, step: str) -> None:
        if any(item.kind == "roster" for item in self.log.items):
            self.hashes[step] = next(item.payload_hash for item in self.log.items if item.kind == "roster")
            return
        self.put_roster(step, 1, None, self.people)

    def put_roster(self, step: str, number: int, previous: str | None, people: list[Payload]) -> None:
        payload = self.header("roster", step) | {"number": number, "previous_b64u": previous, "people": people}
        self.put(step, "roster", payload, ROLE_KEYS["roster_authorities"], lambda p: {"roster": str(p["number"])})

    def _token(self, step: str) -> None:
        self.put_token(step, self.token_hash)

    def put_token(self, step: str, token_hash: str) -> None:
        issued = int(START.timestamp() + self.clock)
        payload = self.header("token_issued", step) | {
            "token_hash": token_hash,
            "token_scope_hash_b64u": self.token_scope,
            "job_id": self.job,
            "ticket": self.ticket,
            "requester": "p-req",
            "agent_did": ROLE_KEYS["agents"].did,
            "policy_hash_b64u": self.policy_hash,
            "aud": ["gate.example"],
            "scope": ["change:execute", "proxy:call"],
            "iat": issued,
            "exp": issued + 900,
        }
        self.put(
            step,
            "token_issued",
            payload,
            ROLE_KEYS["token_issuers"],
            lambda p: {
                "token": p["token_hash"],
                "token_scope": p["token_scope_hash_b64u"],
                "job": p["job_id"],
                "ticket": p["ticket"],
                "policy": p["policy_hash_b64u"],
            },
        )

    def _receipt(self, step: str) -> None:
        request = hash_of(f"request {step}".encode())
        event = {
            "event_id": f"evt-{len(self.events) + 1}",
            "run_id": self.run,
            "event_type": "llm_call",
            "timestamp": at(self.clock),
            "payload_hash_b64u": request,
            "prev_hash_b64u": self.events[-1]["event_hash_b64u"] if self.events else None,
        }
        event["event_hash_b64u"] = event_hash(event)
        self.events.append(event)
        payload = {
            "receipt_version": "1",
            "receipt_id": f"rcpt-{self.job}-{step}",
            "gateway_id": "gw-1",
            "provider": "anthropic",
            "model": "a-model",
            "request_hash_b64u": request,
            "response_hash_b64u": hash_of(f"response {step}".encode()),
            "tokens_input": 10,
            "tokens_output": 20,
            "latency_ms": 30,
            "timestamp": at(self.clock),
            "binding": {
                "run_id": self.run,
                "event_hash_b64u": event["event_hash_b64u"],
                "token_scope_hash_b64u": self.token_scope,
                "policy_hash": self.policy_hash,
                "span_id": f"rcpt-{self.job}-{step}",
            },
            "metadata": {"event": dict(event)},
        }
        payload_hash = self.put(step, "gateway_receipt", payload, ROLE_KEYS["gateways"], receipt_refs)
        self.receipts.append(
            envelope("gateway_receipt", payload, self.signer.get(step, ROLE_KEYS["gateways"]), payload_hash)
        )

    def shared(self) -> Payload:
        return {
            "job_id": self.job,
            "run_id": self.run,
            "ticket": self.ticket,
            "plan_hash_b64u": hash_of(self.plan_bytes),
            "policy_hash_b64u": self.policy_hash,
            "token_scope_hash_b64u": self.token_scope,
        }

    def _simulation(self, step: str) -> None:
        artefact = {"role": "diff", "media_type": "text/plain", "size": 4, "sha256_b64u": hash_of(b"diff")}
        payload = self.header("simulation", step) | self.shared() | {"artefacts": [artefact], "outcome": "success"}
        self.put(step, "simulation", payload, ROLE_KEYS["runners"], shared_refs)

    def scope(self, action: str) -> Payload:
        allows = [
            payload
            for name, payload in self.payloads.items()
            if payload.get("decision") == "allow" and payload["scope"]["action"] == action
        ]
        scope = {
            "scope_version": "1",
            "origin": self.log.origin,
            "job_id": self.job,
            "agent_did": ROLE_KEYS["agents"].did,
            "requester": "p-req",
            "ticket": self.ticket,
            "action": action,
            "change_type": self.plan["change_type"],
            "environment": self.plan["environment"],
            "policy_hash_b64u": self.policy_hash,
            "plan_hash_b64u": hash_of(self.plan_bytes),
            "simulation_b64u": self.hashes.get("simulation", hash_of(b"none")),
            "round": str(len(allows) + 1),
        }
        tool = self.policy.get("tools", {}).get(action, {})
        if action == "ticket.close" or tool.get("requires_proof_bundle_reference"):
            scope["bundle_b64u"] = self.hashes.get("bundle", hash_of(b"none"))
        return scope

    def _approve_execute(self, step: str) -> None:
        self._approve(step, "change.execute")

    def _approve_close(self, step: str) -> None:
        self._approve(step, "ticket.close")

    def _approve(self, step: str, action: str) -> None:
        subject, key = ("p-owner", OWNER) if step.endswith("1") else ("p-sec", SECURITY)
        payload = self.approval(step, action, subject)
        self.put(step, "human_approval_receipt", payload, key, approval_refs)

    def approval(self, step: str, action: str, subject: str) -> Payload:
        return {
            "receipt_version": "1",
            "receipt_id": "trustlog:approval:v1:" + salt(step + self.job),
            "approval_type": "explicit_approve",
            "approver_subject": subject,
            "agent_did": ROLE_KEYS["agents"].did,
            "scope_hash_b64u": hash_of(self.scope(action)),
            "policy_hash_b64u": self.policy_hash,
            "plan_hash_b64u": hash_of(self.plan_bytes),
            "hash_algorithm": "SHA-256",
            "timestamp": at(self.clock),
            "binding": {
                "run_id": self.run,
                "token_scope_hash_b64u": self.token_scope,
                "nonce": salt("nonce" + step),
            },
        }

    def deny(self, step: str, subject: str, key: Key, **members: Any) -> None:
        payload = self.approval(step, "change.execute", subject) | {"approval_type": "explicit_deny"} | members
        self.put(step, "human_approval_receipt", payload, key, approval_refs)

    def revoke(self, step: str, target: str, key: Key) -> None:
        payload = self.header("revocation", step) | {"target": target, "reason": "test"}
        self.put(step, "revocation", payload, key, lambda p: {"target": p["target"]})

    def evidence(self, scope: Payload, size: int) -> list[Payload]:
        """Every entry below `size` that concerns the change."""
        wanted = {
            "job": ref(self.job),
            "token_scope": self.token_scope,
            "run": ref(self.run),
            "scope": hash_of(scope),
            "plan": scope["plan_hash_b64u"],
        }
        listed = []
        for index, item in enumerate(self.log.items[:size]):
            shares = any(item.refs.get(name) == value for name, value in wanted.items())
            if shares or item.kind in ("roster", "revocation", "work_policy_contract", "resolution"):
                listed.append({"index": index, "leaf_hash_b64u": b64u(sha(b"\x00" + item.entry))})
        return listed

    def decision(self, step: str, action: str, approvals: list[str]) -> Payload:
        scope, size = self.scope(action), self.log.size
        payload = self.header("gate_decision", step) | {
            "decision": "allow",
            "reasons": [],
            "scope": scope,
            "token_hash": self.token_hash,
            "token_scope_hash_b64u": self.token_scope,
            "run_id": self.run,
            "roster_b64u": self.hashes.get("roster_2", self.hashes.get("roster", hash_of(b"none"))),
            "approvals": approvals,
            "evidence": self.evidence(scope, size),
            "view": {"size": size, "root_b64u": b64u(mth(self.log.leaves(size)))},
            "requested": {"action": action, "ticket": self.ticket},
            "trust_policy_b64u": hash_of(b"the gate's own trust policy"),
            "audience": "runner",
            "nonce": salt("caller" + step),
            "decided_at": at(self.clock),
            "expires_at": at(self.clock + 60),
        }
        if "bundle_b64u" in scope:
            payload["closing_reason"] = f"done, bundle:{scope['bundle_b64u']} attached"
        return payload

    def _decide_execute(self, step: str) -> None:
        approvals = [self.hashes[name] for name in ("approve_execute_1", "approve_execute_2") if name in self.hashes]
        self.put_decision(step, self.decision(step, "change.execute", approvals))

    def _decide_close(self, step: str) -> None:
        approvals = [self.hashes[name] for name in ("approve_close_1", "approve_close_2") if name in self.hashes]
        self.put_decision(step, self.decision(step, "ticket.close", approvals))

    def put_decision(self, step: str, payload: Payload) -> None:
        self.put(step, "gate_decision", payload, ROLE_KEYS["gates"], decision_refs)

    def withdraw(self, step: str, decision: str) -> None:
        payload = self.decision(step, self.payloads[decision]["scope"]["action"], [])
        payload["decision"] = "deny"
        payload["reasons"] = [{"code": "DECISION_WITHDRAWN", "detail": "test"}]
        payload["withdraws_b64u"] = self.hashes[decision]
        self.put_decision(step, payload)

    def _begin(self, step: str) -> None:
        payload = self.header("execution", step) | self.shared()
        payload |= {
            "phase": "begin",
            "decision_b64u": self.hashes.get("decide_execute", hash_of(b"none")),
            "environment": self.plan["environment"],
        }
        self.put(step, "execution", payload, ROLE_KEYS["runners"], shared_refs)

    def _end(self, step: str) -> None:
        payload = self.header("execution", step) | self.shared()
        payload |= {
            "phase": "end",
            "decision_b64u": self.hashes.get("decide_execute", hash_of(b"none")),
            "begin_b64u": self.hashes.get("begin", hash_of(b"none")),
            "environment": self.plan["environment"],
            "outcome": "success",
        }
        self.put(step, "execution", payload, ROLE_KEYS["runners"], shared_refs)

    def _bundle(self, step: str) -> None:
        change = self.shared() | {
            "change_version": "1",
            "simulation_b64u": self.hashes.get("simulation", hash_of(b"none")),
            "decision_b64u": self.hashes.get("decide_execute", hash_of(b"none")),
            "execution_b64u": self.hashes.get("end", hash_of(b"none")),
        }
        payload = {
            "bundle_version": "1",
            "bundle_id": f"bundle-{self.job}",
            "agent_did": ROLE_KEYS["agents"].did,
            "event_chain": [dict(event) for event in self.events],
            "receipts": list(self.receipts),
            "metadata": {"change": change},
        }
        self.put(step, "proof_bundle", payload, ROLE_KEYS["agents"], bundle_refs)

    def _closure(self, step: str) -> None:
        decision = self.payloads.get("decide_close", {})
        payload = self.header("closure", step) | {
            "ticket": self.ticket,
            "job_id": self.job,
            "run_id": self.run,
            "decision_b64u": self.hashes.get("decide_close", hash_of(b"none")),
            "bundle_b64u": self.hashes.get("bundle", hash_of(b"none")),
            "closing_reason": decision.get("closing_reason", "none"),
            "closed_at": at(self.clock),
        }
        self.put(
            step,
            "closure",
            payload,
            ROLE_KEYS["gates"],
            lambda p: {"job": p["job_id"], "run": p["run_id"], "ticket": p["ticket"], "bundle": p["bundle_b64u"]},
        )

    # the pack

    def pack(self, *, leave_out: Callable[[int], bool] = lambda _: False) -> Payload:
        """The pack as an object; `leave_out` says which indexes are withheld."""
        leaves = self.log.leaves()
        sizes = set()
        for item in self.log.items:
            if item.kind == "gate_decision" and item.payload is not None:
                sizes.add(int(json.loads(item.payload)["view"]["size"]))
        entries = []
        for index, item in enumerate(self.log.items):
            if leave_out(index):
                continue
            entry: Payload = {
                "index": index,
                "entry": item.entry.decode(),
                "inclusion_proof": [b64(node) for node in path(index, leaves)],
            }
            if item.payload is not None:
                entry["payload"] = item.payload.decode()
            entries.append(entry)
        subject = {"ticket": self.ticket, "job": self.job, "run": self.run}
        if "bundle" in self.hashes:
            subject["bundle"] = self.hashes["bundle"]
        return {
            "pack_version": "1",
            "subject": subject,
            "checkpoint": self.log.note(cosigners=self.cosigners),
            "views": [
                {
                    "size": size,
                    "root_b64u": b64u(mth(leaves[:size])),
                    "consistency_proof": [b64(node) for node in proof(size, leaves)],
                }
                for size in sorted(sizes)
                if size <= len(leaves)
            ],
            "anchors": [],
            "entries": entries,
            "payloads": [{"sha256_b64u": hash_of(self.plan_bytes), "text": self.plan_bytes.decode()}],
        }

    def pack_bytes(self) -> bytes:
        return jcs(self.pack())


def event_hash(event: Payload) -> str:
    names = ("event_id", "run_id", "event_type", "timestamp", "payload_hash_b64u", "prev_hash_b64u")
    text = json.dumps({name: event[name] for name in names}, separators=(",", ":"), ensure_ascii=False)
    return hash_of(text.encode())


def envelope(kind: str, payload: Payload, signer: Key, payload_hash: str) -> Payload:
    return {
        "envelope_version": "1",
        "envelope_type": kind,
        "payload": payload,
        "payload_hash_b64u": payload_hash,
        "hash_algorithm": "SHA-256",
        "signature_b64u": b64u(signer.sign(payload_hash.encode())),
        "algorithm": "Ed25519",
        "signer_did": signer.did,
        "issued_at": payload["timestamp"],
    }


def receipt_refs(payload: Payload) -> dict[str, str | None]:
    binding = payload.get("binding", {})
    return {
        "receipt": payload["receipt_id"],
        "run": binding.get("run_id"),
        "token_scope": binding.get("token_scope_hash_b64u"),
        "policy": binding.get("policy_hash"),
    }


def approval_refs(payload: Payload) -> dict[str, str | None]:
    binding = payload.get("binding", {})
    return {
        "receipt": payload["receipt_id"],
        "run": binding.get("run_id"),
        "scope": payload["scope_hash_b64u"],
        "token_scope": binding.get("token_scope_hash_b64u"),
        "policy": payload.get("policy_hash_b64u"),
        "plan": payload.get("plan_hash_b64u"),
    }


def shared_refs(payload: Payload) -> dict[str, str | None]:
    return {
        "job": payload["job_id"],
        "run": payload["run_id"],
        "ticket": payload["ticket"],
        "policy": payload["policy_hash_b64u"],
        "plan": payload["plan_hash_b64u"],
        "token_scope": payload["token_scope_hash_b64u"],
    }


def decision_refs(payload: Payload) -> dict[str, str | None]:
    scope = payload["scope"]
    return {
        "job": scope.get("job_id"),
        "ticket": scope.get("ticket"),
        "policy": scope.get("policy_hash_b64u"),
        "plan": scope.get("plan_hash_b64u"),
        "bundle": scope.get("bundle_b64u"),
        "scope": hash_of(scope),
        "run": payload.get("run_id"),
        "token": payload.get("token_hash"),
        "token_scope": payload.get("token_scope_hash_b64u"),
    }


def bundle_refs(payload: Payload) -> dict[str, str | None]:
    change = payload.get("metadata", {}).get("change", {})
    return {"run": change.get("run_id") or payload["event_chain"][0]["run_id"]}


def trust_toml(
    *,
    absence: str = "gate",
    origin: str = ORIGIN,
    witnesses: tuple[tuple[str, Key], ...] = (),
    quorum: str = "none",
    roles: dict[str, list[str]] | None = None,
    extra: str = "",
) -> bytes:
    """A trust policy for these keys. `roles` replaces the text of single role lists."""
    lists = {name: [f'"{key.did}"'] for name, key in ROLE_KEYS.items()} | (roles or {})
    witness_lines = "".join(f"witness {name} {key.vkey(name, 4)}\n" for name, key in witnesses)
    return (
        f"allow_unwitnessed = {'true' if quorum == 'none' else 'false'}\n"
        f'absence = "{absence}"\n'
        f'[log]\npolicy = """\nlog {Key("log").vkey(origin)}\n{witness_lines}quorum {quorum}\n"""\n'
        "max_checkpoint_age_s = 300\n[roles]\n"
        + "".join(f"{name} = [{', '.join(values)}]\n" for name, values in lists.items())
        + "[quorums]\nroster = 1\npolicy = 1\n"
        + extra
    ).encode()
