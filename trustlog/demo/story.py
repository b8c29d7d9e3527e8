"""The story: one change from policy to closure, then three refusals. Every step is an act of :mod:`trustlog.change`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from trustlog.change.approve import answer, put_before
from trustlog.change.bundle import build_bundle
from trustlog.change.close import log_closure
from trustlog.change.desk import Desk, Published
from trustlog.change.execute import Executed, Ran, execute
from trustlog.change.simulate import ArtefactFile, simulate
from trustlog.demo.cast import (
    AUDIENCE,
    OWNER,
    POLICY,
    REQUESTER,
    SECOND_TICKET,
    SECURITY,
    TICKET,
    TOKEN_SCOPE,
    Cast,
    plan_of,
)
from trustlog.errors import Refused
from trustlog.formats.base64 import encode_b64u
from trustlog.formats.jsontext import canonicalize
from trustlog.formats.timestamp import NS, format_timestamp
from trustlog.gate.decision import Decision
from trustlog.gate.gate import Gate
from trustlog.gate.identify import GateRequest
from trustlog.proxy.receipt import CallBinding, ModelCall, PublishedCall, published_call, receipt_payload
from trustlog.tokens.scoped_token import issuance_members, mint_token, parse_token

TOKEN_LIFE_S: Final = 900
MODEL_CALLS: Final = ("read the ticket", "draft the plan", "write the rollback steps")

Tell = Callable[[str], None]


@dataclass(slots=True)
class JobAtHand:
    """What one job of the demo has so far."""

    ticket: str
    job_id: str
    run_id: str
    token: str
    plan: bytes
    last_call: PublishedCall | None = None
    executed: Executed | None = None


@dataclass(slots=True)
class Refusal:
    """One refusal: what was tried, and the first reasons."""

    title: str
    reasons: list[tuple[str, str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Played:
    """What the demo leaves: the refusals, and the tokens by job."""

    refusals: list[Refusal]
    tokens: dict[str, str]
    second_job: str


class Story:
    """Plays the demo on one desk. `tell` gets one line for every record that was logged."""

    def __init__(self, desk: Desk, cast: Cast, tell: Tell) -> None:
        self._desk = desk
        self._cast = cast
        self._tell = tell
        self._gate = Gate(desk.client, cast.roles["gate"], clock=desk.clock, random_bytes=desk.random_bytes)
        self._policy_hash = ""
        self._tokens: dict[str, str] = {}

    async def play(self) -> Played:
        """The change, then the refusals."""
        await self.change()
        self._tell("")
        self._tell("A second change, in which three things are tried that must not work")
        return Played(await self.refusals(), self._tokens, "job-2")

    async def change(self) -> None:
        """One complete change, honestly."""
        await self._rules()
        job = await self._open(TICKET, "job-1", "run-1", replicas=4)
        await self._simulate(job)
        await self._approve(job, "change.execute", (OWNER, SECURITY))
        await self._execute(job)
        bundle = await build_bundle(self._desk, self._cast.roles["agent"], job_id=job.job_id)
        self._say("proof bundle", bundle, "the run's events and receipts, signed by the agent")
        await self._approve(job, "ticket.close", (OWNER, SECURITY), bundle=bundle.payload_hash)
        reason = f"Replicas raised as planned. bundle:{bundle.payload_hash}"
        decision = await self._decide(job, "ticket.close", closing_reason=reason)
        _expect(decision)
        closure = await log_closure(self._desk, self._cast.roles["gate"], decision)
        self._say("closure", closure, f"{job.ticket} closed: {reason[:27]}")

    async def refusals(self) -> list[Refusal]:
        """A second change, in which three things are tried that must not work."""
        job = await self._open(SECOND_TICKET, "job-2", "run-2", replicas=8)
        await self._simulate(job)
        await self._approve(job, "change.execute", (OWNER, OWNER))
        denied = await self._decide(job, "change.execute")
        refused = [_refusal("The same person approves twice", denied)]
        await self._approve(job, "change.execute", (SECURITY,))
        refused.append(await self._other_plan(job))
        await self._execute(job)
        never_logged = encode_b64u(hashlib.sha256(self._desk.random_bytes(16)).digest())
        denied = await self._decide(job, "ticket.close", closing_reason=f"Done. bundle:{never_logged}")
        return [_refusal("Closing with a bundle that nobody logged", denied), *refused]

    # Acts.

    async def _rules(self) -> None:
        policy = await self._desk.publish("work_policy_contract", POLICY, self._cast.roles["policy_issuer"])
        self._policy_hash = policy.payload_hash
        self._say(
            "policy", policy, f"{POLICY['policy_name']}: two people approve, simulate first, same plan, bundle to close"
        )
        roster = await self._desk.publish_record("roster", self._cast.roster(), self._cast.roles["roster_authority"])
        self._say("roster", roster, f"{REQUESTER}, {OWNER}, {SECURITY}")

    async def _open(self, ticket: str, job_id: str, run_id: str, *, replicas: int) -> JobAtHand:
        """Mint a token for a job, log its issuance, and carry three model calls."""
        now_s = self._desk.clock() // NS
        issuer = self._cast.roles["token_issuer"]
        token = mint_token(
            issuer,
            agent_did=self._cast.roles["agent"].did,
            aud=AUDIENCE,
            scope=TOKEN_SCOPE,
            job_id=job_id,
            policy_hash_b64u=self._policy_hash,
            iat=now_s,
            exp=now_s + TOKEN_LIFE_S,
            jti=encode_b64u(self._desk.random_bytes(16)),
        )
        members = issuance_members(token, ticket=ticket, requester=REQUESTER)
        issued = await self._desk.publish_record("token_issued", members, issuer)
        self._say("token", issued, f"for {job_id}, {ticket}, {TOKEN_LIFE_S} s; only its hash is logged")
        self._tokens[job_id] = token
        job = JobAtHand(ticket, job_id, run_id, token, canonicalize(plan_of(ticket, replicas)))
        for prompt in MODEL_CALLS:
            await self._model_call(job, prompt)
        return job

    async def _model_call(self, job: JobAtHand, prompt: str) -> None:
        call = ModelCall(
            call_id=f"call-{self._desk.random_bytes(8).hex()}",
            provider="example",
            model="example-model",
            request_hash_b64u=_sha256(f"{job.job_id}: {prompt}"),
            response_hash_b64u=_sha256(f"answer to: {prompt}"),
            tokens_input=12 * len(prompt),
            tokens_output=340,
            latency_ms=820,
            timestamp=format_timestamp(self._desk.clock()),
        )
        scope_hash = parse_token(job.token).token_scope_hash_b64u
        binding = CallBinding(job.run_id, self._policy_hash, scope_hash, job.last_call)
        payload = receipt_payload("demo-gateway", call, binding)
        receipt = await self._desk.publish("gateway_receipt", payload, self._cast.roles["gateway"])
        job.last_call = published_call(payload)
        self._say("gateway receipt", receipt, f"a model call of {job.run_id}: {prompt}")

    async def _simulate(self, job: JobAtHand) -> None:
        artefacts = [
            ArtefactFile("expected_diff", "text/plain", b"-replicas: 2\n+replicas: new\n"),
            ArtefactFile("validation_output", "text/plain", b"schema valid; quota sufficient\n"),
            ArtefactFile("rollback_steps", "text/plain", b"set replicas back to 2\n"),
        ]
        done = await simulate(
            self._desk,
            self._cast.roles["runner"],
            job_id=job.job_id,
            run_id=job.run_id,
            plan=job.plan,
            artefacts=artefacts,
            outcome="success",
        )
        self._say("simulation", done, f"plan {done.payload['plan_hash_b64u'][:12]}… runs dry: success")

    async def _approve(self, job: JobAtHand, action: str, subjects: tuple[str, ...], *, bundle: str | None = None) -> None:
        for subject in subjects:
            matter = await put_before(self._desk, job.job_id, action, plan_hash=None, bundle=bundle)
            approval = await answer(self._desk, self._cast.people[subject], matter, verdict="explicit_approve")
            self._say("approval", approval, f"{subject} approves {action}, scope {matter.scope_hash[:12]}…")

    async def _execute(self, job: JobAtHand) -> None:
        decision = await self._decide(job, "change.execute")
        _expect(decision)
        assert decision.payload_hash is not None
        executed = await execute(self._desk, self._cast.roles["runner"], decision=decision.payload_hash, run=_apply)
        job.executed = executed
        self._say("execution", executed.begin, "begin, published before the command starts")
        self._say("execution", executed.end, f"end: {executed.end.payload['outcome']}")

    async def _other_plan(self, job: JobAtHand) -> Refusal:
        """Ask to execute a plan that differs from the approved one by one character."""
        other = canonicalize(plan_of(job.ticket, 9))
        decision = await self._decide(job, "change.execute", plan=other)
        return _refusal("Executing a plan other than the approved one", decision)

    async def _decide(
        self, job: JobAtHand, action: str, *, closing_reason: str | None = None, plan: bytes | None = None
    ) -> Decision:
        decision = await self._gate.decide(
            GateRequest(
                action=action,
                ticket=job.ticket,
                token=job.token,
                audience="demo",
                nonce=encode_b64u(self._desk.random_bytes(16)),
                plan_hash=None if plan is None else encode_b64u(hashlib.sha256(plan).digest()),
                closing_reason=closing_reason,
            )
        )
        verdict = "ALLOW" if decision.allow else "DENY"
        self._tell(f"{_at(decision.index)}  {'gate decision':<16} {verdict} {action} for {job.ticket}")
        return decision

    def _say(self, what: str, published: Published, note: str) -> None:
        self._tell(f"{_at(published.index)}  {what:<16} {note}")


def _apply(plan: bytes) -> Ran:
    """The demo's command: it changes nothing but says what it would have."""
    return Ran(0, b"applied " + plan + b"\n")


def _at(index: int | None) -> str:
    return f"{'#' + str(index) if index is not None else '-':>4}"


def _sha256(text: str) -> str:
    return encode_b64u(hashlib.sha256(text.encode("utf-8")).digest())


def _refusal(title: str, decision: Decision) -> Refusal:
    assert not decision.allow
    return Refusal(title, [(one.code, one.detail, one.hint) for one in decision.findings])


def _expect(decision: Decision) -> None:
    """The honest change must be allowed; if it is not, the demo has found a defect and says so."""
    if not decision.allow:
        first = decision.findings[0]
        raise Refused(
            first.code, f"the demo's own change was denied: {first.detail}", expected=first.expected, found=first.found
        )
