"""What a gate keeps of the log between two starts, in one SQLite file: nothing of it needs to be read from the log again.

Entries are kept as they were read, in order, with the payloads that were fetched, so that a start judges them again as the gate
that read them did. Beside them stands what no log would give back: the newest checkpoint seen, when witnesses had seen what,
restrictions that were handed in and are not logged yet, allows that were sent to the log and not released, denies logged lately.

What is staged is committed at the latest after each round of decisions, which a crash of the process cannot undo; the power may
take the last moment of it, which is read again. A restriction is on the disk (``synchronous=FULL``) before anybody is told that
it counts.

The file permits nothing. Before anything is decided, its entries are proven by the root that the log signs now, a payload is
proven by its hash, and a released allow is given once more only from the log. Whoever can write into it can deny, and can take
away what only it holds: restrictions that are not logged yet, the newest checkpoint, what witnesses had seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from trustlog.formats.trustpolicy import TrustPolicy
from trustlog.gate.kept_file import FILE_NAME, KeptFile
from trustlog.gate.kept_log import KeptLog, KeptMemory

__all__ = ["FILE_NAME", "KeptAllow", "KeptView"]


@dataclass(frozen=True, slots=True)
class KeptAllow:
    """An allow that went to the log. `asked` says of which request; `index` is None as long as it is not released."""

    payload_hash: str
    asked: bytes
    envelope: bytes
    at_ns: int
    index: int | None


class KeptView:
    """What no log gives back; beside it, in one file with it, the log as it was read (`log`) and the checkpoint seen (`memory`)."""

    def __init__(self, file: KeptFile) -> None:
        self._file = file
        self.log = KeptLog(file)
        self.memory = KeptMemory(file)

    @classmethod
    def open(cls, directory: Path, trust: TrustPolicy, *, adopt_trust: bool = False) -> Self:
        """Open what is kept in `directory`: as :meth:`~trustlog.gate.kept_file.KeptFile.open`."""
        return cls(KeptFile.open(directory, trust, adopt_trust=adopt_trust))

    def restrictions(self) -> list[bytes]:
        """The envelopes that were handed in and are not logged yet, the oldest first."""
        return [envelope for (envelope,) in self._file.all("SELECT envelope FROM restrictions ORDER BY rowid")]

    def add_restriction(self, identity: bytes, envelope: bytes) -> None:
        """Keep a restriction; it is on the disk when this returns."""
        self._file.run_durably("INSERT OR IGNORE INTO restrictions VALUES (?, ?)", identity, envelope)

    def drop_restriction(self, identity: bytes) -> None:
        """It is logged."""
        self._file.run("DELETE FROM restrictions WHERE id = ?", identity)

    def allows(self) -> list[KeptAllow]:
        """Every allow that was not released, or was so lately."""
        return [KeptAllow(*row) for row in self._file.all("SELECT payload_hash, asked, envelope, at_ns, idx FROM allows")]

    def add_allows(self, allows: Iterable[KeptAllow]) -> None:
        """Allows are about to be sent."""
        rows = [(one.payload_hash, one.asked, one.envelope, one.at_ns, one.index) for one in allows]
        self._file.run_each("INSERT OR REPLACE INTO allows VALUES (?, ?, ?, ?, ?)", rows)

    def note_released(self, indexes: Mapping[str, int]) -> None:
        """These allows, by payload hash, are about to be given to their callers."""
        rows = [(index, payload_hash) for payload_hash, index in indexes.items()]
        self._file.run_each("UPDATE allows SET idx = ? WHERE payload_hash = ?", rows)

    def drop_allow(self, payload_hash: str) -> None:
        """It was withdrawn, or is not in the log."""
        self._file.run("DELETE FROM allows WHERE payload_hash = ?", payload_hash)

    def drop_released(self, before_ns: int) -> None:
        """Forget the released allows of times before."""
        self._file.run("DELETE FROM allows WHERE idx IS NOT NULL AND at_ns < ?", before_ns)

    def denies(self) -> list[tuple[bytes, int, int]]:
        """Denies logged lately: id, when (ns), how many equal ones came since; the oldest first."""
        return list(self._file.all("SELECT id, logged_at_ns, unlogged FROM denies ORDER BY logged_at_ns"))

    def put_deny(self, identity: bytes, logged_at_ns: int, unlogged: int) -> None:
        """Keep, or change, what is known of a deny."""
        self._file.run("INSERT OR REPLACE INTO denies VALUES (?, ?, ?)", identity, logged_at_ns, unlogged)

    def drop_deny(self, identity: bytes) -> None:
        """Forget a deny."""
        self._file.run("DELETE FROM denies WHERE id = ?", identity)

    def commit(self) -> None:
        """What was staged survives the process."""
        self._file.commit()

    def close(self) -> None:
        """Commit, and let the next one in."""
        self._file.close()
