"""The payload files of an exported log: each holds what its name, a SHA-256, says; also those that no entry names."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from verifier.change.findings import Findings
from verifier.errors import Unavailable
from verifier.limits import MAX_LISTED, MAX_PAYLOAD_BYTES
from verifier.source import Source

_FOLDER = re.compile("[0-9a-f]{2}", re.ASCII)
_NAME = re.compile("[0-9a-f]{64}", re.ASCII)


def check_payload_files(source: Source, findings: Findings) -> None:
    """Check every payload file of an exported directory; a running log has none to look at."""
    if source.is_live:
        return
    count = wrong = strange = 0
    for path in _files(source.location):
        folder, _, name = path.removeprefix("payloads/").partition("/")
        if not (_FOLDER.fullmatch(folder) and _NAME.fullmatch(name) and name.startswith(folder)):
            strange += 1
            continue
        data = source.read(path, MAX_PAYLOAD_BYTES)
        if data is None:
            raise Unavailable("NOT_FOUND", path, expected="a file that was there a moment ago")
        count += 1
        found = sha256(data).hexdigest()
        if found != name:
            wrong += 1
            if wrong <= MAX_LISTED:
                findings.failed("evidence.payload_files", "HASH_MISMATCH", expected=path, found=found)
    if not wrong:
        findings.passed("evidence.payload_files", f"{count} payload files hold what their names say")
    if strange:
        findings.not_proven.append(f"what {strange} files under payloads/ are: their names are no hashes")


def _files(location: str) -> Iterator[str]:
    """The paths of the files two levels below payloads/, and of anything that should not be there."""
    root = Path(location) / "payloads"
    if not root.is_dir():
        return
    try:
        for folder in sorted(root.iterdir()):
            if not folder.is_dir():
                yield f"payloads/{folder.name}"
                continue
            with os.scandir(folder) as entries:  # one name after another: there may be millions
                for entry in entries:
                    yield f"payloads/{folder.name}/{entry.name}"
    except OSError as error:
        raise Unavailable("LOG_UNREACHABLE", "payloads", found=error.strerror) from None
