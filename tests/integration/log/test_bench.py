"""The bench counts what a log proves, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.integration.log.actors import ACTORS, ORIGIN
from tests.integration.log.conftest import Service, serving
from trustlog.bench.load import Driver, Shape
from trustlog.bench.machine import describe_machine, measure_disk, measure_ed25519, measure_memory
from trustlog.bench.receipts import Load, ReceiptMaker
from trustlog.bench.sample import read_again
from trustlog.bench.wire import Answer
from trustlog.client.http import open_session, parse_log_url
from trustlog.client.log import LogClient
from trustlog.errors import Refused
from trustlog.keys.signer import SeedSigner
from trustlog.log.directory import LogDirectory

Edit = Callable[[dict[str, Any]], object]


def make_load(count: int, *, signer: SeedSigner = ACTORS.gateway, run: str = "test") -> Load:
    maker = ReceiptMaker(signer, run=run, issued_at="2026-01-01T00:00:00Z", origin=ORIGIN)
    return Load.prepare(maker, count, lambda _done, _total: None)


@pytest.fixture
def load() -> Iterator[Load]:
    made = make_load(50)
    yield made
    made.close()


def driver_of(service: Service, load: Load, shape: Shape) -> Driver:
    return Driver(load, service.log.trust, shape, sample=frozenset({0, 7, load.count - 1}))


@pytest.mark.parametrize(
    "shape",
    [
        Shape(connections=1, batch=256, one_by_one=False),
        Shape(connections=3, batch=7, one_by_one=False),
        Shape(connections=5, batch=256, one_by_one=True),
    ],
    ids=str,
)
async def test_every_receipt_is_logged_proven_and_found_again(service: Service, load: Load, shape: Shape) -> None:
    measured = await driver_of(service, load, shape).run(
        parse_log_url(service.url), credential=None, report=lambda _done, _total: None
    )
    assert (measured.verified, measured.first_refusal, service.log.published.size) == (50, None, 50)
    assert len(measured.latencies_s) == -(-50 // shape.receipts_a_request)
    assert set(measured.indexes) == {0, 7, 49}
    async with open_session() as session:
        sampled = await read_again(LogClient(service.url, service.log.trust, session), load, measured)
    assert (sampled.entries, sampled.tree_size) == (3, 50)
    assert sampled.checkpoints >= 1
    assert sampled.index_lag_s is not None


async def answer_to(service: Service, load: Load) -> bytes:
    answer = await service.post(load.lines(0, load.count), content_type="application/x-ndjson")
    assert answer.status == 200
    return answer.body


def edited(body: bytes, edit: Edit) -> bytes:
    lines = [json.loads(line) for line in body.splitlines()]
    edit(lines[7])
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def flip_first(line: dict[str, Any], member: str) -> None:
    line[member] = ("B" if line[member][0] == "A" else "A") + line[member][1:]


EDITS: dict[str, tuple[Edit, str]] = {
    "another index": (lambda line: line.update(index=8), "INCLUSION_PROOF_INVALID"),
    "beyond the tree": (lambda line: line.update(index=10**6), "INCLUSION_PROOF_INVALID"),
    "a shorter proof": (lambda line: line["inclusion_proof"].pop(), "INCLUSION_PROOF_INVALID"),
    "a longer proof": (lambda line: line["inclusion_proof"].append("A" * 43 + "="), "INCLUSION_PROOF_INVALID"),
    "a wrong proof": (lambda line: line["inclusion_proof"].__setitem__(2, "A" * 43 + "="), "INCLUSION_PROOF_INVALID"),
    "another entry": (lambda line: line.update(entry=line["entry"].replace("bench", "bensh")), "LOG_LIES"),
    "another leaf hash": (lambda line: flip_first(line, "leaf_hash_b64u"), "LOG_LIES"),
    "another size": (lambda line: line.update(tree_size=49), "LOG_RESPONSE_INVALID"),
    "already logged": (lambda line: line.update(already_logged=True), "LOG_RESPONSE_INVALID"),
    "an unsigned checkpoint": (
        lambda line: line.update(checkpoint=line["checkpoint"].replace("\n50\n", "\n51\n")),
        "NOTE_UNVERIFIED",
    ),
    "a refusal": (lambda line: line.update(code="CONFLICT", detail="x", entry=None), "CONFLICT"),
    "nonsense": (lambda line: line.clear(), "LOG_RESPONSE_INVALID"),
}


@pytest.mark.parametrize("name", EDITS)
@pytest.mark.parametrize("warm", [False, True], ids=["alone", "after honest answers"])
async def test_an_answer_that_proves_nothing_is_not_counted(service: Service, load: Load, name: str, *, warm: bool) -> None:
    edit, code = EDITS[name]
    body = await answer_to(service, load)
    driver = driver_of(service, load, Shape(connections=1, batch=50, one_by_one=False))
    if warm:
        driver.judge(Answer(200, body), 0, 50)
        assert driver.measured.verified == 50
        driver.measured.verified = 0
    driver.judge(Answer(200, edited(body, edit)), 0, 50)
    assert (driver.measured.verified, dict(driver.measured.refused)) == (49, {code: 1})
    assert driver.measured.first_refusal is not None


async def test_a_refused_request_and_a_short_answer_count_whole(service: Service, load: Load) -> None:
    body = await answer_to(service, load)
    driver = driver_of(service, load, Shape(connections=1, batch=50, one_by_one=False))
    driver.judge(Answer(200, b"".join(body.splitlines(keepends=True)[:-1])), 0, 50)
    driver.judge(Answer(503, json.dumps({"code": "UNAVAILABLE", "detail": "full"}).encode()), 0, 50)
    driver.judge(Answer(302, b""), 0, 50)
    assert driver.measured.verified == 0
    assert dict(driver.measured.refused) == {"LOG_RESPONSE_INVALID": 100, "UNAVAILABLE": 50}


async def test_a_log_that_trusts_another_key_refuses_every_receipt(service: Service) -> None:
    load = make_load(20, signer=ACTORS.stranger)
    driver = driver_of(service, load, Shape(connections=2, batch=5, one_by_one=False))
    measured = await driver.run(parse_log_url(service.url), credential=None, report=lambda _done, _total: None)
    assert (measured.verified, dict(measured.refused)) == (0, {"SIGNER_NOT_TRUSTED": 20})
    load.close()


async def test_a_log_that_forgets_is_found_out_by_the_sample(service: Service, load: Load) -> None:
    driver = driver_of(service, load, Shape(connections=1, batch=50, one_by_one=False))
    measured = await driver.run(parse_log_url(service.url), credential=None, report=lambda _done, _total: None)
    measured.indexes[7] = 8
    async with open_session() as session:
        with pytest.raises(Refused) as raised:
            await read_again(LogClient(service.url, service.log.trust, session), load, measured)
    assert raised.value.code == "LOG_LIES"


async def test_the_machine_is_described_and_measured(directory: LogDirectory) -> None:
    machine = describe_machine()
    assert machine.cores >= 1
    assert machine.cpu
    assert measure_ed25519(1, seconds=0.1) > 100
    with pytest.raises(Refused):
        measure_disk(directory.path.parent)
    async with serving(directory):
        disk = measure_disk(directory.path)
        assert disk.log_bytes > 0
        assert (measure_memory(directory.path) or 0) > 2**20
