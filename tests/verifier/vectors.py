"""Where the public vectors are: beside the project, read in place. Tests that need them skip without them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

SHARED = Path(__file__).resolve().parents[3] / "shared"
VECTORS = SHARED / "vectors"
CLAW = SHARED / "claw"
needs_vectors = pytest.mark.skipif(not VECTORS.is_dir(), reason="the public vectors are not beside the project")
needs_claw = pytest.mark.skipif(not CLAW.is_dir(), reason="the Clawsig fixtures are not beside the project")


def load(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def cases(folder: str) -> list[Path]:
    """Every JSON file of a folder of vectors, or none."""
    return sorted((VECTORS / folder).rglob("*.json"))
