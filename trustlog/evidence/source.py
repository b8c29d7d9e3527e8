"""Where evidence comes from: one log, at one published tree size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

from trustlog.merkle.tiles import Tile

Query: TypeAlias = tuple[tuple[str, str], ...]
"""What to look up: refs of an entry, and its ``kind``, as (name, value) pairs that must all match."""


class Source(Protocol):
    """A log whose checkpoint, taken once, is the one that every proof of a pack leads to.

    Everything below :attr:`size` is visible, nothing above it. Entries and tiles are not proven here: whoever uses them does.
    """

    @property
    def origin(self) -> str:
        """The log's origin."""
        ...

    @property
    def checkpoint(self) -> str:
        """The signed note, with all its signatures."""
        ...

    @property
    def size(self) -> int:
        """The tree size that the checkpoint signs."""
        ...

    @property
    def root(self) -> bytes:
        """The 32-byte root hash that the checkpoint signs."""
        ...

    async def find(self, query: Query) -> dict[int, bytes]:
        """The entries that the log's index names for a query, by index. Raises Refused."""
        ...

    async def entries(self, indexes: Sequence[int]) -> dict[int, bytes]:
        """The entries at `indexes`, each below :attr:`size`. Raises Refused."""
        ...

    async def payload(self, sha256: bytes) -> bytes | None:
        """The bytes with this SHA-256 (32 bytes), None where they are erased or were never there. Raises Refused."""
        ...

    async def tiles(self, tiles: Sequence[Tile]) -> list[bytes]:
        """The contents of `tiles`, in the order asked. Raises Refused."""
        ...
