"""One run of the bench, from making the load to reading it again."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from trustlog.bench.generating import Target, WriteJob, Written, generating
from trustlog.bench.load import Load, LoadFile, prepare_load
from trustlog.bench.machine import Disk, Machine, describe_machine, measure_disk, measure_ed25519
from trustlog.bench.receipts import Recipe
from trustlog.bench.sample import Sampled, draw_sample, read_again
from trustlog.bench.submitting import Shape
from trustlog.bench.watching import WATCH_S, IndexLag, Memory, Watch
from trustlog.bench.whole import read_whole
from trustlog.client.http import LOOPBACK_HOSTS, open_session, parse_log_url
from trustlog.client.log import LogClient
from trustlog.errors import Refused
from trustlog.formats.envelope import Signer
from trustlog.formats.timestamp import format_timestamp

Report: TypeAlias = Callable[[str, int, int], None]
"""Is told what is being done, how many are done, and how many there are."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be measured: `entries` receipts of the `signers` in turn.

    One in `check_every` is proven in full at once, `sample` of them are read again afterwards, the `whole` log if that is
    asked for. `seed` draws both samples. `directory` is the log's and `pid` its server's, where they are on this machine.
    """

    target: Target
    signers: tuple[Signer, ...]
    entries: int
    shape: Shape
    check_every: int
    sample: int
    seed: int
    whole: bool = False
    directory: Path | None = None
    pid: int | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """What one run was, and what came of it. Bare Ed25519 checks a second were measured before and after."""

    plan: Plan
    machine: Machine
    ed25519_a_second: tuple[float, float]
    file: LoadFile
    signing_s: float
    written: Written
    sampled: Sampled | None
    whole_size: int | None
    failure: Refused | None  # of reading again
    disk: tuple[Disk, Disk] | None  # before and after
    memory: Memory | None
    server_cpu_s: float | None
    index_lag: IndexLag | None

    @property
    def passed(self) -> bool:
        """Whether every receipt was logged, and everything that was checked proven."""
        return self.written.judged.logged == self.plan.entries and self.failure is None


@dataclass(slots=True)
class _Again:
    """What reading again has found so far."""

    sampled: Sampled | None = None
    whole_size: int | None = None
    failure: Refused | None = None


def check_place(url: str) -> None:
    """Refuse (``PARAMETER_INVALID``) to load another machine over plain http."""
    parsed = parse_log_url(url)
    if parsed.scheme != "https" and parsed.host not in LOOPBACK_HOSTS:
        raise Refused(
            "PARAMETER_INVALID",
            "the load goes to this machine, or over https",
            param="log",
            expected="https://…, or http to 127.0.0.1, ::1 or localhost",
            found=url,
            hint="if that log is really meant, add --over-plain-http",
        )


def run_bench(plan: Plan, report: Report) -> Run:
    """Run it. Raises Refused before anything was sent: LOG_UNREACHABLE, what a checkpoint is refused for, STORAGE_FAILED."""
    machine = describe_machine()
    disk_before = None if plan.directory is None else measure_disk(plan.directory)
    asyncio.run(_check_log(plan))
    issued_at = format_timestamp(time.time_ns())
    recipe = Recipe(plan.signers, run=secrets.token_hex(6), issued_at=issued_at, origin=plan.target.trust.origin)
    started_s = time.perf_counter()
    file = prepare_load(
        recipe, plan.entries, processes=machine.cores, report=lambda done, total: report("receipts signed", done, total)
    )
    signing_s = time.perf_counter() - started_s
    try:
        with Load(file) as load:  # held open: its name goes as soon as the generator has it open too
            checks_before = measure_ed25519(machine.cores)
            watch = Watch(plan.target.url, plan.pid)
            written = _write(plan, file, watch, report)
            checks_after = measure_ed25519(machine.cores)
            again = asyncio.run(_read_again(plan, load, written, report))
    finally:
        file.remove()
    return Run(
        plan=plan,
        machine=machine,
        ed25519_a_second=(checks_before, checks_after),
        file=file,
        signing_s=signing_s,
        written=written,
        sampled=again.sampled,
        whole_size=again.whole_size,
        failure=again.failure,
        disk=None if disk_before is None or plan.directory is None else (disk_before, measure_disk(plan.directory)),
        memory=watch.memory(),
        server_cpu_s=watch.server_cpu_s(),
        index_lag=watch.index_lag(),
    )


def _write(plan: Plan, file: LoadFile, watch: Watch, report: Report) -> Written:
    job = WriteJob(plan.target, file, plan.shape, plan.check_every, plan.seed)
    with generating(job) as generator:
        generator.await_ready()
        file.remove()
        watch.look(0)
        generator.begin()
        while (written := generator.poll(WATCH_S)) is None:
            watch.look(generator.done)
            report("receipts answered", generator.done, plan.entries)
        watch.look(written.judged.total)
        report("receipts answered", written.judged.total, plan.entries)
        return written


async def _check_log(plan: Plan) -> None:
    """Is it this log? Before anything is signed for it or sent to it."""
    async with open_session() as session:
        target = plan.target
        await LogClient(target.url, target.trust, session, credential=target.credential).checkpoint()


async def _read_again(plan: Plan, load: Load, written: Written, report: Report) -> _Again:
    again = _Again()
    async with open_session() as session:
        client = LogClient(plan.target.url, plan.target.trust, session, credential=plan.target.credential)
        try:
            numbers = draw_sample(written.judged, plan.sample, seed=plan.seed)
            again.sampled = await read_again(client, load, written.judged, numbers=numbers)
            if plan.whole:
                again.whole_size = await read_whole(
                    client, load, written.judged, lambda done, total: report("entries read back", done, total)
                )
        except Refused as refusal:
            again.failure = refusal
    return again
