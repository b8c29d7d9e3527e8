"""Every kind of resource of the large log, and what can be wrong with one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

RESOURCES = [
    "checkpoint",
    "tile/0/000",
    "tile/0/273.p/112",
    "tile/1/000",
    "tile/1/001.p/17",
    "tile/2/000.p/1",
    "tile/entries/100",
    "tile/entries/273.p/112",
]


def change_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    _replace(path, bytes(content))


def drop_a_byte(path: Path) -> None:
    _replace(path, path.read_bytes()[:-1])


def remove(path: Path) -> None:
    path.unlink()


DAMAGES: list[Callable[[Path], None]] = [change_a_byte, drop_a_byte, remove]


def _replace(path: Path, content: bytes) -> None:
    path.unlink()  # a link to what others read
    path.write_bytes(content)
