"""Reading a whole log says how far it has come, on a terminal and after a while, and nothing else of what it says is different."""

from __future__ import annotations

import asyncio
import io
import itertools
import sys

import pytest

from tests.unit.cli.test_progress import Clock, Terminal
from tests.unit.client.lying_log import MemoryLog, client_of, make_entry
from trustlog.cli.progress import QUIET_S, ProgressBar
from trustlog.cli.reading import showing_progress


async def test_on_a_terminal_a_bar_says_how_many_entries_of_all_were_read() -> None:
    stream, clock = Terminal(), Clock()
    bar = ProgressBar(stream=stream, clock=clock)
    clock.now = QUIET_S + 1
    looks, looked_twice = itertools.count(), asyncio.Event()

    def read() -> int:
        if next(looks):
            looked_twice.set()
        return 2

    log = MemoryLog([make_entry(number) for number in range(8)])
    async with client_of(log) as client, showing_progress(client, read, bar=bar, quiet_s=0):
        await looked_twice.wait()
    assert "[########......................]  25% 2 of 8 entries read" in stream.getvalue()
    assert stream.getvalue().endswith("\n")


async def test_work_that_is_done_soon_says_nothing() -> None:
    stream = Terminal()
    bar = ProgressBar(stream=stream, clock=Clock())
    async with client_of(MemoryLog([make_entry(0)])) as client, showing_progress(client, lambda: 0, bar=bar, quiet_s=3600):
        await asyncio.sleep(0)
    assert stream.getvalue() == ""


async def test_elsewhere_than_on_a_terminal_the_log_is_not_even_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    log = MemoryLog([make_entry(0)])
    async with client_of(log) as client, showing_progress(client, lambda: 0, quiet_s=0):
        await asyncio.sleep(0.05)
    assert log.requests == []


async def test_a_log_that_does_not_say_how_long_it_is_stops_nothing() -> None:
    stream = Terminal()
    async with client_of(MemoryLog()) as client:
        client.http.url = client.http.url.with_port(9)
        async with showing_progress(client, lambda: 0, bar=ProgressBar(stream=stream), quiet_s=0):
            await asyncio.sleep(0.05)
    assert stream.getvalue() == ""
