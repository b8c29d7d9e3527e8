"""``trustlog keygen``: a role key."""

from __future__ import annotations

from pathlib import Path

import click

from trustlog.cli.answer import show
from trustlog.cli.options import FILE, json_option
from trustlog.keys.file import generate_key_file


@click.command(epilog="\b\nExample:\n  trustlog keygen gateway.key")
@click.argument("file", type=FILE)
@json_option
def keygen(file: Path, *, as_json: bool) -> None:
    """Make an Ed25519 role key in the new FILE (mode 0600); print its DID.

    One key has one role: make one for each gateway, agent, runner, approver, issuer and gate.
    """
    signer = generate_key_file(file)
    show({"did": signer.did, "file": str(file)}, [signer.did], as_json=as_json)
