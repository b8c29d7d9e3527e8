"""One run of the bench, from making the load to reading it again."""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from trustlog.bench.load import Driver, Measured, Shape
from trustlog.bench.machine import Disk, Machine, describe_machine, measure_disk, measure_ed25519, measure_memory
from trustlog.bench.receipts import Load, ReceiptMaker
from trustlog.bench.sample import Sampled, read_again
from trustlog.client.http import LOOPBACK_HOSTS, open_session, parse_log_url
from trustlog.client.log import LogClient
from trustlog.errors import Refused
from trustlog.formats.envelope import Signer
from trustlog.formats.timestamp import format_timestamp
from trustlog.formats.trustpolicy import TrustPolicy

Report: TypeAlias = Callable[[str, int, int], None]
"""Is told what is being done, how many are done, and how many there are."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be measured: `entries` receipts of `signer`, to the log at `url`, `sample` of them read again.

    `directory` is the log's, where that is on this machine.
    """

    url: str
    trust: TrustPolicy
    signer: Signer
    entries: int
    shape: Shape
    sample: int
    credential: str | None = None
    directory: Path | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """What one run was, and what came of it."""

    plan: Plan
    machine: Machine
    ed25519_a_second: float
    load: Load
    signing_s: float
    measured: Measured
    sampled: Sampled | None
    failure: Refused | None  # of reading the sample again
    disk: tuple[Disk, Disk] | None  # before and after
    memory_bytes: int | None

    @property
    def passed(self) -> bool:
        """Whether every receipt was logged and proven, and the sample too."""
        return self.measured.verified == self.plan.entries and self.failure is None


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
    before = None if plan.directory is None else measure_disk(plan.directory)
    issued_at = format_timestamp(time.time_ns())
    maker = ReceiptMaker(plan.signer, run=secrets.token_hex(6), issued_at=issued_at, origin=plan.trust.origin)
    started = time.perf_counter()
    load = Load.prepare(maker, plan.entries, lambda done, total: report("receipts signed", done, total))
    signing_s = time.perf_counter() - started
    try:
        ed25519_a_second = measure_ed25519(machine.cores)
        measured, sampled = asyncio.run(_drive(plan, load, report))
    finally:
        load.close()
    return Run(
        plan=plan,
        machine=machine,
        ed25519_a_second=ed25519_a_second,
        load=load,
        signing_s=signing_s,
        measured=measured,
        sampled=None if isinstance(sampled, Refused) else sampled,
        failure=sampled if isinstance(sampled, Refused) else None,
        disk=None if before is None or plan.directory is None else (before, measure_disk(plan.directory)),
        memory_bytes=None if plan.directory is None else measure_memory(plan.directory),
    )


async def _drive(plan: Plan, load: Load, report: Report) -> tuple[Measured, Sampled | Refused]:
    chosen = random.SystemRandom().sample(range(plan.entries), min(plan.sample, plan.entries))
    async with open_session() as session:
        client = LogClient(plan.url, plan.trust, session, credential=plan.credential)
        await client.checkpoint()  # is it this log? before anything is sent to it
        driver = Driver(load, plan.trust, plan.shape, sample=frozenset(chosen))
        measured = await driver.run(
            parse_log_url(plan.url),
            credential=plan.credential,
            report=lambda done, total: report("receipts answered", done, total),
        )
        try:
            return measured, await read_again(client, load, measured)
        except Refused as refusal:
            return measured, refusal
