"""A real service on loopback, over a log in a temporary directory."""

from __future__ import annotations

import io
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.integration.log.actors import make_log_directory
from trustlog.log.directory import LogDirectory
from trustlog.log.log import Log
from trustlog.service.app import create_app, make_runner
from trustlog.service.bounds import DEFAULT_BOUNDS, Bounds


@dataclass
class Service:
    """A running service and a client of it. `url` ends without a slash."""

    log: Log
    url: str
    host: str
    port: int
    http: aiohttp.ClientSession
    runner: web.AppRunner

    async def post(self, body: bytes, *, path: str = "/v1/entries", content_type: str = "application/json") -> Answer:
        async with self.http.post(
            self.url + path, data=io.BytesIO(body), headers={"Content-Type": content_type}
        ) as response:
            return await Answer.read(response)

    async def get(self, path: str, **headers: str) -> Answer:
        async with self.http.get(self.url + path, headers=headers) as response:
            return await Answer.read(response)

    async def post_lines(self, lines: list[bytes]) -> list[Any]:
        answer = await self.post(b"".join(line + b"\n" for line in lines), content_type="application/x-ndjson")
        assert answer.status == 200, answer
        assert answer.headers["Content-Type"] == "application/x-ndjson"
        return answer.lines()


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]  # names compared without case
    body: bytes

    @classmethod
    async def read(cls, response: aiohttp.ClientResponse) -> Answer:
        return cls(response.status, response.headers, await response.read())

    def json(self) -> Any:
        return json.loads(self.body)

    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.body.splitlines()]


@asynccontextmanager
async def serving(
    directory: LogDirectory, *, now_ns: Callable[[], int] = time.time_ns, bounds: Bounds = DEFAULT_BOUNDS
) -> AsyncIterator[Service]:
    log = await Log.open(directory, now_ns=now_ns)
    runner = make_runner(create_app(log, bounds=bounds), bounds=bounds)
    try:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        async with aiohttp.ClientSession() as http:
            yield Service(log, f"http://{host}:{port}", host, port, http, runner)
    finally:
        await runner.cleanup()
        await log.close()


@pytest.fixture
def directory(tmp_path: Path) -> LogDirectory:
    return make_log_directory(tmp_path / "log")


@pytest.fixture
async def service(directory: LogDirectory) -> AsyncIterator[Service]:
    async with serving(directory) as running:
        yield running
