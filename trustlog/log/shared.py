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
_PATIENCE_S: Final = 1.0


class SharedSlots:
    """A number of slots, all empty at first. Make it before the processes part; all of them then see the same bytes."""

    def __init__(self, count: int) -> None:
        self._memory = mmap.mmap(-1, count * SLOT_BYTES)
        self.count = count

    def slot(self, number: int) -> Slot:
        """One of them."""
        return Slot(self._memory, number * SLOT_BYTES)


class Slot:
    """One record in shared memory: one process writes, any reads."""

    def __init__(self, memory: mmap.mmap, start: int) -> None:
        self._memory = memory
        self._start = start
        self._written = 0
        self._read = -1
        self._record = b""

    def write(self, record: bytes) -> None:
        """Replace the record: readers see the old one or the new one."""
        assert len(record) <= SLOT_BYTES - _HEAD.size
        head, body = self._start, self._start + _HEAD.size
        _HEAD.pack_into(self._memory, head, self._written + 1, len(record), zlib.crc32(record))
        self._memory[body : body + len(record)] = record
        self._written += 2
        _HEAD.pack_into(self._memory, head, self._written, len(record), zlib.crc32(record))

    def read(self) -> bytes:
        """The record as it was last written; empty if it never was. The same object while nothing changes."""
        (counter,) = struct.unpack_from("=Q", self._memory, self._start)
        return self._record if counter == self._read else self._read_whole()

    def _read_whole(self) -> bytes:
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            before, size, checksum = _HEAD.unpack_from(self._memory, self._start)
            body = self._start + _HEAD.size
            record = self._memory[body : body + size] if size <= SLOT_BYTES - _HEAD.size else b""
            (after,) = struct.unpack_from("=Q", self._memory, self._start)
            if before == after and before % 2 == 0 and zlib.crc32(record) == checksum:
                self._read, self._record = before, record
                return record
            if time.monotonic() > deadline:
                return self._record  # the writer ended while it wrote: what was read before stays true
            time.sleep(0)
