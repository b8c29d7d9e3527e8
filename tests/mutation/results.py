"""What became of each change, as JSON lines, so that a run can be taken up again."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.mutation.changes import Change

Name = tuple[str, str, str, int]


@dataclass(frozen=True, slots=True)
class Result:
    """The first test that noticed a change, or None; how many were run, of how many that meet it."""

    noticed_by: str | None
    ran: int
    of: int


class Results:
    """Results by the names of changes; kept in a file if there is one."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._known: dict[Name, Result] = {}
        if path is not None and path.exists():
            for line in path.read_text("utf-8").splitlines():
                row = json.loads(line)
                self._known[row["file"], row["function"], row["change"], row["number"]] = Result(**row["result"])

    @property
    def lived(self) -> int:
        """How many changes nothing noticed."""
        return sum(result.noticed_by is None for result in self._known.values())

    def of(self, change: Change) -> Result:
        """What became of a change that was tried."""
        return self._known[change.name]

    def was_noticed(self, change: Change) -> bool:
        """Whether a test noticed a change: it need not be tried again."""
        result = self._known.get(change.name)
        return result is not None and result.noticed_by is not None

    def has_lived(self, change: Change, *, wanted: int, of: int) -> bool:
        """Whether a change lived among as many tests as are wanted now, of as many as meet it now."""
        result = self._known.get(change.name)
        return result is not None and result.noticed_by is None and result.of == of and result.ran >= wanted

    def add(self, change: Change, result: Result) -> None:
        """Keep a result."""
        self._known[change.name] = result
        if self._path is not None:
            file, function, text, number = change.name
            row = {"file": file, "function": function, "change": text, "number": number}
            row |= {"line": change.place.first_line, "result": asdict(result)}
            with self._path.open("a", encoding="utf-8") as out:
                out.write(json.dumps(row) + "\n")
