"""A real log on loopback, a story whose records go there, and gates over it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from tests.integration.log.conftest import serving
from tests.support import keys
from tests.support.trust import ORIGIN, trust_text
from tests.unit.gate.story import EXECUTE, Story
from trustlog.client.http import open_session
from trustlog.client.log import LogClient
from trustlog.formats.entry import parse_entry
from trustlog.formats.jsontext import parse_json
from trustlog.formats.timestamp import NS
from trustlog.formats.trustpolicy import TrustPolicy
from trustlog.gate.decision import Decision
from trustlog.gate.gate import Gate
from trustlog.gate.identify import GateRequest
from trustlog.log.directory import LogDirectory, init_directory


class Scene:
    """A real log, a story whose records go there, and gates over it."""

    def __init__(self, url: str, trust: TrustPolicy, stack: AsyncExitStack) -> None:
        self.url, self.trust, self._stack = url, trust, stack
        self.story = Story(trust=trust)
        self.story.now_ns = time.time_ns() - 45 * NS  # its steps take seconds that do not pass: all of it is over by now
        self._published = 0

    async def client(self, kind: type[LogClient] = LogClient, url: str | None = None, **options: Any) -> LogClient:
        session = await self._stack.enter_async_context(open_session())
        return kind(url or self.url, options.pop("trust", self.trust), session, **options)

    async def gate(self, client: LogClient | None = None, **options: Any) -> Gate:
        return Gate(client or await self.client(), keys.GATE, clock=lambda: self.story.now_ns, **options)

    async def publish(self) -> None:
        """Submit what the story logged since, and its plans."""
        client = await self.client()
        for plan in self.story.plans.values():
            await client.put_payload(plan)
        for envelope in self.story.envelopes[self._published :]:
            await client.submit(envelope)
        self._published = len(self.story.envelopes)

    def request(self, action: str = EXECUTE, **changes: Any) -> GateRequest:
        return self.story.request(action, **changes)

    async def decisions(self) -> list[dict[str, Any]]:
        """Every gate decision in the log, as JSON."""
        client = await self.client()
        checkpoint = await client.checkpoint()
        entries = [parse_entry(data) for data in await client.entries(0, checkpoint.checkpoint.size, checkpoint)]
        found = [await client.payload(one.payload_hash) for one in entries if one.kind == "gate_decision"]
        return [dict(parse_json(text)) for text in found]


def make_directory(path: Path) -> LogDirectory:
    signer = init_directory(path, ORIGIN)
    directory = LogDirectory(path)
    directory.trust_path.write_text(trust_text(log_policy=f"log {signer.key.encode()}\nquorum none\n"))
    return directory


@asynccontextmanager
async def playing(directory: LogDirectory) -> AsyncIterator[Scene]:
    """A scene over the log in `directory`, served."""
    trust = TrustPolicy.parse(directory.trust_path.read_bytes())
    async with AsyncExitStack() as stack, serving(directory) as service:
        yield Scene(service.url, trust, stack)


def codes(decision: Decision) -> set[str]:
    return {finding.code for finding in decision.findings}
