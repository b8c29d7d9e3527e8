"""Where a story takes place: a real log on loopback with its gate, changes on it, and the evidence that the story leaves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from making.case import AT, PACK, TRUST, Case, Verdict
from making.logs import read_export
from making.scenes import collect_pack
from making.trust import trust_text
from making.world import ROSTER, World, open_world

from tests.integration.evidence.stage import judge
from tests.scenarios.answer import Answer
from tests.scenarios.change import Change
from tests.scenarios.front import Front, in_front_of

LOG: Final = "export"
ORIGIN: Final = "log.example/scenarios"  # of the log that stories share

Story = Callable[..., Awaitable[None]]
EVIDENCE: Final[dict[Story, int]] = {}  # how many pieces each leaves, in the order in which stories are written


def row_of(module: str) -> str:
    """The row of the table that a module tells: ``tests.scenarios.test_rubber_stamp`` is ``rubber_stamp``."""
    return module.rpartition(".")[2].removeprefix("test_")


def leaves_evidence(pieces: int = 1) -> Callable[[Story], Story]:
    """Mark a story that leaves fixtures: ``fixtures/generate.py`` tells it too, as far as the last of its `pieces`."""

    def mark(story: Story) -> Story:
        EVIDENCE[story] = pieces
        return story

    return mark


class AllIsLeft(Exception):
    """Raised on a stage that wants no more than the evidence, when the last piece of it is left."""


class Stage:
    """The stage of one story, named after its test. :attr:`left` is the evidence that it leaves, as fixtures.

    `case` tells the parameters of a story that is told several times. With `only_evidence` the story ends when all of it is left.
    """

    def __init__(
        self, story: Story, world: World, place: Path, stack: AsyncExitStack, *, case: str = "", only_evidence: bool = False
    ) -> None:
        name = story.__name__.removeprefix("test_")
        self.name = f"{row_of(story.__module__)}_{name}"
        self.world = world
        self.stack = stack
        self.left: list[Case] = []
        self._why = story.__doc__ or ""
        self._pieces = EVIDENCE.get(story, 0)
        self._only_evidence = only_evidence
        self._place = place
        self._opened = 0
        world.randomness.begin(f"{self.name} {case}".strip())

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

    async def verdict(
        self,
        change: Change,
        expected: Verdict,
        *,
        like: Answer | None = None,
        with_log: bool = False,
        leave: str | None = None,
        pack: bytes | None = None,
        world: World | None = None,
        roles: Mapping[str, Sequence[str]] = MappingProxyType({}),
    ) -> Any:
        """What the independent verifier says of the change now, as JSON: `expected`, or the story is wrong.

        `like` is an honest gate's deny of the same: the verifier must give one of its reasons. `with_log` lets the verifier read
        the whole log; without, the gate's word is taken for what is absent. What it is shown as the log may be that of another
        `world`. `pack` is one that somebody else made. The evidence is left as a fixture with the name `leave` (``""``: the
        story's own).
        """
        absence = "log" if with_log else "gate"
        body = await collect_pack(change.world, change.ticket) if pack is None else pack
        files = {PACK: body, TRUST: trust_text(change.world.origin, absence=absence, roles=roles)}
        arguments: tuple[str, ...] = ("--at", AT)
        if with_log:
            work = self._place / f"exported-{len(list(self._place.iterdir()))}"
            files |= read_export((world or change.world).directory, work)
            arguments += ("--log", LOG)
        name = "_".join(part for part in ("scenario", self.name, leave) if part)
        case = Case(
            name if expected.exit_code == 0 else f"{name}_fail",
            self._why_of(leave),
            expected,
            files,
            ("evidence", PACK, "--trust", TRUST, *arguments),
        )
        found = self._judge(case)
        said = Verdict(found.code, found.status, found.reason_code)
        assert said == expected, (said, found.document["reason"])
        if like is not None:
            assert said.reason_code in like.codes, (said.reason_code, sorted(like.codes))
        if leave is not None:
            self.left.append(case)
            assert len(self.left) <= self._pieces, "mark the story with @leaves_evidence, and say how many pieces"
            if self._only_evidence and len(self.left) == self._pieces:
                raise AllIsLeft
        return found.document

    def _judge(self, case: Case) -> Any:
        place = self._place / f"judged-{len(list(self._place.iterdir()))}"
        case.write(place)
        folder = place / case.name
        options = [str(folder / LOG) if option == LOG else option for option in case.arguments[4:]]
        return judge(folder / PACK, folder / TRUST, *options)

    def _why_of(self, leave: str | None) -> str:
        """The story's docstring, as the README of its evidence."""
        lines = [line.strip() for line in self._why.strip().splitlines()]
        told = "\n".join(lines)
        return f"{told}\n\nThe evidence is of: {leave.replace('_', ' ')}." if leave else told
