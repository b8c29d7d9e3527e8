"""Lines of standard input in batches: as many as are there, never waiting to fill one.

A pipe that delivers a line now and then gets its answers now and then; a file gets full batches.
"""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from typing import Final

from trustlog.errors import Refused

READ_BYTES: Final = 256 * 1024


class LineBatches:
    """The lines that a file descriptor delivers, each at most `max_line_bytes` long without its line end.

    A longer line is skipped to its end and stands as a refusal (``BODY_TOO_LARGE``) in its place, so memory stays bounded.
    """

    def __init__(self, descriptor: int, *, max_line_bytes: int) -> None:
        self._descriptor = descriptor
        self._max_line_bytes = max_line_bytes
        self._pending = b""
        self._lines: list[bytes | Refused] = []
        self._skipping = False
        self._ended = False

    def batches(self, most: int) -> Iterator[list[bytes | Refused]]:
        """Batches of 1 … `most` lines until the input ends; a last line needs no line end."""
        while True:
            while not self._ended and len(self._lines) < most and (not self._lines or self._is_readable()):
                self._read()
            if not self._lines:
                return
            batch, self._lines = self._lines[:most], self._lines[most:]
            yield batch

    def _is_readable(self) -> bool:
        return bool(select.select([self._descriptor], [], [], 0)[0])

    def _read(self) -> None:
        data = os.read(self._descriptor, READ_BYTES)
        self._ended = not data
        *whole, self._pending = (self._pending + data).split(b"\n")
        if self._ended and (self._pending or self._skipping):
            whole, self._pending = [self._pending], b""
        for line in whole:
            self._lines.append(self._finish(line))
        if len(self._pending) > self._max_line_bytes + 1:  # and a CR
            self._skipping, self._pending = True, b""

    def _finish(self, line: bytes) -> bytes | Refused:
        line = line.removesuffix(b"\r")
        if not self._skipping and len(line) <= self._max_line_bytes:
            return line
        self._skipping = False
        return Refused("BODY_TOO_LARGE", "the line is too long", expected=f"at most {self._max_line_bytes} bytes")
