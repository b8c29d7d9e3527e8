"""``trustlog export``: a log as files that anyone can check."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from trustlog.cli.answer import show
from trustlog.cli.lost import count_lost
from trustlog.cli.options import FILE, force_option, json_option
from trustlog.errors import Refused


@click.command(epilog="\b\nExample:\n  trustlog export ./log ./public")
@click.argument("directory", type=FILE, metavar="DIR")
@click.argument("out", type=FILE, metavar="OUT")
@force_option
@json_option
def export(directory: Path, out: Path, *, force: bool, as_json: bool) -> None:
    """Write the log in DIR as the new directory OUT: tiles, entry bundles, payloads, and last the checkpoint.

    Everything is computed again before it is written. A server may run meanwhile. --force replaces an earlier export.
    """
    from trustlog.log.directory import LogDirectory  # noqa: PLC0415 (loaded when it is used)
    from trustlog.log.export import export as export_log  # noqa: PLC0415

    if force and out.exists() and not (out / "checkpoint").is_file():
        raise Refused("PARAMETER_INVALID", f"{out} is not an earlier export", param="OUT", hint="name a new directory")
    exported = export_log(LogDirectory(directory), out, force=force, report=_progress if sys.stderr.isatty() else None)
    size, root = exported.tree.size, exported.tree.root.hex()
    show(
        {
            "out": str(out),
            "tree_size": size,
            "root": root,
            "payloads": exported.payloads,
            "lost": count_lost(exported.lost),
        },
        [f"{size} entries and {exported.payloads} payloads in {out}, root {root}"],
        as_json=as_json,
    )


def _progress(done: int, total: int) -> None:
    end = "\n" if done == total else ""
    print(f"\r{done} of {total} entries", end=end, file=sys.stderr, flush=True)
