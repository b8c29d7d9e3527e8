"""Where the public vectors are: beside the project, never copied into it. Tests skip where they are absent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

SHARED = Path(__file__).resolve().parents[3] / "shared"
VECTORS = SHARED / "vectors"
CLAW = SHARED / "claw"

needs_vectors = pytest.mark.skipif(not VECTORS.is_dir(), reason="the public vectors are not beside the project")
needs_claw = pytest.mark.skipif(not CLAW.is_dir(), reason="the public Clawsig data is not beside the project")


def load_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
