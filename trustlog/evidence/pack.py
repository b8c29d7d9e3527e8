"""The evidence pack: one closed document in RFC 8785 form, in which every proof leads to one checkpoint.

::

    {"pack_version": "1",
     "subject": {"ticket", "job", "run", "bundle"?},
     "checkpoint": the note's text with all its signatures,
     "views":    [{"size", "root_b64u", "consistency_proof": […]}],         one a size that a decision saw, ascending
     "anchors":  [{"checkpoint", "consistency_proof": […]}],                earlier signed checkpoints: they give times only
     "entries":  [{"index", "entry", "payload"?, "inclusion_proof": […]}],  by index; no payload where it was erased
     "payloads": [{"sha256_b64u", "text"|"base64"}]}                        plans and artefacts, by sha256_b64u as bytes

Hashes in proofs are standard base64, as C2SP writes them. ``entry`` and ``payload`` are the exact texts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from trustlog.errors import Refused
from trustlog.formats.base64 import encode_b64, encode_b64u
from trustlog.formats.jsontext import canonicalize
from trustlog.limits import MAX_PACK_ANCHORS, MAX_PACK_BYTES, MAX_PACK_ENTRIES

PACK_VERSION: Final = "1"


@dataclass(frozen=True, slots=True)
class Subject:
    """The change that a pack is about. `bundle` is a payload hash (base64url), None before one was named."""

    ticket: str
    job: str
    run: str
    bundle: str | None = None


@dataclass(frozen=True, slots=True)
class PackedView:
    """A tree that a decision saw: its 32-byte root, and the proof that it begins the pack's tree."""

    size: int
    root: bytes
    consistency_proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Anchor:
    """An earlier checkpoint as its signed note, and the proof that its tree begins the pack's."""

    checkpoint: str
    consistency_proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class PackedEntry:
    """An entry, its payload's text (None where it is erased), and its inclusion proof to the pack's checkpoint."""

    index: int
    entry: str
    payload: str | None
    inclusion_proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class EvidencePack:
    """A pack; `payloads` are the bytes of plans and artefacts, in any order and each once."""

    subject: Subject
    checkpoint: str
    views: tuple[PackedView, ...]
    entries: tuple[PackedEntry, ...]
    payloads: tuple[bytes, ...]
    anchors: tuple[Anchor, ...] = ()

    def encode(self) -> bytes:
        """The document's bytes, sorted as the format says. Raises Refused(PACK_TOO_LARGE) beyond 64 MiB or 20,000 entries."""
        check_count(len(self.entries))
        assert len(self.anchors) <= MAX_PACK_ANCHORS
        assert len({view.size for view in self.views}) == len(self.views)
        document: dict[str, Any] = {
            "pack_version": PACK_VERSION,
            "subject": _subject(self.subject),
            "checkpoint": self.checkpoint,
            "views": [_view(view) for view in sorted(self.views, key=lambda view: view.size)],
            "anchors": [_anchor(anchor) for anchor in self.anchors],
            "entries": [_entry(entry) for entry in sorted(self.entries, key=lambda entry: entry.index)],
            "payloads": sorted(map(_payload, self.payloads), key=lambda payload: payload["sha256_b64u"].encode()),
        }
        body = canonicalize(document)
        check_size(len(body))
        return body


def check_count(entries: int) -> None:
    """Refused(PACK_TOO_LARGE) for more entries than a pack may hold."""
    if entries > MAX_PACK_ENTRIES:
        raise Refused(
            "PACK_TOO_LARGE",
            "the change has too many entries",
            param="entries",
            expected=f"at most {MAX_PACK_ENTRIES}",
            found=f"{entries} or more",
        )


def check_size(size: int) -> None:
    """Refused(PACK_TOO_LARGE) for more bytes than a pack may have."""
    if size > MAX_PACK_BYTES:
        raise Refused("PACK_TOO_LARGE", "the pack is too large", expected=f"at most {MAX_PACK_BYTES} bytes", found=size)


def _subject(subject: Subject) -> dict[str, str]:
    members = {"ticket": subject.ticket, "job": subject.job, "run": subject.run}
    return members if subject.bundle is None else {**members, "bundle": subject.bundle}


def _view(view: PackedView) -> dict[str, Any]:
    return {
        "size": view.size,
        "root_b64u": encode_b64u(view.root),
        "consistency_proof": _proof(view.consistency_proof),
    }


def _anchor(anchor: Anchor) -> dict[str, Any]:
    return {"checkpoint": anchor.checkpoint, "consistency_proof": _proof(anchor.consistency_proof)}


def _entry(entry: PackedEntry) -> dict[str, Any]:
    members = {"index": entry.index, "entry": entry.entry, "inclusion_proof": _proof(entry.inclusion_proof)}
    return members if entry.payload is None else {**members, "payload": entry.payload}


def _payload(data: bytes) -> dict[str, str]:
    """As text where the bytes are UTF-8, else in base64."""
    address = encode_b64u(hashlib.sha256(data).digest())
    try:
        return {"sha256_b64u": address, "text": data.decode("utf-8")}
    except UnicodeDecodeError:
        return {"sha256_b64u": address, "base64": encode_b64(data)}


def _proof(hashes: Sequence[bytes]) -> list[str]:
    return [encode_b64(node) for node in hashes]
