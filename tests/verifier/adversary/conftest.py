"""The auditor's two ways to read a log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.verifier.adversary.auditor import Auditor, auditors


@pytest.fixture(params=["directory", "http"])
def auditor(request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Auditor]:
    """A log read from a directory, then the same over HTTP."""
    yield from auditors(tmp_path, capsys, over_http=request.param == "http")


@pytest.fixture
def web_auditor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Auditor]:
    """A log read over HTTP."""
    yield from auditors(tmp_path, capsys, over_http=True)
