"""The payload files of an exported log: each holds what its name, a SHA-256, says; also those that no entry names."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from verifier.change.findings import Findings
from verifier.encodings import decode_exact_b64u
from verifier.errors import Unavailable
from verifier.limits import MAX_LISTED, MAX_PAYLOAD_BYTES
from verifier.source import Source

_KEPT = 17  # bytes of a hash that are enough: no second payload has the same 136 bits
_FOLDER = re.compile("[0-9a-f]{2}", re.ASCII)
_NAME = re.compile("[0-9a-f]{64}", re.ASCII)


class PayloadsRead:
    """The hashes of the payloads that were read and hashed with their entries, in few bytes each: there may be millions.

    They are kept by their first byte, as the files are, so that those of one folder can be had at a time.
    """

    def __init__(self) -> None:
        self._folders = tuple(bytearray() for _ in range(256))
        self._opened: tuple[str, frozenset[bytes]] = ("", frozenset())

    def add(self, payload_hash_b64u: str) -> None:
        """One payload."""
        digest = decode_exact_b64u(payload_hash_b64u.encode("ascii"))
        self._folders[digest[0]].extend(digest[1:_KEPT])

    def has(self, name: str) -> bool:
        """Whether the payload with this hash, in hexadecimal, was read. Names are asked for folder by folder."""
        if self._opened[0] != name[:2]:
            data, width = bytes(self._folders[int(name[:2], 16)]), _KEPT - 1
            self._opened = (name[:2], frozenset(data[at : at + width] for at in range(0, len(data), width)))
        return bytes.fromhex(name)[1:_KEPT] in self._opened[1]


def check_payload_files(source: Source, findings: Findings, read: PayloadsRead) -> None:
    """Check every payload file of an exported directory but those in `read`; a running log has none to look at."""
    if source.is_live:
        return
    count = wrong = strange = 0
    for path in _files(source.location):
        folder, _, name = path.removeprefix("payloads/").partition("/")
        if not (_FOLDER.fullmatch(folder) and _NAME.fullmatch(name) and name.startswith(folder)):
            strange += 1
            continue
        count += 1
        found = name if read.has(name) else _hash_file(source, path)
        if found != name:
            wrong += 1
            if wrong <= MAX_LISTED:
                findings.failed("evidence.payload_files", "HASH_MISMATCH", expected=path, found=found)
    if not wrong:
        findings.passed("evidence.payload_files", f"{count} payload files hold what their names say")
    if strange:
        findings.not_proven.append(f"what {strange} files under payloads/ are: their names are no hashes")


def _hash_file(source: Source, path: str) -> str:
    data = source.read(path, MAX_PAYLOAD_BYTES)
    if data is None:
        raise Unavailable("NOT_FOUND", path, expected="a file that was there a moment ago")
    return sha256(data).hexdigest()


def _files(location: str) -> Iterator[str]:
    """The paths of the files in the 256 folders of payloads/, and of what else lies beside these."""
    root = Path(location) / "payloads"
    try:
        if not _is_folder(root):
            return
        for folder in (f"{number:02x}" for number in range(256)):
            if _is_folder(root / folder):
                yield from (f"payloads/{folder}/{name}" for name in _names(root / folder))
        for name in _names(root):
            if not (_FOLDER.fullmatch(name) and _is_folder(root / name)):
                yield f"payloads/{name}"
    except OSError as error:
        raise Unavailable("LOG_UNREACHABLE", "payloads", found=error.strerror) from None


def _names(folder: Path) -> Iterator[str]:
    """One after another, in the order of the file system: there may be millions."""
    with os.scandir(folder) as entries:
        yield from (entry.name for entry in entries)


def _is_folder(path: Path) -> bool:
    """Whether it is; what is not there is none. Raises OSError for what may not be looked at."""
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except FileNotFoundError:
        return False
