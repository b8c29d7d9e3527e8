"""Memory that the processes of one log share: small records, each written by one process and read by all.

A record is written between two steps of a counter and carries a checksum, so a reader that comes in between notices, and reads
again. There is no lock: a process that is killed while it writes holds up nobody for longer than its own end takes.
"""

from __future__ import annotations

import mmap
import struct
import time
import zlib
from typing import Final

SLOT_BYTES: Final = 128 * 1024
_HEAD: Final = struct.Struct("=QII")  # a counter, odd while being written; the length; CRC-32
_COUNTER: Final = struct.Struct("=Q")
_PATIENCE_S: Final = 1.0


class SharedSlots:
    """A number of slots, all empty at first. Make it before the processes part; all of them then see the same bytes."""

    def __init__(self, count: int) -> None:
        memory = mmap.mmap(-1, count * SLOT_BYTES)
        self._slots = [Slot(memory, number * SLOT_BYTES) for number in range(count)]

    def slot(self, number: int) -> Slot:
        """One of them: always the same object, which remembers what was read last."""
        return self._slots[number]


class Slot:
    """One record in shared memory: one process writes, any reads."""

    def __init__(self, memory: mmap.mmap, start: int) -> None:
        self._memory = memory
        self._start = start
        self._seen = (-1, b"")  # the counter and its record: one attribute, so that threads see both change at once

    def write(self, record: bytes) -> None:
        """Replace the record: readers see the old one or the new one."""
        assert len(record) <= SLOT_BYTES - _HEAD.size
        head, body = self._start, self._start + _HEAD.size
        size, checksum = len(record), zlib.crc32(record)
        writing = self._counter() | 1  # it goes on from what is there: every record has a number of its own
        self._memory[head:body] = _HEAD.pack(writing, size, checksum)  # packing in place would first show zeros
        self._memory[body : body + size] = record
        self._memory[head:body] = _HEAD.pack(writing + 1, size, checksum)

    def read(self) -> bytes:
        """The record as it was last written; empty if it never was. The same object while nothing changes."""
        counter, record = self._seen
        return record if counter == self._counter() else self._read_whole()

    def _counter(self) -> int:
        (counter,) = _COUNTER.unpack_from(self._memory, self._start)
        return int(counter)

    def _read_whole(self) -> bytes:
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            before, size, checksum = _HEAD.unpack_from(self._memory, self._start)
            body = self._start + _HEAD.size
            record = self._memory[body : body + size] if size <= SLOT_BYTES - _HEAD.size else b""
            if before == self._counter() and before % 2 == 0 and zlib.crc32(record) == checksum:
                self._seen = (before, record)
                return record
            if time.monotonic() > deadline:  # the writer ended while it wrote: what was read before stays true
                self._seen = (before, self._seen[1])  # and nobody waits for the rest of this one again
                return self._seen[1]
            time.sleep(0)
