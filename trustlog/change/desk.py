"""Where an act starts: the log, read and proven, and the job that it is about."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from trustlog.client.checking import Logged as Submitted
from trustlog.client.log import LogClient
from trustlog.errors import Refused
from trustlog.formats.base64 import encode_b64u
from trustlog.formats.envelope import Signer, parse_envelope, seal_envelope, seal_text
from trustlog.formats.timestamp import format_timestamp
from trustlog.gate.follow import Reading
from trustlog.gate.job import Job
from trustlog.gate.judge import Judgement, Question, judge
from trustlog.records.own import SALT_BYTES, own_payload

T = TypeVar("T")

TRY_AGAIN: Final = frozenset({"LOG_UNREACHABLE", "RATE_LIMITED", "UNAVAILABLE"})
FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Published:
    """A record that is in the log: its payload hash (base64url), payload, index, and whether it was there before."""

    payload_hash: str
    payload: Mapping[str, Any]
    submitted: Submitted

    @property
    def index(self) -> int:
        """The entry's index."""
        return self.submitted.index

    @property
    def already_logged(self) -> bool:
        """Whether the same payload by the same signer was logged before."""
        return self.submitted.already_logged


class Desk:
    """One log, as one signer or reader works with it.

    `clock` gives nanoseconds since 1970, `random_bytes` as many unpredictable bytes as asked.
    """

    def __init__(
        self,
        client: LogClient,
        *,
        clock: Callable[[], int] = time.time_ns,
        random_bytes: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.client = client
        self.clock = clock
        self.random_bytes = random_bytes
        self.reading = Reading(client)

    async def job(self, job_id: str) -> Job:
        """The job with this id, as the log has it now (``TOKEN_NOT_LOGGED`` where no token of it was issued)."""
        await self.reading.catch_up()
        view = self.reading.view
        issued = view.valid("token_issued", "job", job_id, view.size)
        if not issued:
            detail = "the log has no token of this job"
            raise Refused("TOKEN_NOT_LOGGED", detail, param="job", expected="a job with a logged token", found=job_id)
        return Job(view, view.size, issued[-1])  # the newest token of the job

    async def judgement(
        self,
        job: Job,
        action: str,
        *,
        plan_hash: str | None = None,
        simulation: str | None = None,
        closing_reason: str | None = None,
    ) -> Judgement:
        """What a gate would say now: its scope is what approvers sign, its findings what is still missing."""
        plans = await self.reading.read_job(job.issuance, job.size)
        question = Question(
            view=job.view,
            size=job.size,
            at_ns=self.clock(),
            issuance=job.issuance,
            action=action,
            plans=plans,
            plan_hash=plan_hash,
            simulation=simulation,
            closing_reason=closing_reason,
        )
        return judge(question)

    async def store(self, data: bytes, *, patience_s: float = 0) -> str:
        """Store a plan or an artefact; its base64url SHA-256."""
        return encode_b64u(await insist(lambda: self.client.put_payload(data), patience_s))

    async def publish_record(
        self,
        kind: str,
        members: Mapping[str, Any],
        signer: Signer,
        *,
        at_ns: int | None = None,
        patience_s: float = 0,
    ) -> Published:
        """One of our own records: header, signature, submission, proof.

        For `patience_s` seconds it is submitted again while the log cannot be reached: the very same, so it is logged once.
        """
        return await self.submit(self.seal_record(kind, members, signer, at_ns=at_ns), patience_s=patience_s)

    def seal_record(self, kind: str, members: Mapping[str, Any], signer: Signer, *, at_ns: int | None = None) -> bytes:
        """The envelope of one of our own records, not yet submitted: header, members, signature."""
        at_ns = self.clock() if at_ns is None else at_ns
        payload = own_payload(kind, members, origin=self.client.origin, at_ns=at_ns, salt=self.random_bytes(SALT_BYTES))
        return self.seal(kind, payload, signer)

    def seal(self, kind: str, payload: Mapping[str, Any], signer: Signer) -> bytes:
        """The envelope of a payload in its RFC 8785 form, not yet submitted."""
        return seal_envelope(kind, payload, signer, format_timestamp(self.clock()))

    async def publish(self, kind: str, payload: Mapping[str, Any], signer: Signer, *, patience_s: float = 0) -> Published:
        """A payload in its RFC 8785 form."""
        return await self.submit(self.seal(kind, payload, signer), patience_s=patience_s)

    async def publish_text(self, kind: str, text: bytes, signer: Signer) -> Published:
        """A payload in exactly this text."""
        return await self.submit(seal_text(kind, text, signer, format_timestamp(self.clock())))

    async def submit(self, envelope: bytes, *, patience_s: float = 0) -> Published:
        """An envelope, logged and proven; for `patience_s` seconds the very same again while the log cannot be reached."""
        submitted = await insist(lambda: self.client.submit(envelope), patience_s)
        parsed = parse_envelope(envelope)
        return Published(parsed.payload_hash_b64u, parsed.payload, submitted)


async def insist(action: Callable[[], Awaitable[T]], patience_s: float) -> T:
    """`action`, tried again for `patience_s` seconds while the log cannot be reached."""
    clock = asyncio.get_running_loop().time
    ends_at_s, pause_s = clock() + patience_s, FIRST_PAUSE_S
    while True:
        try:
            return await action()
        except Refused as refused:
            if refused.code not in TRY_AGAIN or clock() + pause_s > ends_at_s:
                raise
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
