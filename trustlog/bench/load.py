"""The load: receipts signed beforehand by every core, in a file that is mapped and never held as objects.

The file holds the envelopes, each with an LF after it, then the leaf hash that a log must answer for each, in base64url as
answers spell it: 1,068 bytes a receipt of 1,024.
"""

from __future__ import annotations

import mmap
import multiprocessing
import os
import signal
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait
from pathlib import Path
from typing import Final, Self

from trustlog.bench.receipts import Recipe
from trustlog.errors import Refused
from trustlog.formats.base64 import decode_b64u, encode_b64u
from trustlog.merkle.hashing import HASH_SIZE

_SIGNED_AT_ONCE: Final = 1024
_HASH_CHARACTERS: Final = 43


@dataclass(frozen=True, slots=True)
class LoadFile:
    """Where the load is, and how it is laid out. Lengths in bytes, of one receipt."""

    path: Path
    count: int
    envelope_bytes: int
    payload_bytes: int
    entry_bytes: int

    @property
    def line_bytes(self) -> int:
        """An envelope and its LF."""
        return self.envelope_bytes + 1

    @property
    def hashes_start(self) -> int:
        """Where the leaf hashes begin."""
        return self.count * self.line_bytes

    @property
    def file_bytes(self) -> int:
        """The whole file."""
        return self.hashes_start + self.count * _HASH_CHARACTERS

    def remove(self) -> None:
        """Take its name away; the room is free once nobody has it open."""
        self.path.unlink(missing_ok=True)


class Load:
    """A load that is there to be sent: a view of its file. Close it after use."""

    def __init__(self, file: LoadFile) -> None:
        self.file = file
        self.count = file.count
        with file.path.open("rb") as opened:
            flags = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)  # no page faults while the clock runs
            self._map = mmap.mmap(opened.fileno(), file.file_bytes, flags=flags, prot=mmap.PROT_READ)
        self._view = memoryview(self._map)

    def lines(self, start: int, end: int) -> memoryview:
        """The envelopes [start, end), each with an LF after it."""
        return self._view[start * self.file.line_bytes : end * self.file.line_bytes]

    def leaf_hash_texts(self, start: int, end: int) -> list[str]:
        """The leaf hashes of the entries [start, end), in base64url."""
        first = self.file.hashes_start + start * _HASH_CHARACTERS
        text = str(self._view[first : first + (end - start) * _HASH_CHARACTERS], "ascii")
        return [text[at : at + _HASH_CHARACTERS] for at in range(0, len(text), _HASH_CHARACTERS)]

    def leaf_hash(self, number: int) -> bytes:
        """The leaf hash (32 bytes) of receipt `number`'s entry."""
        return decode_b64u(self.leaf_hash_texts(number, number + 1)[0], HASH_SIZE, "leaf_hash_b64u")

    def close(self) -> None:
        """Let go of the file."""
        self._view.release()
        self._map.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def prepare_load(recipe: Recipe, count: int, *, processes: int, report: Callable[[int, int], None]) -> LoadFile:
    """Sign `count` receipts in so many processes. Raises Refused(STORAGE_FAILED) where there is no room for them."""
    makers = recipe.makers()
    try:
        descriptor, name = tempfile.mkstemp(prefix="trustlog-bench-")
        file = LoadFile(Path(name), count, makers.envelope_bytes, makers.payload_bytes, makers.entry_bytes)
        try:
            os.posix_fallocate(descriptor, 0, file.file_bytes)
        except OSError:
            file.remove()
            raise
        finally:
            os.close(descriptor)
    except OSError as error:
        hint = "free space, point TMPDIR elsewhere, or ask for fewer --entries"
        raise Refused("STORAGE_FAILED", f"the receipts were not written: {error.strerror}", hint=hint) from None
    try:
        shares = max(1, min(processes, count // _SIGNED_AT_ONCE))
        if shares == 1:
            sign_share(recipe, file, 0, 1, lambda done: report(done, count))
        else:
            _sign_in_processes(recipe, file, shares, report)
    except BaseException:
        file.remove()
        raise
    return file


def sign_share(recipe: Recipe, file: LoadFile, share: int, shares: int, report: Callable[[int], None]) -> None:
    """Sign every `shares`-th part of the load, from part `share` on, into its place in the file; report receipts done."""
    makers = recipe.makers()
    descriptor = os.open(file.path, os.O_WRONLY)
    done = 0
    try:
        for start in range(share * _SIGNED_AT_ONCE, file.count, shares * _SIGNED_AT_ONCE):
            made = [makers.make(number) for number in range(start, min(start + _SIGNED_AT_ONCE, file.count))]
            assert all(len(envelope) == file.envelope_bytes for envelope, _ in made)
            os.pwrite(descriptor, b"".join(envelope + b"\n" for envelope, _ in made), start * file.line_bytes)
            hashes = "".join(encode_b64u(leaf_hash) for _, leaf_hash in made).encode("ascii")
            os.pwrite(descriptor, hashes, file.hashes_start + start * _HASH_CHARACTERS)
            done += len(made)
            report(done)
    finally:
        os.close(descriptor)


def _sign_in_processes(recipe: Recipe, file: LoadFile, shares: int, report: Callable[[int, int], None]) -> None:
    context = multiprocessing.get_context("spawn")  # not fork: the caller may have threads
    done: dict[Pipe, int] = {}
    processes = []
    for share in range(shares):
        ours, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_sign_and_tell, args=(recipe, file, share, shares, theirs), daemon=True)
        process.start()
        theirs.close()
        processes.append(process)
        done[ours] = 0
    waiting = set(done)
    while waiting:
        for pipe in wait(waiting):
            assert isinstance(pipe, Pipe)
            try:
                done[pipe] = pipe.recv()
            except EOFError:
                waiting.discard(pipe)
        report(sum(done.values()), file.count)
    for process in processes:
        process.join()
    if sum(done.values()) != file.count:
        raise Refused("STORAGE_FAILED", "the receipts were not all signed", expected=file.count, found=sum(done.values()))


def _sign_and_tell(recipe: Recipe, file: LoadFile, share: int, shares: int, pipe: Pipe) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started us is interrupted too, and ends us
    sign_share(recipe, file, share, shares, pipe.send)
