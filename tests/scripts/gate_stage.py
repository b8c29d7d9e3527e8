"""A gate over HTTP for the commands that ask one: the real gate behind ``POST /v1/decisions``, and nothing else of a service.

``python -m tests.scripts.gate_stage KEY LOG TRUST`` prints its address and serves until it is told to stop.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

from aiohttp import web

from trustlog.client.http import open_session
from trustlog.client.log import LogClient
from trustlog.formats.trustpolicy import TrustPolicy
from trustlog.gate.gate import Gate
from trustlog.gate.identify import GateRequest
from trustlog.keys.source import open_signer

NAMES = {"plan_hash_b64u": "plan_hash", "simulation_b64u": "simulation"}
CREDENTIAL = "open sesame".replace(" ", "-")


async def serve(key: str, log: str, trust: TrustPolicy) -> None:
    async with open_session() as session:
        client = LogClient(log, trust, session)
        gate = Gate(client, open_signer(key, os.environ))

        async def decide(request: web.Request) -> web.Response:
            if request.headers.get("Authorization") != f"Bearer {CREDENTIAL}":
                problem = {"code": "UNAUTHENTICATED", "detail": "this needs a credential", "status": 401, "title": "no"}
                return web.json_response(problem, status=401, content_type="application/problem+json")
            asked = await request.json()
            decision = await gate.decide(GateRequest(**{NAMES.get(name, name): value for name, value in asked.items()}))
            return web.json_response(decision.answer())

        app = web.Application()
        app.add_routes([web.post("/v1/decisions", decide)])
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        assert site._server is not None
        port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        sys.stdout.write(json.dumps({"url": f"http://127.0.0.1:{port}"}) + "\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], sys.argv[2], TrustPolicy.parse(Path(sys.argv[3]).read_bytes())))
