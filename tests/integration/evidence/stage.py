"""A real log on loopback with the demo's story on it: one whole change, and one that goes wrong."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from trustlog.change.desk import Desk
from trustlog.client.http import open_session
from trustlog.client.log import LogClient
from trustlog.demo.cast import ORIGIN, TICKET, Cast
from trustlog.demo.story import Story
from trustlog.evidence.collect import collect
from trustlog.evidence.remote import RemoteSource
from trustlog.evidence.subject import Sought
from trustlog.formats.trustpolicy import TrustPolicy
from trustlog.log.directory import LogDirectory, init_directory
from trustlog.log.log import Log
from trustlog.service.app import create_app
from trustlog.service.context import BuildEvidence
from trustlog.service.evidence import build_evidence_of_log
from verifier.cli import main as verify


@dataclass
class Stage:
    """The log served, who plays on it, and the trust policy that everyone holds."""

    place: Path
    url: str
    cast: Cast
    client: LogClient
    desk: Desk
    story: Story
    http: aiohttp.ClientSession

    @property
    def trust(self) -> Path:
        return self.place / "trust.toml"

    async def pack(self, **sought: str) -> bytes:
        """The evidence pack as a client builds it."""
        wanted = Sought(**sought) if sought else Sought(ticket=TICKET)
        return (await collect(await RemoteSource.open(self.client), wanted)).encode()


@asynccontextmanager
async def staged(
    place: Path, *, configuration: str = "", build_evidence: BuildEvidence = build_evidence_of_log
) -> AsyncIterator[Stage]:
    """A new log in ``place/log``; nothing on it yet."""
    signer = init_directory(place / "log", ORIGIN)
    directory = LogDirectory(place / "log")
    cast = Cast.in_directory(place / "keys")
    policy = cast.trust_policy(signer.key.encode())
    (place / "trust.toml").write_text(policy)
    directory.trust_path.write_text(policy)
    if configuration:
        directory.config_path.write_text(f'origin = "{ORIGIN}"\n{configuration}')
    log = await Log.open(directory)
    runner = web.AppRunner(create_app(log, build_evidence=build_evidence), access_log=None, auto_decompress=False)
    try:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with open_session() as session, aiohttp.ClientSession() as http:
            client = LogClient(url, TrustPolicy.parse(policy.encode()), session)
            desk = Desk(client)
            yield Stage(place, url, cast, client, desk, Story(desk, cast, _say_nothing), http)
    finally:
        await runner.cleanup()
        await log.close()


def make(place: Path, act: Callable[[Stage], Awaitable[bytes]]) -> bytes:
    """What `act` makes of a new log in `place`, which is closed again."""

    async def run() -> bytes:
        async with staged(place) as stage:
            return await act(stage)

    return asyncio.run(run())


@dataclass(frozen=True)
class Verdict:
    """What the verifier said."""

    code: int
    document: Any

    @property
    def status(self) -> str:
        return str(self.document["status"])

    @property
    def reason_code(self) -> str:
        return str(self.document["reason_code"])


def judge(pack: Path, trust: Path, *options: str) -> Verdict:
    """The verdict on a pack of a demo's log, in this process because tests ask a thousand times."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = verify(["evidence", str(pack), "--trust", str(trust), "--allow-demo", "--json", *options])
    return Verdict(code, json.loads(said.getvalue()))


def _say_nothing(_line: str) -> None:
    pass
