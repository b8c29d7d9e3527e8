"""A served gate over a real log whose checkpoints witnesses cosign: without them, or with late ones, it decides nothing."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.integration.gate.serving import ServedGate, asked, codes_of, serving_gate
from tests.integration.gate.test_restrictions import restriction
from tests.support import keys
from tests.support.trust import trust_text
from tests.unit.gate.scene import Scene
from trustlog.formats.note import ED25519_COSIGNATURE, NoteSigner, parse_note
from trustlog.formats.trustpolicy import TrustPolicy

WITNESSES = [keys.fixture_note_key(f"witness-{n}.test", key_type=ED25519_COSIGNATURE) for n in range(3)]
QUORUM = "".join(f"witness w{n} {one.key.encode()}\n" for n, one in enumerate(WITNESSES)) + "group g 2 w0 w1 w2\nquorum g\n"


@dataclass
class Cosigning:
    """What stands in front of a log and has its checkpoints cosigned by `witnesses`, `late_s` seconds ago."""

    log: str
    session: aiohttp.ClientSession
    witnesses: list[NoteSigner] = field(default_factory=lambda: list(WITNESSES))
    late_s: int = 0

    async def handle(self, request: web.Request) -> web.Response:
        media_type = {"Content-Type": request.headers["Content-Type"]} if "Content-Type" in request.headers else {}
        async with self.session.request(
            request.method, self.log + request.path_qs, data=await request.read(), headers=media_type
        ) as answer:
            body = await answer.read()
            if request.path == "/checkpoint":
                body = self.cosign(body)
            elif answer.content_type == "application/json":
                body = json.dumps(self._cosign_result(json.loads(body))).encode()
            return web.Response(status=answer.status, body=body, headers={"Content-Type": answer.headers["Content-Type"]})

    def _cosign_result(self, result: Any) -> Any:
        if not isinstance(result, dict) or "checkpoint" not in result:
            return result
        return {**result, "checkpoint": self.cosign(result["checkpoint"].encode()).decode()}

    def cosign(self, note: bytes) -> bytes:
        seen_s = int(time.time()) - self.late_s
        return note + b"".join(one.cosign(parse_note(note).text, seen_s).encode() for one in self.witnesses)


@asynccontextmanager
async def witnessed(scene: Scene) -> AsyncIterator[Cosigning]:
    """The scene's log, reached only through its witnesses, and a trust policy that wants two of three to have seen it."""
    async with aiohttp.ClientSession() as session:
        front = Cosigning(scene.url, session)
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", front.handle)
        async with TestServer(app, host="127.0.0.1") as server:
            log = f"log {scene.trust.log_keys[0].encode()}\n"
            scene.url = str(server.make_url("/")).rstrip("/")
            scene.trust = TrustPolicy.parse(trust_text(log_policy=log + QUORUM).encode())
            yield front


async def check_denied(gate: ServedGate, scene: Scene, code: str) -> None:
    assert codes_of(await gate.decide(asked(scene))) == {code}
    ready = await gate.get("/readyz")
    assert (ready.status, code in ready.json()["detail"]) == (503, True)


async def test_two_of_three_witnesses_carry_an_allow_also_of_a_gate_that_was_started_again(
    scene: Scene, state: Path
) -> None:
    scene.story.up_to_approvals()
    await scene.publish()
    async with witnessed(scene) as front:
        front.witnesses = WITNESSES[1:]
        request = asked(scene)
        async with serving_gate(scene, state) as gate:
            first = await gate.decide(request)
            assert (first["decision"], (await gate.get("/readyz")).status) == ("allow", 200)
        async with serving_gate(scene, state) as gate:
            assert await gate.decide(request) == first


async def test_too_few_witnesses_decide_nothing_until_one_more_is_back(scene: Scene, state: Path) -> None:
    scene.story.up_to_approvals()
    await scene.publish()
    async with witnessed(scene) as front, serving_gate(scene, state) as gate:
        for few in ([], WITNESSES[:1]):
            front.witnesses = few
            await check_denied(gate, scene, "QUORUM_NOT_MET")
        front.witnesses = WITNESSES[:2]
        assert (await gate.decide(asked(scene)))["decision"] == "allow"


async def test_witnesses_that_stand_still_decide_nothing_until_they_go_on(scene: Scene, state: Path) -> None:
    scene.story.up_to_approvals()
    await scene.publish()
    async with witnessed(scene) as front, serving_gate(scene, state) as gate:
        front.late_s = 600
        await check_denied(gate, scene, "CHECKPOINT_STALE")
        front.late_s = 0
        assert (await gate.decide(asked(scene)))["decision"] == "allow"


async def test_a_restriction_is_logged_where_witnesses_saw_it_and_counts_where_they_did_not(
    scene: Scene, state: Path
) -> None:
    scene.story.up_to_approvals()
    await scene.publish()
    first, second = restriction(scene.story, "token"), restriction(scene.story, "job")
    async with witnessed(scene) as front, serving_gate(scene, state) as gate:
        assert (await gate.post("/v1/restrictions", first)).json()["logged"]
        front.witnesses = []
        unseen = (await gate.post("/v1/restrictions", second)).json()
        assert (unseen["logged"], unseen["reason_code"]) == (False, "QUORUM_NOT_MET")
        front.witnesses = list(WITNESSES)
        assert {"TOKEN_REVOKED", "JOB_REVOKED"} <= codes_of(await gate.decide(asked(scene)))
