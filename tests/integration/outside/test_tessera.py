"""The fsck of Tessera, another implementation of C2SP tlog-tiles, finds a log of 70,000 entries right, and can say no."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.outside.checkers import Checker
from tests.integration.outside.damage import DAMAGES, RESOURCES
from tests.integration.outside.large_log import LargeLog
from trustlog.formats.note import NoteSigner

pytestmark = [
    pytest.mark.usefixtures("tessera"),  # before the log is made: without the checker nobody needs it
    pytest.mark.timeout(1200),  # whichever comes first makes the log and compiles the checker
]


def test_the_exported_log_is_right(log: LargeLog, tessera: Checker) -> None:
    tessera.accept(log.vkey, log.out)


def test_the_served_log_is_right(log: LargeLog, tessera: Checker) -> None:
    with log.serving() as url:
        tessera.accept(log.vkey, url)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("resource", RESOURCES)
def test_any_damage_is_noticed(
    log: LargeLog, tessera: Checker, copy: Path, resource: str, damage: Callable[[Path], None]
) -> None:
    damage(copy / resource)
    tessera.refuse(log.vkey, copy)


def test_another_key_is_refused(log: LargeLog, tessera: Checker) -> None:
    tessera.refuse(NoteSigner(log.checkpoint.origin, bytes(32)).key.encode(), log.out)
