"""The gate under load: many prepared changes on a log made for the run, asked for over HTTP, each once."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp

from trustlog.bench.changes import ACTION, ORIGIN, PreparedChange, Workshop
from trustlog.bench.gate_load import Offered, Stretch, look_at, measure_stretch
from trustlog.bench.processes import measure_usage
from trustlog.client.http import open_session
from trustlog.client.log import LogClient
from trustlog.errors import Refused
from trustlog.formats.trustpolicy import TrustPolicy
from trustlog.gate.follow import Reading
from trustlog.gate.identify import GateRequest, identify
from trustlog.gate.judge import Question, judge
from trustlog.keys.file import generate_key_file
from trustlog.log.directory import LogDirectory, init_directory

SUBMIT_AT_ONCE: Final = 256
STORE_AT_ONCE: Final = 16
READY_S: Final = 120.0
STOP_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class GatePlan:
    """The loads, one after the other, each with so many changes of its own."""

    changes: int
    loads: Sequence[Offered]


@dataclass(frozen=True, slots=True)
class GateRun:
    """What came out: a stretch for each load; `judge_s` is the CPU time of one judgement in process."""

    plan: GatePlan
    stretches: Sequence[Stretch]
    judge_s: float
    view_size: int
    rss_bytes: int


def run_gate_bench(place: Path, plan: GatePlan) -> GateRun:
    """Make a log in `place` (an empty directory), serve it and a gate over it, and load the gate."""
    workshop = Workshop(generate_key_file(place / "gate.key"))
    signer = init_directory(place / "log", ORIGIN)
    directory = LogDirectory(place / "log")
    text = workshop.trust_text(signer.key.encode()).encode("utf-8")
    directory.trust_path.write_bytes(text)
    log, log_said = _start("serve", str(place / "log"), "--listen", "127.0.0.1:0")
    try:
        changes = [workshop.change(number) for number in range(plan.changes * len(plan.loads))]
        asyncio.run(_log(log_said["url"], TrustPolicy.parse(text), workshop.rules(), changes))
        gate, gate_said = _start(
            "gate", "serve", "--key", str(place / "gate.key"), "--log", log_said["url"], "--trust", str(directory.trust_path),
            "--state", str(place / "state"), "--listen", "127.0.0.1:0",
        )  # fmt: skip
        try:
            return asyncio.run(_load(plan, changes, log_said, gate_said, TrustPolicy.parse(text)))
        finally:
            _stop(gate)
    finally:
        _stop(log)


async def _log(url: str, trust: TrustPolicy, rules: list[bytes], changes: Sequence[PreparedChange]) -> None:
    async with open_session() as session:
        client = LogClient(url, trust, session)
        turns = asyncio.Semaphore(STORE_AT_ONCE)

        async def store(plan: bytes) -> None:
            async with turns:
                await client.put_payload(plan)

        await asyncio.gather(*(store(change.plan) for change in changes))
        envelopes = [*rules, *(envelope for change in changes for envelope in change.envelopes)]
        for start in range(0, len(envelopes), SUBMIT_AT_ONCE):
            for refusal in await client.offer(envelopes[start : start + SUBMIT_AT_ONCE]):
                if refusal is not None:
                    raise refusal


async def _load(
    plan: GatePlan, changes: Sequence[PreparedChange], log: dict[str, Any], gate: dict[str, Any], trust: TrustPolicy
) -> GateRun:
    judge_s = await _judge_alone(log["url"], trust, changes[: min(len(changes), 200)])
    url, entries = gate["url"], 2 + sum(len(change.envelopes) for change in changes)
    await _await_view(url, entries)
    await look_at(changes, url)  # all of them, or the gate would read ahead while it is measured
    stretches = []
    for number, offered in enumerate(plan.loads):
        own = changes[number * plan.changes : (number + 1) * plan.changes]
        stretches.append(await measure_stretch(offered, own, url, gate_pid=gate["pid"], log_pid=log["pid"]))
    view_size = await _await_view(url, entries)
    usage = measure_usage(gate["pid"])
    return GateRun(plan, stretches, judge_s, view_size, 0 if usage is None else usage.rss_bytes)


async def _await_view(url: str, size: int) -> int:
    """Wait until the gate has read `size` entries; how many it has."""
    deadline = time.monotonic() + READY_S
    async with aiohttp.ClientSession() as session:
        while time.monotonic() < deadline:
            async with session.get(f"{url}/readyz") as response:
                if response.status == 200 and (view_size := int((await response.json())["view_size"])) >= size:
                    return view_size
            await asyncio.sleep(0.1)
    raise Refused("UNAVAILABLE", "the gate did not read the log in time", expected=f"{size} entries")


async def _judge_alone(url: str, trust: TrustPolicy, changes: Sequence[PreparedChange]) -> float:
    """Seconds of CPU that one judgement takes in this process, everything read before."""
    async with open_session() as session:
        reading = Reading(LogClient(url, trust, session))
        await reading.catch_up()
        view = reading.view
        questions = []
        for change in changes:
            request = GateRequest(ACTION, change.ticket, change.token, "bench", "n")
            issuance, _token, findings = identify(view, view.size, request)
            assert issuance is not None
            assert not findings
            plans = await reading.read_job(issuance, view.size)
            questions.append(Question(view, view.size, time.time_ns(), issuance, ACTION, plans))
    for measured in (False, True):
        began_s = time.process_time()
        judgements = [judge(question) for question in questions]
        spent_s = time.process_time() - began_s
        if measured:
            assert all(judgement.allow for judgement in judgements), judgements[0].findings
            return spent_s / len(questions)
    raise AssertionError


def _start(*arguments: str) -> tuple[subprocess.Popen[str], dict[str, Any]]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-m", "trustlog.cli", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)  # noqa: S603 - our own
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        _stop(process)
        raise Refused("UNAVAILABLE", f"trustlog {arguments[0]} did not start", hint="see the lines above")
    return process, json.loads(line)


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(timeout=STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
