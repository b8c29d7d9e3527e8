"""One change in a log in memory, told step by step: each step logs one honest record, unless a test says otherwise.

The log is a :class:`LogView` that is fed as a gate's reading feeds it: entries in order, payloads of what permits or restricts
with them, receipts and bundles read late. The clock moves one second with every entry, and whenever a test moves it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from tests.support import keys, payloads
from tests.support.envelopes import SIGNERS
from tests.support.payloads import Payload, hash_of, payload_hash, person, salt_of
from tests.support.trust import ORIGIN, trust_policy
from trustlog.formats.base64 import encode_b64u
from trustlog.formats.envelope import parse_envelope, seal_envelope
from trustlog.formats.jsontext import canonicalize
from trustlog.formats.timestamp import NS, format_timestamp
from trustlog.formats.trustpolicy import TrustPolicy
from trustlog.gate.decision import ViewOfLog, decision_payload
from trustlog.gate.identify import GateRequest, identify
from trustlog.gate.judge import Judgement, Question, judge, judge_logged_allow
from trustlog.gate.logged import Logged
from trustlog.gate.view import LogView
from trustlog.keys.signer import SeedSigner
from trustlog.records.candidate import read_candidate
from trustlog.records.kinds import BULK_KINDS
from trustlog.records.scope import compute_scope_hash
from trustlog.tokens.scoped_token import ScopedToken, issuance_members, mint_token, parse_token

DORA: Final = keys.fixture_key("dora")
EXECUTE: Final = "change.execute"
CLOSE: Final = "ticket.close"
TICKET: Final = payloads.TICKET

PEOPLE: Final[Mapping[str, tuple[SeedSigner, tuple[str, ...]]]] = {
    "p-alice": (keys.ALICE, ("service_owner",)),
    "p-bob": (keys.BOB, ("platform_security",)),
    "p-carol": (keys.CAROL, ("service_owner", "platform_security")),
    "p-dora": (DORA, ("service_owner",)),  # who asks for the change
}


def people() -> list[Payload]:
    return [person(subject, signer, roles=roles) for subject, (signer, roles) in PEOPLE.items()]


def plan_bytes(**changes: Any) -> bytes:
    plan = {
        "plan_version": "1",
        "change_type": "config",
        "environment": "production",
        "ticket": TICKET,
        "body": {"limit": 200},
        **changes,
    }
    return canonicalize(plan)


def fingerprint(plan: bytes) -> str:
    return encode_b64u(hashlib.sha256(plan).digest())


def policy(*, tools: Mapping[str, Mapping[str, Any] | None] | None = None, **changes: Any) -> Payload:
    """The policy of the honest path; `tools` changes members of tools (None removes the tool or the member)."""
    document = payloads.work_policy_contract(**changes)
    for name, members in (tools or {}).items():
        if members is None:
            del document["tools"][name]
            continue
        tool = {**document["tools"].get(name, {}), **members}
        document["tools"][name] = {key: value for key, value in tool.items() if value is not None}
    return document


class Story:
    """The log so far, and what the honest actors know. ``job``, ``run`` and ``plan`` say what the next steps are about."""

    def __init__(self, *, trust: TrustPolicy | None = None, job: str = payloads.JOB, run: str = payloads.RUN) -> None:
        self.trust = trust or trust_policy()
        self.view = LogView(self.trust)
        self.now_ns = payloads.NOW_NS
        self.job, self.run = job, run
        self.plan = plan_bytes()
        self.requester = "p-dora"
        self.policy_hash = ""
        self.token = ""
        self.plans: dict[str, bytes] = {}
        self.receipts: list[Payload] = []  # of the run, in order
        self.events: list[Payload] = []
        self.bundle_hash = ""
        self.envelopes: list[bytes] = []  # everything logged, in order
        self.withheld: set[int] = set()  # the indexes whose payload the log does not give
        self._texts: dict[int, bytes] = {}
        self._count = 0

    # The log.

    def log(self, kind: str, payload: Payload, signer: SeedSigner | None = None, *, readable: bool = True) -> Logged:
        """Append a record as its usual signer's, or `signer`'s; an unreadable one's payload is withheld by the log."""
        envelope = seal_envelope(kind, payload, signer or SIGNERS[kind], self.time)
        return self.append(envelope, readable=readable)

    def withhold(self, kind: str, payload: Mapping[str, Any], signer: SeedSigner) -> Logged:
        """A record whose payload the log does not give."""
        return self.append(seal_envelope(kind, payload, signer, self.time), readable=False)

    def append(self, envelope: bytes, *, readable: bool = True) -> Logged:
        new = read_candidate(parse_envelope(envelope), origin=ORIGIN)
        self.envelopes.append(envelope)
        if not readable:
            self.withheld.add(self.view.size)
        return self.append_entry(new.entry.encode(), new.payload_text if readable else None)

    def append_entry(self, data: bytes, text: bytes | None) -> Logged:
        self.append_bytes(data, text)
        logged = self.view.at(self.view.size - 1)
        assert logged is not None
        return logged

    def append_bytes(self, data: bytes, text: bytes | None) -> None:
        """Whatever a log may hold, admitted or not, an entry or not."""
        if text is not None:
            self._texts[self.view.size] = text
        self.view.add(data, None if _is_late(data) else text)
        self.pass_time(1)

    def own(self, kind: str, **members: Any) -> Payload:
        """A record of ours with its header, its salt new, signed now."""
        self._count += 1
        payload = payloads.VALID[kind](salt=salt_of(f"{kind} {self._count}"), issued_at=self.time)
        return {**payload, **members}

    def own_log(self, kind: str, signer: SeedSigner | None = None, **members: Any) -> Logged:
        return self.log(kind, self.own(kind, **members), signer)

    @property
    def time(self) -> str:
        return format_timestamp(self.now_ns)

    def pass_time(self, seconds: float) -> None:
        self.now_ns += int(seconds * NS)

    # Steps.

    def govern(self, document: Payload | None = None, roster: list[Payload] | None = None) -> Story:
        """Policy and first roster."""
        self.publish_policy(document or policy())
        self.own_log("roster", people=people() if roster is None else roster)
        return self

    def publish_policy(self, document: Payload, signer: SeedSigner | None = None) -> Logged:
        self.policy_hash = payload_hash(document)
        return self.log("work_policy_contract", document, signer)

    def next_roster(self, roster: list[Payload]) -> Logged:
        before = self.view.rosters.at(self.view.size)
        assert before is not None
        number, previous = before.record.number + 1, before.payload_hash_b64u
        return self.own_log("roster", number=number, previous_b64u=previous, people=roster)

    def issue(self, *, ttl_s: int = 600, log: bool = True, **members: Any) -> Story:
        """A token of the job, its issuance logged."""
        self._count += 1
        now_s = self.now_ns // NS
        self.token = mint_token(
            keys.TOKEN_ISSUER,
            agent_did=keys.AGENT.did,
            aud=[payloads.AUDIENCE],
            scope=["change:execute"],
            job_id=self.job,
            policy_hash_b64u=self.policy_hash,
            iat=now_s,
            exp=now_s + ttl_s,
            jti=f"token-{self._count}",
        )
        if log:
            issuance = issuance_members(self.token, ticket=TICKET, requester=self.requester)
            self.own_log_raw("token_issued", {**issuance, **members})
        return self

    def own_log_raw(self, kind: str, members: Payload) -> Logged:
        self._count += 1
        header = {
            "record": f"trustlog/{kind}/v1",
            "origin": ORIGIN,
            "issued_at": self.time,
            "salt": salt_of(f"{kind} {self._count}"),
        }
        return self.log(kind, {**header, **members})

    @property
    def scoped(self) -> ScopedToken:
        return parse_token(self.token)

    def bound(self, **changes: Any) -> Payload:
        """The binding of the job's receipts and approvals."""
        binding = {
            "run_id": self.run,
            "nonce": "nonce-1",
            "policy_hash": self.policy_hash,
            "token_scope_hash_b64u": self.scoped.token_scope_hash_b64u,
            **changes,
        }
        return {name: value for name, value in binding.items() if value is not None}

    def call_model(self, **changes: Any) -> Logged:
        """One model call: its event, and the gateway's receipt for it."""
        number = len(self.events)
        before = self.events[-1]["event_hash_b64u"] if self.events else None
        event = payloads.event(self.run, number, before, timestamp=self.time)
        self.events.append(event)
        receipt = payloads.gateway_receipt(
            receipt_id=f"{self.job}-receipt-{number}",
            request_hash_b64u=event["payload_hash_b64u"],
            timestamp=self.time,
            binding=self.bound(event_hash_b64u=event["event_hash_b64u"]),
            metadata={"event": event},
        )
        self.receipts.append({**receipt, **changes})
        return self.log("gateway_receipt", self.receipts[-1])

    def about(self, **changes: Any) -> Payload:
        """What the runner's records say of the job."""
        return {
            "job_id": self.job,
            "run_id": self.run,
            "ticket": TICKET,
            "plan_hash_b64u": fingerprint(self.plan),
            "policy_hash_b64u": self.policy_hash,
            "token_scope_hash_b64u": self.scoped.token_scope_hash_b64u,
            **changes,
        }

    def simulate(self, **changes: Any) -> Logged:
        self.plans[fingerprint(self.plan)] = self.plan
        return self.own_log("simulation", **self.about(**changes))

    def approval(self, subject: str, action: str, **changes: Any) -> Payload:
        """The approval that a person would sign now."""
        self._count += 1
        scope = self.scope(action)
        approval = payloads.human_approval_receipt(
            receipt_id="trustlog:approval:v1:" + salt_of(f"approval {self._count}"),
            approver_subject=subject,
            scope_hash_b64u=compute_scope_hash(scope),
            policy_hash_b64u=self.policy_hash,
            plan_hash_b64u=scope["plan_hash_b64u"],
            timestamp=self.time,
            binding=self.bound(),
        )
        return {name: value for name, value in {**approval, **changes}.items() if value is not None}

    def approve(self, action: str, *subjects: str, **changes: Any) -> list[Logged]:
        """Approvals by these people, or by Alice and Bob."""
        return [
            self.log("human_approval_receipt", self.approval(subject, action, **changes), PEOPLE[subject][0])
            for subject in subjects or ("p-alice", "p-bob")
        ]

    def deny(self, subject: str = "p-carol", *, action: str = EXECUTE, **changes: Any) -> Logged:
        return self.approve(action, subject, **{"approval_type": "explicit_deny", **changes})[0]

    def revoke(self, target: str, signer: SeedSigner | None = None, *, readable: bool = True) -> Logged:
        usual = {
            "policy": keys.POLICY_ISSUER,
            "approval": keys.ROSTER_AUTHORITY,
            "key": keys.ROSTER_AUTHORITY,
        }.get(target.partition(":")[0], keys.TOKEN_ISSUER)
        return self.log("revocation", self.own("revocation", target=target), signer or usual, readable=readable)

    def decide(self, action: str, *, signer: SeedSigner | None = None, **changes: Any) -> Logged:
        """The gate's decision, logged: an allow, which the evidence must carry."""
        judgement = self.ask(action)
        assert judgement.allow, judgement.findings
        return self.log_decision(action, judgement, signer=signer, **changes)

    def log_decision(self, action: str, judgement: Judgement, *, signer: SeedSigner | None = None, **changes: Any) -> Logged:
        """A decision record of a judgement, whoever made it up."""
        self._count += 1
        payload = decision_payload(
            self.request(action),
            judgement,
            self.scoped,
            origin=ORIGIN,
            view=ViewOfLog(self.view.size, self.view.root_at(self.view.size)),
            trust_policy_sha256=self.trust.sha256,
            at_ns=self.now_ns,
            salt=salt_of(f"decision {self._count}"),
        )
        payload = {name: value for name, value in {**payload, **changes}.items() if value is not None}
        return self.log("gate_decision", payload, signer)

    def tree(self, size: int | None = None) -> Payload:
        """The `view` of who has read the log so far, or up to `size`."""
        size = self.view.size if size is None else size
        return {"size": size, "root_b64u": encode_b64u(self.view.root_at(size))}

    def forge_allow(self, action: str, **changes: Any) -> Logged:
        """An allow that a gate's key signed although the evidence does not carry it."""
        judgement = self.ask(action)
        roster = hash_of("no roster")
        forged = Judgement(
            (),
            scope=judgement.scope,
            run_id=judgement.run_id or self.run,
            roster_b64u=judgement.roster_b64u or roster,
            evidence=judgement.evidence,
        )
        return self.log_decision(action, forged, **changes)

    def forge_allow_of_close(self) -> Logged:
        """An allow of closing with a bundle that there is not."""
        scope = {**self.scope(EXECUTE), "action": CLOSE, "bundle_b64u": hash_of("a bundle")}
        forged = Judgement((), scope=scope, run_id=self.run, roster_b64u=hash_of("a roster"))
        return self.log_decision(CLOSE, forged, closing_reason="bundle:" + hash_of("a bundle"))

    def withdraw(self, allow: Logged, **changes: Any) -> Logged:
        return self.own_log_raw(
            "gate_decision",
            {
                **{
                    name: value
                    for name, value in payloads.deny().items()
                    if name not in ("record", "origin", "salt", "issued_at")
                },
                "scope": allow.record.scope,
                "withdraws_b64u": allow.payload_hash,
                "evidence": [],
                "view": self.tree(),
                "decided_at": self.time,
                "expires_at": self.time,
                **changes,
            },
        )

    def begin(self, decision: Logged, **changes: Any) -> Logged:
        members = {"phase": "begin", "decision_b64u": decision.payload_hash, **self.about(), "environment": "production"}
        return self.own_log("execution", **{**members, **changes})

    def end(self, begin: Logged, **changes: Any) -> Logged:
        members = {
            "phase": "end",
            "decision_b64u": begin.record.decision_b64u,
            "begin_b64u": begin.payload_hash,
            "outcome": "success",
            **self.about(),
            "environment": "production",
        }
        return self.own_log("execution", **{**members, **changes})

    def change(self, end: Logged, **changes: Any) -> Payload:
        """``metadata.change`` of the bundle."""
        decision = self.view.first(end.record.decision_b64u, "gate_decision", self.view.size)
        assert decision is not None
        change = {
            **self.about(),
            "change_version": "1",
            "simulation_b64u": decision.record.scope["simulation_b64u"],
            "decision_b64u": decision.payload_hash,
            "execution_b64u": end.payload_hash,
        }
        return {**change, **changes}

    def bundle(self, end: Logged, *, change: Payload | None = None, **changes: Any) -> Logged:
        """The agent's bundle of everything that the gateway signed for the job."""
        self._count += 1
        receipts = [payloads.envelope("gateway_receipt", receipt, keys.GATEWAY) for receipt in self.receipts]
        bundle = payloads.proof_bundle(
            bundle_id=f"{self.job}-bundle-{self._count}",
            event_chain=self.events,
            receipts=receipts,
            metadata={"change": change or self.change(end)},
        )
        logged = self.log("proof_bundle", {**bundle, **changes})
        self.bundle_hash = logged.payload_hash
        return logged

    def close(self, decision: Logged, **changes: Any) -> Logged:
        members = {
            "job_id": self.job,
            "run_id": self.run,
            "ticket": TICKET,
            "decision_b64u": decision.payload_hash,
            "bundle_b64u": decision.record.scope["bundle_b64u"],
            "closing_reason": decision.record.closing_reason,
            "closed_at": self.time,
        }
        return self.own_log("closure", **{**members, **changes})

    # Longer stretches of the honest path.

    def up_to_simulation(self) -> Story:
        if not self.policy_hash:
            self.govern()
        self.issue()
        for _ in range(3):
            self.call_model()
        self.simulate()
        return self

    def up_to_approvals(self) -> Story:
        self.up_to_simulation().approve(EXECUTE)
        return self

    def up_to_execution(self) -> Logged:
        """The end of a successful execution."""
        return self.execute(self.up_to_approvals().decide(EXECUTE))

    def execute(self, decision: Logged) -> Logged:
        return self.end(self.begin(decision))

    def up_to_bundle(self) -> Story:
        self.bundle(self.up_to_execution())
        return self

    def up_to_closing(self) -> Story:
        """Everything but the decision to close."""
        self.up_to_bundle().approve(CLOSE)
        return self

    # Asking.

    def request(self, action: str, **changes: Any) -> GateRequest:
        reason = f"done, bundle:{self.bundle_hash}" if action == CLOSE and self.bundle_hash else None
        members = {
            "action": action,
            "ticket": TICKET,
            "token": self.token,
            "audience": "desk.test",
            "nonce": "n",
            "closing_reason": reason,
            **changes,
        }
        return GateRequest(**members)

    def ask(self, action: str, **changes: Any) -> Judgement:
        """What the gate makes of a request now."""
        request = self.request(action, **changes)
        size = self.view.size
        issuance, _token, findings = identify(self.view, size, request)
        if issuance is None:
            return Judgement(tuple(findings))
        self.read_late(issuance)
        question = Question(
            view=self.view,
            size=size,
            at_ns=self.now_ns,
            issuance=issuance,
            action=request.action,
            plans=self.plans,
            plan_hash=request.plan_hash,
            simulation=request.simulation,
            closing_reason=request.closing_reason,
        )
        judgement = judge(question)
        assert all(finding.code != "INTERNAL_ERROR" for finding in judgement.findings), "a rule asked for an unasked fact"
        return Judgement(
            (*findings, *judgement.findings),
            judgement.scope,
            judgement.run_id,
            judgement.roster_b64u,
            judgement.approvals,
            judgement.evidence,
            judgement.is_logged,
        )

    def text_of(self, logged: Logged) -> bytes | None:
        """The payload of an entry; None where it was withheld."""
        return self._texts.get(logged.index)

    def read_late(self, issuance: Logged) -> None:
        refs = {"token_scope": issuance.record.token_scope_hash_b64u, "job": issuance.record.job_id}
        for one in self.view.unread(self.view.size, refs=refs, bundles_of=issuance.record.agent_did):
            self.view.read_late(one.index, self.text_of(one))

    def rejudge(self, allow: Logged) -> set[str]:
        """The codes against an allow that is logged, judged at its own index."""
        return {finding.code for finding in judge_logged_allow(self.view, allow, self.plans)}

    def codes(self, action: str, **changes: Any) -> set[str]:
        """The reason codes of a deny; empty for an allow."""
        return {finding.code for finding in self.ask(action, **changes).findings}

    def scope(self, action: str) -> dict[str, str]:
        """The scope that would be approved now."""
        return dict(self.ask(action).scope)


def _is_late(data: bytes) -> bool:
    return any(b'"kind":"' + kind.encode() + b'"' in data for kind in BULK_KINDS)
