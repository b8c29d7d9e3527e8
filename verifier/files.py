"""The files that a command reads and writes: inputs within bounds, the remembered checkpoint, a new report."""

from __future__ import annotations

from pathlib import Path

from verifier.errors import Unusable
from verifier.limits import MAX_NOTE_BYTES, MAX_TRUST_BYTES
from verifier.trust import TrustPolicy, open_checkpoint, parse_trust_policy


def read_file(name: str, max_bytes: int, too_large: str = "BODY_TOO_LARGE") -> bytes:
    """A named file within a bound. Raises Unusable INPUT_UNREADABLE, or `too_large`."""
    try:
        with Path(name).open("rb") as file:
            data = file.read(max_bytes + 1)
    except (OSError, ValueError) as error:
        raise Unusable("INPUT_UNREADABLE", name, found=getattr(error, "strerror", None) or "no such name") from None
    if len(data) > max_bytes:
        raise Unusable(too_large, name, expected=f"at most {max_bytes} bytes")
    return data


def read_trust(name: str) -> TrustPolicy:
    """The trust policy in a file. Raises Unusable, or Refused TRUST_POLICY_INVALID."""
    return parse_trust_policy(read_file(name, MAX_TRUST_BYTES, "TRUST_POLICY_INVALID"))


def read_state(name: str | None) -> bytes | None:
    """The remembered checkpoint note, or None if nothing is remembered yet."""
    if name is None or not Path(name).exists():
        return None
    return read_file(name, MAX_NOTE_BYTES)


def write_state(name: str | None, note: bytes, trust: TrustPolicy) -> None:
    """Remember a checkpoint, unless a newer one is remembered already; written whole or not at all."""
    if name is None:
        return
    old = read_state(name)
    size = open_checkpoint(note, trust).checkpoint.size
    if old is not None and open_checkpoint(old, trust).checkpoint.size >= size:
        return
    write_whole(name, note)


def check_writable(name: str, *, force: bool) -> None:
    """Refuse a file to write that exists, unless forced, or whose folder does not. Raises Unusable PARAMETER_INVALID."""
    path = Path(name)
    if path.exists() and not force:
        raise Unusable("PARAMETER_INVALID", name, expected="a name that is free, or --force")
    if path.is_dir() or not path.parent.is_dir():
        raise Unusable("PARAMETER_INVALID", name, expected="a file in a folder that exists")


def write_whole(name: str, data: bytes) -> None:
    """Write a file whole or not at all. Raises Unusable INPUT_UNREADABLE."""
    path = Path(name)
    fresh = path.with_name(path.name + ".new")
    try:
        fresh.write_bytes(data)
        fresh.replace(path)
    except OSError as error:
        raise Unusable("INPUT_UNREADABLE", name, found=error.strerror) from None
