"""Shared memory: a reader sees a record whole, the newest one, and never waits for a writer that is gone."""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from tests.waiting import PATIENCE_S
from trustlog.log.shared import SLOT_BYTES, SharedSlots

RECORDS = st.binary(max_size=300)


def fork(run: Callable[[], None]) -> int:
    """Another process that shares our memory, and does nothing but `run`; it ends after some minutes at the latest."""
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # the test runner may have threads; the child uses none of theirs
        pid = os.fork()
    if pid == 0:
        signal.alarm(int(PATIENCE_S))
        try:
            run()
        finally:
            os._exit(0)
    return pid


def test_a_slot_that_was_never_written_is_empty() -> None:
    assert SharedSlots(2).slot(1).read() == b""


@given(st.lists(st.tuples(st.integers(0, 2), RECORDS), max_size=20))
def test_each_slot_holds_what_was_written_last(writes: list[tuple[int, bytes]]) -> None:
    slots = SharedSlots(3)
    expected = [b""] * 3
    for number, record in writes:
        slots.slot(number).write(record)
        expected[number] = record
        assert [slots.slot(i).read() for i in range(3)] == expected


def test_the_largest_record_fits_and_touches_no_neighbour() -> None:
    slots = SharedSlots(2)
    slots.slot(1).write(b"neighbour")
    slots.slot(0).write(b"x" * (SLOT_BYTES - 64))
    assert (len(slots.slot(0).read()), slots.slot(1).read()) == (SLOT_BYTES - 64, b"neighbour")


def test_the_same_object_is_read_until_something_is_written() -> None:
    slot = SharedSlots(1).slot(0)
    slot.write(b"record")
    first = slot.read()
    assert slot.read() is first
    slot.write(b"record")
    assert slot.read() == b"record"
    assert slot.read() is not first


def test_another_process_sees_every_record_written_after_the_one_it_read() -> None:
    """Of equal length, so that only the counter tells them apart."""
    slots = SharedSlots(2)
    ours, theirs = os.pipe(), os.pipe()

    def answer() -> None:
        for i in range(20):
            os.read(ours[0], 1)
            slots.slot(1).write(slots.slot(0).read() + b"%02d" % i)
            os.write(theirs[1], b".")

    pid = fork(answer)
    answers, seen = slots.slot(1), []
    for i in range(20):
        slots.slot(0).write(b"ask %02d:" % i)
        os.write(ours[1], b".")
        os.read(theirs[0], 1)
        seen.append(answers.read())
    os.waitpid(pid, 0)
    for end in (*ours, *theirs):
        os.close(end)
    assert seen == [b"ask %02d:%02d" % (i, i) for i in range(20)]


def test_no_reader_ever_sees_parts_of_two_records() -> None:
    slots = SharedSlots(1)

    def write() -> None:
        number = 0
        while True:
            number += 1
            slots.slot(0).write(bytes((number % 251,)) * (1 + number % 5000))

    pid = fork(write)
    try:
        slot = slots.slot(0)
        seen = {b""}
        while len(seen) < 500:
            record = slot.read()
            assert record == record[:1] * len(record)
            seen.add(record)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_a_writer_that_died_while_it_wrote_leaves_what_was_there_before() -> None:
    slots = SharedSlots(1)
    slot = slots.slot(0)
    slot.write(b"before")
    assert slot.read() == b"before"
    slot.write(b"torn in the middle")
    memory, counter = slot._memory, slot._counter()
    memory[0:8] = (counter + 1).to_bytes(8, "little" if memory[0] == counter & 255 else "big")
    assert [slot.read(), slot.read()] == [b"before", b"before"]
    slot.write(b"after")  # the next writer goes on
    assert slot.read() == b"after"
