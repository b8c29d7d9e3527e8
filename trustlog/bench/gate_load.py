"""Asking a gate: over connections that ask again when they were answered, or at a rate, whether it answers or not."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from trustlog.bench.changes import ACTION, PreparedChange
from trustlog.bench.processes import measure_usage, sum_cpu_s
from trustlog.errors import Refused

MOST_CONNECTIONS: Final = 256  # of a load at a rate
SEED: Final = 1  # of the arrivals: every run has the same


@dataclass(frozen=True, slots=True)
class Offered:
    """One load: `connections` at once, or `rate` requests a second, as they come from many who know nothing of each other."""

    connections: int | None = None
    rate: float | None = None

    def __str__(self) -> str:
        if self.rate is not None:
            return f"{self.rate:g} a second"
        return f"{self.connections} connection{'' if self.connections == 1 else 's'}"


@dataclass(frozen=True, slots=True)
class Stretch:
    """What came of one load: latencies and CPU times in seconds, answers by first reason code ("" for allow)."""

    offered: Offered
    latencies_s: Sequence[float]
    elapsed_s: float
    gate_cpu_s: float
    log_cpu_s: float
    load_cpu_s: float
    answers: Counter[str]


async def measure_stretch(
    offered: Offered, changes: Sequence[PreparedChange], url: str, *, gate_pid: int, log_pid: int
) -> Stretch:
    """Ask the gate at `url` once for each change."""
    latencies: list[float] = []
    answers: Counter[str] = Counter()
    connector = aiohttp.TCPConnector(limit=offered.connections or MOST_CONNECTIONS)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def decide(change: PreparedChange, due_s: float) -> None:
            answer = await _ask(session, url, change, ACTION)
            latencies.append(time.perf_counter() - due_s)
            answers[answer["reason_code"] or ""] += 1

        before = [measure_usage(pid) for pid in (gate_pid, log_pid)]
        began_s, began_cpu_s = time.perf_counter(), time.process_time()
        if offered.rate is None:
            await _ask_in_turns(decide, changes, offered.connections or 1)
        else:
            await _ask_at(decide, changes, arrivals(offered.rate, len(changes)))
        elapsed_s, load_cpu_s = time.perf_counter() - began_s, time.process_time() - began_cpu_s
        after = [measure_usage(pid) for pid in (gate_pid, log_pid)]
    used = [sum_cpu_s([one for one in pair if one is not None]) for pair in zip(before, after, strict=True)]
    return Stretch(offered, latencies, elapsed_s, used[0], used[1], load_cpu_s, answers)


async def look_at(changes: Sequence[PreparedChange], url: str) -> None:
    """Look at each change once, as a ticket system does: the gate then has read what its job needs."""
    async with aiohttp.ClientSession() as session:
        for change in changes:
            await _ask(session, url, change, "ticket.read")


async def _ask(session: aiohttp.ClientSession, url: str, change: PreparedChange, action: str) -> dict[str, Any]:
    """The gate's answer about an action of a change. Raises Refused (``UNAVAILABLE``) where it gives none."""
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


def arrivals(rate: float, count: int) -> list[float]:
    """When `count` requests come, in seconds from the start: at random (a Poisson process), `rate` a second on average."""
    chance = random.Random(SEED)  # noqa: S311 - nothing is kept secret by it
    times, now_s = [], 0.0
    for _ in range(count):
        now_s += chance.expovariate(rate)
        times.append(now_s)
    return times


async def _ask_in_turns(
    decide: Callable[[PreparedChange, float], Awaitable[None]], changes: Sequence[PreparedChange], connections: int
) -> None:
    waiting = list(reversed(changes))

    async def turn() -> None:
        while waiting:
            await decide(waiting.pop(), time.perf_counter())

    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(turn())


async def _ask_at(
    decide: Callable[[PreparedChange, float], Awaitable[None]], changes: Sequence[PreparedChange], times_s: Sequence[float]
) -> None:
    """A request that comes late, because this process was late, has waited since it was due."""

    async def come(change: PreparedChange, due_s: float) -> None:
        await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
        await decide(change, due_s)

    began_s = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for change, at_s in zip(changes, times_s, strict=True):
            group.create_task(come(change, began_s + at_s))
