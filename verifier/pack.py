"""Evidence packs: one closed RFC 8785 document with everything that one change rests on. Nothing in it is trusted."""

# ruff: noqa: RUF009 - s.member and s.optional are field specifiers, evaluated once on purpose

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from verifier import schema as s
from verifier.encodings import decode_b64
from verifier.errors import Refused
from verifier.jsontext import parse_object
from verifier.limits import (
    MAX_CONSISTENCY_HASHES,
    MAX_PACK_ANCHORS,
    MAX_PACK_BYTES,
    MAX_PACK_ENTRIES,
    MAX_PROOF_HASHES,
)
from verifier.payloadtext import parse_sorted


def _hash(value: object, where: str) -> bytes:
    """A 32-byte hash in standard base64."""
    text = s.string(value, where)
    try:
        return decode_hash(text)
    except Refused as error:
        raise Refused(error.code, where, expected=error.expected, found=error.found) from None


@lru_cache(maxsize=1024)  # the proofs of one pack share most of their upper hashes
def decode_hash(text: str) -> bytes:
    """The 32 bytes of a hash in standard base64. Raises Refused BASE64_INVALID."""
    return decode_b64(text, "hash", length=32)


def _hashes(maximum: int) -> s.Rule[tuple[bytes, ...]]:
    """An array of 32-byte hashes in standard base64."""
    one_by_one = s.list_of(_hash, maximum=maximum)

    def check(value: object, where: str) -> tuple[bytes, ...]:
        if isinstance(value, list) and len(value) <= maximum:
            try:
                return tuple(map(decode_hash, value))
            except (Refused, TypeError):
                pass  # the long way says which of them, and why
        return one_by_one(value, where)

    return check


_inclusion = _hashes(MAX_PROOF_HASHES)
_consistency = _hashes(MAX_CONSISTENCY_HASHES)


def _base64(value: object, where: str) -> bytes:
    return decode_b64(s.string(value, where), where)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Which change the pack says it is about."""

    ticket: str = s.member(s.ticket)
    job: str = s.member(s.identifier)
    run: str = s.member(s.identifier)
    bundle: str | None = s.optional(s.hash43)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedView:
    """A decision's tree and its consistency proof to the pack's checkpoint."""

    size: int = s.member(s.integer())
    root_b64u: str = s.member(s.hash43)
    consistency_proof: tuple[bytes, ...] = s.member(_consistency)


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """An earlier signed checkpoint and its consistency proof to the pack's; it gives times only."""

    checkpoint: str = s.member(s.text)
    consistency_proof: tuple[bytes, ...] = s.member(_consistency)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedEntry:
    """An entry's exact text, its payload's exact text unless erased, and its proof to the pack's checkpoint."""

    index: int = s.member(s.integer())
    entry: str = s.member(s.text)
    payload: str | None = s.optional(s.text)
    inclusion_proof: tuple[bytes, ...] = s.member(_inclusion)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedPayload:
    """A content-addressed payload that is not an entry's: a plan or an artefact."""

    sha256_b64u: str = s.member(s.hash43)
    text: str | None = s.optional(s.string)
    base64: bytes | None = s.optional(_base64)

    def data(self) -> bytes:
        """The bytes."""
        return self.base64 if self.base64 is not None else (self.text or "").encode("utf-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """A parsed pack."""

    pack_version: str = s.member(s.one_of("1"))
    subject: Subject = s.member(s.object_of(Subject))
    checkpoint: str = s.member(s.text)
    views: tuple[PackedView, ...] = s.member(s.list_of(s.object_of(PackedView), maximum=MAX_PACK_ENTRIES))
    anchors: tuple[Anchor, ...] = s.member(s.list_of(s.object_of(Anchor), maximum=MAX_PACK_ANCHORS))
    entries: tuple[PackedEntry, ...] = s.member(s.list_of(s.object_of(PackedEntry), maximum=MAX_PACK_ENTRIES))
    payloads: tuple[PackedPayload, ...] = s.member(s.list_of(s.object_of(PackedPayload), maximum=MAX_PACK_ENTRIES))


def parse_pack(data: bytes) -> Pack:
    """The pack in `data`. Raises Refused PACK_TOO_LARGE or PACK_MALFORMED."""
    if len(data) > MAX_PACK_BYTES:
        raise Refused("PACK_TOO_LARGE", "pack", expected=f"at most {MAX_PACK_BYTES} bytes")
    try:
        canonical = parse_sorted(data)  # the schema admits neither floats nor keys that are not ASCII
        pack = s.decode(Pack, canonical or parse_object(data, "pack"), "pack")
        _check_order("entries", (item.index for item in pack.entries))
        _check_order("views", (item.size for item in pack.views))
        _check_order("payloads", (item.sha256_b64u.encode() for item in pack.payloads))
        for position, payload in enumerate(pack.payloads):
            if (payload.text is None) == (payload.base64 is None):
                s.refuse(f"pack.payloads[{position}]", "exactly one of text and base64")
    except Refused as error:
        raise Refused("PACK_MALFORMED", error.detail, expected=error.expected, found=error.found) from None
    if canonical is None:
        raise Refused("PACK_MALFORMED", "pack", expected="its own RFC 8785 form")
    return pack


def _check_order(name: str, keys: Iterable[int] | Iterable[bytes]) -> None:
    previous: int | bytes | None = None
    for key in keys:
        if previous is not None and not previous < key:  # type: ignore[operator]
            s.refuse(f"pack.{name}", "ascending order, each once")
        previous = key
