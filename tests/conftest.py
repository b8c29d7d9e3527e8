"""Fixtures for every test. The network is closed but for loopback: see pytest's options in pyproject.toml."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("trustlog", deadline=None)  # a loaded machine is no defect; pytest-timeout bounds a hang
settings.load_profile("trustlog")

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of public vectors, beside the project and never copied into it; the test skips where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"the public vectors are not at {SHARED}")
    return SHARED
