"""How long the crash suites run: ``--kills N`` or ``TRUSTLOG_KILLS=N`` for the long form."""

from __future__ import annotations

import os

import pytest

SHORT_KILLS = 20


@pytest.fixture
def kills() -> int:
    """How often a process is killed."""
    return int(os.environ.get("TRUSTLOG_KILLS", SHORT_KILLS))
