"""Full-text search in ``index.db``: the words that people and programs wrote into records, by the entry's index.

Receipts and proof bundles, of which there are many, hold no prose and are found by their refs: their words are left out. So is
what is no word to anybody: hashes, keys and salts. What is left costs next to nothing, and may lag behind the refs. It has no
checksums of its own, as postings have: damage that SQLite does not notice could hide a record from a search, and from nothing else.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any, Final, Protocol

import msgspec

from trustlog.errors import Refused
from trustlog.records.kinds import BULK_KINDS, KINDS
from trustlog.storage.index_search import EntryReader, Page
from trustlog.storage.log_reader import StoredEntry
from trustlog.storage.postings import has_terms

TEXT_KINDS: Final = tuple(sorted(KINDS.keys() - BULK_KINDS))
MAX_TEXT_QUERY_CHARACTERS: Final = 256
MAX_WORDS: Final = 16

_MAX_CHARACTERS: Final = 64 * 1024  # of one record: more than any record of ours holds in prose
_MAX_CANDIDATES: Final = 1024  # looked at for one page
_NO_WORD: Final = re.compile(r"[A-Za-z0-9_-]{22}|[A-Za-z0-9_-]{43}|[A-Za-z0-9_-]{86}|[0-9a-f]{64}|did:key:z\w+|b64u:\S{43}")


class TextReader(EntryReader, Protocol):
    """What full-text search needs of the log."""

    def stored(self, index: int) -> StoredEntry | None:
        """The entry at `index` with its payload."""


def words_of(payload: bytes) -> str:
    """Every text in a payload (JSON), one a line; nothing of bytes that are no JSON."""
    try:
        value = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return ""
    return "\n".join(text for text in _texts(value) if not _NO_WORD.fullmatch(text))[:_MAX_CHARACTERS]


def parse_words(text: str) -> str:
    """What to ask SQLite's FTS5 for entries with every word of `text`; a word that ends in ``*`` stands for its beginnings.

    Raises Refused(PARAMETER_INVALID): no words, too many, or characters that no text has.
    """
    words = text.split()
    prefixes = [word.rstrip("*") for word in words]
    if not 0 < len(words) <= MAX_WORDS or len(text) > MAX_TEXT_QUERY_CHARACTERS or "\0" in text or not all(prefixes):
        raise Refused(
            "PARAMETER_INVALID",
            "this cannot be searched for",
            param="text",
            expected=f"1 to {MAX_WORDS} words, {MAX_TEXT_QUERY_CHARACTERS} characters at most; word* for its beginnings",
            found=text[:MAX_TEXT_QUERY_CHARACTERS],
        )
    quoted = ['"' + prefix.replace('"', '""') + '"' for prefix in prefixes]
    return " ".join(one + ("*" if word.endswith("*") else "") for one, word in zip(quoted, words, strict=True))


def search_texts(
    connection: sqlite3.Connection,
    log: EntryReader,
    query: str,
    terms: Mapping[str, str],
    *,
    start: int,
    end: int,
    limit: int,
    complete_to: int,
) -> Page:
    """A page of the entries in [start, end) with the words of `query` (of :func:`parse_words`) and all of `terms`."""
    until = max(start, min(end, complete_to))
    statement = "SELECT rowid FROM texts WHERE texts MATCH ? AND rowid >= ? AND rowid < ? ORDER BY rowid LIMIT ?"
    rows = connection.execute(statement, (query, start, until, _MAX_CANDIDATES)).fetchall()
    found: list[tuple[int, bytes]] = []
    for (index,) in rows:
        entry = log.entry(index)
        if entry is not None and has_terms(entry, terms):
            found.append((index, entry))
            if len(found) == limit:
                return Page(found, index + 1, complete_to)
    return Page(found, rows[-1][0] + 1 if len(rows) == _MAX_CANDIDATES else until, complete_to)


def _texts(value: Any) -> Iterator[str]:
    """Every string in a JSON value that is no member's name."""
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, list):
            left += reversed(one)
        elif isinstance(one, dict):
            left += reversed(one.values())
