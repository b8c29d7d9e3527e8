"""The file in which a gate keeps what it needs between two starts: who may open it, and how it is written.

What is staged is committed at the latest after each round of decisions, which a crash of the process cannot undo; the power may
take the last moment of it. After a failure nothing is kept any more, and every use fails: what stands in the file is whole up to
the last commit.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NoReturn, Self

from trustlog.errors import Refused, TrustlogError
from trustlog.formats.trustpolicy import TrustPolicy
from trustlog.gate.kept_schema import LAYOUT, create_kept, owner_of
from trustlog.storage.connection import StorageFailed, open_writer, storage_errors
from trustlog.storage.lock import DirectoryLock

FILE_NAME: Final = "gate.db"
READ_AGAIN: Final = (
    "take the file away and start again: the log is read again from its beginning; first hand in elsewhere what"
    " restrictions were not logged yet"
)


class KeptFile:
    """The open file. One process holds it, and uses it from one thread."""

    def __init__(self, path: Path, connection: sqlite3.Connection, lock: DirectoryLock) -> None:
        self._path = path
        self._db = connection
        self._lock = lock
        self._failure: TrustlogError | None = None

    @classmethod
    def open(cls, directory: Path, trust: TrustPolicy, *, adopt_trust: bool = False) -> Self:
        """Open what is kept in `directory`, which is made if there is none.

        Raises TrustlogError: ``LOG_LOCKED`` where another process has it; ``STORAGE_FAILED`` for a file that cannot be read or is
        damaged; ``ORIGIN_MISMATCH`` and ``TRUST_POLICY_INVALID`` where it was kept of another log or under another trust policy.
        With `adopt_trust` another policy for the same log takes over: all entries are judged again under it.
        """
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise Refused("INPUT_UNREADABLE", f"cannot make {directory}: {error.strerror}", param="state") from None
        path = directory / FILE_NAME
        lock = DirectoryLock.acquire(
            directory / "lock", hint="one gate a directory: stop the other, or name another --state"
        )
        try:
            if not path.exists():
                create_kept(path, trust)
            connection = _open(path)
        except BaseException:
            lock.release()
            raise
        file = cls(path, connection, lock)
        try:
            file._check_owner(trust, adopt_trust=adopt_trust)
        except BaseException:
            file.close()
            raise
        return file

    def run(self, statement: str, *values: object) -> None:
        """Stage a change."""
        with self._failing("keep what was read"):
            self._begin()
            self._db.execute(statement, values)

    def run_each(self, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
        """Stage a change for each row."""
        with self._failing("keep what was read"):
            self._begin()
            self._db.executemany(statement, rows)

    def run_durably(self, statement: str, *values: object) -> None:
        """Commit what was staged, and then this; it is on the disk when this returns."""
        self.commit()
        with self._failing("keep a restriction"):
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute(statement, values)
            self._db.execute("PRAGMA synchronous = NORMAL")

    def one(self, statement: str, *values: object) -> tuple[Any, ...] | None:
        """The first row of an answer."""
        return next(iter(self.all(statement, *values)), None)

    def all(self, statement: str, *values: object) -> list[Any]:
        """Every row of an answer."""
        with self._failing("read"):
            return self._db.execute(statement, values).fetchall()

    def commit(self) -> None:
        """What was staged survives the process."""
        if self._db.in_transaction:
            with self._failing("commit"):
                self._db.execute("COMMIT")

    def close(self) -> None:
        """Commit, and let the next one in."""
        try:
            if self._failure is None:
                self.commit()
        finally:
            self._db.close()
            self._lock.release()

    def damaged(self, what: str) -> NoReturn:
        """Raise StorageFailed for what a gate did not write so."""
        raise _damaged(self._path, what)

    def _check_owner(self, trust: TrustPolicy, *, adopt_trust: bool) -> None:
        with self._failing("read"):
            if self._db.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                self.damaged("SQLite finds it malformed")
        known, expected = dict(self.all("SELECT name, value FROM meta")), owner_of(trust)
        if known.get("layout") != LAYOUT:
            self.damaged(f"its layout is {known.get('layout')}, not {LAYOUT}")
        if known.get("log") != expected["log"]:
            raise Refused(
                "ORIGIN_MISMATCH",
                f"{self._path} was kept of another log",
                param="state",
                expected=expected["log"],
                found=known.get("log"),
                hint="name another directory with --state: one for each log",
            )
        if known.get("trust_policy") == expected["trust_policy"]:
            return
        if not adopt_trust:
            raise Refused(
                "TRUST_POLICY_INVALID",
                f"{self._path} was kept under another trust policy",
                param="trust",
                expected=f"SHA-256 {known.get('trust_policy')}",
                found=expected["trust_policy"],
                hint="if the policy was changed on purpose, start once with --adopt-trust: every entry is judged again under it",
            )
        self.run("UPDATE meta SET value = ? WHERE name = 'trust_policy'", expected["trust_policy"])
        self.commit()

    def _begin(self) -> None:
        if not self._db.in_transaction:
            self._db.execute("BEGIN IMMEDIATE")

    @contextmanager
    def _failing(self, action: str) -> Iterator[None]:
        if self._failure is not None:
            raise self._failure
        try:
            with _failures(self._path, action):
                yield
        except TrustlogError as error:
            self._failure = error
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise


def _open(path: Path) -> sqlite3.Connection:
    with _failures(path, "open"):
        path.chmod(0o600)
        return open_writer(path, durable=False)


@contextmanager
def _failures(path: Path, action: str) -> Iterator[None]:
    try:
        with storage_errors(f"{action} {path}"):
            yield
    except StorageFailed as error:
        if error.code == "LOG_CORRUPT" or "layout" in error.detail:
            raise _damaged(path, error.detail) from error
        raise


def _damaged(path: Path, what: str) -> TrustlogError:
    return StorageFailed("STORAGE_FAILED", f"{path} is damaged: {what}", param="state", hint=READ_AGAIN)
