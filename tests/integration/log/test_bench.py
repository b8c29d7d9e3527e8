"""The bench counts what a log answers as it must, proves a sample of it, and finds out a log that lies."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.integration.log.actors import ACTORS, ORIGIN
from tests.integration.log.conftest import Service, serving
from trustlog.bench.answer import Answer
from trustlog.bench.exchange import Request
from trustlog.bench.generating import Target, WriteJob, Written
from trustlog.bench.judging import Judge
from trustlog.bench.load import Load, prepare_load
from trustlog.bench.machine import describe_machine, measure_disk, measure_ed25519
from trustlog.bench.processes import measure_usage, read_lock
from trustlog.bench.reading import KINDS, RandomReads, Read, ReadJob
from trustlog.bench.receipts import Recipe
from trustlog.bench.sample import Sampled, draw_sample, read_again
from trustlog.bench.submitting import Shape
from trustlog.bench.view import View, read_view
from trustlog.bench.whole import read_whole
from trustlog.client.http import open_session
from trustlog.client.log import LogClient
from trustlog.errors import Refused
from trustlog.keys.signer import SeedSigner
from trustlog.log.directory import LogDirectory

Edit = Callable[[list[dict[str, Any]]], object]


def make_load(count: int, *, signer: SeedSigner = ACTORS.gateway) -> Load:
    recipe = Recipe((signer,), run="test", issued_at="2026-01-01T00:00:00Z", origin=ORIGIN)
    return Load(prepare_load(recipe, count, processes=1, report=lambda _done, _total: None))


@pytest.fixture
def load() -> Iterator[Load]:
    with make_load(50) as made:
        yield made
        made.file.remove()


def target_of(service: Service) -> Target:
    return Target(service.url, service.log.directory.read_trust())


async def write(service: Service, load: Load, shape: Shape, *, check_every: int = 8) -> Written:
    job = WriteJob(target_of(service), load.file, shape, check_every, 1)
    return await asyncio.to_thread(job.run, lambda: None, lambda _done: None)


async def sample(service: Service, load: Load, written: Written) -> Sampled:
    async with open_session() as session:
        numbers = draw_sample(written.judged, 5, seed=1)
        return await read_again(
            LogClient(service.url, service.log.directory.read_trust(), session), load, written.judged, numbers=numbers
        )


async def whole(service: Service, load: Load, written: Written) -> int:
    async with open_session() as session:
        client = LogClient(service.url, service.log.directory.read_trust(), session)
        return await read_whole(client, load, written.judged, lambda _done, _total: None)


SHAPES = [
    Shape(connections=1, batch=256, one_by_one=False),
    Shape(connections=3, batch=7, one_by_one=False),
    Shape(connections=5, batch=256, one_by_one=True),
    Shape(connections=2, batch=10, one_by_one=False, rate=1000.0),
]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
async def test_every_receipt_is_logged_once_proven_and_found_again(service: Service, load: Load, shape: Shape) -> None:
    written = await write(service, load, shape)
    judged = written.judged
    assert (judged.logged, judged.first_refusal, service.log.published.size) == (50, None, 50)
    assert sorted(judged.indexes) == list(range(50))
    assert max(7, judged.checkpoints_seen) <= judged.proven <= 7 + judged.checkpoints_seen
    assert len(written.answers.latencies_s) == -(-50 // shape.receipts_a_request)
    assert sum(written.answers.receipts) == 50
    if shape.rate:
        assert written.elapsed_s >= 40 / shape.rate
    sampled = await sample(service, load, written)
    assert (sampled.entries, sampled.tree_size) == (5, 50)
    assert sampled.checkpoints >= 1
    assert sampled.index_lag_s is not None
    assert await whole(service, load, written) == 50


async def answer_to(service: Service, load: Load) -> bytes:
    answer = await service.post(bytes(load.lines(0, load.count)), content_type="application/x-ndjson")
    assert answer.status == 200
    return answer.body


def answer(body: bytes, status: int = 200) -> Answer:
    return Answer(status, (body[:1000], body[1000:]))


def edited(body: bytes, edit: Edit) -> Answer:
    lines = [json.loads(line) for line in body.splitlines()]
    edit(lines)
    return answer(b"".join(json.dumps(line).encode() + b"\n" for line in lines))


def changed(line: dict[str, Any], member: str) -> None:
    line[member] = ("B" if line[member][0] == "A" else "A") + line[member][1:]


PLAIN_EDITS: dict[str, tuple[Edit, str]] = {
    "beyond the tree": (lambda lines: lines[7].update(index=50), "INCLUSION_PROOF_INVALID"),
    "before the tree": (lambda lines: lines[7].update(index=-1), "INCLUSION_PROOF_INVALID"),
    "another leaf hash": (lambda lines: changed(lines[7], "leaf_hash_b64u"), "LOG_LIES"),
    "another's answer": (lambda lines: lines.__setitem__(7, lines[8]), "LOG_LIES"),
    "another size": (lambda lines: lines[7].update(tree_size=49), "LOG_RESPONSE_INVALID"),
    "already logged": (lambda lines: lines[7].update(already_logged=True), "LOG_RESPONSE_INVALID"),
    "an unsigned checkpoint": (
        lambda lines: lines[7].update(checkpoint=lines[7]["checkpoint"].replace("\n50\n", "\n51\n")),
        "NOTE_UNVERIFIED",
    ),
    "a refusal": (lambda lines: lines.__setitem__(7, {"code": "CONFLICT", "detail": "x", "index": 7}), "CONFLICT"),
    "nonsense": (lambda lines: lines[7].clear(), "LOG_RESPONSE_INVALID"),
}
HIDDEN_EDITS: dict[str, tuple[Edit, str]] = {
    "another index": (lambda lines: lines[7].update(index=8), "INCLUSION_PROOF_INVALID"),
    "a shorter proof": (lambda lines: lines[7]["inclusion_proof"].pop(), "INCLUSION_PROOF_INVALID"),
    "a longer proof": (lambda lines: lines[7]["inclusion_proof"].append("A" * 43 + "="), "INCLUSION_PROOF_INVALID"),
    "a wrong proof": (lambda lines: lines[7]["inclusion_proof"].__setitem__(2, "A" * 43 + "="), "INCLUSION_PROOF_INVALID"),
    "another entry": (
        lambda lines: lines[7].update(entry=lines[7]["entry"].replace("bench", "bensh")),
        "LOG_RESPONSE_INVALID",
    ),
}


def judge_of(service: Service, load: Load, check_every: int) -> Judge:
    return Judge(load, service.log.directory.read_trust(), check_every=check_every, seed=1)


@pytest.mark.parametrize("name", [*PLAIN_EDITS, *HIDDEN_EDITS])
async def test_an_answer_that_is_proven_in_full_must_be_right_in_everything(service: Service, load: Load, name: str) -> None:
    edit, code = {**PLAIN_EDITS, **HIDDEN_EDITS}[name]
    judge = judge_of(service, load, 1)
    judge.judge(edited(await answer_to(service, load), edit), 0, 50, lines=True)
    assert judge.judged.logged == 49
    assert sum(judge.judged.refused.values()) == 1
    if name not in PLAIN_EDITS:
        assert dict(judge.judged.refused) == {code: 1}
    assert judge.judged.indexes[7] == -1


@pytest.mark.parametrize("name", PLAIN_EDITS)
async def test_the_cheap_test_alone_finds_what_is_plainly_wrong(service: Service, load: Load, name: str) -> None:
    edit, code = PLAIN_EDITS[name]
    judge = judge_of(service, load, 1024)
    judge.judge(edited(await answer_to(service, load), edit), 0, 50, lines=True)
    assert (judge.judged.logged, dict(judge.judged.refused)) == (49, {code: 1})
    assert judge.judged.first_refusal is not None
    assert judge.judged.proven <= 2


async def test_the_first_answer_under_a_checkpoint_is_proven_whatever_is_drawn(service: Service, load: Load) -> None:
    body = await answer_to(service, load)
    judge = judge_of(service, load, 1024)
    judge.judge(edited(body, lambda lines: [line["inclusion_proof"].pop() for line in lines]), 0, 50, lines=True)
    assert (judge.judged.logged, dict(judge.judged.refused)) == (0, {"INCLUSION_PROOF_INVALID": 50})


async def test_one_index_for_two_receipts_is_found_out_afterwards(service: Service, load: Load) -> None:
    written = await write(service, load, SHAPES[0])
    written.judged.indexes[7] = written.judged.indexes[8]
    with pytest.raises(Refused) as raised:
        await sample(service, load, written)
    assert raised.value.code == "LOG_LIES"


async def test_two_indexes_exchanged_are_found_out_by_the_whole_log(service: Service, load: Load) -> None:
    written = await write(service, load, SHAPES[0])
    indexes = written.judged.indexes
    indexes[7], indexes[8] = indexes[8], indexes[7]
    with pytest.raises(Refused) as raised:
        await whole(service, load, written)
    assert raised.value.code == "LOG_LIES"


async def test_a_refused_request_and_a_short_answer_count_whole(service: Service, load: Load) -> None:
    body = await answer_to(service, load)
    judge = judge_of(service, load, 8)
    judge.judge(answer(b"".join(body.splitlines(keepends=True)[:-1])), 0, 50, lines=True)
    judge.judge(answer(body + b"{}"), 0, 50, lines=True)
    judge.judge(answer(json.dumps({"code": "UNAVAILABLE", "detail": "full"}).encode(), 503), 0, 50, lines=True)
    judge.judge(answer(b"", 302), 0, 50, lines=True)
    assert judge.judged.logged == 0
    assert dict(judge.judged.refused) == {"LOG_RESPONSE_INVALID": 150, "UNAVAILABLE": 50}


async def test_a_log_that_trusts_another_key_refuses_every_receipt(service: Service) -> None:
    with make_load(20, signer=ACTORS.stranger) as load:
        written = await write(service, load, Shape(connections=2, batch=5, one_by_one=False))
        load.file.remove()
    assert (written.judged.logged, dict(written.judged.refused)) == (0, {"SIGNER_NOT_TRUSTED": 20})


async def view_of(service: Service, load: Load) -> View:
    await answer_to(service, load)
    async with open_session() as session:
        return await read_view(LogClient(service.url, service.log.directory.read_trust(), session), seed=1)


@pytest.mark.parametrize("count", [1, 50, 256, 700])
async def test_reads_of_every_kind_are_proven(service: Service, count: int) -> None:
    with make_load(count) as load:
        view = await view_of(service, load)
        load.file.remove()
    assert view.size == count
    job = ReadJob(target_of(service), view, 3, 0.5, 2, 1)
    read: Read = await asyncio.to_thread(job.run, lambda: None, lambda _done: None)
    assert read.refused == {}
    for kind in KINDS:
        reads = read.kinds[kind]
        assert reads.answered == len(reads.latencies_s) > 0
        assert 0 < reads.proven <= reads.answered


@pytest.mark.parametrize("kind", KINDS)
async def test_a_read_that_was_altered_is_refused(service: Service, load: Load, kind: str) -> None:
    view = await view_of(service, load)
    source = RandomReads(view, target_of(service).heads(), check_every=1, seed=1)
    source.ends_s = 1.0
    request, honest, wrong = None, b"", b""
    while request is None or request.what[0] != kind or wrong == honest:  # some consistency proofs have no hash to alter
        taken = source.take(0.0)
        assert isinstance(taken, Request)
        request = taken
        honest = (await service.get(request.head.split(b" ")[1].decode())).body
        wrong = honest.replace(b"=", b"", 1) if honest.startswith(b"{") else honest[:-1] + bytes([honest[-1] ^ 1])
    source.answered(request, answer(wrong), 0.0, 0.0)
    assert source.read.answered == 0
    assert sum(source.read.refused.values()) == 1
    source.answered(request, answer(honest), 0.0, 0.0)
    assert source.read.kinds[kind].proven == 1


async def test_the_machine_is_described_and_measured(directory: LogDirectory) -> None:
    machine = describe_machine()
    assert machine.cores >= 1
    assert machine.cpu
    assert measure_ed25519(1, seconds=0.1) > 100
    with pytest.raises(Refused):
        measure_disk(directory.path.parent)
    assert read_lock(directory.path.parent) is None
    async with serving(directory):
        assert measure_disk(directory.path).log_bytes > 0
        pid = read_lock(directory.path)
        assert pid == os.getpid()
        usage = measure_usage(pid)
        assert usage is not None
        assert usage.rss_bytes > 2**20
        assert usage.cpu_s[pid] > 0
