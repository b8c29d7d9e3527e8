"""``trustlog keygen``: a role key."""

from __future__ import annotations

from pathlib import Path

import click

from trustlog.cli.answer import show
from trustlog.cli.did import read_did
from trustlog.cli.options import FILE, json_option
from trustlog.errors import Refused
from trustlog.keys.file import generate_key_file


@click.command(
    epilog="""\b
Example:
  trustlog keygen gateway.key
  trustlog keygen --did-of ~/.ssh/approver.pub"""
)
@click.argument("file", type=FILE, required=False)
@click.option(
    "--did-of",
    metavar="KEY",
    help="Make nothing; print the DID of KEY: an ssh-ed25519 line, a .pub or key file, or ssh-agent:WHICH.",
)
@json_option
def keygen(file: Path | None, *, did_of: str | None, as_json: bool) -> None:
    """Make an Ed25519 role key in the new FILE (mode 0600); print its DID.

    One key has one role: make one for each gateway, agent, runner, approver, issuer and gate. A person may keep theirs in an
    ssh-agent: a key made for this alone, added with ssh-add -c so that the agent asks each time, and never forwarded.
    """
    if (file is None) == (did_of is None):
        expected = "either a FILE to make, or --did-of KEY"
        raise Refused("PARAMETER_INVALID", "say which key", param="FILE", expected=expected)
    if file is not None:
        did = generate_key_file(file).did
        show({"did": did, "file": str(file)}, [did], as_json=as_json)
        return
    assert did_of is not None
    did = read_did(did_of, "KEY")
    show({"did": did}, [did], as_json=as_json)
