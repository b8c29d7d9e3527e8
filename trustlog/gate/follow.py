"""A gate's own reading of the log: all entries, the root recomputed, and the payload of everything that permits or restricts."""

from __future__ import annotations

import asyncio
from typing import Final

from trustlog.client.follower import Follower
from trustlog.client.log import LogClient
from trustlog.errors import Refused
from trustlog.formats.base64 import decode_b64u
from trustlog.formats.entry import parse_entry
from trustlog.formats.timestamp import NS
from trustlog.formats.trustpolicy import TrustedCheckpoint
from trustlog.gate.view import READ_LATE, Logged, LogView
from trustlog.limits import MAX_BUNDLE_ENVELOPE_BYTES

FETCHES_AT_ONCE: Final = 16
ABSENT: Final = frozenset(
    {"PAYLOAD_ERASED", "PAYLOAD_MISSING", "HASH_MISMATCH", "LOG_RESPONSE_INVALID"}
)  # the rest: no answer


class Reading:
    """One log, followed from its beginning. :attr:`view` holds what was read; a failed step leaves it at the last whole run."""

    def __init__(self, client: LogClient) -> None:
        self.client = client
        self.view = LogView(client.trust)
        self._follower = Follower(client)
        self._plans: dict[str, bytes] = {}
        self._fetches = asyncio.Semaphore(FETCHES_AT_ONCE)

    async def catch_up(self) -> TrustedCheckpoint:
        """Read up to the log's checkpoint of now, which is consistent with everything read before."""
        read = self._follower.edge
        try:
            async for run in self._follower.follow():
                payloads = await asyncio.gather(*(self._payload_of(entry) for entry in run.entries))
                for entry, payload in zip(run.entries, payloads, strict=True):
                    self.view.add(entry, payload)
                read = run.edge
        except BaseException:
            self._follower = Follower(self.client, edge=read)  # what was read whole was proven, and stays
            raise
        checkpoint = self._follower.checkpoint
        assert checkpoint is not None
        assert checkpoint.checkpoint.size == self.view.size
        seen_s = self.client.trust.policy.earliest_quorum_time(checkpoint.cosigned_by)
        if seen_s is not None:
            self.view.note_sighting(checkpoint.checkpoint.size, seen_s * NS)
        return checkpoint

    async def read_job(self, issuance: Logged, size: int) -> dict[str, bytes]:
        """Read the receipts and bundles of a job, and give every plan that it simulated, by fingerprint."""
        terms = issuance.record
        refs = {"token_scope": terms.token_scope_hash_b64u, "job": terms.job_id}
        while unread := self.view.unread(size, refs=refs, bundles_of=terms.agent_did):
            for one in unread:
                self.view.read_late(one.index, await self._fetch(one.entry.payload_hash))
        plans = {one.record.plan_hash_b64u for one in self.view.valid("simulation", "job", terms.job_id, size)}
        return {plan: text for plan in sorted(plans) if (text := await self.plan(plan)) is not None}

    async def plan(self, fingerprint: str) -> bytes | None:
        """The stored bytes of a plan, None where there are none."""
        if fingerprint not in self._plans:
            text = await self._fetch(decode_b64u(fingerprint, 32, "plan_hash_b64u"))
            if text is None:
                return None
            self._plans[fingerprint] = text
        return self._plans[fingerprint]

    async def _payload_of(self, data: bytes) -> bytes | None:
        try:
            entry = parse_entry(data)
        except Refused:
            return None  # the view finds the same and remembers it as a lie
        return None if entry.kind in READ_LATE else await self._fetch(entry.payload_hash)

    async def _fetch(self, sha256: bytes) -> bytes | None:
        async with self._fetches:
            try:
                return await self.client.payload(sha256, max_bytes=MAX_BUNDLE_ENVELOPE_BYTES)
            except Refused as refused:
                if refused.code in ABSENT:
                    return None
                raise
