"""What a command hands back: the verdict, and what is needed to explain it and to write it down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from verifier.explain.step import Chapter
from verifier.report import Report
from verifier.trust import TrustPolicy

if TYPE_CHECKING:  # the records of a change are for those who judge one
    from verifier.timeline import Moment


@dataclass(frozen=True, slots=True)
class Path:
    """An entry's inclusion path: its bytes, its index, the size of the tree and its root, and the sibling hashes."""

    entry: bytes
    index: int
    size: int
    root: bytes
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Background:
    """What helps a person to follow a verdict.

    `facts` are labelled lines about the input; `moments` are the records of a change in the log's order; `chapters` explain
    the hashes; `paths` are inclusion paths by entry.
    """

    facts: tuple[tuple[str, str], ...] = ()
    moments: tuple[Moment, ...] = ()
    chapters: tuple[Chapter, ...] = ()
    paths: tuple[Path, ...] = ()


def no_background() -> Background:
    """Nothing to add."""
    return Background()


@dataclass(frozen=True, slots=True)
class Judged:
    """What a verdict is about: the time of judging in UTC, and each file by its name and SHA-256 in hex."""

    at: str
    files: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A verdict. Only `report` decides the exit code; the background is made after it, and only where it is asked for.

    `files` are the inputs by name with their SHA-256 in hex, the trust policy last.
    """

    report: Report
    trust: TrustPolicy | None = None
    make_background: Callable[[], Background] = no_background
    files: tuple[tuple[str, str], ...] = ()
