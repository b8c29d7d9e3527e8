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

import hashlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn, Self

from trustlog.client.memory import Remembered
from trustlog.errors import Refused, TrustlogError
from trustlog.formats.base64 import encode_b64u
from trustlog.formats.checkpoint import parse_checkpoint
from trustlog.formats.note import parse_note
from trustlog.formats.trustpolicy import TrustPolicy
from trustlog.merkle.edge import Edge
from trustlog.merkle.hashing import hash_leaf
from trustlog.storage.connection import StorageFailed, create_database, open_writer, storage_errors
from trustlog.storage.durable import sync_directory
from trustlog.storage.lock import DirectoryLock

FILE_NAME: Final = "gate.db"
LAYOUT: Final = "1"
READ_AGAIN: Final = (
    "take the file away and start again: the log is read again from its beginning; first hand in elsewhere what"
    " restrictions were not logged yet"
)
_CHUNK_ENTRIES: Final = 4096

SCHEMA: Final = """
CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;
CREATE TABLE entries (              -- every entry read, from index 0 on
    idx   INTEGER PRIMARY KEY,
    entry BLOB NOT NULL
) STRICT;
CREATE TABLE payloads (             -- those that were fetched, of entries and plans
    sha256 BLOB PRIMARY KEY,
    text   BLOB NOT NULL
) STRICT;
CREATE TABLE seen (                 -- the newest checkpoint seen, as it came
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    note BLOB NOT NULL
) STRICT;
CREATE TABLE reached (              -- the tree of all entries
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    size INTEGER NOT NULL,
    root BLOB NOT NULL
) STRICT;
CREATE TABLE sightings (            -- a quorum of witnesses had seen so many entries by then
    size INTEGER PRIMARY KEY,
    ns   INTEGER NOT NULL
) STRICT;
CREATE TABLE restrictions (         -- handed in, and not logged yet
    id       BLOB PRIMARY KEY,
    envelope BLOB NOT NULL
) STRICT;
CREATE TABLE allows (               -- sent to the log; released once `idx` says where they are
    payload_hash TEXT PRIMARY KEY,
    asked        BLOB NOT NULL,     -- of which request
    envelope     BLOB NOT NULL,
    at_ns        INTEGER NOT NULL,
    idx          INTEGER
) STRICT;
CREATE TABLE denies (               -- logged lately
    id           BLOB PRIMARY KEY,
    logged_at_ns INTEGER NOT NULL,
    unlogged     INTEGER NOT NULL
) STRICT;
"""


@dataclass(frozen=True, slots=True)
class KeptAllow:
    """An allow that went to the log. `asked` says of which request; `index` is None as long as it is not released."""

    payload_hash: str
    asked: bytes
    envelope: bytes
    at_ns: int
    index: int | None


class KeptView:
    """The open file. One process holds it, and uses it from one thread."""

    def __init__(self, path: Path, connection: sqlite3.Connection, lock: DirectoryLock) -> None:
        self._path = path
        self._db = connection
        self._lock = lock
        self._failure: TrustlogError | None = None
        self.memory = KeptMemory(self)

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
                _create(path, trust)
            connection = _open(path)
        except BaseException:
            lock.release()
            raise
        kept = cls(path, connection, lock)
        try:
            kept._check_owner(trust, adopt_trust=adopt_trust)
        except BaseException:
            kept.close()
            raise
        return kept

    # The log, as it was read.

    def read_all(self) -> Iterator[tuple[list[bytes], Edge]]:
        """All entries in order, some at a time, each time with the edge of the tree that ends with them.

        Raises StorageFailed at the first that is missing, and at the end if the entries are not the tree that was reached.
        """
        edge = Edge.empty()
        size, root = self._reached()
        while edge.size < size:
            entries = self._chunk(edge.size, min(size, edge.size + _CHUNK_ENTRIES))
            edge, _tiles = edge.append([hash_leaf(entry) for entry in entries])
            yield entries, edge
        if edge.root() != root:
            self._damaged("the entries are not those that were read")
        if self._all("SELECT count(*) FROM entries") != [(size,)]:
            self._damaged("there are more entries than were read")

    def payload(self, sha256: bytes) -> bytes | None:
        """A payload that was fetched once."""
        row = self._one("SELECT text FROM payloads WHERE sha256 = ?", sha256)
        if row is not None and hashlib.sha256(row[0]).digest() != sha256:
            self._damaged("a payload is not what it was")
        return None if row is None else row[0]

    def add_payload(self, sha256: bytes, text: bytes) -> None:
        """Keep a payload: an entry's, or a plan."""
        self._run("INSERT OR IGNORE INTO payloads VALUES (?, ?)", sha256, text)

    def drop_payload(self, sha256: bytes) -> None:
        """A payload was erased from the log: it does not stay here either."""
        self._run("DELETE FROM payloads WHERE sha256 = ?", sha256)

    def add_entries(self, start: int, entries: Sequence[bytes], payloads: Mapping[bytes, bytes], root: bytes) -> None:
        """Keep the entries from index `start` on, with which the tree has this root, and their payloads by SHA-256."""
        with self._failing("keep what was read"):
            self._begin()
            self._db.executemany("INSERT INTO entries VALUES (?, ?)", list(enumerate(entries, start)))
            self._db.executemany("INSERT OR IGNORE INTO payloads VALUES (?, ?)", list(payloads.items()))
            self._db.execute("INSERT OR REPLACE INTO reached VALUES (1, ?, ?)", (start + len(entries), root))

    def sightings(self) -> list[tuple[int, int]]:
        """Sizes, and the times (ns) by which a quorum of witnesses had seen them."""
        return list(self._all("SELECT size, ns FROM sightings ORDER BY size"))

    def add_sighting(self, size: int, ns: int) -> None:
        """Keep a sighting."""
        self._run("INSERT OR REPLACE INTO sightings VALUES (?, ?)", size, ns)

    # What no log gives back.

    def restrictions(self) -> list[bytes]:
        """The envelopes that were handed in and are not logged yet, the oldest first."""
        return [envelope for (envelope,) in self._all("SELECT envelope FROM restrictions ORDER BY rowid")]

    def add_restriction(self, identity: bytes, envelope: bytes) -> None:
        """Keep a restriction; it is on the disk when this returns."""
        self.commit()
        with self._failing("keep a restriction"):
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute("INSERT OR IGNORE INTO restrictions VALUES (?, ?)", (identity, envelope))
            self._db.execute("PRAGMA synchronous = NORMAL")

    def drop_restriction(self, identity: bytes) -> None:
        """It is logged."""
        self._run("DELETE FROM restrictions WHERE id = ?", identity)

    def allows(self) -> list[KeptAllow]:
        """Every allow that was not released, or was so lately."""
        return [KeptAllow(*row) for row in self._all("SELECT payload_hash, asked, envelope, at_ns, idx FROM allows")]

    def add_allow(self, allow: KeptAllow) -> None:
        """An allow is about to be sent."""
        row = (allow.payload_hash, allow.asked, allow.envelope, allow.at_ns, allow.index)
        self._run("INSERT OR REPLACE INTO allows VALUES (?, ?, ?, ?, ?)", *row)

    def note_released(self, payload_hash: str, index: int) -> None:
        """It is about to be given to its caller."""
        self._run("UPDATE allows SET idx = ? WHERE payload_hash = ?", index, payload_hash)

    def drop_allow(self, payload_hash: str) -> None:
        """It was withdrawn, or is not in the log."""
        self._run("DELETE FROM allows WHERE payload_hash = ?", payload_hash)

    def drop_released(self, before_ns: int) -> None:
        """Forget the released allows of times before."""
        self._run("DELETE FROM allows WHERE idx IS NOT NULL AND at_ns < ?", before_ns)

    def denies(self) -> list[tuple[bytes, int, int]]:
        """Denies logged lately: id, when (ns), how many equal ones came since; the oldest first."""
        return list(self._all("SELECT id, logged_at_ns, unlogged FROM denies ORDER BY logged_at_ns"))

    def put_deny(self, identity: bytes, logged_at_ns: int, unlogged: int) -> None:
        """Keep, or change, what is known of a deny."""
        self._run("INSERT OR REPLACE INTO denies VALUES (?, ?, ?)", identity, logged_at_ns, unlogged)

    def drop_deny(self, identity: bytes) -> None:
        """Forget a deny."""
        self._run("DELETE FROM denies WHERE id = ?", identity)

    def load_note(self) -> bytes | None:
        """The newest checkpoint seen, as it came."""
        row = self._one("SELECT note FROM seen")
        return None if row is None else row[0]

    def put_note(self, note: bytes) -> None:
        """Keep the newest checkpoint seen."""
        self._run("INSERT OR REPLACE INTO seen VALUES (1, ?)", note)

    # The file.

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

    def _check_owner(self, trust: TrustPolicy, *, adopt_trust: bool) -> None:
        with self._failing("read"):
            if self._db.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                self._damaged("SQLite finds it malformed")
        known, expected = dict(self._all("SELECT name, value FROM meta")), _owner(trust)
        if known.get("layout") != LAYOUT:
            self._damaged(f"its layout is {known.get('layout')}, not {LAYOUT}")
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
        self._run("UPDATE meta SET value = ? WHERE name = 'trust_policy'", expected["trust_policy"])
        self.commit()

    def _reached(self) -> tuple[int, bytes]:
        row = self._one("SELECT size, root FROM reached")
        return (0, Edge.empty().root()) if row is None else (row[0], row[1])

    def _chunk(self, start: int, end: int) -> list[bytes]:
        rows = self._all("SELECT idx, entry FROM entries WHERE idx >= ? AND idx < ? ORDER BY idx", start, end)
        if [index for index, _entry in rows] != list(range(start, end)):
            self._damaged(f"an entry between index {start} and {end} is missing")
        return [entry for _index, entry in rows]

    def _begin(self) -> None:
        if not self._db.in_transaction:
            self._db.execute("BEGIN IMMEDIATE")

    def _run(self, statement: str, *values: object) -> None:
        with self._failing("keep what was read"):
            self._begin()
            self._db.execute(statement, values)

    def _one(self, statement: str, *values: object) -> tuple[Any, ...] | None:
        return next(iter(self._all(statement, *values)), None)

    def _all(self, statement: str, *values: object) -> list[Any]:
        with self._failing("read"):
            return self._db.execute(statement, values).fetchall()

    @contextmanager
    def _failing(self, action: str) -> Iterator[None]:
        """After a failure nothing is kept any more, and every use fails: what stands in the file is whole up to the last commit."""
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

    def _damaged(self, what: str) -> NoReturn:
        raise _damaged(self._path, what)


class KeptMemory:
    """The newest checkpoint seen, kept with the view (a :class:`~trustlog.client.memory.CheckpointMemory`)."""

    def __init__(self, kept: KeptView) -> None:
        self._kept = kept
        self._remembered: Remembered | None = None
        self._loaded = False

    def load(self) -> Remembered | None:
        """What is remembered."""
        if not self._loaded:
            note = self._kept.load_note()
            self._remembered = None if note is None else Remembered(parse_checkpoint(parse_note(note).text), note)
            self._loaded = True
        return self._remembered

    def replace(self, old: Remembered | None, new: Remembered) -> bool:
        """Remember `new` in place of `old`."""
        if self.load() != old:
            return False
        self._kept.put_note(new.note)
        self._remembered = new
        return True


def _owner(trust: TrustPolicy) -> dict[str, str]:
    """Of which log, believed how."""
    keys = "\n".join(sorted(key.encode() for key in trust.log_keys)).encode("utf-8")
    log = f"{trust.origin} {encode_b64u(hashlib.sha256(keys).digest())}"
    return {"layout": LAYOUT, "log": log, "trust_policy": trust.sha256.hex()}


def _create(path: Path, trust: TrustPolicy) -> None:
    """The file, whole or not at all."""
    beside = path.with_name(path.name + ".new")
    with storage_errors(f"create {path}"):
        for name in (beside.name, beside.name + "-wal", beside.name + "-shm"):
            beside.with_name(name).unlink(missing_ok=True)
    create_database(beside, SCHEMA)
    with storage_errors(f"create {path}"):
        beside.chmod(0o600)
        connection = sqlite3.connect(beside)
        connection.executemany("INSERT INTO meta VALUES (?, ?)", list(_owner(trust).items()))
        connection.commit()
        connection.close()
        beside.rename(path)
        sync_directory(path.parent)


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
