"""The gate's shell: follow the log, judge, log the decision, and release an allow only when the log carries it.

An allow is a log entry first. It is released only when it is included under a checkpoint consistent with the view that it was
decided on, and the entries in between, now read, would not change it; otherwise the gate withdraws it with a deny. So the index
is the only arbiter between gates, revocations and denials.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from trustlog.client.checking import Logged as Submitted
from trustlog.client.log import LogClient
from trustlog.errors import Refused
from trustlog.formats.base64 import decode_b64u, encode_b64u
from trustlog.formats.envelope import Signer, parse_envelope, seal_envelope
from trustlog.formats.timestamp import NS, format_timestamp
from trustlog.gate.decision import Decision, ViewOfLog, decision_payload
from trustlog.gate.denies import DenyMemory
from trustlog.gate.evidence import collect_evidence
from trustlog.gate.follow import Reading
from trustlog.gate.identify import GateRequest, identify
from trustlog.gate.job import Job
from trustlog.gate.judge import Judgement, Question, judge, judge_logged_allow
from trustlog.gate.release import restrictions_since
from trustlog.limits import DECISION_TTL_S
from trustlog.policy.finding import Finding
from trustlog.records.scope import compute_scope_hash
from trustlog.tokens.scoped_token import ScopedToken

MAX_WORD_CHARACTERS: Final = 256
MAX_REASON_CHARACTERS: Final = 4096
ANSWER_WITHIN_S: Final = float(DECISION_TTL_S)  # what is decided later has expired
UNRELEASED_S: Final = 600  # a submission without an answer is in the log by then, or never will be

LOGGER: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Unreleased:
    """An allow that was sent to the log, and whose caller got no allow yet."""

    request: GateRequest
    token: ScopedToken | None
    envelope: bytes
    at_ns: int


class Gate:
    """One gate over one log. `signer` is a key trusted as a gate.

    `clock` gives nanoseconds since 1970, `random_bytes` as many unpredictable bytes as asked.
    """

    def __init__(
        self,
        client: LogClient,
        signer: Signer,
        *,
        clock: Callable[[], int] = time.time_ns,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._client = client
        self._signer = signer
        self._clock = clock
        self._random_bytes = random_bytes
        self._reading = Reading(client)
        self._denies = DenyMemory()
        self._unreleased: dict[str, _Unreleased] = {}  # allows under way, by payload hash
        self._turn = asyncio.Lock()  # one decision at a time: the view changes under a decision only where it says so

    async def decide(self, request: GateRequest) -> Decision:
        """Allow or deny, within a decision's life.

        Never raises: whatever the log, the network or the caller does, and a defect in here, is a deny.
        """
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S), self._turn:
                at_ns = self._clock()
                _check_words(request)
                return await self._decide(request, at_ns)
        except Refused as refused:
            finding = Finding(refused.code, refused.expected or "an answer that can be believed", refused.detail)
        except TimeoutError:
            finding = Finding("LOG_UNREACHABLE", f"everything needed within {ANSWER_WITHIN_S:g} s", "no answer by then")
        except Exception as error:  # noqa: BLE001 - a gate that breaks must not open
            trace = "".join(traceback.format_tb(error.__traceback__))  # never the message: it could hold a token
            LOGGER.error("deciding failed: %s\n%s", type(error).__name__, trace)  # noqa: TRY400
            finding = Finding("INTERNAL_ERROR", "a decision", type(error).__name__)
        return _decision(request, Judgement((finding,), is_logged=False), self._clock())

    async def _decide(self, request: GateRequest, at_ns: int) -> Decision:
        checkpoint = (await self._reading.catch_up()).checkpoint
        if await self._settle(at_ns):
            checkpoint = (await self._reading.catch_up()).checkpoint
        seen = ViewOfLog(checkpoint.size, checkpoint.root)
        issuance, token, findings = identify(self._reading.view, seen.size, request)
        if issuance is None:
            return await self._deny(request, Judgement(tuple(findings)), None, seen, at_ns)
        plans = await self._reading.read_job(issuance, seen.size)
        if request.plan_hash is not None and request.plan_hash not in plans:
            text = await self._reading.plan(request.plan_hash)
            plans |= {} if text is None else {request.plan_hash: text}
        question = Question(
            view=self._reading.view,
            size=seen.size,
            at_ns=at_ns,
            issuance=issuance,
            action=request.action,
            plans=plans,
            plan_hash=request.plan_hash,
            simulation=request.simulation,
            closing_reason=request.closing_reason,
        )
        judgement = _with(judge(question), findings)
        if not judgement.allow:
            return await self._deny(request, judgement, token, seen, at_ns)
        if not judgement.is_logged:
            return _decision(request, judgement, at_ns)
        return await self._allow(request, judgement, token, seen, at_ns)

    async def _allow(
        self, request: GateRequest, judgement: Judgement, token: ScopedToken | None, seen: ViewOfLog, at_ns: int
    ) -> Decision:
        """Log the allow, read what came between the view and its index, and release it only if that changes nothing."""
        envelope = self._seal(request, judgement, token, seen, at_ns)
        allow_hash = parse_envelope(envelope).payload_hash_b64u
        self._unreleased[allow_hash] = _Unreleased(request, token, envelope, at_ns)
        try:
            submitted = await self._client.submit(envelope)
        except Refused as refused:
            if refused.code != "CONFLICT":
                raise
            del self._unreleased[allow_hash]
            return await self._deny(request, _with(judgement, [_used_up(refused)]), token, seen, at_ns)
        await self._reading.catch_up()
        view = self._reading.view
        logged = view.at(submitted.index)
        if logged is None or logged.candidate is None:
            code = logged.void if logged is not None and logged.void else "DECISION_NOT_LOGGED"
            return await self._withdraw(request, token, envelope, (Finding(code, "the decision to count", "void"),), at_ns)
        plans = await self._reading.read_job(
            view.valid("token_issued", "token", logged.record.token_hash, logged.index)[0], view.size
        )
        against = judge_logged_allow(view, logged, plans) + restrictions_since(view, logged)
        if self._clock() >= at_ns + DECISION_TTL_S * NS:
            against += (Finding("DECISION_EXPIRED", f"a release within {DECISION_TTL_S} s", "more"),)
        if against:
            return await self._withdraw(request, token, envelope, against, at_ns)
        del self._unreleased[allow_hash]
        return _decision(request, judgement, at_ns, envelope=envelope, index=submitted.index)

    async def _settle(self, at_ns: int) -> bool:
        """Withdraw every allow that is in the log although its caller was told nothing or deny; whether there was one."""
        view, settled = self._reading.view, False
        for allow_hash, one in list(self._unreleased.items()):
            logged = view.first(allow_hash, "gate_decision", view.size)
            if logged is not None and not any(view.withdrawals(allow_hash, view.size)):
                lost = Finding("DECISION_NOT_LOGGED", "an allow that was released", "one whose logging was not seen in time")
                await self._withdraw(one.request, one.token, one.envelope, (lost,), at_ns)
                settled = True
            elif logged is not None or at_ns - one.at_ns > UNRELEASED_S * NS:
                del self._unreleased[allow_hash]
        return settled

    async def _withdraw(
        self, request: GateRequest, token: ScopedToken | None, allow: bytes, against: tuple[Finding, ...], at_ns: int
    ) -> Decision:
        checkpoint = (await self._reading.catch_up()).checkpoint
        withdrawn = parse_envelope(allow)
        found = f"the allow {withdrawn.payload_hash_b64u}, which what was logged before it contradicts"
        first = Finding("DECISION_WITHDRAWN", "an allow that holds at its own index", found)
        judgement = self._about(withdrawn.payload, (first, *against), checkpoint.size)
        seen = ViewOfLog(checkpoint.size, checkpoint.root)
        now_ns = max(at_ns, self._clock())
        envelope, submitted = await self._log(
            request, judgement, token, seen, now_ns, withdraws=withdrawn.payload_hash_b64u, count=1
        )
        self._unreleased.pop(withdrawn.payload_hash_b64u, None)
        return _decision(request, judgement, now_ns, envelope=envelope, index=submitted.index)

    def _about(self, allow: Mapping[str, Any], findings: tuple[Finding, ...], size: int) -> Judgement:
        """The judgement that withdraws an allow (its payload), on all evidence below `size`."""
        view, scope, run_id = self._reading.view, allow["scope"], allow["run_id"]
        roster = view.rosters.at(size)
        issued = view.valid("token_issued", "token", allow["token_hash"], size)
        evidence = (
            collect_evidence(
                Job(view, size, issued[0]),
                run_id=run_id,
                scope_hash=compute_scope_hash(scope),
                plan_hash=scope["plan_hash_b64u"],
            )
            if issued
            else []
        )
        return Judgement(
            findings,
            scope=scope,
            run_id=run_id,
            roster_b64u=None if roster is None else roster.payload_hash_b64u,
            evidence=tuple(evidence),
        )

    async def _deny(
        self, request: GateRequest, judgement: Judgement, token: ScopedToken | None, seen: ViewOfLog, at_ns: int
    ) -> Decision:
        """Deny, and log it; a deny that cannot be logged is a deny all the same."""
        count = self._denies.count(request, judgement, at_ns)
        if count is None:
            return _decision(request, judgement, at_ns)
        try:
            envelope, submitted = await self._log(request, judgement, token, seen, at_ns, count=count)
        except Refused as refused:
            self._denies.put_back(request, judgement, count)
            unlogged = Finding("DECISION_NOT_LOGGED", "the deny to be logged", f"{refused.code}: {refused.detail}")
            return _decision(request, _with(judgement, [unlogged]), at_ns)
        return _decision(request, judgement, at_ns, envelope=envelope, index=submitted.index)

    async def _log(
        self,
        request: GateRequest,
        judgement: Judgement,
        token: ScopedToken | None,
        seen: ViewOfLog,
        at_ns: int,
        *,
        withdraws: str | None = None,
        count: int | None = None,
    ) -> tuple[bytes, Submitted]:
        envelope = self._seal(request, judgement, token, seen, at_ns, withdraws=withdraws, count=count)
        return envelope, await self._client.submit(envelope)

    def _seal(
        self,
        request: GateRequest,
        judgement: Judgement,
        token: ScopedToken | None,
        seen: ViewOfLog,
        at_ns: int,
        *,
        withdraws: str | None = None,
        count: int | None = None,
    ) -> bytes:
        payload = decision_payload(
            request,
            judgement,
            token,
            origin=self._client.origin,
            view=seen,
            trust_policy_sha256=self._client.trust.sha256,
            at_ns=at_ns,
            salt=encode_b64u(self._random_bytes(16)),
            withdraws=withdraws,
            count=count,
        )
        return seal_envelope("gate_decision", payload, self._signer, format_timestamp(at_ns))


def _used_up(conflict: Refused) -> Finding:
    expected = "approvals that no allow has used up"
    return Finding("APPROVAL_ALREADY_USED", expected, f"another allow of this scope: {conflict.detail}")


def _check_words(request: GateRequest) -> None:
    """The caller's words go into a signed record: they are bounded and printable."""
    words = {
        "action": request.action,
        "ticket": request.ticket,
        "audience": request.audience,
        "nonce": request.nonce,
    }
    for name, word in words.items():
        if not 0 < len(word) <= MAX_WORD_CHARACTERS or not word.isprintable():
            expected = f"1 to {MAX_WORD_CHARACTERS} printable characters"
            raise Refused("PARAMETER_INVALID", f"{name} cannot be used", param=name, expected=expected, found=word)
    for name, hash_ in (("plan_hash", request.plan_hash), ("simulation", request.simulation)):
        if hash_ is not None:
            decode_b64u(hash_, 32, name)
    if request.closing_reason is not None and len(request.closing_reason) > MAX_REASON_CHARACTERS:
        expected = f"at most {MAX_REASON_CHARACTERS} characters"
        found = f"{len(request.closing_reason)} characters"
        raise Refused(
            "PARAMETER_INVALID", "the closing reason is too long", param="closing_reason", expected=expected, found=found
        )


def _with(judgement: Judgement, findings: list[Finding]) -> Judgement:
    """The judgement with more findings, first."""
    return Judgement(
        findings=tuple(dict.fromkeys((*findings, *judgement.findings))),
        scope=judgement.scope,
        run_id=judgement.run_id,
        roster_b64u=judgement.roster_b64u,
        approvals=judgement.approvals,
        evidence=judgement.evidence,
        is_logged=judgement.is_logged,
    )


def _decision(
    request: GateRequest, judgement: Judgement, at_ns: int, *, envelope: bytes | None = None, index: int | None = None
) -> Decision:
    return Decision(
        allow=judgement.allow,
        findings=judgement.findings,
        request=request,
        scope=judgement.scope,
        decided_at=format_timestamp(at_ns),
        expires_at=format_timestamp(at_ns + DECISION_TTL_S * NS),
        index=index,
        payload_hash=None if envelope is None else parse_envelope(envelope).payload_hash_b64u,
        envelope=envelope,
        approvals=judgement.approvals,
        run_id=judgement.run_id,
        plan_hash=judgement.scope.get("plan_hash_b64u"),
    )
