"""Which keys are taken, in few bytes a key: a log of millions of receipts takes as many."""

from __future__ import annotations

import secrets
from functools import lru_cache, partial
from hashlib import blake2b

_DIGEST = 16
_INDEX = 8
_CELL = 2 * _DIGEST + _INDEX  # key, value, index + 1; all zero where nothing is
_EMPTY = bytes(_INDEX)


class KeyTable:
    """A table from a key to the value that it holds and the index of its first holder.

    Keys and values are kept as 128-bit digests under a secret of this run, so that nobody can make two of them equal;
    values can be compared, not read back. Open addressing: a cell is looked for from the digest on until one is free.
    """

    def __init__(self) -> None:
        keyed = blake2b(digest_size=_DIGEST, key=secrets.token_bytes(32))
        self._digest = lru_cache(maxsize=16)(partial(_digest, keyed))  # a key is looked for, compared and taken in turn
        self._mask = (1 << 8) - 1
        self._cells = bytearray(_CELL << 8)
        self._count = 0

    def holder(self, key: tuple[str, ...]) -> int | None:
        """The index of the entry that took the key, or None."""
        at, is_taken = self._find(self._digest(key))
        return self._index(at) if is_taken else None

    def holds(self, key: tuple[str, ...], value: str) -> bool:
        """Whether the key is taken, and holds this value."""
        at, is_taken = self._find(self._digest(key))
        return is_taken and self._cells[at + _DIGEST : at + 2 * _DIGEST] == self._digest((value,))

    def take(self, key: tuple[str, ...], value: str, index: int) -> None:
        """Take the key for the entry at `index`, unless it is taken."""
        digest = self._digest(key)
        at, is_taken = self._find(digest)
        if is_taken:
            return
        self._cells[at : at + _CELL] = digest + self._digest((value,)) + (index + 1).to_bytes(_INDEX, "big")
        self._count += 1
        if self._count * 3 > self._mask * 2:
            self._grow()

    def _index(self, at: int) -> int:
        return int.from_bytes(self._cells[at + 2 * _DIGEST : at + _CELL], "big") - 1

    def _find(self, digest: bytes) -> tuple[int, bool]:
        """Where the key is, or where it would be; and which of the two."""
        slot = int.from_bytes(digest[:8], "big") & self._mask
        while True:
            at = slot * _CELL
            if self._cells.startswith(digest, at):
                return at, True
            if self._cells.startswith(_EMPTY, at + 2 * _DIGEST):
                return at, False
            slot = (slot + 1) & self._mask

    def _grow(self) -> None:
        old = self._cells
        self._mask = 2 * self._mask + 1
        self._cells = bytearray(_CELL * (self._mask + 1))
        for begin in range(0, len(old), _CELL):
            cell = old[begin : begin + _CELL]
            if cell[2 * _DIGEST :] != _EMPTY:
                at, _ = self._find(bytes(cell[:_DIGEST]))
                self._cells[at : at + _CELL] = cell


def _digest(keyed: blake2b, parts: tuple[str, ...]) -> bytes:
    state = keyed.copy()
    state.update("".join([f"{len(part)}:{part}" for part in parts]).encode("utf-8"))  # no other parts are spelled alike
    return state.digest()
