"""A server in front of a real log, which does what its operator wants: hides, replays, forks, stays silent, or cosigns."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from making.world import World

from trustlog.change.desk import Desk
from trustlog.client.log import LogClient
from trustlog.formats.note import NoteSigner, parse_note
from trustlog.formats.timestamp import NS
from trustlog.formats.trustpolicy import TrustPolicy
from trustlog.gate.gate import Gate

FORWARDED = ("Content-Type", "Accept", "Authorization")
Lie = Callable[[str, bytes], bytes | None]
"""What becomes of the answer to a path; None is *not found*."""


@dataclass
class Front:
    """Answers as the log of `world` does, but for its lies, in order.

    `is_away` ends connections without an answer, `is_silent` never answers. `before_submission` is awaited once, before the next
    submission is passed on. `witnesses` cosign every checkpoint that comes by, `witness_late_s` seconds ago by the world's clock.
    """

    world: World
    url: str = ""
    lies: list[Lie] = field(default_factory=list)
    is_away: bool = False
    is_silent: bool = False
    before_submission: Callable[[], Awaitable[object]] | None = None
    witnesses: list[NoteSigner] = field(default_factory=list)
    witness_late_s: int = 0
    asked: list[str] = field(default_factory=list)

    def gate(
        self,
        *,
        trust: bytes | None = None,
        timeout_s: float = 30,
        client: LogClient | None = None,
        clock: Callable[[], int] | None = None,
    ) -> Gate:
        """A gate that reaches the log only through here, and remembers what it saw."""
        world = self.world
        client = client or self.client(trust=trust, timeout_s=timeout_s)
        return Gate(client, world.signer("gate"), clock=clock or world.clock, random_bytes=world.randomness)

    def client(self, *, trust: bytes | None = None, timeout_s: float = 30) -> LogClient:
        """A client of it."""
        world = self.world
        policy = TrustPolicy.parse(world.trust if trust is None else trust)
        return LogClient(self.url, policy, world.session, clock=lambda: world.clock() / NS, timeout_s=timeout_s)

    def desk(self) -> Desk:
        """Where somebody works who reaches the log only through here."""
        return Desk(self.client(), clock=self.world.clock, random_bytes=self.world.randomness)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One request: the log's answer, as it is or not."""
        self.asked.append(request.path_qs)
        if self.is_silent:
            await asyncio.sleep(3600)
        if self.is_away:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if request.method == "POST" and request.path == "/v1/entries" and self.before_submission:
            first, self.before_submission = self.before_submission, None
            await first()
        status, media_type, body = await self._ask_the_log(request)
        for lie in self.lies:
            told = lie(request.path_qs, body)
            if told is None:
                return web.Response(status=404, body=_NOT_FOUND, content_type="application/problem+json")
            body = told
        return web.Response(status=status, body=self._cosigned(request.path, body), headers={"Content-Type": media_type})

    async def _ask_the_log(self, request: web.Request) -> tuple[int, str, bytes]:
        headers = {name: request.headers[name] for name in FORWARDED if name in request.headers}
        url = self.world.url + request.path_qs
        async with self.world.session.request(
            request.method, url, data=await request.read(), headers=headers, allow_redirects=False
        ) as answer:
            return answer.status, answer.headers["Content-Type"], await answer.read()

    def _cosigned(self, path: str, body: bytes) -> bytes:
        if not self.witnesses:
            return body
        if path == "/checkpoint":
            return self._cosign(body)
        return each_result(body, self._cosign_result) if path == "/v1/entries" else body

    def _cosign_result(self, result: dict[str, Any]) -> dict[str, Any]:
        if "checkpoint" not in result:
            return result
        return {**result, "checkpoint": self._cosign(result["checkpoint"].encode()).decode()}

    def _cosign(self, note: bytes) -> bytes:
        text, time_s = parse_note(note).text, self.world.clock() // NS - self.witness_late_s
        return note + b"".join(witness.cosign(text, time_s).encode() for witness in self.witnesses)


def each_result(body: bytes, change: Callable[[dict[str, Any]], dict[str, Any]]) -> bytes:
    """The results of a submission, one or one a line, changed."""
    lines = [json.dumps(change(json.loads(line))).encode() for line in body.splitlines()]
    return b"\n".join(lines) + (b"\n" if body.endswith(b"\n") else b"")


_NOT_FOUND = json.dumps(
    {"type": "about:blank", "title": "Not Found", "status": 404, "code": "NOT_FOUND", "detail": "there is no such thing"}
).encode()


@asynccontextmanager
async def in_front_of(world: World) -> AsyncIterator[Front]:
    """A server in front of the log of `world`."""
    front = Front(world)
    application = web.Application(client_max_size=64 * 1024 * 1024)
    application.router.add_route("*", "/{path:.*}", front.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        front.url = f"http://{host}:{port}"
        yield front
    finally:
        await runner.cleanup()
