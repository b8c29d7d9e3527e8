"""The log that this process serves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from trustlog.errors import Refused
from trustlog.evidence.source import Query
from trustlog.limits import MAX_PACK_ENTRIES, MIN_SIZE_WAIT_S
from trustlog.log.log import Log
from trustlog.log.lookup import Erased, find_entries, find_payload
from trustlog.merkle.tiles import Tile
from trustlog.storage.guard import SignedTree
from trustlog.storage.log_reader import LogReader


class LocalSource:
    """An open log at a tree that it has published."""

    def __init__(self, log: Log, tree: SignedTree) -> None:
        self._log = log
        self.origin = log.origin
        self.checkpoint = tree.note.decode("utf-8")
        self.size = tree.size
        self.root = tree.root

    @classmethod
    async def open(cls, log: Log) -> Self:
        """The log as it is published now. Raises Refused(UNAVAILABLE) if its index stays behind that."""
        tree = log.published
        if not await log.indexing.reached(tree.size, MIN_SIZE_WAIT_S):
            expected, found = f"complete to {tree.size}", log.indexing.value
            raise Refused("UNAVAILABLE", "the index is behind the checkpoint", expected=expected, found=found)
        return cls(log, tree)

    async def find(self, query: Query) -> dict[int, bytes]:
        """The entries that the derived index names."""
        log, terms = self._log, dict(query)
        limit = MAX_PACK_ENTRIES + 1
        return dict(
            await log.read(find_entries, log.reader, log.index, terms, start=0, end=self.size, limit=limit),
        )

    async def entries(self, indexes: Sequence[int]) -> dict[int, bytes]:
        """The entries at `indexes`."""
        return await self._log.read(_read_entries, self._log.reader, indexes)

    async def payload(self, sha256: bytes) -> bytes | None:
        """The bytes with this SHA-256."""
        log = self._log
        try:
            return await log.read(find_payload, log.reader, log.index, sha256, end=self.size)
        except Erased:
            return None

    async def tiles(self, tiles: Sequence[Tile]) -> list[bytes]:
        """The contents of `tiles`."""
        return await self._log.read(self._log.reader.tiles, tiles)


def _read_entries(reader: LogReader, indexes: Sequence[int]) -> dict[int, bytes]:
    return {index: entry for index in indexes for entry in reader.entries(index, index + 1)}
