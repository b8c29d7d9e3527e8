"""A whole log in memory, served over loopback, whose every answer a test may falsify.

It is honest as it stands. A test replaces one of the ``answer_…`` methods, or ``note``, with a lie; what is not replaced still
helps the liar as an honest log would.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.waiting import PATIENCE_S
from trustlog.client.http import open_session
from trustlog.client.log import LogClient
from trustlog.client.memory import CheckpointMemory
from trustlog.formats.base64 import encode_b64, encode_b64u
from trustlog.formats.bundle import encode_bundle
from trustlog.formats.checkpoint import Checkpoint
from trustlog.formats.envelope import parse_envelope, seal_envelope
from trustlog.formats.note import NoteSigner, sign_note
from trustlog.formats.trustpolicy import TrustPolicy
from trustlog.keys.signer import SeedSigner
from trustlog.merkle.edge import Edge
from trustlog.merkle.hashing import hash_leaf
from trustlog.merkle.proofs import compute_root, prove_consistency, prove_inclusion
from trustlog.merkle.tiles import Tile, TileNodes, parse_entry_bundle_path, parse_tile_path
from trustlog.records.candidate import read_candidate

ORIGIN = "log.example/test"
ISSUED_AT = "2026-03-01T00:00:00Z"
ISSUER = SeedSigner(bytes([7]) * 32)
LOG_KEY = NoteSigner(ORIGIN, bytes([9]) * 32)
NDJSON = "application/x-ndjson"


def make_envelope(number: int, *, signer: SeedSigner = ISSUER) -> bytes:
    """A revocation of job `number`: the smallest record of ours."""
    payload = {
        "record": "trustlog/revocation/v1",
        "origin": ORIGIN,
        "issued_at": ISSUED_AT,
        "salt": "A" * 22,
        "target": f"job:{number}",
        "reason": "test",
    }
    return seal_envelope("revocation", payload, signer, ISSUED_AT)


def make_entry(number: int) -> bytes:
    return read_candidate(parse_envelope(make_envelope(number)), origin=ORIGIN).entry.encode()


def make_trust(policy: str | None = None, *, extra: str = "") -> TrustPolicy:
    text = f"log {LOG_KEY.key.encode()}\nquorum none\n" if policy is None else policy
    return TrustPolicy.parse(f'allow_unwitnessed = true\n{extra}[log]\npolicy = """{text}"""\n'.encode())


class MemoryLog:
    """The log: entries, and the answers of the HTTP interface that a client uses."""

    def __init__(self, entries: list[bytes] | None = None) -> None:
        self.entries = [] if entries is None else entries
        self.blobs: dict[str, bytes] = {}
        self.requests: list[str] = []

    def root(self, size: int) -> bytes:
        return compute_root(self.nodes(size), size)

    def nodes(self, size: int) -> TileNodes:
        return TileNodes(lambda tiles: [self.tile(tile) for tile in tiles], size)

    def tile(self, tile: Tile) -> bytes:
        _edge, tiles = Edge.empty().append([hash_leaf(entry) for entry in self.entries])
        content = next(content for t, content in tiles if (t.level, t.index) == (tile.level, tile.index))
        assert len(content) >= tile.byte_size
        return content[: tile.byte_size]

    def note(self, size: int) -> bytes:
        return sign_note(Checkpoint(ORIGIN, size, self.root(size)).encode(), LOG_KEY)

    def answer_entry(self, index: int, *, already_logged: bool) -> dict[str, Any]:
        size = len(self.entries)
        return {
            "index": index,
            "leaf_hash_b64u": encode_b64u(hash_leaf(self.entries[index])),
            "entry": self.entries[index].decode(),
            "already_logged": already_logged,
            "tree_size": size,
            "checkpoint": self.note(size).decode(),
            "inclusion_proof": [encode_b64(h) for h in prove_inclusion(self.nodes(size), index, size)],
        }

    def answer_submission(self, envelope: bytes) -> dict[str, Any]:
        entry = read_candidate(parse_envelope(envelope), origin=ORIGIN).entry.encode()
        already_logged = entry in self.entries
        if not already_logged:
            self.entries.append(entry)
        return self.answer_entry(self.entries.index(entry), already_logged=already_logged)

    def answer_consistency(self, old: int, new: int) -> dict[str, Any]:
        proof = prove_consistency(self.nodes(new), old, new)
        return {"from": old, "to": new, "consistency_proof": [encode_b64(h) for h in proof]}

    def answer_inclusion(self, index: int, size: int) -> dict[str, Any]:
        proof = prove_inclusion(self.nodes(size), index, size)
        leaf_hash = encode_b64u(hash_leaf(self.entries[index]))
        return {
            "index": index,
            "leaf_hash_b64u": leaf_hash,
            "tree_size": size,
            "inclusion_proof": [encode_b64(h) for h in proof],
        }

    def answer_checkpoint(self) -> bytes:
        return self.note(len(self.entries))

    def answer_bundle(self, index: int, width: int) -> bytes | None:
        return encode_bundle(self.entries[index * 256 : index * 256 + width])

    # Routes.

    async def post_entries(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if request.content_type != NDJSON:
            return web.json_response(self.answer_submission(body), status=201)
        response = web.StreamResponse(headers={"Content-Type": NDJSON})
        await response.prepare(request)
        for line in body.splitlines():
            await response.write(json.dumps(self.answer_submission(line)).encode() + b"\n")
        return response

    async def get_entry(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(self.answer_entry(int(request.match_info["index"]), already_logged=True))

    async def list_entries(self, _request: web.Request) -> web.StreamResponse:
        listed = [
            {"index": index, "leaf_hash_b64u": encode_b64u(hash_leaf(entry)), "entry": entry.decode()}
            for index, entry in enumerate(self.entries)
        ]
        return web.json_response({"entries": listed, "complete_to": len(self.entries), "next_cursor": None})

    async def get_consistency(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(self.answer_consistency(int(request.query["from"]), int(request.query["to"])))

    async def get_inclusion(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(self.answer_inclusion(int(request.query["index"]), int(request.query["tree_size"])))

    async def get_checkpoint(self, _request: web.Request) -> web.StreamResponse:
        return web.Response(body=self.answer_checkpoint())

    async def get_tile(self, request: web.Request) -> web.StreamResponse:
        path = request.path.removeprefix("/")
        if path.startswith("tile/entries/"):
            body = self.answer_bundle(*parse_entry_bundle_path(path))
            return web.Response(body=body) if body is not None else web.Response(status=404)
        return web.Response(body=self.tile(parse_tile_path(path)))

    async def put_blob(self, request: web.Request) -> web.StreamResponse:
        import hashlib  # noqa: PLC0415

        data = await request.read()
        address = encode_b64u(hashlib.sha256(data).digest())
        self.blobs[address] = data
        return web.json_response({"sha256_b64u": address, "size": len(data)}, status=201)

    async def get_blob(self, request: web.Request) -> web.StreamResponse:
        return web.Response(body=self.blobs[request.match_info["address"]])

    def application(self) -> web.Application:
        @web.middleware
        async def note_request(request: web.Request, handler: Callable[..., Any]) -> web.StreamResponse:
            self.requests.append(f"{request.method} {request.path}")
            response = await handler(request)
            assert isinstance(response, web.StreamResponse)
            return response

        application = web.Application(middlewares=[note_request], client_max_size=2**24)
        application.router.add_post("/v1/entries", self.post_entries)
        application.router.add_get("/v1/entries", self.list_entries)
        application.router.add_get("/v1/entries/{index}", self.get_entry)
        application.router.add_get("/v1/proofs/consistency", self.get_consistency)
        application.router.add_get("/v1/proofs/inclusion", self.get_inclusion)
        application.router.add_post("/v1/payloads", self.put_blob)
        application.router.add_get("/v1/payloads/{address}", self.get_blob)
        application.router.add_get("/checkpoint", self.get_checkpoint)
        application.router.add_get("/{path:tile/.*}", self.get_tile)
        return application


@asynccontextmanager
async def client_of(
    log: MemoryLog,
    *,
    memory: CheckpointMemory | None = None,
    trust: TrustPolicy | None = None,
    clock: Callable[[], float] = lambda: 0.0,
    timeout_s: float = PATIENCE_S,
) -> AsyncIterator[LogClient]:
    """A client of `log` over a real loopback connection."""
    server = TestServer(log.application(), host="127.0.0.1")
    await server.start_server()
    try:
        async with open_session() as session:
            trust = make_trust() if trust is None else trust
            yield LogClient(str(server.make_url("/")), trust, session, memory=memory, clock=clock, timeout_s=timeout_s)
    finally:
        await server.close()
