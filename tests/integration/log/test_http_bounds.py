"""What clients that are slow, silent, greedy or broken can do to the service: nothing."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.integration.log.actors import receipt
from tests.integration.log.conftest import Service, serving
from tests.integration.log.real_server import running
from tests.integration.log.wire import NDJSON, Wire, connected, get_head, post_head
from tests.waiting import PATIENCE_S, until
from trustlog.log.directory import LogDirectory
from trustlog.service.bounds import Bounds
from trustlog.service.context import CONNECTIONS, UPLOADS

NEVER = 3600.0
IMPATIENT = Bounds(idle_s=NEVER, body_s=NEVER, unread_s=NEVER, stall_s=NEVER, linger_s=0.1, sweep_s=0.02)


def bounds(**changes: float) -> Bounds:
    """Bounds that are never met but for the `changes`."""
    values = {name: getattr(IMPATIENT, name) for name in IMPATIENT.__slots__}
    return Bounds(**{**values, **changes})


async def drip(wire: Wire, data: bytes) -> None:
    """Send a byte every now and then, as long as anybody takes it."""
    try:
        for byte in data:
            await wire.send(bytes([byte]))
            await asyncio.sleep(0.05)
    except ConnectionError:
        pass


@pytest.mark.parametrize("sent", [b"", b"GE", b"GET / HTTP/1.1\r\nHost: x\r\nX: "], ids=["nothing", "a word", "half a head"])
async def test_a_connection_without_a_request_is_closed(directory: LogDirectory, sent: bytes) -> None:
    async with serving(directory, bounds=bounds(idle_s=0.3)) as service, connected(service.host, service.port) as wire:
        await wire.send(sent)
        assert await wire.is_closed()


async def test_a_head_that_is_dripped_does_not_keep_the_connection_open(directory: LogDirectory) -> None:
    async with serving(directory, bounds=bounds(idle_s=0.3)) as service, connected(service.host, service.port) as wire:
        dripping = asyncio.create_task(drip(wire, b"GET / HTTP/1.1\r\nX: " + b"x" * 1000))
        assert await wire.is_closed()
        dripping.cancel()


async def test_a_kept_alive_connection_is_closed_once_it_is_idle(directory: LogDirectory) -> None:
    async with serving(directory, bounds=bounds(idle_s=1.0)) as service, connected(service.host, service.port) as wire:
        await wire.send(get_head("/healthz"))
        assert (await wire.answer())[0] == 200
        assert await wire.is_closed()


@pytest.mark.parametrize("path", ["/v1/entries", "/v1/payloads"])
async def test_a_body_that_is_dripped_is_refused_and_logs_nothing(directory: LogDirectory, path: str) -> None:
    content_type = "application/json" if path == "/v1/entries" else "application/octet-stream"
    async with serving(directory, bounds=bounds(body_s=0.3)) as service, connected(service.host, service.port) as wire:
        body = receipt("slow")
        await wire.send(post_head(content_type, len(body), path))
        dripping = asyncio.create_task(drip(wire, body))
        status, headers, text = await wire.answer()
        assert (status, json.loads(text)["code"]) == (408, "REQUEST_TIMEOUT")
        assert headers["connection"] == "close"
        assert await wire.is_closed()
        dripping.cancel()
        assert service.log.reader.size() == 0


async def test_a_body_may_take_longer_the_more_of_it_comes(directory: LogDirectory) -> None:
    body = receipt("steady")
    async with (
        serving(directory, bounds=bounds(body_s=0.3, rate=1)) as service,
        connected(service.host, service.port) as wire,
    ):
        await wire.send(post_head("application/json", len(body)) + body[:100])
        for start in range(100, len(body), 100):  # a hundred seconds' worth each
            await asyncio.sleep(0.1)
            await wire.send(body[start : start + 100])
        assert (await wire.answer())[0] == 201


async def test_a_batch_whose_next_line_does_not_come_is_answered_so_far_and_ended(directory: LogDirectory) -> None:
    lines = [receipt(f"r-{i}") + b"\n" for i in range(2)]
    async with serving(directory, bounds=bounds(body_s=0.3)) as service, connected(service.host, service.port) as wire:
        await wire.send(post_head(NDJSON, 10_000) + b"".join(lines))
        dripping = asyncio.create_task(drip(wire, receipt("slow")))
        *answers, last = await wire.lines()
        assert [answer["index"] for answer in answers] == [0, 1]
        assert (last["status"], last["code"]) == (408, "REQUEST_TIMEOUT")
        assert await wire.is_closed()
        dripping.cancel()
        assert service.log.reader.size() == 2


async def test_a_client_that_takes_no_answers_is_cut_off(directory: LogDirectory) -> None:
    asked = 100
    async with (
        serving(directory, bounds=bounds(unread_s=0.3)) as service,
        connected(service.host, service.port, small=True) as wire,
    ):
        await service.post_lines([receipt(f"r-{i}") for i in range(300)])
        answer = len((await service.get("/v1/entries?limit=300&min_size=300")).body)
        await wire.send(get_head("/v1/entries?limit=300&min_size=300") * asked)
        await until(lambda: has_untaken_answers(service))
        await until(lambda: not has_untaken_answers(service))
        received = 0
        try:
            while data := await wire.reader.read(1 << 20):
                received += len(data)
        except ConnectionResetError:
            pass
        assert received < asked * answer
        assert (await service.get("/healthz")).status == 200


async def test_a_client_that_takes_a_large_answer_slowly_gets_it_whole(directory: LogDirectory) -> None:
    payload = bytes(range(256)) * 32 * 1024
    async with (
        serving(directory, bounds=bounds(unread_s=1.5, rate=200)) as service,
        connected(service.host, service.port, small=True) as wire,
    ):
        answer = await service.post(payload, path="/v1/payloads", content_type="application/octet-stream")
        await wire.send(get_head(f"/v1/payloads/{answer.json()['sha256_b64u']}"))
        status, headers = await wire.head()
        assert (status, int(headers["content-length"])) == (200, len(payload))
        received = bytearray()
        while has_untaken_answers(service):
            received += await wire.reader.readexactly(64 * 1024)
            await asyncio.sleep(0.02)
        received += await wire.reader.readexactly(len(payload) - len(received))
        assert received == payload


async def test_bodies_under_way_fill_no_more_memory_than_they_may(directory: LogDirectory) -> None:
    async with (
        serving(directory, bounds=bounds(body_bytes=100_000)) as service,
        connected(service.host, service.port) as first,
        connected(service.host, service.port) as second,
    ):
        plan = b"x" * 90_000
        head = post_head("application/octet-stream", len(plan), "/v1/payloads")
        await first.send(head + plan[:-1])
        await until(lambda: held_bytes(service) == len(plan) - 1)
        await second.send(head + plan)
        status, headers, text = await second.answer()
        assert (status, json.loads(text)["code"], headers["retry-after"]) == (503, "UNAVAILABLE", "1")
        await first.send(plan[-1:])
        assert (await first.answer())[0] == 201
        assert held_bytes(service) == 0
        assert (await service.post(plan, path="/v1/payloads", content_type="application/octet-stream")).status == 200


async def test_a_stop_ends_what_is_still_being_sent_with_a_reason(directory: LogDirectory) -> None:
    body = receipt("half")
    async with (
        serving(directory, bounds=IMPATIENT) as service,
        connected(service.host, service.port) as batch,
        connected(service.host, service.port) as single,
    ):
        await batch.send(post_head(NDJSON, 10_000) + receipt("whole") + b"\n" + body[:100])
        await single.send(post_head("application/json", len(body)) + body[:-1])
        await until(lambda: held_bytes(service) == 100 + len(body) - 1 and service.log.reader.size() == 1)
        stopping = asyncio.create_task(service.runner.cleanup())
        answer, last = await batch.lines()
        assert (answer["index"], last["code"]) == (0, "UNAVAILABLE")
        status, _, text = await single.answer()
        assert (status, json.loads(text)["code"]) == (503, "UNAVAILABLE")
        await stopping


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 5_000 + b"\r\n",
        b"POST /v1/entries HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/entries HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
    ids=["TLS", "version", "long line", "long field", "many fields", "negative length", "two lengths"],
)
async def test_what_is_not_http_is_a_short_400(service: Service, sent: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async with connected(service.host, service.port) as wire:
        await wire.send(sent)
        status, _, text = await wire.answer()
        assert status == 400
        assert len(text) < 1000
        assert b"Traceback" not in text
        assert await wire.is_closed()
    assert [record.message for record in caplog.records if record.levelname in {"WARNING", "ERROR"}] == []


async def test_a_crowd_of_idle_clients_keeps_nobody_out(tmp_path: Path) -> None:
    with running(tmp_path / "log", workers=2, descriptors=64) as server:
        crowd = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(150)]
        answered = 0
        async with asyncio.timeout(PATIENCE_S):
            while answered < 3:  # turned away while all who came before are about to speak
                answered += await is_answered(server.port)
                await asyncio.sleep(0.1)
        for _, writer in crowd:
            writer.transport.abort()
        said = server.stop()
    assert len(said.splitlines()) <= 2, said  # one for each front end
    assert "Traceback" not in said


async def is_answered(port: int) -> bool:
    """Whether a request is answered; else it must be told to come again, or, in a crowd of those, see a reset."""
    async with connected("127.0.0.1", port) as wire:
        try:
            await wire.send(get_head("/checkpoint"))
            status, headers, _ = await wire.answer()
        except (ConnectionError, asyncio.IncompleteReadError):
            return False
    assert status == 200 or (status, headers["retry-after"]) == (503, "1")
    return status == 200


def held_bytes(service: Service) -> int:
    return service.runner.app[UPLOADS].held_bytes


def has_untaken_answers(service: Service) -> bool:
    return service.runner.app[CONNECTIONS].untaken > 0
