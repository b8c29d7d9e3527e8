"""Backing a log up while it is served.

A backup is a directory:

=================  ===================================================================================================
``log.db``         the log as it was at one moment
``config.toml``    as it is
``trust.toml``     as it is
``log.vkey``       the log's public key, so that a backup can be checked without the private one
``log.key``        only where that was asked for: whoever gets hold of it can sign another history in the log's name
=================  ===================================================================================================

``guard.db`` is never in it. The guard says which checkpoint was signed last, and a copy of it is wrong from the next batch on:
a log restored beside an old guard would sign a second history without noticing. ``index.db`` is derived.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from trustlog.errors import Refused
from trustlog.formats.note import VerifierKey
from trustlog.log.directory import LogDirectory
from trustlog.log.recovery import newest_carried
from trustlog.log.whole import WholeLog, check_whole
from trustlog.storage.connection import storage_errors
from trustlog.storage.copying import add_checkpoint, copy_database
from trustlog.storage.durable import sync_directory
from trustlog.storage.guard import Guard, SignedTree
from trustlog.storage.log_reader import LogReader

VKEY_NAME: Final = "log.vkey"

Report: TypeAlias = Callable[[str, int, int], None]
"""Is told what is being done (``"pages copied"``), how many are done, and how many there are."""


@dataclass(frozen=True, slots=True)
class BackedUp:
    """What is in a backup: the whole log, checked, and whether the private key is beside it."""

    log: WholeLog
    with_key: bool


def backup(
    directory: LogDirectory, out: Path, *, with_key: bool = False, force: bool = False, report: Report | None = None
) -> BackedUp:
    """Copy the log in `directory` to `out`, which appears complete and checked, or not at all.

    The log may be served meanwhile. `force` replaces an earlier backup, and nothing else. Raises Refused for an `out` in use,
    TrustlogError(LOG_CORRUPT) if the copy does not recompute to its newest checkpoint, StorageFailed.
    """
    _check_place(out, force=force)
    key = directory.read_signer().key
    tell = report or (lambda _what, _done, _total: None)
    with storage_errors(f"write the backup {out}"):
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as unfinished:
            made = LogDirectory(Path(unfinished) / "backup")
            made.path.mkdir(mode=0o700)
            guarded = Guard.read(directory.guard_path)
            copy_database(directory.log_path, made.log_path, lambda done, total: tell("pages of log.db copied", done, total))
            _keep_newest(made, key, guarded)
            for name in (directory.config_path, directory.trust_path):
                copy_file(name, made.path / name.name)
            write_durably(made.path / VKEY_NAME, key.encode().encode("utf-8") + b"\n")
            if with_key:
                copy_file(directory.key_path, made.key_path, mode=0o600)
            log = check_copy(made, key, lambda done, total: tell("entries checked", done, total))
            put_in_place(made.path, out, Path(unfinished) / "replaced")
    return BackedUp(log, with_key)


def _keep_newest(copy: LogDirectory, key: VerifierKey, guarded: SignedTree | None) -> None:
    """Put the newest checkpoint, which for a moment only the guard has, into the copy, if the copy carries it."""
    with closing(LogReader(copy.log_path)) as reader:
        newest = newest_carried(reader, reader.size(), key, guarded)
        is_kept = reader.checkpoint(newest.size) is not None
    if not is_kept:
        add_checkpoint(copy.log_path, newest.size, newest.note)


def check_copy(copy: LogDirectory, key: VerifierKey, report: Callable[[int, int], None]) -> WholeLog:
    """Check the log that was just written to `copy`, and the two files beside it. Raises TrustlogError."""
    copy.read_configuration()
    trust = copy.read_trust()
    reader = LogReader(copy.log_path)
    try:
        return check_whole(reader, key, trust, report)
    finally:
        reader.close()


def copy_file(source: Path, target: Path, *, mode: int = 0o644) -> None:
    """Copy a small file to the new file `target`, durably."""
    write_durably(target, source.read_bytes(), mode=mode)


def write_durably(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Write the new file `path`, on the disk when this returns."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def put_in_place(made: Path, out: Path, replaced: Path) -> None:
    """Give the complete directory `made` its name `out`, durably; what has the name now goes to `replaced`."""
    sync_directory(made)
    if out.exists():
        out.rename(replaced)
    try:
        made.rename(out)
    except OSError:
        if replaced.exists():
            replaced.rename(out)
        raise
    sync_directory(out.parent)


def _check_place(out: Path, *, force: bool) -> None:
    if not out.exists():
        return
    if not force:
        hint = "name a new directory, or add --force to replace an earlier backup"
        raise Refused("INPUT_UNREADABLE", f"{out} exists", param="OUT", expected="a new directory", hint=hint)
    if not (out / VKEY_NAME).is_file() or LogDirectory(out).guard_path.exists():
        raise Refused("PARAMETER_INVALID", f"{out} is not an earlier backup", param="OUT", hint="name a new directory")
