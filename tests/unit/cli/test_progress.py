"""Progress says nothing about what is done at once, and enough about what takes long."""

from __future__ import annotations

import io

from trustlog.cli.progress import LINE_S, QUIET_S, ProgressBar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_what_is_done_within_two_seconds_needs_no_word() -> None:
    for stream in (io.StringIO(), Terminal()):
        clock = Clock()
        bar = ProgressBar(stream=stream, clock=clock)
        for done in range(101):
            clock.now = done / 100 * (QUIET_S - 0.1)
            bar("things done", done, 100)
        bar.close()
        assert stream.getvalue() == ""


def test_in_a_file_it_is_a_line_now_and_then() -> None:
    stream, clock = io.StringIO(), Clock()
    bar = ProgressBar(stream=stream, clock=clock)
    for done in range(101):
        clock.now = QUIET_S + done * LINE_S / 50 + 0.01
        bar("things done", done, 100)
    bar.close()
    assert stream.getvalue().splitlines() == [f"{n}%: {n} of 100 things done" for n in (0, 50, 100)]


def test_on_a_terminal_it_is_one_line_that_ends() -> None:
    stream, clock = Terminal(), Clock()
    bar = ProgressBar(stream=stream, clock=clock)
    for what in ("pages copied", "entries checked"):
        for done in range(11):
            clock.now += 1
            bar(what, done, 10)
    bar.close()
    first, second, rest = stream.getvalue().split("\n")
    assert first.split("\r")[-1].endswith("] 100% 10 of 10 pages copied")
    assert second.split("\r")[-1].endswith(f"[{'#' * 30}] 100% 10 of 10 entries checked")
    assert rest == ""


def test_nothing_of_nothing_is_done() -> None:
    stream, clock = io.StringIO(), Clock()
    bar = ProgressBar(stream=stream, clock=clock)
    clock.now = QUIET_S + 1
    bar("entries checked", 0, 0)
    assert stream.getvalue() == "100%: 0 of 0 entries checked\n"
