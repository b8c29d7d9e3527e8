"""Where a story takes place: a real log on loopback with its gate, changes on it, and the evidence that the story leaves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from making.case import AT, PACK, TRUST, Case, Verdict, write_files
from making.logs import read_export
from making.scenes import collect_pack
from making.trust import trust_text
from making.world import ROSTER, World, open_world

from tests.integration.evidence.stage import judge
from tests.scenarios.answer import Answer
from tests.scenarios.change import Change
from tests.scenarios.front import Front, in_front_of

ORIGIN: Final = "log.example/scenarios"  # of the log that stories share
FOLDER: Final = "scenarios"  # of the fixtures, where stories leave their evidence
LOGS: Final = "logs"  # in there: one folder a log, which the packs beside it are judged with
SHARED: Final = "shared"  # the one that stories share

Story = Callable[..., Awaitable[None]]
Files = Mapping[str, bytes]
PIECES: Final[dict[Story, int]] = {}  # how many pieces of evidence a story leaves that does not leave one


def row_of(module: str) -> str:
    """The row of the table that a module tells: ``tests.scenarios.test_rubber_stamp`` is ``rubber_stamp``."""
    return module.rpartition(".")[2].removeprefix("test_")


def leaves(pieces: int) -> Callable[[Story], Story]:
    """Mark a story that leaves several pieces of evidence."""

    def mark(story: Story) -> Story:
        PIECES[story] = pieces
        return story

    return mark


class AllIsLeft(Exception):
    """Raised on a stage that wants no more than the evidence, when the last piece of it is left."""


class Stage:
    """The stage of one story, named after its test and its parameters.

    :attr:`left` is the evidence that it leaves, as fixtures, and :attr:`logs` the logs of its own that these are judged with: each
    one's files, or the world of which they will be exported when the story has ended. The verifier says at once what it makes of
    the evidence, with the log as it is at that moment; not so with `only_evidence`, and the story ends when all of it is left.
    """

    def __init__(
        self,
        story: Story,
        world: World,
        place: Path,
        stack: AsyncExitStack,
        *,
        parameter: str = "",
        only_evidence: bool = False,
    ) -> None:
        told = "_".join(part for part in (story.__name__.removeprefix("test_"), parameter.replace(" ", "_")) if part)
        self.name = f"{row_of(story.__module__)}_{told}"
        self.world = world
        self.stack = stack
        self.left: list[Case] = []
        self.logs: dict[str, World | Files] = {}
        self._why = story.__doc__ or ""
        self.pieces = PIECES.get(story, 1)
        self._only_evidence = only_evidence
        self._place = place
        self._opened = 0
        world.randomness.begin(self.name)

    def change(self, world: World | None = None, **terms: Any) -> Change:
        """A change that somebody asks for, on a ticket of its own; nothing of it is logged yet."""
        world = world or self.world
        return Change(world, next(world.numbers), **terms)

    async def simulated(self, world: World | None = None, **terms: Any) -> Change:
        """A change with its token, its model calls and its simulation, which nobody approved yet."""
        change = self.change(world, **terms)
        await change.prepare()
        return change

    async def log_of_its_own(
        self,
        *,
        origin: str | None = None,
        roster: Mapping[str, Any] | None = MappingProxyType(ROSTER),
        roles: Mapping[str, Sequence[str]] = MappingProxyType({}),
    ) -> World:
        """A log for this story alone: one whose rosters, keys or policies change for everybody."""
        self._opened += 1
        place = self._place / f"log-{self._opened}"
        opened = open_world(place, origin or f"log.example/{self.name.replace('_', '-')}", roster=roster, roles=roles)
        world = await self.stack.enter_async_context(opened)
        world.randomness.begin(f"{self.name} {self._opened}")
        return world

    async def front(self, world: World | None = None) -> Front:
        """A server in front of the log, to lie with."""
        return await self.stack.enter_async_context(in_front_of(world or self.world))

    async def verdict(self, change: Change, expected: Verdict, *, with_log: bool = False, pack: bytes | None = None) -> Any:
        """What the independent verifier says of the change now, as JSON: `expected`, or the story is wrong.

        `with_log` lets the verifier read the whole log; without, the gate's word is taken for what is absent. `pack` is one that
        somebody else made.
        """
        body = await collect_pack(change.world, change.ticket) if pack is None else pack
        trust = _trust(change.world, absence="log" if with_log else "gate")
        return self._judge(body, trust, expected, self.export(change.world) if with_log else None)

    async def leave(
        self,
        change: Change,
        expected: Verdict,
        *,
        like: Answer | None = None,
        piece: str = "",
        pack: bytes | None = None,
        shown: Files | None = None,
        quorum: str | None = None,
    ) -> None:
        """Leave the evidence of the change as it is now as a fixture, with what an auditor must say who reads the whole log.

        `like` is an honest gate's deny of the same: the auditor must give one of its reasons. `piece` tells one of several pieces
        from the others. `pack` is a pack that somebody else made, `shown` another log than the change's that the auditor is
        shown, `quorum` the witnesses that they demand, as lines of a trust policy.
        """
        body = await collect_pack(change.world, change.ticket) if pack is None else pack
        trust = _trust(change.world, absence="log", **({} if quorum is None else {"quorum": quorum}))
        if like is not None:
            assert expected.reason_code in like.codes, (expected.reason_code, sorted(like.codes))
        if not self._only_evidence:
            self._judge(body, trust, expected, self.export(change.world) if shown is None else shown)
        log = self._name_of_log(change.world, shown)
        failed = [] if expected.exit_code == 0 else ["fail"]
        name = "_".join(part for part in (self.name, piece, *failed) if part)
        assert f"{FOLDER}/{name}" not in {case.name for case in self.left}, "name the pieces of a story's evidence"
        arguments = ("evidence", PACK, "--trust", TRUST, "--at", AT, "--log", f"../{LOGS}/{log}")
        is_gone_on = expected.exit_code == 1 and pack is None and shown is None and quorum is None
        why = self._why_of(piece, is_gone_on=is_gone_on)
        self.left.append(Case(f"{FOLDER}/{name}", why, expected, {PACK: body, TRUST: trust}, arguments))
        if self._only_evidence and len(self.left) == self.pieces:
            raise AllIsLeft

    def export(self, world: World) -> dict[str, bytes]:
        """The files of a log as it is now, by their paths in its directory."""
        files = read_export(world.directory, self._new_place("exported"))
        return {name.partition("/")[2]: content for name, content in files.items()}

    def _name_of_log(self, world: World, shown: Files | None) -> str:
        if shown is None and world is self.world:
            return SHARED
        log: World | Files = world if shown is None else shown
        assert self.logs.setdefault(self.name, log) is log, "one log of its own a story"
        return self.name

    def _judge(self, pack: bytes, trust: bytes, expected: Verdict, log: Files | None) -> Any:
        place = self._new_place("judged")
        write_files(place, {PACK: pack, TRUST: trust, **{f"log/{name}": data for name, data in (log or {}).items()}})
        options = () if log is None else ("--log", str(place / "log"))
        found = judge(place / PACK, place / TRUST, "--at", AT, *options)
        said = Verdict(found.code, found.status, found.reason_code)
        assert said == expected, (said, found.document["reason"])
        return found.document

    def _new_place(self, name: str) -> Path:
        return self._place / f"{name}-{len(list(self._place.iterdir()))}"

    def _why_of(self, piece: str, *, is_gone_on: bool) -> str:
        """The story's docstring, as the README of its evidence."""
        told = "\n".join(line.strip() for line in self._why.strip().splitlines())
        if is_gone_on:
            told += "\n\nAn honest gate says no. The evidence is of those who went on all the same."
        return f"{told}\n\nThe evidence is of: {piece.replace('_', ' ')}." if piece else told


def _trust(world: World, **terms: str) -> bytes:
    return trust_text(world.origin, roles=world.roles, **terms)
