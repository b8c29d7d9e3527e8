"""Reading a whole log, entry by entry: nothing is handed out before it is proven to be under a trusted checkpoint.

The follower keeps the right edge of the tree that it has read. It reads entry bundles, appends their leaf hashes, and hands out a
run of entries only when the root of what it then has is the checkpoint's, or, within a long catch-up, when the log proves that
this root begins the checkpoint's tree. So a log cannot show one history to the follower and sign another, and memory stays
bounded however long the log is.

Whoever writes to the log themselves may foretell what it holds next: where the root shows that it is exactly that, no entry is
fetched.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from trustlog.client.checking import check_step
from trustlog.client.log import LogClient
from trustlog.client.tiles import read_entries_unproven
from trustlog.errors import Refused
from trustlog.formats.checkpoint import Checkpoint
from trustlog.formats.trustpolicy import TrustedCheckpoint
from trustlog.merkle.edge import Edge
from trustlog.merkle.hashing import hash_leaf
from trustlog.merkle.tiles import TILE_WIDTH

RUN_ENTRIES: Final = 16 * TILE_WIDTH  # entries between two proofs of a catch-up: some 2 MB


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive entries from index `start` on, proven; `edge` is that of the tree that ends with them."""

    start: int
    entries: tuple[bytes, ...]
    edge: Edge


class Follower:
    """Follows one log from `edge` on (default: from the empty tree).

    ``edge`` after a run was taken is what to persist and to start again from; `checkpoint` is the last one that was reached.
    `foretell` gives the entries that the caller thinks come next, as many as asked, or fewer if it does not know.
    """

    def __init__(
        self,
        client: LogClient,
        *,
        edge: Edge | None = None,
        run_entries: int = RUN_ENTRIES,
        foretell: Callable[[int], Sequence[bytes]] = lambda _count: (),
    ) -> None:
        assert run_entries % TILE_WIDTH == 0
        self._client = client
        self._run_entries = run_entries
        self._foretell = foretell
        self.edge = Edge.empty() if edge is None else edge
        self.checkpoint: TrustedCheckpoint | None = None
        self._rooted: tuple[Edge, bytes] | None = None

    def root_of(self, edge: Edge) -> bytes:
        """The root of an edge, 32 bytes; that of the last one asked for is known."""
        if self._rooted is None or self._rooted[0] is not edge:
            self._rooted = (edge, edge.root())
        return self._rooted[1]

    async def follow(self) -> AsyncIterator[Run]:
        """Read up to the log's checkpoint of now, run by run.

        Raises Refused: what the client raises; ``ROOT_MISMATCH`` if what was read is not what was signed;
        ``CHECKPOINT_INCONSISTENT`` if what was read before is not part of it.
        """
        read = Checkpoint(self._client.origin, self.edge.size, self.root_of(self.edge))
        target = await self._client.checkpoint(read=read)
        self._check_not_behind(target.checkpoint)
        foretold = self._foretold(target.checkpoint)
        if foretold is not None:
            self.edge = foretold.edge
            yield foretold
        while self.edge.size < target.checkpoint.size:
            end = min(target.checkpoint.size, end_of_run(self.edge.size, self._run_entries))
            try:
                entries = await read_entries_unproven(self._client.http, self.edge.size, end, target.checkpoint.size)
            except Refused as refusal:
                target = await self._later(target, refusal, read)
                continue
            run = extend(self.edge, entries)
            await self._prove(run.edge, target)
            self.edge = run.edge
            yield run
        await self._check_reached(self.edge, target)
        await self._client.note_read(target, read)
        self.checkpoint = target

    async def entries(self) -> AsyncIterator[tuple[int, bytes]]:
        """As :meth:`follow`, one ``(index, entry)`` at a time; ``edge`` runs ahead of what was taken."""
        async for run in self.follow():
            for offset, entry in enumerate(run.entries):
                yield run.start + offset, entry

    def _foretold(self, tree: Checkpoint) -> Run | None:
        """The run up to `tree` of the entries that the caller foretells, where its root shows that it is just these."""
        count = tree.size - self.edge.size
        entries = self._foretell(count) if count else ()
        if not count or len(entries) != count:
            return None
        run = extend(self.edge, entries)
        return run if self.root_of(run.edge) == tree.root else None

    async def _prove(self, edge: Edge, target: TrustedCheckpoint) -> None:
        tree = target.checkpoint
        if edge.size == tree.size:
            await self._check_reached(edge, target)
            return
        proof = await self._client.consistency(edge.size, tree.size)
        check_step(Checkpoint(tree.origin, edge.size, self.root_of(edge)), tree, proof)

    async def _check_reached(self, edge: Edge, target: TrustedCheckpoint) -> None:
        if self.root_of(edge) != target.checkpoint.root:
            await self._client.check_continues(target)  # so that a fork is told from entries that are not those signed
            check_reached(edge, target.checkpoint)

    async def _later(self, target: TrustedCheckpoint, refusal: Refused, read: Checkpoint) -> TrustedCheckpoint:
        """A newer checkpoint, when the log has dropped a partial bundle since `target`; else `refusal` stands."""
        if refusal.code != "NOT_FOUND":
            raise refusal
        newer = await self._client.checkpoint(read=read)
        if newer.checkpoint.size <= target.checkpoint.size:
            raise refusal
        return newer

    def _check_not_behind(self, tree: Checkpoint) -> None:
        if tree.size < self.edge.size:
            raise Refused(
                "CHECKPOINT_STALE",
                "the log publishes a smaller checkpoint than what was read of it",
                param="checkpoint",
                expected=f"size {self.edge.size} or more",
                found=f"size {tree.size}",
            )


def extend(edge: Edge, entries: Sequence[bytes]) -> Run:
    """The run that appending `entries` to the tree of `edge` makes; nothing is proven by it."""
    after, _tiles = edge.append([hash_leaf(entry) for entry in entries])
    return Run(edge.size, tuple(entries), after)


def end_of_run(start: int, run_entries: int) -> int:
    """Where the run that begins at `start` ends, if the log is that long: at a multiple of `run_entries`."""
    return (start // run_entries + 1) * run_entries


def check_reached(edge: Edge, tree: Checkpoint) -> None:
    """What was read is exactly the tree that was signed (``ROOT_MISMATCH``)."""
    if edge.root() != tree.root:
        raise Refused(
            "ROOT_MISMATCH",
            "the entries that the log serves are not those that it signed",
            param="checkpoint",
            expected=f"root {tree.root.hex()} at size {tree.size}",
            found=f"root {edge.root().hex()}",
        )
