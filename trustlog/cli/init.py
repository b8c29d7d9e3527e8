"""``trustlog init``: a new log."""

from __future__ import annotations

from pathlib import Path

import click

from trustlog.cli.answer import narrate, show
from trustlog.cli.options import FILE, json_option
from trustlog.errors import Refused


@click.command(epilog="\b\nExample:\n  trustlog init ./log --origin log.example/changes")
@click.argument("directory", type=FILE, metavar="DIR")
@click.option("--origin", required=True, metavar="ORIGIN", help="The log's name for ever: a URL without its scheme.")
@json_option
def init(directory: Path, *, origin: str, as_json: bool) -> None:
    """Make the log directory DIR: key, configuration, databases, trust policy. Prints the log's verifier key (vkey).

    Origin and key never change afterwards. The trust policy starts with empty roles, so everything is refused until trustlog
    trust add says otherwise, and without witnesses, which it says too.
    """
    from trustlog.log.directory import LogDirectory, init_directory  # noqa: PLC0415 (databases are not needed for --help)

    try:
        signer = init_directory(directory, origin)
    except Refused as refused:
        if refused.code == "INPUT_UNREADABLE" and directory.exists():
            is_it = f"if this is a log, serve it: trustlog serve {directory}; " if directory.is_dir() else ""
            refused.hint = f"{is_it}a new log needs a directory of its own: name another"
        raise
    vkey = signer.key.encode()
    trust_path = LogDirectory(directory).trust_path
    narrate(f"next: trustlog trust add ROLE DID --trust {trust_path}, then trustlog serve {directory}")
    show({"origin": origin, "vkey": vkey, "directory": str(directory), "trust": str(trust_path)}, [vkey], as_json=as_json)
