"""A small log, written straight from RFC 6962 and the C2SP specifications, without the code under test."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import rfc8785
from nacl.signing import SigningKey

ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def b64u(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def jcs(value: object) -> bytes:
    return rfc8785.dumps(value)  # type: ignore[arg-type]


def hash_of(value: object) -> str:
    return b64u(sha(value if isinstance(value, bytes) else jcs(value)))


@dataclass(frozen=True)
class Key:
    """A throw-away key, from its name."""

    name: str

    @property
    def signing(self) -> SigningKey:
        return SigningKey(sha(b"throw-away test key " + self.name.encode()))

    @property
    def public(self) -> bytes:
        return bytes(self.signing.verify_key)

    @property
    def did(self) -> str:
        number = int.from_bytes(b"\xed\x01" + self.public, "big")
        digits = ""
        while number:
            number, rest = divmod(number, 58)
            digits = ALPHABET[rest] + digits
        return "did:key:z" + digits

    def sign(self, message: bytes) -> bytes:
        return self.signing.sign(message).signature

    def vkey(self, name: str, key_type: int = 1) -> str:
        return f"{name}+{self.key_id(name, key_type).hex()}+{b64(bytes([key_type]) + self.public)}"

    def key_id(self, name: str, key_type: int) -> bytes:
        return sha(name.encode() + b"\n" + bytes([key_type]) + self.public)[:4]

    def note_line(self, name: str, text: str) -> str:
        return f"\u2014 {name} {b64(self.key_id(name, 1) + self.sign(text.encode()))}\n"

    def cosignature_line(self, name: str, text: str, time_s: int) -> str:
        signature = self.sign(f"cosignature/v1\ntime {time_s}\n{text}".encode())
        return f"\u2014 {name} {b64(self.key_id(name, 4) + time_s.to_bytes(8, 'big') + signature)}\n"


def mth(leaves: list[bytes]) -> bytes:
    """RFC 6962 §2.1, literally."""
    if not leaves:
        return sha(b"")
    if len(leaves) == 1:
        return sha(b"\x00" + leaves[0])
    split = largest_power_below(len(leaves))
    return sha(b"\x01" + mth(leaves[:split]) + mth(leaves[split:]))


def path(index: int, leaves: list[bytes]) -> list[bytes]:
    """RFC 6962 §2.1.1, literally."""
    if len(leaves) <= 1:
        return []
    split = largest_power_below(len(leaves))
    if index < split:
        return [*path(index, leaves[:split]), mth(leaves[split:])]
    return [*path(index - split, leaves[split:]), mth(leaves[:split])]


def proof(size: int, leaves: list[bytes]) -> list[bytes]:
    """RFC 6962 §2.1.2, literally."""
    return [] if size in (0, len(leaves)) else subproof(size, leaves, whole=True)


def subproof(size: int, leaves: list[bytes], *, whole: bool) -> list[bytes]:
    if size == len(leaves):
        return [] if whole else [mth(leaves)]
    split = largest_power_below(len(leaves))
    if size <= split:
        return [*subproof(size, leaves[:split], whole=whole), mth(leaves[split:])]
    return [*subproof(size - split, leaves[split:], whole=False), mth(leaves[:split])]


def largest_power_below(size: int) -> int:
    power = 1
    while power * 2 < size:
        power *= 2
    return power


@dataclass
class Logged:
    entry: bytes
    payload: bytes | None
    kind: str
    refs: dict[str, str]
    payload_hash: str


@dataclass
class LogBuilder:
    """Appends anything, honest or not."""

    origin: str
    key: Key = field(default_factory=lambda: Key("log"))
    items: list[Logged] = field(default_factory=list)

    @property
    def size(self) -> int:
        return len(self.items)

    def leaves(self, size: int | None = None) -> list[bytes]:
        return [item.entry for item in self.items[:size]]

    def add(
        self,
        kind: str,
        payload: dict[str, Any] | bytes,
        *,
        refs: dict[str, str],
        signer: Key,
        signature: bytes | None = None,
        did: str | None = None,
    ) -> str:
        """Append an entry; its payload hash."""
        text = payload if isinstance(payload, bytes) else jcs(payload)
        payload_hash = hash_of(text)
        signature_b64u = b64u(signature or signer.sign(payload_hash.encode()))
        entry = encode_entry(kind, payload_hash, refs, signature_b64u=signature_b64u, signer_did=did or signer.did)
        self.items.append(Logged(entry, text, kind, refs, payload_hash))
        return payload_hash

    def index_of(self, payload_hash: str) -> int:
        return next(index for index, item in enumerate(self.items) if item.payload_hash == payload_hash)

    def note(self, size: int | None = None, cosigners: tuple[tuple[str, Key, int], ...] = ()) -> str:
        """A signed checkpoint; cosigners are (name, key, seconds since 1970)."""
        size = self.size if size is None else size
        text = f"{self.origin}\n{size}\n{b64(mth(self.leaves(size)))}\n"
        lines = self.key.note_line(self.origin, text)
        lines += "".join(key.cosignature_line(name, text, time_s) for name, key, time_s in cosigners)
        return f"{text}\n{lines}"

    def export(self, folder: Path, *, note: str | None = None) -> None:
        """The log as a directory."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "checkpoint").write_text(note or self.note(), encoding="utf-8")
        leaves = self.leaves()
        for number in range((len(leaves) + 255) // 256):
            chunk = leaves[number * 256 : number * 256 + 256]
            bundle = b"".join(len(entry).to_bytes(2, "big") + entry for entry in chunk)
            write(folder, f"tile/entries/{spell(number)}", len(chunk), bundle)
        row, level = [sha(b"\x00" + entry) for entry in leaves], 0
        while row:
            for number in range((len(row) + 255) // 256):
                chunk = row[number * 256 : number * 256 + 256]
                write(folder, f"tile/{level}/{spell(number)}", len(chunk), b"".join(chunk))
            above = []
            for number in range(len(row) // 256):
                nodes = row[number * 256 : number * 256 + 256]
                while len(nodes) > 1:
                    nodes = [sha(b"\x01" + a + b) for a, b in zip(nodes[::2], nodes[1::2], strict=True)]
                above += nodes
            row, level = above, level + 1
        for item in self.items:
            if item.payload is not None:
                add_payload(folder, item.payload)


def encode_entry(
    kind: str, payload_hash_b64u: str, refs: Mapping[str, str], *, signature_b64u: str, signer_did: str
) -> bytes:
    """An entry's bytes, from the format's words alone."""
    members = {
        "entry_version": "1",
        "kind": kind,
        "payload_hash_b64u": payload_hash_b64u,
        "refs": dict(refs),
        "signature_b64u": signature_b64u,
        "signer_did": signer_did,
    }
    return jcs(members)


def add_payload(folder: Path, payload: bytes) -> None:
    name = sha(payload).hex()
    target = folder / "payloads" / name[:2] / name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(payload)


def spell(number: int) -> str:
    text = f"{number % 1000:03d}"
    while number >= 1000:
        number //= 1000
        text = f"x{number % 1000:03d}/{text}"
    return text


def write(folder: Path, name: str, width: int, data: bytes) -> None:
    target = folder / (name if width == 256 else f"{name}.p/{width}")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)


def to_json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
