"""The read load: random inclusion proofs, consistency proofs, tiles and entry bundles of a log that exists, each checked."""

from __future__ import annotations

import random
import time
from array import array
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import msgspec

from trustlog.bench.answer import Answer
from trustlog.bench.exchange import Request, exchange
from trustlog.bench.generating import Target
from trustlog.bench.judging import Refusal
from trustlog.bench.view import View
from trustlog.bench.wire import RequestHeads
from trustlog.client.answers import ConsistencyAnswer, InclusionAnswer, parse_hash_b64u, parse_hashes, parse_problem
from trustlog.client.answers import response_invalid as invalid
from trustlog.errors import Refused
from trustlog.formats.bundle import parse_bundle
from trustlog.merkle.hashing import HASH_SIZE, hash_leaf
from trustlog.merkle.proofs import check_consistency, check_inclusion
from trustlog.merkle.tiles import TILE_WIDTH, Tile, entry_bundle_path, tile_width

KINDS: Final = ("inclusion", "consistency", "tile", "bundle")
_INCLUSION: Final = msgspec.json.Decoder(InclusionAnswer)
_CONSISTENCY: Final = msgspec.json.Decoder(ConsistencyAnswer)


@dataclass(slots=True)
class ReadsOf:
    """Reads of one kind: how many were answered well, how many of these were checked to the signed root, and latencies."""

    answered: int = 0
    proven: int = 0
    latencies_s: array[float] = field(default_factory=lambda: array("d"))


@dataclass(slots=True)
class Read:
    """What came of a read load."""

    kinds: dict[str, ReadsOf] = field(default_factory=lambda: {kind: ReadsOf() for kind in KINDS})
    refused: Counter[str] = field(default_factory=Counter)
    first_refusal: Refusal | None = None
    elapsed_s: float = 0.0
    cpu_s: float = 0.0

    @property
    def answered(self) -> int:
        """Reads of all kinds that were answered well."""
        return sum(reads.answered for reads in self.kinds.values())


class RandomReads:
    """A source of reads until a time (of ``time.perf_counter``).

    Proofs are always checked; of tiles and bundles, which cost hundreds of hashes each, one in `check_every` and the first; the
    others by their length.
    """

    def __init__(self, view: View, heads: RequestHeads, *, check_every: int, seed: int) -> None:
        self._view = view
        self._heads = heads
        self._check_every = check_every
        self._chance = random.Random(seed)  # noqa: S311 - the same reads again for the same seed
        self._sizes = sorted(view.roots)
        self._ask = {
            "inclusion": self._ask_inclusion,
            "consistency": self._ask_consistency,
            "tile": self._ask_tile,
            "bundle": self._ask_bundle,
        }
        self.ends_s = 0.0
        self.read = Read()

    def take(self, now_s: float) -> Request | float | None:
        """A random read, until the time is over."""
        if now_s >= self.ends_s:
            return None
        kind = self._chance.choice(KINDS)
        path, check = self._ask[kind]()
        return Request(self._heads.get(path), b"", (kind, check))

    def answered(self, request: Request, answer: Answer, sent_s: float, now_s: float) -> None:
        """Check an answer and count it."""
        kind, check = request.what
        reads = self.read.kinds[kind]
        proves = kind in {"inclusion", "consistency"} or reads.answered % self._check_every == 0
        try:
            if answer.status != 200:
                raise parse_problem(answer.body, answer.status, None)
            check(answer.body, proves=proves)
        except msgspec.DecodeError as error:
            self._refuse(invalid(f"the answer has another shape: {error}"))
        except Refused as refusal:
            self._refuse(refusal)
        else:
            reads.answered += 1
            reads.proven += proves
            reads.latencies_s.append(now_s - sent_s)

    def failed(self, request: Request, refusal: Refused) -> None:
        """Count a read without an answer."""
        del request
        self._refuse(refusal)

    def _refuse(self, refusal: Refused) -> None:
        self.read.refused[refusal.code] += 1
        self.read.first_refusal = self.read.first_refusal or Refusal(refusal.code, refusal.detail)

    def _ask_inclusion(self) -> tuple[str, Callable[..., None]]:
        index, view = self._chance.randrange(self._view.size), self._view

        def check(body: bytes, *, proves: bool) -> None:
            del proves  # always
            answer = _INCLUSION.decode(body)
            if (answer.index, answer.tree_size) != (index, view.size):
                raise invalid("the log answers for another index or size", expected=index, found=answer.index)
            leaf_hash = parse_hash_b64u(answer.leaf_hash_b64u, "leaf_hash_b64u")
            check_inclusion(parse_hashes(answer.inclusion_proof), index, view.size, leaf_hash, view.root)

        return f"v1/proofs/inclusion?index={index}&tree_size={view.size}", check

    def _ask_consistency(self) -> tuple[str, Callable[..., None]]:
        old, new = sorted(self._chance.choices(self._sizes, k=2))
        roots = self._view.roots

        def check(body: bytes, *, proves: bool) -> None:
            del proves  # always
            answer = _CONSISTENCY.decode(body)
            if (answer.old, answer.new) != (old, new):
                raise invalid("the log answers for other sizes", expected=f"{old} to {new}")
            check_consistency(parse_hashes(answer.consistency_proof), old, new, roots[old], roots[new], empty_old_ok=False)

        return f"v1/proofs/consistency?from={old}&to={new}", check

    def _ask_tile(self) -> tuple[str, Callable[..., None]]:
        tile, view = self._random_tile(), self._view

        def check(body: bytes, *, proves: bool) -> None:
            if len(body) != tile.byte_size:
                raise Refused("TILE_MALFORMED", "the tile has another length", param=tile.path(), found=len(body))
            if proves and tile.level == 0:
                view.check_leaves(tile.index, body)
            first = tile.index * TILE_WIDTH * HASH_SIZE
            if proves and tile.level == 1 and body != view.level1[first : first + len(body)]:
                raise Refused("TILE_MALFORMED", "the tile is not that of the signed root", param=tile.path())

        return tile.path(), check

    def _ask_bundle(self) -> tuple[str, Callable[..., None]]:
        view = self._view
        index = self._chance.randrange(-(-view.size // TILE_WIDTH))
        width = tile_width(0, index, view.size)

        def check(body: bytes, *, proves: bool) -> None:
            entries = parse_bundle(body, width)
            if proves:
                view.check_leaves(index, b"".join(map(hash_leaf, entries)))

        return entry_bundle_path(index, width), check

    def _random_tile(self) -> Tile:
        """Mostly of level 0, as a reader of many proofs would ask for them."""
        level = 1 if self._view.level1 and self._chance.randrange(8) == 0 else 0
        index = self._chance.randrange(-(-(self._view.size >> (8 * level)) // TILE_WIDTH))
        return Tile(level, index, tile_width(level, index, self._view.size))


@dataclass(frozen=True, slots=True)
class ReadJob:
    """Read for so many seconds."""

    target: Target
    view: View
    connections: int
    seconds: float
    check_every: int
    seed: int

    def run(self, begin: Callable[[], None], report: Callable[[int], None]) -> Read:
        """Read. Raises Refused(LOG_UNREACHABLE) if the log cannot be reached at all."""
        del report  # time tells how far it is
        source = RandomReads(self.view, self.target.heads(), check_every=self.check_every, seed=self.seed)
        connections = self.target.connect(self.connections)
        begin()
        started_s, cpu_s = time.perf_counter(), time.process_time()
        source.ends_s = started_s + self.seconds
        exchange(connections, source)
        source.read.elapsed_s = time.perf_counter() - started_s
        source.read.cpu_s = time.process_time() - cpu_s
        return source.read
