"""A gate's own reading of the log: all entries, the root recomputed, and the payload of everything that permits or restricts."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from trustlog.client.follower import Follower, Run
from trustlog.client.log import LogClient
from trustlog.errors import Refused
from trustlog.formats.base64 import decode_b64u
from trustlog.formats.entry import Entry, parse_entry
from trustlog.formats.timestamp import NS
from trustlog.formats.trustpolicy import TrustedCheckpoint
from trustlog.gate.kept_log import KeptLog
from trustlog.gate.logged import Logged
from trustlog.gate.view import LogView
from trustlog.limits import MAX_BUNDLE_ENVELOPE_BYTES
from trustlog.merkle.edge import Edge
from trustlog.records.candidate import Candidate
from trustlog.records.kinds import BULK_KINDS

FETCHES_AT_ONCE: Final = 16
MAX_PLANS: Final = 1_000  # kept in memory
MAX_PLAN_BYTES: Final = 64 * 1024 * 1024
MAX_NEARING: Final = 10_000
MAX_EXPECTED: Final = 256  # more than a round sends
ABSENT: Final = frozenset({"PAYLOAD_ERASED", "PAYLOAD_MISSING", "HASH_MISMATCH"})  # the rest: no answer


class Reading:
    """One log, followed from its beginning. :attr:`view` holds what was read; a failed step leaves it at the last whole run.

    With `kept`, what was read by an earlier process is taken from there (:meth:`restore`), and what is read is kept.
    """

    def __init__(self, client: LogClient, kept: KeptLog | None = None) -> None:
        self.client = client
        self.view = LogView(client.trust)
        self.checkpoint: TrustedCheckpoint | None = None
        self._kept = kept
        self._read = Edge.empty()
        self._follower = self._follow_on()
        self._plans: OrderedDict[str, bytes] = OrderedDict()
        self._plan_bytes = 0
        self._own: OrderedDict[bytes, Candidate] = OrderedDict()  # until they are read; the oldest first
        self._nearing: dict[str, None] = {}  # token scopes of jobs that were approved, the oldest first
        self._fetches = asyncio.Semaphore(FETCHES_AT_ONCE)

    @property
    def root(self) -> bytes:
        """The root of what was read, 32 bytes."""
        return self._follower.root_of(self._read)

    async def restore(self) -> None:
        """Judge again what an earlier process had read, from what it kept; to be called once, before anything else.

        A payload that the log had not given is asked for once more. Raises TrustlogError for a damaged file.
        """
        assert self._kept is not None
        assert self.view.size == 0
        for entries, edge in self._kept.read_all():
            for data in entries:
                self.view.add(data, await self._kept_payload(data))
            self._read = edge
        for size, ns in self._kept.sightings():
            self.view.note_sighting(size, ns)
        self._follower = self._follow_on()

    def expect(self, own: Candidate) -> None:
        """What the log may soon hold by our own doing: it need not be fetched, nor read again."""
        self._own[own.payload_hash] = own
        if len(self._own) > MAX_EXPECTED:
            self._own.popitem(last=False)

    @property
    def expected(self) -> int:
        """How many own records were sent and not read yet."""
        return len(self._own)

    async def catch_up(self) -> TrustedCheckpoint:
        """Read up to the log's checkpoint of now, which is consistent with everything read before."""
        try:
            async for run in self._follower.follow():
                entries = [_parse(data) for data in run.entries]
                self._take(run, entries, await self._payloads_of(entries))
        except BaseException:
            self._follower = self._follow_on()  # what was read whole was proven, and stays
            raise
        checkpoint = self._follower.checkpoint
        assert checkpoint is not None
        assert checkpoint.checkpoint.size == self.view.size
        self.checkpoint = checkpoint
        seen_s = self.client.trust.policy.earliest_quorum_time(checkpoint.cosigned_by)
        if seen_s is not None and self.view.note_sighting(self.view.size, seen_s * NS) and self._kept is not None:
            self._kept.add_sighting(self.view.size, seen_s * NS)
        return checkpoint

    async def read_job(self, issuance: Logged, size: int) -> dict[str, bytes]:
        """Read the receipts and bundles of a job, and give every plan that it simulated, by fingerprint."""
        terms = issuance.record
        refs = {"token_scope": terms.token_scope_hash_b64u, "job": terms.job_id}
        while unread := self.view.unread(size, refs=refs, bundles_of=terms.agent_did):
            texts = await asyncio.gather(*(self._payload(one.entry.payload_hash) for one in unread))
            for one, text in zip(unread, texts, strict=True):
                self.view.read_late(one.index, text)
        plans = {one.record.plan_hash_b64u for one in self.view.valid("simulation", "job", terms.job_id, size)}
        return {plan: text for plan in sorted(plans) if (text := await self.plan(plan)) is not None}

    async def read_ahead(self, most: int) -> None:
        """Read the receipts and plans of at most so many jobs of which a decision is near: of approved ones."""
        for scope in list(self._nearing)[:most]:
            issued = self.view.valid("token_issued", "token_scope", scope, self.view.size)
            if issued:
                await self.read_job(issued[-1], self.view.size)
            del self._nearing[scope]

    @property
    def nearing(self) -> int:
        """How many jobs there are to read ahead."""
        return len(self._nearing)

    async def plan(self, fingerprint: str) -> bytes | None:
        """The stored bytes of a plan, None where there are none."""
        known = self._plans.get(fingerprint)
        if known is not None:
            self._plans.move_to_end(fingerprint)
            return known
        text = await self._payload(decode_b64u(fingerprint, 32, "plan_hash_b64u"))
        if text is not None:
            self._plans[fingerprint] = text
            self._plan_bytes += len(text)
            while len(self._plans) > MAX_PLANS or self._plan_bytes > MAX_PLAN_BYTES:
                _oldest, dropped = self._plans.popitem(last=False)
                self._plan_bytes -= len(dropped)
        return text

    def _follow_on(self) -> Follower:
        return Follower(self.client, edge=self._read, foretell=self._foretell)

    def _foretell(self, count: int) -> list[bytes]:
        """What a log holds next if only this gate has written to it since: the last records that it was sent, in order."""
        own = list(self._own.values())
        return [one.entry_bytes for one in own[max(0, len(own) - count) :]]

    def _take(self, run: Run, entries: list[Entry | None], payloads: list[bytes | None]) -> None:
        """Take a whole run into the view. It is kept first: what could not be kept was not read."""
        if self._kept is not None:
            texts = {e.payload_hash: text for e, text in zip(entries, payloads, strict=True) if e and text is not None}
            self._kept.add_entries(run.start, run.entries, texts, self._follower.root_of(run.edge))
        for data, entry, payload in zip(run.entries, entries, payloads, strict=True):
            own = None if entry is None else self._own.pop(entry.payload_hash, None)
            self.view.add(data, payload, own if own is not None and own.entry_bytes == data else None)
            if entry is not None and entry.kind == "human_approval_receipt" and "token_scope" in entry.refs:
                self._nearing[entry.refs["token_scope"]] = None
                if len(self._nearing) > MAX_NEARING:
                    del self._nearing[next(iter(self._nearing))]
            if entry is not None and entry.kind == "tombstone":
                self._erase(self.view.at(self.view.size - 1))
        self._read = run.edge

    def _erase(self, tombstone: Logged | None) -> None:
        if self._kept is not None and tombstone is not None and tombstone.candidate is not None:
            self._kept.drop_payload(decode_b64u(tombstone.record.payload_b64u, 32, "payload.payload_b64u"))

    async def _payloads_of(self, entries: Sequence[Entry | None]) -> list[bytes | None]:
        """The payload of each entry that is not read late; of our own they are known."""
        hashes = [None if one is None or one.kind in BULK_KINDS else one.payload_hash for one in entries]
        unknown = [sha256 for sha256 in hashes if sha256 is not None and sha256 not in self._own]
        texts: dict[bytes, bytes | None] = {sha256: one.payload_text for sha256, one in self._own.items()}
        texts |= zip(unknown, await asyncio.gather(*map(self._fetch, unknown)), strict=True)
        return [None if sha256 is None else texts[sha256] for sha256 in hashes]

    async def _kept_payload(self, data: bytes) -> bytes | None:
        """The payload of an entry read by an earlier process; None as well where it was not given, and cannot be asked for now."""
        assert self._kept is not None
        entry = _parse(data)
        if entry is None or entry.kind in BULK_KINDS:
            return None
        text = self._kept.payload(entry.payload_hash)
        if text is None:
            with suppress(Refused):
                text = await self._payload(entry.payload_hash)
        return text

    async def _payload(self, sha256: bytes) -> bytes | None:
        """A payload from what is kept, or from the log, and then kept."""
        text = None if self._kept is None else self._kept.payload(sha256)
        if text is None:
            text = await self._fetch(sha256)
            if text is not None and self._kept is not None:
                self._kept.add_payload(sha256, text)
        return text

    async def _fetch(self, sha256: bytes) -> bytes | None:
        async with self._fetches:
            try:
                return await self.client.payload(sha256, max_bytes=MAX_BUNDLE_ENVELOPE_BYTES)
            except Refused as refused:
                if refused.code in ABSENT:
                    return None
                raise


def _parse(data: bytes) -> Entry | None:
    try:
        return parse_entry(data)
    except Refused:
        return None  # the view finds the same and remembers it as a lie
