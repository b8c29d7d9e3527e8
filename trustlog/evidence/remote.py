"""A log read over HTTP by a client that verifies its checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final, Self

from trustlog.client.answers import response_invalid
from trustlog.client.log import LogClient
from trustlog.client.tiles import gather_bounded, read_bundle, read_tile
from trustlog.errors import Refused
from trustlog.evidence.source import Query
from trustlog.formats.entry import parse_entry
from trustlog.formats.trustpolicy import TrustedCheckpoint
from trustlog.limits import MAX_BLOB_BYTES, MAX_PACK_ENTRIES
from trustlog.merkle.tiles import TILE_WIDTH, Tile

ABSENT: Final = frozenset({"PAYLOAD_ERASED", "PAYLOAD_MISSING"})


class RemoteSource:
    """The log of `client` at a checkpoint that its trust policy accepted."""

    def __init__(self, client: LogClient, checkpoint: TrustedCheckpoint) -> None:
        self._client = client
        self.origin = client.origin
        self.checkpoint = checkpoint.note.decode("utf-8")
        self.size = checkpoint.checkpoint.size
        self.root = checkpoint.checkpoint.root

    @classmethod
    async def open(cls, client: LogClient) -> Self:
        """The log as it is published now. Raises Refused."""
        return cls(client, await client.checkpoint())

    async def find(self, query: Query) -> dict[int, bytes]:
        """The entries that the log's index names; ``UNAVAILABLE`` while it has not read as far as the checkpoint."""
        found, complete_to = await self._client.find(dict(query), min_size=self.size, most=MAX_PACK_ENTRIES + 1)
        if complete_to < self.size:
            raise Refused(
                "UNAVAILABLE",
                "the log's index is behind its checkpoint",
                param="complete_to",
                expected=f"complete to {self.size}",
                found=complete_to,
            )
        entries = {one.index: one.entry.encode("utf-8") for one in found if one.index < self.size}
        for index, data in entries.items():
            _check_asked(index, data, query)
        return entries

    async def entries(self, indexes: Sequence[int]) -> dict[int, bytes]:
        """The entries at `indexes`, from entry bundles."""
        numbers = sorted({index // TILE_WIDTH for index in indexes})
        reads = [
            partial(read_bundle, self._client.http, number, min(TILE_WIDTH, self.size - number * TILE_WIDTH))
            for number in numbers
        ]
        bundles = dict(zip(numbers, await gather_bounded(reads), strict=True))
        return {index: bundles[index // TILE_WIDTH][index % TILE_WIDTH] for index in indexes}

    async def payload(self, sha256: bytes) -> bytes | None:
        """The bytes with this SHA-256, None where the log says that it has none."""
        try:
            return await self._client.payload(sha256, max_bytes=MAX_BLOB_BYTES)
        except Refused as refused:
            if refused.code in ABSENT:
                return None
            raise

    async def tiles(self, tiles: Sequence[Tile]) -> list[bytes]:
        """The contents of `tiles`."""
        return await gather_bounded([partial(read_tile, self._client.http, tile) for tile in tiles])


def _check_asked(index: int, data: bytes, query: Query) -> None:
    """What a list names is what was asked for. Raises Refused(LOG_RESPONSE_INVALID, ENTRY_MALFORMED)."""
    entry = parse_entry(data)
    for name, value in query:
        found = entry.kind if name == "kind" else entry.refs.get(name)
        if found != value:
            raise response_invalid(f"a list names entry {index}, which was not asked for", expected=value, found=found)
