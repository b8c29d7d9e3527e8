"""``trustlog restore``: a log from its backup; and the checkpoint from which it may sign again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from trustlog.cli.answer import narrate, show
from trustlog.cli.files import read_input
from trustlog.cli.lost import count_lost
from trustlog.cli.options import FILE, json_option
from trustlog.cli.progress import ProgressBar
from trustlog.errors import Refused, TrustlogError
from trustlog.formats.checkpoint import parse_checkpoint
from trustlog.formats.note import parse_note
from trustlog.limits import MAX_NOTE_BYTES

if TYPE_CHECKING:
    from trustlog.log.restore import Restored


@click.command(
    epilog="\b\nExample:\n  trustlog restore /mnt/backup/log-monday ./log-again\n"
    "  trustlog restore /mnt/backup/log-monday ./log-again --newest-checkpoint from-witness.checkpoint --yes"
)
@click.argument("backup", type=FILE, metavar="BACKUP")
@click.argument("directory", type=FILE, metavar="DIR")
@click.option(
    "--newest-checkpoint",
    type=FILE,
    metavar="FILE",
    help="The newest checkpoint known outside: a witness's, a monitor's, or one that a client remembers.",
)
@click.option("--yes", is_flag=True, help="You have asked, and nobody has seen a newer checkpoint than that one.")
@json_option
def restore(backup: Path, directory: Path, *, newest_checkpoint: Path | None, yes: bool, as_json: bool) -> None:
    """Make the log directory DIR from BACKUP. It serves reads, and signs nothing.

    The log may have gone on after the backup, and then signing would fork it. So it stays read-only until you name the newest
    checkpoint that anyone has seen: at once, or later by the same command with --newest-checkpoint, with the server stopped. From
    then on it signs only what continues that checkpoint. If entries are missing up to it, the log stays read-only.

    Ask the witnesses and monitors, and look at what clients remember (submit --state). A checkpoint that is not the newest
    makes a fork, which they will prove. If only guard.db was lost, give DIR as BACKUP too.
    """
    from trustlog.log.directory import LogDirectory  # noqa: PLC0415 (databases are not needed for --help)
    from trustlog.log.restore import restore as restore_log  # noqa: PLC0415

    _check_agreed(newest_checkpoint, yes=yes)
    newest = None if newest_checkpoint is None else read_input(newest_checkpoint, max_bytes=MAX_NOTE_BYTES)
    progress = ProgressBar()
    try:
        restored = restore_log(LogDirectory(backup), LogDirectory(directory), newest=newest, report=progress)
    finally:
        progress.close()
    if restored.missing:
        raise _missing(directory, restored)
    if not restored.has_key:
        narrate(f"log.key was not in the backup: put it into {directory} with mode 0600, before trustlog serve {directory}")
    if newest is not None and restored.guard is not None and restored.guard.size > _size(newest):
        narrate(
            f"warning: the backup itself has a newer checkpoint (size {restored.guard.size}) than the one named, which was not the"
            " newest then: before trustlog serve, make sure that nobody knows a newer one, or the log forks"
        )
    if restored.guard is None:
        narrate(f"read-only: trustlog restore {backup} {directory} --newest-checkpoint FILE --yes lets it sign again")
    _show(directory, restored, as_json=as_json)


def _size(note: bytes) -> int:
    return parse_checkpoint(parse_note(note).text).size


def _check_agreed(newest_checkpoint: Path | None, *, yes: bool) -> None:
    if yes and newest_checkpoint is None:
        hint = "name the newest checkpoint known outside with --newest-checkpoint, or leave --yes out: the log is read-only then"
        raise Refused("PARAMETER_INVALID", "--yes without a checkpoint says nothing", param="yes", hint=hint)
    if newest_checkpoint is not None and not yes:
        raise Refused(
            "PARAMETER_INVALID",
            "naming the newest checkpoint lets the log sign again",
            param="yes",
            expected="--yes",
            hint="ask witnesses, monitors and clients for a newer one; if there is none, add --yes",
        )


def _missing(directory: Path, restored: Restored) -> TrustlogError:
    assert restored.guard is not None
    return TrustlogError(
        "LOG_READ_ONLY",
        f"{restored.missing} entries are missing in {directory}: it is restored, serves reads, and signs nothing",
        param="newest-checkpoint",
        expected=f"size {restored.guard.size}",
        found=f"size {restored.log.size}",
        hint="restore a newer backup to a new directory; if there is none, these entries are lost, and the log has ended",
    )


def _show(directory: Path, restored: Restored, *, as_json: bool) -> None:
    log, guard = restored.log, restored.guard
    state = "read-only" if guard is None else f"it goes on from the checkpoint of size {guard.size}"
    show(
        {
            "directory": str(directory),
            "entries": log.size,
            "tree_size": log.newest.size,
            "root": log.newest.root.hex(),
            "read_only": restored.read_only,
            "goes_on_from": None if guard is None else guard.size,
            "has_key": restored.has_key,
            "lost": count_lost(log.lost),
        },
        [f"{log.size} entries in {directory}, checked to the checkpoint of size {log.newest.size}: {state}"],
        as_json=as_json,
    )
