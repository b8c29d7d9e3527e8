"""A log in memory as a source of evidence, which tests may make lie."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from tests.support.keys import fixture_note_key
from tests.support.memory_log import MemoryLog
from tests.support.trust import ORIGIN
from trustlog.evidence.source import Query
from trustlog.formats.checkpoint import Checkpoint
from trustlog.formats.entry import parse_entry
from trustlog.formats.note import sign_note
from trustlog.keys.signer import SeedSigner
from trustlog.merkle.edge import Edge
from trustlog.merkle.hashing import hash_leaf
from trustlog.merkle.tiles import Tile, tiles_of_size


class MemorySource:
    """Entries that :meth:`log` took, looked up by scanning all of them; `hidden` are never named by :meth:`find`."""

    def __init__(self) -> None:
        self.memory = MemoryLog()
        self.data: list[bytes] = []
        self.payloads: dict[bytes, bytes] = {}
        self.hidden: set[int] = set()
        self.origin = ORIGIN

    def log(self, kind: str, payload: Mapping[str, Any] | None = None, signer: SeedSigner | None = None) -> int:
        """The index of a payload, judged as a log does."""
        index = self.memory.log(kind, payload, signer)
        candidate = self.memory.candidates[index]
        if index == len(self.data):
            self.data.append(candidate.entry.encode())
            self.payloads[candidate.payload_hash] = candidate.payload_text
        return index

    def payload_hash(self, index: int) -> str:
        """How other records name the entry at `index`."""
        return self.memory.candidates[index].payload_hash_b64u

    def store(self, data: bytes) -> None:
        """Keep a plan or an artefact."""
        self.payloads[hashlib.sha256(data).digest()] = data

    def erase(self, index: int) -> None:
        """Forget the payload of an entry."""
        del self.payloads[parse_entry(self.data[index]).payload_hash]

    @property
    def size(self) -> int:
        """How many entries there are."""
        return len(self.data)

    @property
    def root(self) -> bytes:
        """The root over all of them."""
        return self._edge()[0].root()

    @property
    def checkpoint(self) -> str:
        """Their checkpoint, signed."""
        text = Checkpoint(ORIGIN, self.size, self.root).encode()
        return sign_note(text, fixture_note_key(ORIGIN)).decode()

    async def find(self, query: Query) -> dict[int, bytes]:
        """Entries that match."""
        return {i: data for i, data in enumerate(self.data) if i not in self.hidden and _matches(data, query)}

    async def entries(self, indexes: Sequence[int]) -> dict[int, bytes]:
        """Entries at `indexes`."""
        return {index: self.data[index] for index in indexes}

    async def payload(self, sha256: bytes) -> bytes | None:
        """A payload, or what else is kept."""
        return self.payloads.get(sha256)

    async def tiles(self, tiles: Sequence[Tile]) -> list[bytes]:
        """Tile contents."""
        contents = self._edge()[1]
        return [contents[tile] for tile in tiles]

    def _edge(self) -> tuple[Edge, dict[Tile, bytes]]:
        edge, written = Edge.empty().append([hash_leaf(data) for data in self.data])
        contents = dict(written)
        assert set(tiles_of_size(self.size)) <= set(contents)
        return edge, contents


def _matches(data: bytes, query: Query) -> bool:
    entry = parse_entry(data)
    return all((entry.kind if name == "kind" else entry.refs.get(name)) == value for name, value in query)
