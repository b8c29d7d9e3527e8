"""A working directory with nothing in it but what the test makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scripts.commands import Shell


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)
