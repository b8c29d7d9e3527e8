"""``trustlog reindex``: the derived index, built again."""

from __future__ import annotations

from pathlib import Path

import click

from trustlog.cli.answer import show
from trustlog.cli.options import FILE, json_option
from trustlog.cli.progress import ProgressBar


@click.command(epilog="\b\nExample:\n  trustlog reindex ./log")
@click.argument("directory", type=FILE, metavar="DIR")
@json_option
def reindex(directory: Path, *, as_json: bool) -> None:
    """Build index.db of the log in DIR again, from its entries. The server must be stopped.

    The index is derived and never an authority: nothing is lost with it. A server that finds none at its start builds it while it
    serves. Interrupted, it goes on at the next start.
    """
    from trustlog.log.directory import LogDirectory  # noqa: PLC0415 (databases are not needed for --help)
    from trustlog.log.reindex import reindex as build_index  # noqa: PLC0415

    progress = ProgressBar()
    try:
        complete_to = build_index(LogDirectory(directory), lambda done, total: progress("entries indexed", done, total))
    finally:
        progress.close()
    show({"directory": str(directory), "complete_to": complete_to}, [f"{complete_to} entries indexed"], as_json=as_json)
