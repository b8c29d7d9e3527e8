"""Fixtures for every test. The network is closed but for loopback: see pytest's options in pyproject.toml."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A loaded machine is no defect, and pytest-timeout bounds a hang. Which examples are tried does not change from run to run: a
# change is judged by what it changes. ``--hypothesis-profile=explore`` tries others each time.
settings.register_profile("explore", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("trustlog", parent=settings.get_profile("explore"), derandomize=True)
settings.load_profile("trustlog")

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of public vectors, beside the project and never copied into it; the test skips where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"the public vectors are not at {SHARED}")
    return SHARED
