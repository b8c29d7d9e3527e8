"""What a gate's file holds: its tables, and of which log it is, believed how."""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path
from typing import Final

from trustlog.formats.base64 import encode_b64u
from trustlog.formats.trustpolicy import TrustPolicy
from trustlog.storage.connection import create_database, storage_errors
from trustlog.storage.durable import sync_directory

LAYOUT: Final = "1"
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


def owner_of(trust: TrustPolicy) -> dict[str, str]:
    """Of which log a file is, believed how: its rows of ``meta``."""
    keys = "\n".join(sorted(key.encode() for key in trust.log_keys)).encode("utf-8")
    log = f"{trust.origin} {encode_b64u(hashlib.sha256(keys).digest())}"
    return {"layout": LAYOUT, "log": log, "trust_policy": trust.sha256.hex()}


def create_kept(path: Path, trust: TrustPolicy) -> None:
    """Make the file of a log under a trust policy, whole or not at all. Raises StorageFailed."""
    beside = path.with_name(path.name + ".new")
    with storage_errors(f"create {path}"):
        for name in (beside.name, beside.name + "-wal", beside.name + "-shm"):
            beside.with_name(name).unlink(missing_ok=True)
    create_database(beside, SCHEMA)
    with storage_errors(f"create {path}"):
        beside.chmod(0o600)
        connection = sqlite3.connect(beside)
        connection.executemany("INSERT INTO meta VALUES (?, ?)", list(owner_of(trust).items()))
        connection.commit()
        connection.close()
        beside.rename(path)
        sync_directory(path.parent)
