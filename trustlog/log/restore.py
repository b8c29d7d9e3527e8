"""Restoring a log from a backup, and letting it sign again.

A backup is older than the log that it was taken from, perhaps by many entries that others have seen. A log that went on from it
would sign a second history. So a restored log has no guard, and without one it only serves reads (see :mod:`recovery`), until its
operator names the newest checkpoint known outside: a witness's, a monitor's, the one that a client remembers.

=========================================  ===================================================================================
the checkpoint named                       then
=========================================  ===================================================================================
is not of the log's key                    refused; nothing changes
is of a tree that this one does not begin  refused; nothing changes: there are two histories
with
is of a larger tree                        the guard holds it: the log stays read-only until the missing entries are there
is of this tree or of one that begins it   the guard holds it, or the newest in the backup, whichever is larger; the log goes on
=========================================  ===================================================================================

So whatever is signed from then on continues what was named. That nobody has seen anything newer only the operator can know.
"""

from __future__ import annotations

import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from trustlog.errors import Refused
from trustlog.formats.note import Note, VerifierKey, open_note
from trustlog.log.backup import VKEY_NAME, Report, check_copy, copy_file, put_in_place
from trustlog.log.directory import LogDirectory
from trustlog.log.proving import Prover
from trustlog.log.recovery import open_signed
from trustlog.log.whole import WholeLog
from trustlog.storage.connection import storage_errors
from trustlog.storage.copying import copy_database
from trustlog.storage.durable import sync_directory
from trustlog.storage.guard import Guard, SignedTree
from trustlog.storage.lock import DirectoryLock
from trustlog.storage.log_reader import LogReader
from trustlog.storage.log_writer import LogWriter

_STOP_FIRST: Final = "stop the server of this directory, name the checkpoint, and start it again"


@dataclass(frozen=True, slots=True)
class Restored:
    """What is in the directory now.

    `guard` is what the log continues from, None while no checkpoint was named; `missing` counts the entries that it has and the
    log has not. `has_key` says whether the private key is there too.
    """

    log: WholeLog
    guard: SignedTree | None
    missing: int
    has_key: bool

    @property
    def read_only(self) -> bool:
        """Whether the log will only serve reads."""
        return self.guard is None or self.missing > 0


def restore(
    backup: LogDirectory, directory: LogDirectory, *, newest: bytes | None = None, report: Report | None = None
) -> Restored:
    """Make `directory` from `backup`; with `newest`, the note of the newest checkpoint known outside, let it sign again.

    A directory that does not exist, or is empty, appears complete and checked, or not at all. In one that an earlier restore
    made, `newest` is named, and nothing else changes; `backup` must be what it was made from, or the directory itself, where
    only the guard was lost.

    Raises Refused: INPUT_UNREADABLE, ORIGIN_MISMATCH, NOTE_…, CHECKPOINT_MALFORMED for what was given; CHECKPOINT_INCONSISTENT
    for a checkpoint of another history; PARAMETER_INVALID for a directory in use. TrustlogError: LOG_LOCKED, LOG_CORRUPT.
    """
    tell = report or (lambda _what, _done, _total: None)
    in_use = directory.path.exists() and (not directory.path.is_dir() or any(directory.path.iterdir()))
    if in_use and newest is None:
        hint = "name a new directory; or name the newest checkpoint with --newest-checkpoint to finish an earlier restore"
        raise _in_use(directory, "it is not empty", hint)
    key = read_public_key(backup)
    named = None if newest is None else open_named(newest, key)
    if in_use:
        assert named is not None
        return _finish(backup, directory, key, named, tell)
    return _make(backup, directory, key, named, tell)


def read_public_key(directory: LogDirectory) -> VerifierKey:
    """The log's public key, from ``log.key`` or, where that is not, ``log.vkey``; of the origin that the configuration names."""
    origin = directory.read_configuration().origin
    if directory.key_path.exists():
        return directory.read_signer().key
    try:
        key = VerifierKey.parse((directory.path / VKEY_NAME).read_text(encoding="utf-8").removesuffix("\n"))
    except (OSError, UnicodeDecodeError):
        raise Refused(
            "INPUT_UNREADABLE",
            f"{directory.path} is not a backup",
            param="BACKUP",
            expected=f"log.db, config.toml, trust.toml and {VKEY_NAME} or log.key",
            hint="name a directory that trustlog backup wrote",
        ) from None
    if key.name != origin:
        raise Refused("ORIGIN_MISMATCH", f"{VKEY_NAME} is the key of another log", expected=origin, found=key.name)
    return key


def open_named(note: bytes, key: VerifierKey) -> SignedTree:
    """The tree of a checkpoint that the log's `key` signed, its note as the log published it: without cosignatures."""
    tree = open_signed(note, key)
    opened = open_note(note, [key])
    return SignedTree(tree.size, tree.root, Note(opened.text, (opened.verified[0].signature,)).encode())


def _make(
    backup: LogDirectory, directory: LogDirectory, key: VerifierKey, named: SignedTree | None, tell: Report
) -> Restored:
    path = directory.path
    with storage_errors(f"restore to {path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as unfinished:
            made = LogDirectory(Path(unfinished) / "log")
            made.path.mkdir(mode=0o700)
            copy_database(backup.log_path, made.log_path, lambda done, total: tell("pages of log.db copied", done, total))
            for source in (backup.config_path, backup.trust_path):
                copy_file(source, made.path / source.name)
            has_key = backup.key_path.exists()
            if has_key:
                copy_file(backup.key_path, made.key_path, mode=0o600)
            else:  # the public half says which private key belongs here
                copy_file(backup.path / VKEY_NAME, made.path / VKEY_NAME)
            log = check_copy(made, key, lambda done, total: tell("entries checked", done, total))
            missing = 0 if named is None else _name(made, log, named)
            put_in_place(made.path, path, Path(unfinished) / "replaced")
    return Restored(log, _read_guard(directory), missing, has_key)


def _finish(backup: LogDirectory, directory: LogDirectory, key: VerifierKey, named: SignedTree, tell: Report) -> Restored:
    if not directory.log_path.exists():
        raise _in_use(directory, "it holds no log", "name a new directory, or one that trustlog restore made")
    lock = DirectoryLock.acquire(directory.lock_path, hint=_STOP_FIRST)
    try:
        if directory.guard_path.exists():
            raise _in_use(
                directory,
                "it has a guard, so it is no restored log: its guard knows what was signed last",
                "restore to a new directory; never remove a guard to make a log sign",
            )
        own = read_public_key(directory)
        if own != key:
            raise Refused("ORIGIN_MISMATCH", f"{directory.path} has another key", expected=key.encode(), found=own.encode())
        log = check_copy(directory, key, lambda done, total: tell("entries checked", done, total))
        if not backup.path.samefile(directory.path):
            _check_made_from(backup, directory, log)
        with storage_errors(f"restore {directory.path}"):
            missing = _name(directory, log, named)
    finally:
        lock.release()
    return Restored(log, _read_guard(directory), missing, directory.key_path.exists())


def _check_made_from(backup: LogDirectory, directory: LogDirectory, log: WholeLog) -> None:
    with closing(LogReader(backup.log_path)) as reader:
        size, note = reader.size(), reader.checkpoint(log.newest.size)
    if size != log.size or note != log.newest.note:
        raise _in_use(
            directory,
            f"it was not restored from this backup: it holds {log.size} entries, the backup {size}",
            "name the backup that it was restored from, or restore this one to a new directory",
        )


def _name(directory: LogDirectory, log: WholeLog, named: SignedTree) -> int:
    """Make the guard from what was named; how many entries are missing up to it."""
    if named.size > log.size:
        _write_guard(directory, named)
        return named.size - log.size
    with closing(LogReader(directory.log_path)) as reader:
        found = Prover(reader, log.size).root(named.size)
        if found != named.root:
            raise Refused(
                "CHECKPOINT_INCONSISTENT",
                f"the log's key signed another history than this backup: at size {named.size} the roots differ",
                param="newest-checkpoint",
                expected=named.root.hex(),
                found=found.hex(),
                hint="look for another backup; keep this one and the checkpoint, and tell the witnesses and auditors",
            )
        stored = reader.checkpoint(named.size)
    if stored is None:
        with closing(LogWriter.open(directory.log_path)) as writer:
            writer.record_checkpoint(named.size, named.note)
    _write_guard(directory, named if named.size > log.newest.size else log.newest)
    return 0


def _write_guard(directory: LogDirectory, tree: SignedTree) -> None:
    """The guard appears with its row, or not at all."""
    with tempfile.TemporaryDirectory(prefix=".guard-", dir=directory.path) as unfinished:
        made = Path(unfinished) / directory.guard_path.name
        Guard.create(made, tree)
        made.rename(directory.guard_path)
        sync_directory(directory.path)


def _read_guard(directory: LogDirectory) -> SignedTree | None:
    guard = Guard.open(directory.guard_path)
    if guard is None:
        return None
    with closing(guard):
        return guard.last_signed()


def _in_use(directory: LogDirectory, detail: str, hint: str) -> Refused:
    return Refused("PARAMETER_INVALID", f"{directory.path}: {detail}", param="DIR", hint=hint)
