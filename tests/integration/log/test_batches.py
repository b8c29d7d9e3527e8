"""Many entries at once, and many clients at once, also against the server's real processes."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.integration.log.actors import ACTORS, now, own_record, receipt
from tests.integration.log.conftest import serving
from tests.integration.log.real_server import Server, running
from tests.integration.log.wire import NDJSON, connected, post_head
from tests.support import payloads
from tests.waiting import PATIENCE_S, until
from trustlog.formats.envelope import seal_envelope
from trustlog.log import link
from trustlog.log.commit import Committed, Committer
from trustlog.log.directory import LogDirectory
from trustlog.log.offer import Offer
from trustlog.service.bounds import Bounds

CLIENTS = 24
MIB = 1024 * 1024


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """The writer waits for this before it commits."""
    gate = threading.Event()
    commit = Committer.commit

    def wait_and_commit(committer: Committer, offers: Sequence[Offer]) -> Committed:
        assert gate.wait(PATIENCE_S)
        return commit(committer, offers)

    monkeypatch.setattr(Committer, "commit", wait_and_commit)
    return gate


async def test_who_sends_everything_before_reading_gets_answers_and_a_reason(directory: LogDirectory) -> None:
    lines = [receipt(f"r-{i}") + b" " * 6_000 + b"\n" for i in range(6_000)]  # more than any socket holds, both ways
    async with (
        serving(directory, bounds=Bounds(stall_s=0.3)) as service,
        connected(service.host, service.port, small=True) as wire,
    ):
        await wire.send(post_head(NDJSON, sum(map(len, lines))))
        for line in lines:
            await wire.send(line)
        *answers, last = await wire.lines()
        assert 0 < len(answers) < len(lines)
        assert [answer["index"] for answer in answers] == list(range(len(answers)))
        assert (last["status"], last["code"]) == (408, "REQUEST_TIMEOUT")
        again = await service.post_lines([line.strip() for line in lines[len(answers) - 1 :]])
        assert [answer["index"] for answer in again] == list(range(len(answers) - 1, len(lines)))


async def test_a_batch_too_many_is_told_to_come_again_before_anything_is_read(directory: LogDirectory) -> None:
    async with (
        serving(directory, bounds=Bounds(batches=1)) as service,
        connected(service.host, service.port) as first,
        connected(service.host, service.port) as second,
    ):
        line = receipt("r") + b"\n"
        await first.send(post_head(NDJSON, len(line) + 1) + line)
        await until(lambda: service.log.reader.size() == 1)
        await second.send(post_head(NDJSON, len(line)) + line)
        status, headers, text = await second.answer()
        assert (status, json.loads(text)["code"], headers["retry-after"]) == (503, "UNAVAILABLE", "1")
        assert (await service.post(receipt("single"))).status == 201
        await first.send(b"\n")
        assert [answer.get("index") for answer in await first.lines()] == [0, None]
        assert (await service.post_lines([receipt("r")]))[0]["already_logged"]


async def test_when_too_much_is_under_way_nothing_more_is_promised(
    directory: LogDirectory, gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "MAX_OPEN_ENTRIES", 1)
    async with serving(directory) as service:
        first = asyncio.create_task(service.post(receipt("first")))
        await until(lambda: service.log.link.open_entries == 1)
        second = await service.post(receipt("second"))
        assert (second.status, second.json()["code"], second.headers["Retry-After"]) == (503, "UNAVAILABLE", "1")
        gate.set()
        assert (await first).status == 201
        assert (await service.post(receipt("second"))).status == 201


async def test_a_batch_waits_for_room_and_leaves_some_to_others(
    directory: LogDirectory, gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "MAX_OPEN_ENTRIES", 600)
    async with serving(directory) as service:
        batch = asyncio.create_task(service.post_lines([receipt(f"r-{i}") for i in range(1_000)]))
        await until(lambda: service.log.link.open_entries >= 200)
        single = asyncio.create_task(service.post(receipt("single")))
        await asyncio.sleep(0.2)
        assert service.log.link.open_entries <= 600 * 0.75 + 1
        gate.set()
        assert (await single).status == 201
        answers = await batch
        assert [answer["status"] for answer in answers if "status" in answer] == []
        assert (await single).json()["index"] < answers[-1]["index"]


async def test_a_client_that_vanishes_leaves_its_entries_logged(directory: LogDirectory, gate: threading.Event) -> None:
    async with serving(directory) as service:
        async with connected(service.host, service.port) as wire:
            body = receipt("single")
            await wire.send(post_head("application/json", len(body)) + body)
            await until(lambda: service.log.link.open_entries == 1)
        async with connected(service.host, service.port) as wire:
            lines = b"".join(receipt(f"r-{i}") + b"\n" for i in range(20))
            await wire.send(post_head(NDJSON, len(lines) + 1) + lines)
            await until(lambda: service.log.link.open_entries == 21)
        gate.set()
        await until(lambda: service.log.link.open_entries == 0)
        assert service.log.reader.size() == 21


async def submit_from_many(server: Server, bodies: Sequence[bytes]) -> list[tuple[int, Any]]:
    """Each body over a connection of its own, all of which are open before anything is sent: over both front ends."""
    barrier = asyncio.Barrier(len(bodies))

    async def submit(body: bytes) -> tuple[int, Any]:
        async with connected("127.0.0.1", server.port) as wire:
            await barrier.wait()
            await wire.send(post_head("application/json", len(body)) + body)
            status, _, text = await wire.answer()
            return status, json.loads(text)

    return await asyncio.gather(*(submit(body) for body in bodies))


@pytest.fixture
def server(tmp_path: Path) -> Any:
    with running(tmp_path / "log", workers=2) as running_server:
        yield running_server


async def test_one_entry_raced_over_both_front_ends_gets_one_index(server: Server) -> None:
    for round_number in range(5):
        answers = await submit_from_many(server, [receipt(f"same-{round_number}")] * CLIENTS)
        assert Counter(status for status, _ in answers) == {201: 1, 200: CLIENTS - 1}
        assert {answer["index"] for _, answer in answers} == {round_number}
        assert [answer["already_logged"] for status, answer in answers if status == 201] == [False]
        assert all(answer["already_logged"] for status, answer in answers if status == 200)


def token_issued(number: int) -> bytes:
    names = ("record", "origin", "issued_at", "salt")
    document = payloads.token_issued(scope=[f"change:{number}"])
    members = {name: value for name, value in document.items() if name not in names}
    return own_record("token_issued", ACTORS.issuer, **members)


def proof_bundle(number: int) -> bytes:
    chain = payloads.event_chain()[: number + 1]
    receipts = [
        json.loads(
            receipt(
                f"r-{at}",
                request_hash_b64u=event["payload_hash_b64u"],
                binding={"run_id": payloads.RUN, "event_hash_b64u": event["event_hash_b64u"]},
            )
        )
        for at, event in enumerate(chain)
    ]
    members = {"agent_did": ACTORS.agent.did, "event_chain": chain, "receipts": receipts}
    return seal_envelope("proof_bundle", payloads.proof_bundle(**members), ACTORS.agent, now())


CONTENDERS: dict[str, Callable[[int], bytes]] = {
    "receipt_id": lambda number: receipt("same", model=f"model-{number}"),
    "bundle_id": lambda number: proof_bundle(number % 2),
    "token": token_issued,
}


@pytest.mark.parametrize("make", CONTENDERS.values(), ids=CONTENDERS)
async def test_an_identity_raced_with_different_contents_has_one_holder_and_all_others_are_told_who(
    server: Server, make: Callable[[int], bytes]
) -> None:
    answers = await submit_from_many(server, [make(number) for number in range(CLIENTS)])
    bodies = Counter(status for status, _ in answers)
    assert set(bodies) <= {200, 201, 409}, answers[0]
    assert bodies[201] == 1
    assert bodies[409] >= CLIENTS // 2
    (winner,) = (answer for status, answer in answers if status == 201)
    for status, answer in answers:
        assert answer["index"] == winner["index"]
        if status == 409:
            assert answer["code"] == "CONFLICT"
            assert answer["leaf_hash_b64u"] == winner["leaf_hash_b64u"]


async def test_front_ends_share_connections_and_add_up_what_they_count(server: Server) -> None:
    before, clients = open_sockets(server), 0

    def are_shared() -> bool:
        return all(now > then for now, then in zip(open_sockets(server), before, strict=True))

    async with AsyncExitStack() as stack, asyncio.timeout(PATIENCE_S):
        while clients < CLIENTS or not are_shared():  # however long one of them does not get to run
            wire = await stack.enter_async_context(connected("127.0.0.1", server.port))
            body = receipt(f"r-{clients}")
            await wire.send(post_head("application/json", len(body)) + body)
            assert (await wire.answer())[0] == 201
            clients += 1
            await asyncio.sleep(0.0 if clients < CLIENTS else 0.1)
    expected = (
        f'trustlog_requests_total{{route="/v1/entries",method="POST",status="201"}} {clients}',
        f'trustlog_request_seconds_count{{route="/v1/entries",method="POST"}} {clients}',
        f'trustlog_entries_answered_total{{result="new"}} {clients}',
        f"trustlog_checkpoint_entries_sum {clients}",
    )
    async with aiohttp.ClientSession() as http, asyncio.timeout(PATIENCE_S):
        for _ in range(6):  # whoever is asked
            while True:
                async with http.get(server.url + "/metrics", headers={"Connection": "close"}) as response:
                    text = await response.text()
                if all(line in text.splitlines() for line in expected):
                    break
                await asyncio.sleep(0.05)


async def test_a_long_batch_fills_no_memory_and_holds_up_nobody(tmp_path: Path) -> None:
    with running(tmp_path / "log", workers=1) as server:
        (front_end,) = server.front_ends
        await send_batch(server, 0, 2_000)
        before = peak_memory(front_end)
        all_answered = asyncio.Event()
        batch = asyncio.create_task(send_batch(server, 2_000, 14_000, ends_after=all_answered))
        singles = []
        for number in range(20):
            ((status, answer),) = await submit_from_many(server, [receipt(f"single-{number}")])
            assert status == 201
            singles.append(answer["index"])
        assert not batch.done()
        all_answered.set()
        indexes = await batch
        assert singles[-1] < indexes[-1]
        assert peak_memory(front_end) - before < 16 * MIB


async def send_batch(server: Server, start: int, end: int, *, ends_after: asyncio.Event | None = None) -> list[int]:
    """The indexes of receipts that were sent while their answers were read; the last of them only `ends_after` something."""

    async def send() -> None:
        for number in range(start, end):
            if number == end - 1 and ends_after is not None:
                await ends_after.wait()
            line = receipt(f"r-{number}") + b"\n"
            await wire.send(f"{len(line):x}\r\n".encode() + line + b"\r\n")
        await wire.send(b"0\r\n\r\n")

    head = f"POST /v1/entries HTTP/1.1\r\nHost: x\r\nContent-Type: {NDJSON}\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with connected("127.0.0.1", server.port) as wire:
        await wire.send(head.encode())
        sending = asyncio.create_task(send())
        indexes = [answer["index"] for answer in await wire.lines()]
        await sending
    return indexes


def open_sockets(server: Server) -> list[int]:
    """How many each front end has."""
    folders = [Path(f"/proc/{pid}/fd") for pid in server.front_ends]
    return [sum("socket" in str(link.readlink()) for link in folder.iterdir()) for folder in folders]


def peak_memory(pid: int) -> int:
    """The most that a process ever had resident, in bytes."""
    (line,) = (line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024
