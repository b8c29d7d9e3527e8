"""``trustlog backup``: a copy of a log, taken while it is served."""

from __future__ import annotations

from pathlib import Path

import click

from trustlog.cli.answer import narrate, show
from trustlog.cli.lost import count_lost
from trustlog.cli.options import FILE, json_option
from trustlog.cli.progress import ProgressBar


@click.command(
    epilog="\b\nExample:\n  trustlog backup ./log /mnt/backup/log-monday\n"
    "  trustlog restore /mnt/backup/log-monday ./log-again        (when it is needed)"
)
@click.argument("directory", type=FILE, metavar="DIR")
@click.argument("out", type=FILE, metavar="OUT")
@click.option("--with-key", is_flag=True, help="Copy log.key too: then the backup itself can sign in the log's name.")
@click.option("--force", is_flag=True, help="Replace OUT if it is an earlier backup.")
@json_option
def backup(directory: Path, out: Path, *, with_key: bool, force: bool, as_json: bool) -> None:
    """Copy the log in DIR to the new directory OUT, as it is at one moment. The log may be served meanwhile.

    OUT holds log.db, config.toml, trust.toml and the public key, and appears only after its tree was computed again up to its
    newest checkpoint.

    guard.db is never copied: it says which checkpoint was signed last, and a copy would be wrong from the next entry on. log.key is
    copied with --with-key alone: whoever gets such a backup can sign another history. Keep one copy of log.key apart, offline;
    without it a restored log cannot sign again.
    """
    from trustlog.log.backup import backup as back_up  # noqa: PLC0415 (databases are not needed for --help)
    from trustlog.log.directory import LogDirectory  # noqa: PLC0415

    progress = ProgressBar()
    try:
        made = back_up(LogDirectory(directory), out, with_key=with_key, force=force, report=progress)
    finally:
        progress.close()
    newest = made.log.newest
    if not with_key:
        narrate(f"log.key is not in it: keep a copy of {directory / 'log.key'} elsewhere, offline")
    show(
        {
            "out": str(out),
            "entries": made.log.size,
            "tree_size": newest.size,
            "root": newest.root.hex(),
            "with_key": made.with_key,
            "lost": count_lost(made.log.lost),
        },
        [f"{made.log.size} entries in {out}, checked to the checkpoint of size {newest.size}, root {newest.root.hex()}"],
        as_json=as_json,
    )
