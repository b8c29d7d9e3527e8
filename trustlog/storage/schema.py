"""The tables of ``log.db`` and ``guard.db``.

All are STRICT. Indexes of entries count from 0; hashes are 32 raw bytes.

The hot tables only grow at their end: an append touches the last page of each and new ones, whatever the size of the log. So
entries are stored by *segment*, as many neighbours as one batch brought and as lie in one entry bundle, and the keys, which
have no order, are kept in memory (:mod:`trustlog.storage.keys`) and written beside the segment only to be read at a start.
"""

from __future__ import annotations

from typing import Final

SCHEMA_VERSION: Final = 2
"""Kept in ``PRAGMA user_version`` of each database; another number is refused."""

LOG: Final = """
CREATE TABLE segments (             -- append-only; `count` entries from index `first` on, all of one entry bundle
    first       INTEGER PRIMARY KEY,
    count       INTEGER NOT NULL,
    entries     BLOB NOT NULL,      -- as in an entry bundle: each after its length, two bytes, big-endian
    payloads    BLOB NOT NULL,      -- their exact texts: each after its length, four bytes; ffffffff alone once erased
    attachments BLOB NOT NULL       -- likewise: JSON that nobody signed, the envelope's dates and the like; ffffffff for none
) STRICT;
CREATE TABLE keys (                 -- append-only; what the entries of a segment hold
    first      INTEGER PRIMARY KEY,
    identities BLOB NOT NULL,       -- count * 32 bytes
    claims     BLOB NOT NULL        -- 65 bytes each: which entry of the segment, the key, what it holds
) STRICT;
CREATE TABLE tiles (                -- one row a tile: full, or its newest partial form, of which every older one is a prefix
    id     INTEGER PRIMARY KEY,     -- level << 48 | index, so that a level grows at its end
    hashes BLOB NOT NULL            -- width * 32 bytes
) STRICT;
CREATE TABLE governance (           -- the few entries whose payloads decide on others: read again at every start
    idx INTEGER PRIMARY KEY
) STRICT;
CREATE TABLE checkpoints (          -- every checkpoint published but, for a moment, the newest, which the guard has
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
