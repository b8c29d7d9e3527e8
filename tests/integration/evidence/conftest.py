"""One honest change, packed once for all tests that only read it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.evidence.stage import Stage, make


@dataclass(frozen=True)
class Honest:
    """The pack of an honest change, its trust policy, and the closed directory of its log."""

    pack: Path
    trust: Path
    log: Path

    @property
    def body(self) -> bytes:
        return self.pack.read_bytes()


@pytest.fixture(scope="session")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Honest:
    place = tmp_path_factory.mktemp("honest")

    async def act(stage: Stage) -> bytes:
        await stage.story.play()
        return await stage.pack()

    pack = place / "change.evidence.json"
    pack.write_bytes(make(place, act))
    return Honest(pack, place / "trust.toml", place / "log")
