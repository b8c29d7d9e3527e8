"""A gate's service on loopback, over the log of a scene, with what it keeps in a directory."""

from __future__ import annotations

import io
import itertools
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from tests.integration.log.conftest import Answer
from tests.support import keys
from tests.unit.gate.scene import Scene
from tests.unit.gate.story import EXECUTE, TICKET
from trustlog.client.log import LogClient
from trustlog.gate.answered import Answered
from trustlog.gate.gate import Gate
from trustlog.gate.kept_view import KeptView
from trustlog.gate.service.app import create_gate_app
from trustlog.gate.service.context import Service
from trustlog.gate.service.metrics import GateMetrics
from trustlog.service.app import make_runner

NONCES = itertools.count()


@dataclass
class ServedGate:
    """A running gate and a client of it."""

    gate: Gate
    kept: KeptView
    client: LogClient
    url: str
    http: aiohttp.ClientSession
    app: web.Application

    async def post(self, path: str, body: Any, **headers: str) -> Answer:
        data = io.BytesIO(body if isinstance(body, bytes) else json.dumps(body).encode())
        sent = {"Content-Type": "application/json", **headers}
        async with self.http.post(self.url + path, data=data, headers=sent) as response:
            return await Answer.read(response)

    async def get(self, path: str) -> Answer:
        async with self.http.get(self.url + path) as response:
            return await Answer.read(response)

    async def decide(self, asked: dict[str, Any]) -> dict[str, Any]:
        answer = await self.post("/v1/decisions", asked)
        assert answer.status == 200, answer
        decision: dict[str, Any] = answer.json()
        return decision


def asked(scene: Scene, action: str = EXECUTE, **changes: Any) -> dict[str, Any]:
    """A request's JSON; its nonce is new unless a test says it."""
    nonce = f"n{next(NONCES)}"
    members = {"action": action, "ticket": TICKET, "token": scene.story.token, "audience": "desk.test", "nonce": nonce}
    return {name: value for name, value in {**members, **changes}.items() if value is not None}


def codes_of(decision: dict[str, Any]) -> set[str]:
    return {reason["code"] for reason in decision["reasons"]}


@asynccontextmanager
async def serving_gate(
    scene: Scene,
    state: Path,
    *,
    kind: type[LogClient] = LogClient,
    url: str | None = None,
    callers: frozenset[bytes] = frozenset(),
    clock: Callable[[], int] | None = None,
) -> AsyncIterator[ServedGate]:
    kept = KeptView.open(state, scene.trust)
    try:
        client = await scene.client(kind, url, memory=kept.memory, timeout_s=60)
        now_ns = clock or (lambda: scene.story.now_ns)
        gate = Gate(client, keys.GATE, clock=now_ns, kept=kept, answer_within_s=60)
        answered = Answered(now_ns)
        for digest, decision in (await gate.start()).items():
            answered.restore(digest, decision)
        service = Service(gate, scene.trust, keys.GATE.did, answered, GateMetrics(), callers, time.monotonic)
        app = create_gate_app(service)
        runner = make_runner(app)
        try:
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            host, port = runner.addresses[0][:2]
            async with aiohttp.ClientSession() as http:
                yield ServedGate(gate, kept, client, f"http://{host}:{port}", http, app)
        finally:
            await runner.cleanup()
            await gate.close()
    finally:
        kept.close()
