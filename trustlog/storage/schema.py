"""The tables of a log directory's three databases.

All are STRICT. Indexes of entries count from 0; hashes are 32 raw bytes.
"""

from __future__ import annotations

from typing import Final

SCHEMA_VERSION: Final = 1
"""Kept in ``PRAGMA user_version`` of each database; another number is refused."""

LOG: Final = """
CREATE TABLE entries (              -- append-only, in index order
    idx         INTEGER PRIMARY KEY,
    entry       BLOB NOT NULL,      -- what the tree commits to
    payload     BLOB,               -- its exact text; NULL once erased
    attachments BLOB                -- JSON that nobody signed: the envelope's dates and the like; NULL for none
) STRICT;
CREATE TABLE tiles (                -- one row a tile: full, or its newest partial form, of which every older one is a prefix
    id     INTEGER PRIMARY KEY,     -- level << 48 | index, so that a level grows at its end
    hashes BLOB NOT NULL            -- width * 32 bytes
) STRICT;
CREATE TABLE keys (                 -- identities and conflict keys, each with what it holds and which entry took it
    key   BLOB PRIMARY KEY,
    value BLOB NOT NULL,
    idx   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE governance (           -- the few entries whose payloads decide on others: read again at every start
    idx INTEGER PRIMARY KEY
) STRICT;
CREATE TABLE checkpoints (          -- every checkpoint published, as signed
    size INTEGER PRIMARY KEY,
    note BLOB NOT NULL
) STRICT;
CREATE TABLE blobs (                -- payloads that are not entries: plans, artefacts
    sha256 BLOB PRIMARY KEY,
    data   BLOB NOT NULL
) STRICT;
"""

GUARD: Final = """
CREATE TABLE guard (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    size INTEGER NOT NULL,
    root BLOB NOT NULL,
    note BLOB NOT NULL              -- the signed checkpoint of that size and root
) STRICT;
"""

INDEX: Final = """
CREATE TABLE terms (                -- name: kind, leaf_hash, payload_hash, or a ref's name
    name  TEXT NOT NULL,
    value TEXT NOT NULL,
    idx   INTEGER NOT NULL,
    PRIMARY KEY (name, value, idx)
) STRICT, WITHOUT ROWID;
CREATE TABLE progress (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    complete_to INTEGER NOT NULL,   -- every entry below this index is in terms
    last_leaf   TEXT                -- leaf hash of the last of them: tells whether it is still the same log
) STRICT;
INSERT INTO progress VALUES (1, 0, NULL);
"""
