"""The tables of ``index.db``, and when a file that is there is of no use to this version.

The log is cut into *segments* of equal length, each into *runs* of consecutive entries; a full segment is one run. A run has one
*posting* for each term of each of its entries, sorted, in *chunks*. Writing touches only the last runs, however long the log.
"""

from __future__ import annotations

import sys
from typing import Final

LAYOUT: Final = f"postings/2 {sys.byteorder}"
"""Kept in ``progress``, with the parameters: an index that says anything else is built again. Postings are machine words."""

INDEX: Final = """
CREATE TABLE runs (                 -- side by side from entry 0 to complete_to, none across the border of a segment
    start  INTEGER PRIMARY KEY,     -- the index of its first entry
    size   INTEGER NOT NULL,        -- how many entries
    firsts BLOB NOT NULL            -- the first posting of each chunk, and a checksum
) STRICT;
CREATE TABLE chunks (
    id       INTEGER PRIMARY KEY,   -- the run's start + the chunk's number: a run has at most as many chunks as entries
    postings BLOB NOT NULL          -- ascending, and a checksum; a row fills a page
) STRICT;
CREATE TABLE progress (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    layout      TEXT NOT NULL,
    complete_to INTEGER NOT NULL,   -- every entry below this index is in a run
    last_leaf   BLOB,               -- leaf hash of the last of them: tells whether it is still the same log
    texts_to    INTEGER NOT NULL    -- the words of every entry below this index are in texts
) STRICT;
CREATE VIRTUAL TABLE texts USING fts5(words, content = '', columnsize = 0);  -- rowid: the entry's index
"""
