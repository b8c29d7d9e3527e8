"""What the derived index keeps of an entry: one number for each term by which it can be found.

A *term* is a name and a value: ``kind``, ``payload_hash``, ``leaf_hash`` or the name of a ref. A *posting* is
``term hash << 16 | place``, the place being that of the entry within its segment. Sorted postings of one term are neighbours in
the order of the log, so one search serves any first index. Term hashes are short: two terms may share one, and whoever looks up
confirms each answer against the entry.
"""

from __future__ import annotations

import hashlib
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from trustlog.errors import Refused
from trustlog.formats.base64 import decode_b64u, encode_b64u
from trustlog.formats.entry import REF_NAMES, parse_entry
from trustlog.merkle.hashing import HASH_SIZE, hash_leaf
from trustlog.storage.index_schema import LAYOUT

TERM_NAMES: Final = ("kind", "leaf_hash", "payload_hash", *REF_NAMES)
PLACE_BITS: Final = 16
CHUNK_POSTINGS: Final = 500
"""A chunk of 8-byte postings with its checksum is a little less than a page of 4,096 bytes."""

_PLACE_MASK: Final = (1 << PLACE_BITS) - 1
_HASH_BYTES: Final = 8
_TERM_BITS: Final = 47  # with 16 of the place: what fits SQLite's, and every language's, signed 64 bits
_CHECKSUM_BYTES: Final = 4
_FEWEST_PIECES, _MOST_PIECES = 6, 5 + len(REF_NAMES)
_MEMBER_OF: Final = {"kind": "kind", "payload_hash": "payload_hash_b64u"} | {name: name for name in REF_NAMES}


@dataclass(frozen=True, slots=True)
class IndexParameters:
    """How postings are made: entries a segment (at most 65,536), and bits of a term's hash (at most 47)."""

    segment: int = 16_384
    term_bits: int = _TERM_BITS

    @property
    def layout(self) -> str:
        """What an index made with these parameters says of itself."""
        return f"{LAYOUT} {self.segment} {self.term_bits}"

    @property
    def mask(self) -> int:
        """The bits of a posting that are the term's hash."""
        return (1 << self.term_bits) - 1 << PLACE_BITS

    def base(self, index: int) -> int:
        """The first index of the segment of entry `index`."""
        return index - index % self.segment


def lowest_posting(name: str, value: str, mask: int) -> int | None:
    """The lowest posting that the term can have (`mask` of the index's parameters); None for a leaf hash that is none."""
    if name == "leaf_hash":
        try:
            digest = decode_b64u(value, HASH_SIZE, name)
        except Refused:
            return None
    else:
        piece = f'"{_MEMBER_OF[name]}":"{value}"'.encode("utf-8", "surrogatepass")
        digest = hashlib.blake2b(piece, digest_size=_HASH_BYTES).digest()
    return int.from_bytes(digest[:_HASH_BYTES], "big") & mask


def make_postings(entries: Sequence[bytes], place: int, mask: int) -> list[int]:
    """The sorted postings of `entries`, the first of which is at `place` in its segment.

    An entry's values hold no comma, quote or backslash, so its text falls apart at the commas. Bytes that are not an entry
    give no postings, or some that nothing confirms. Every entry passes through this loop: it calls nothing of ours.
    """
    found: list[int] = []
    append, from_bytes, sha256, blake2b = found.append, int.from_bytes, hashlib.sha256, hashlib.blake2b
    hashed: dict[bytes, int] = {}  # kinds, policies, runs and scopes recur
    known = hashed.get
    for at, entry in enumerate(entries, place):
        pieces = entry.split(b",")
        if not _FEWEST_PIECES <= len(pieces) <= _MOST_PIECES:
            continue
        pieces[3] = pieces[3][8:]  # "refs":{
        pieces[-3] = pieces[-3][:-1]  # }
        for piece in pieces[1:-2]:
            term = known(piece)
            if term is None:
                digest = blake2b(piece, digest_size=_HASH_BYTES).digest()
                term = hashed[piece] = from_bytes(digest, "big") & mask
            append(term | at)
        leaf = sha256(b"\x00" + entry).digest()  # hash_leaf
        append(from_bytes(leaf[:_HASH_BYTES], "big") & mask | at)
    found.sort()
    return found


@dataclass(frozen=True, slots=True)
class Run:
    """Entries [start, start + size) of one segment, and their postings, ascending."""

    start: int
    size: int
    postings: list[int]

    @property
    def end(self) -> int:
        """The index after its last entry."""
        return self.start + self.size

    def chunks(self) -> Iterator[list[int]]:
        """The postings, in chunks."""
        for first in range(0, len(self.postings), CHUNK_POSTINGS):
            yield self.postings[first : first + CHUNK_POSTINGS]


def join_runs(runs: Sequence[Run]) -> Run:
    """Neighbours of one segment as one run."""
    postings: list[int] = []
    for run in runs:
        postings += run.postings
    postings.sort()  # of sorted parts: a merge
    return Run(runs[0].start, sum(run.size for run in runs), postings)


def encode_words(words: Sequence[int], *, mark: bytes) -> bytes:
    """Machine words of 64 bits, with a checksum over them and over `mark`, which says where they belong."""
    data = array("Q", words).tobytes()
    return data + zlib.crc32(data, zlib.crc32(mark)).to_bytes(_CHECKSUM_BYTES, "big")


def decode_words(data: object, *, mark: bytes) -> array[int] | None:
    """What :func:`encode_words` encoded with this `mark`; None for anything else."""
    if not isinstance(data, bytes):
        return None
    body = data[:-_CHECKSUM_BYTES]
    if len(body) % 8 or zlib.crc32(body, zlib.crc32(mark)).to_bytes(_CHECKSUM_BYTES, "big") != data[-_CHECKSUM_BYTES:]:
        return None
    words = array("Q")
    words.frombytes(body)
    return words


def mark_of_run(start: int, end: int) -> bytes:
    """The mark of the directory of the run [start, end): the first posting of each of its chunks."""
    return b"run %d %d" % (start, end)


def mark_of_chunk(identifier: int) -> bytes:
    """The mark of a chunk's postings."""
    return b"chunk %d" % identifier


def places(postings: Sequence[int], low: int, high: int) -> list[int]:
    """The places in those of the sorted `postings` that lie in [low, high)."""
    return [posting & _PLACE_MASK for posting in postings[bisect_left(postings, low) : bisect_left(postings, high)]]


def has_terms(data: bytes, terms: Mapping[str, str]) -> bool:
    """Whether `data` is an entry that has all of `terms`."""
    try:
        entry = parse_entry(data)
    except Refused:
        return False
    return all(_value_of(name, entry.kind, entry.payload_hash, entry.refs, data) == value for name, value in terms.items())


def _value_of(name: str, kind: str, payload_hash: bytes, refs: Mapping[str, str], data: bytes) -> str | None:
    if name == "kind":
        return kind
    if name == "payload_hash":
        return encode_b64u(payload_hash)
    if name == "leaf_hash":
        return encode_b64u(hash_leaf(data))
    return refs.get(name)
