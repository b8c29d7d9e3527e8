"""An auditor with a dishonest log before him, as a directory or over HTTP: the same commands, the same answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.verifier.changebuilder import Change, trust_toml
from tests.verifier.logbuilder import LogBuilder, jcs
from tests.verifier.test_http import Server
from verifier.cli import main

Answer = tuple[int, str]  # exit code and reason code


class Auditor:
    """Files, pinned trust, and what the verifier says of the log that `serve` made."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str], *, over_http: bool) -> None:
        self.folder = folder
        self.served = folder / "log"
        self.server: Server | None = None
        self._over_http = over_http
        self._capsys = capsys
        self.trust(trust_toml(absence="log"))

    def trust(self, data: bytes) -> None:
        """Pin another trust policy."""
        self.write("trust.toml", data)

    def write(self, name: str, data: bytes | str) -> str:
        """A file of the auditor's own."""
        path = self.folder / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return str(path)

    def serve(self, log: LogBuilder, *, note: str | None = None) -> None:
        """Lay a log out; what is changed in `served` afterwards is what the auditor sees."""
        log.export(self.served, note=note)
        if self._over_http:
            self.server = Server(self.served)

    @property
    def location(self) -> str:
        """Where the log is read from."""
        return self.server.url if self.server is not None else str(self.served)

    def log(self, *arguments: str) -> Answer:
        """Check the whole log."""
        return self.run("log", self.location, *arguments)

    def evidence(self, change: Change | dict[str, Any], *arguments: str) -> Answer:
        """Judge a change with the whole log beside it."""
        pack = change.pack() if isinstance(change, Change) else change
        name = self.write("change.evidence.json", jcs(pack))
        return self.run("evidence", name, "--log", self.location, "--at", "2026-03-02", *arguments)

    def consistency(self, old: str, new: str) -> Answer:
        """Compare two checkpoints."""
        names = self.write("old.checkpoint", old), self.write("new.checkpoint", new)
        return self.run("consistency", *names, "--log", self.location)

    def run(self, *arguments: str) -> Answer:
        """Run one command."""
        self._capsys.readouterr()
        code = main([*arguments, "--trust", str(self.folder / "trust.toml"), "--json"])
        return code, str(json.loads(self._capsys.readouterr().out)["reason_code"])

    def close(self) -> None:
        """Stop serving."""
        if self.server is not None:
            self.server.close()


def auditors(folder: Path, capsys: pytest.CaptureFixture[str], *, over_http: bool) -> Iterator[Auditor]:
    """One auditor, for a fixture."""
    auditor = Auditor(folder, capsys, over_http=over_http)
    yield auditor
    auditor.close()
