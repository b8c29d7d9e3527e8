"""What a log's JSON answers look like, parsed strictly. Nothing here is believed yet: :mod:`trustlog.client.checking` proves it.

Hashes are 32 bytes after parsing: base64url without padding in members that end in ``_b64u``, standard base64 in proofs, as
C2SP writes them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import UNSET

from trustlog.errors import REASONS, Conflict, Refused, shorten
from trustlog.formats.base64 import decode_b64, decode_b64u
from trustlog.formats.compactjson import decode_compact
from trustlog.formats.jsontext import parse_json
from trustlog.limits import MAX_LIST_LIMIT, MAX_SAFE_INTEGER
from trustlog.merkle.hashing import HASH_SIZE

PROBLEM_TYPE: Final = "application/problem+json"
MAX_PROOF_HASHES: Final = 64  # a tree has at most 2^63 leaves
MAX_RETRY_AFTER_DIGITS: Final = 6

_RETRY_AFTER = re.compile(rf"[0-9]{{1,{MAX_RETRY_AFTER_DIGITS}}}")

Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_SAFE_INTEGER)]
Proof = Annotated[list[str], msgspec.Meta(max_length=MAX_PROOF_HASHES)]
T = TypeVar("T")


class EntryAnswer(msgspec.Struct, frozen=True):
    """An entry that the log says it holds: in answer to a submission, or to a question for an index."""

    index: Count
    leaf_hash_b64u: str
    entry: str
    tree_size: Count
    checkpoint: str
    inclusion_proof: Proof
    already_logged: bool = True
    attachments: dict[str, Any] | None = None


class InclusionAnswer(msgspec.Struct, frozen=True):
    """An inclusion proof."""

    index: Count
    leaf_hash_b64u: str
    tree_size: Count
    inclusion_proof: Proof


class ConsistencyAnswer(msgspec.Struct, frozen=True, rename={"old": "from", "new": "to"}):
    """A consistency proof."""

    old: Count
    new: Count
    consistency_proof: Proof


class BlobAnswer(msgspec.Struct, frozen=True):
    """A payload that was stored."""

    sha256_b64u: str
    size: Count


class FoundEntry(msgspec.Struct, frozen=True):
    """One line of a list."""

    index: Count
    leaf_hash_b64u: str
    entry: str


class ListAnswer(msgspec.Struct, frozen=True):
    """Entries that the derived index names, and the tree size that it is complete to."""

    entries: Annotated[list[FoundEntry], msgspec.Meta(max_length=MAX_LIST_LIMIT)]
    complete_to: Count
    next_cursor: str | None = None


class _Problem(msgspec.Struct, frozen=True):
    code: str
    detail: str = ""
    title: str = ""
    param: str | None = None
    expected: str | None = None
    found: str | None = None
    hint: str | None = None
    index: Count | None = None
    leaf_hash_b64u: str | None = None
    status: int | None = None


def parse_answer(body: bytes, shape: type[T]) -> T:
    """One JSON answer of the given shape; unknown members are ignored. Raises Refused (``LOG_RESPONSE_INVALID``)."""
    try:
        value = parse_json(body, "answer")
    except Refused as error:
        raise response_invalid(f"the answer is not strict JSON: {error.detail}") from None
    return _convert(value, shape)


def _convert(value: Any, shape: type[T]) -> T:
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        raise response_invalid(f"the answer has another shape: {error}") from None


def parse_hashes(texts: Sequence[str]) -> list[bytes]:
    """The 32-byte hashes of a proof."""
    return [_as_answer(decode_b64, text, "proof", HASH_SIZE) for text in texts]


def parse_hash_b64u(text: str, param: str) -> bytes:
    """A 32-byte hash."""
    return _as_answer(decode_b64u, text, HASH_SIZE, param)


@dataclass(frozen=True, slots=True)
class LineAnswer:
    """One line of the answer to a batch: an entry, or the reason why not."""

    entry: EntryAnswer | None
    refusal: Refused | None


def parse_line(line: bytes) -> LineAnswer:
    """One line of the answer to a batch. A problem line has a ``code``, an entry has none."""
    value = _parse_line(line)
    if isinstance(value, dict) and "code" in value:
        return LineAnswer(None, _problem(value, None, None))
    return LineAnswer(_convert(value, EntryAnswer), None)


def parse_refusal(line: bytes) -> Refused | None:
    """The refusal that one line of the answer to a batch is; None for an entry, of which nothing is looked at."""
    value = _parse_line(line)
    return _problem(value, None, None) if isinstance(value, dict) and "code" in value else None


def _parse_line(line: bytes) -> Any:
    value = decode_compact(line)
    if value is not UNSET:
        return value
    try:
        return parse_json(line, "answer")
    except Refused as error:
        raise response_invalid(f"a line of the answer is not strict JSON: {error.detail}") from None


def parse_problem(body: bytes, status: int, retry_after: str | None) -> Refused:
    """The error that a problem document (RFC 9457) stands for, its texts as single printable lines.

    ``LOG_RESPONSE_INVALID`` where it cannot be read or names a code that is not registered.
    """
    try:
        return _problem(parse_json(body, "problem"), status, retry_after)
    except Refused as error:
        return response_invalid(f"a problem document that cannot be read: {error.detail}", found=f"status {status}")


def response_invalid(detail: str, *, expected: object = None, found: object = None) -> Refused:
    """``LOG_RESPONSE_INVALID``: what came is not what the log's protocol says."""
    return Refused("LOG_RESPONSE_INVALID", shorten(detail), expected=expected, found=found)


def _problem(value: object, status: int | None, retry_after: str | None) -> Refused:
    try:
        problem = msgspec.convert(value, _Problem)
    except msgspec.ValidationError as error:
        return response_invalid(f"a problem of another shape: {error}", found=f"status {status}")
    if problem.code not in REASONS:
        return response_invalid("a problem with an unknown code", found=problem.code)
    detail = shorten(problem.detail or problem.title or REASONS[problem.code].sentence)
    if problem.code == "CONFLICT" and problem.index is not None and problem.leaf_hash_b64u is not None:
        leaf_hash = parse_hash_b64u(problem.leaf_hash_b64u, "leaf_hash_b64u")
        param = shorten(problem.param or "payload")
        return Conflict(detail, index=problem.index, leaf_hash=leaf_hash, param=param, found=problem.found)
    return Refused(
        problem.code,
        detail,
        param=None if problem.param is None else shorten(problem.param),
        expected=problem.expected,
        found=problem.found,
        hint=_hint(problem.hint, retry_after),
    )


def _hint(hint: str | None, retry_after: str | None) -> str | None:
    if retry_after is None or not _RETRY_AFTER.fullmatch(retry_after):
        return None if hint is None else shorten(hint)
    return f"try again in {int(retry_after)} s" + ("" if hint is None else f"; {shorten(hint)}")


def _as_answer(decode: Any, *arguments: object) -> bytes:
    try:
        value = decode(*arguments)
    except Refused as error:
        raise response_invalid(error.detail, expected=error.expected, found=error.found) from None
    assert isinstance(value, bytes)
    return value
