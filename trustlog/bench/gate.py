"""The gate under load: many prepared changes on a log made for the run, asked for over HTTP, each once."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp

from trustlog.bench.changes import ACTION, ORIGIN, PreparedChange, Workshop
from trustlog.bench.machine import describe_machine
from trustlog.bench.percentiles import percentile
from trustlog.bench.processes import measure_usage, sum_cpu_s
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
INCLUDED: Final = (
    "from request to answer over HTTP: token, judgement, signed record, logged (SQLite WAL, synchronous=FULL), published,"
    " read back and proven to the signed root, released"
)


@dataclass(frozen=True, slots=True)
class GatePlan:
    """How many changes, asked for over how many connections."""

    changes: int
    connections: int


@dataclass(frozen=True, slots=True)
class GateRun:
    """What came out: latencies in seconds, CPU seconds, answers by first reason code ("" for allow)."""

    plan: GatePlan
    latencies_s: Sequence[float]
    elapsed_s: float
    gate_cpu_s: float
    log_cpu_s: float
    load_cpu_s: float
    judge_s: float
    answers: Counter[str]
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
        changes = [workshop.change(number) for number in range(plan.changes)]
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
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=plan.connections)) as session:
        url = gate["url"]
        await _await_warm(session, url, 2 + sum(len(change.envelopes) for change in changes))
        for change in changes:  # each job was looked at before, as a ticket system's reading does
            await _ask(session, url, change, "ticket.read")
        waiting = list(reversed(changes))
        latencies: list[float] = []
        answers: Counter[str] = Counter()

        async def ask() -> None:
            while waiting:
                change = waiting.pop()
                began_s = time.perf_counter()
                answer = await _ask(session, url, change, ACTION)
                latencies.append(time.perf_counter() - began_s)
                answers[answer["reason_code"] or ""] += 1

        before = [measure_usage(one["pid"]) for one in (gate, log)]
        began_s, began_cpu_s = time.perf_counter(), time.process_time()
        await asyncio.gather(*(ask() for _ in range(plan.connections)))
        elapsed_s, load_cpu_s = time.perf_counter() - began_s, time.process_time() - began_cpu_s
        after = [measure_usage(one["pid"]) for one in (gate, log)]
        async with session.get(f"{url}/readyz") as ready:
            view_size = (await ready.json())["view_size"]
    used = [sum_cpu_s([one for one in pair if one is not None]) for pair in zip(before, after, strict=True)]
    rss_bytes = 0 if after[0] is None else after[0].rss_bytes
    return GateRun(plan, latencies, elapsed_s, used[0], used[1], load_cpu_s, judge_s, answers, view_size, rss_bytes)


async def _ask(session: aiohttp.ClientSession, url: str, change: PreparedChange, action: str) -> dict[str, Any]:
    body = {
        "action": action,
        "ticket": change.ticket,
        "token": change.token,
        "audience": "bench",
        "nonce": os.urandom(12).hex(),
    }
    async with session.post(f"{url}/v1/decisions", json=body) as response:
        answer: dict[str, Any] = await response.json()
        if response.status != 200:
            raise Refused("UNAVAILABLE", f"the gate answered {response.status}", found=answer.get("code"))
        return answer


async def _await_warm(session: aiohttp.ClientSession, url: str, size: int) -> None:
    """Until the gate has read `size` entries."""
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        async with session.get(f"{url}/readyz") as response:
            if response.status == 200 and (await response.json())["view_size"] >= size:
                return
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


def compute_gate_figures(run: GateRun) -> dict[str, Any]:
    """The figures of a run, as ``--json`` prints them; latencies in milliseconds."""
    asked = len(run.latencies_s)
    return {
        "machine": asdict(describe_machine()),
        "included": INCLUDED,
        "a_change": "three receipts, a dry run, two approvals of two people; each asked for once, and looked at once before",
        "changes": run.plan.changes,
        "connections": run.plan.connections,
        "allowed": run.answers[""],
        "denied": {code: count for code, count in run.answers.items() if code},
        "elapsed_s": round(run.elapsed_s, 3),
        "decisions_a_second": round(asked / run.elapsed_s, 1),
        "decisions_a_second_of_gate_cpu": round(asked / run.gate_cpu_s, 1) if run.gate_cpu_s else None,
        "latency_ms": {
            f"p{share * 100:g}": round(percentile(run.latencies_s, share) * 1000, 2) for share in (0.5, 0.95, 0.99)
        },
        "gate_cpu_ms_a_decision": round(run.gate_cpu_s / asked * 1000, 3),
        "log_cpu_ms_a_decision": round(run.log_cpu_s / asked * 1000, 3),
        "load_cpu_ms_a_decision": round(run.load_cpu_s / asked * 1000, 3),
        "judge_alone_ms": round(run.judge_s * 1000, 3),
        "judge_alone_a_second": round(1 / run.judge_s, 1),
        "view_size": run.view_size,
        "gate_rss_bytes": run.rss_bytes,
    }


def describe_gate(figures: dict[str, Any]) -> list[str]:
    """The figures as lines for a person."""
    machine, latency = figures["machine"], figures["latency_ms"]
    rows = {
        "machine": f"{machine['cores']} cores, {machine['cpu']}, Python {machine['python']}; load average"
        f" {machine['load_average']} after; gate, log and load share them",
        "included": figures["included"],
        "a change": figures["a_change"],
        "load": f"{figures['changes']:,} changes over {figures['connections']} connections",
        "result": f"{figures['allowed']:,} allowed in {figures['elapsed_s']:.2f} s: {figures['decisions_a_second']:,.0f}"
        f" decisions/s; {figures['decisions_a_second_of_gate_cpu'] or 0:,.0f} a second of the gate's CPU",
        "denied": ", ".join(f"{count:,} {code}" for code, count in sorted(figures["denied"].items())),
        "latency": ", ".join(f"{name} {value:.1f} ms" for name, value in latency.items()),
        "cpu": f"a decision: gate {figures['gate_cpu_ms_a_decision']} ms, log {figures['log_cpu_ms_a_decision']} ms, load"
        f" {figures['load_cpu_ms_a_decision']} ms",
        "judge alone": f"{figures['judge_alone_ms']} ms, {figures['judge_alone_a_second']:,.0f} a second, in process",
        "view": f"{figures['view_size']:,} entries, {figures['gate_rss_bytes'] / 2**20:,.0f} MiB",
    }
    return [f"{name:<12}{text}" for name, text in rows.items() if text]


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
