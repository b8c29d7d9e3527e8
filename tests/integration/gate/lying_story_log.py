"""A story's log in memory, served over loopback, whose every answer a test may falsify."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.support import keys
from tests.support.trust import LOG_KEY, ORIGIN
from tests.unit.client.lying_log import MemoryLog
from tests.unit.gate.story import Story
from trustlog.client.http import open_session
from trustlog.client.log import LogClient
from trustlog.formats.base64 import encode_b64u
from trustlog.formats.checkpoint import Checkpoint
from trustlog.formats.envelope import parse_envelope
from trustlog.formats.note import sign_note
from trustlog.gate.gate import Gate
from trustlog.records.candidate import read_candidate


class StoryLog(MemoryLog):
    """The log of everything that a story logged so far."""

    def __init__(self, story: Story) -> None:
        super().__init__()
        self.withheld: set[str] = set()
        for envelope in story.envelopes:
            self.log(envelope)
        for fingerprint, plan in story.plans.items():
            self.blobs[fingerprint] = plan

    def log(self, envelope: bytes) -> bytes:
        """Append the entry of an envelope, unless it is there; the entry."""
        candidate = read_candidate(parse_envelope(envelope), origin=ORIGIN)
        self.blobs[candidate.payload_hash_b64u] = candidate.payload_text
        if candidate.entry_bytes not in self.entries:
            self.entries.append(candidate.entry_bytes)
        return candidate.entry_bytes

    def note(self, size: int) -> bytes:
        return sign_note(Checkpoint(ORIGIN, size, self.root(size)).encode(), LOG_KEY)

    def answer_submission(self, envelope: bytes) -> dict[str, Any]:
        before = len(self.entries)
        entry = self.log(envelope)
        return self.answer_entry(self.entries.index(entry), already_logged=len(self.entries) == before)

    def decisions(self) -> list[bytes]:
        return [entry for entry in self.entries if b'"kind":"gate_decision"' in entry]

    async def get_blob(self, request: web.Request) -> web.StreamResponse:
        address = request.match_info["address"]
        if address in self.withheld or address not in self.blobs:
            return web.Response(status=404)
        return web.Response(body=self.blobs[address])


def hash_of_payload(envelope: bytes) -> str:
    return encode_b64u(parse_envelope(envelope).payload_hash)


@asynccontextmanager
async def gate_over(log: StoryLog, story: Story) -> AsyncIterator[Gate]:
    server = TestServer(log.application(), host="127.0.0.1")
    await server.start_server()
    try:
        async with open_session() as session:
            client = LogClient(str(server.make_url("/")), story.trust, session, timeout_s=60)
            yield Gate(client, keys.GATE, clock=lambda: story.now_ns, answer_within_s=60)
    finally:
        await server.close()
