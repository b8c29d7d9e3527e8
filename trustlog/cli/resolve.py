"""``trustlog resolve``: an execution whose outcome was lost has been looked into."""

from __future__ import annotations

import os

import click

from trustlog.change.resolve import resolve as resolve_begin
from trustlog.cli.desk import at_desk, check_hash
from trustlog.cli.options import json_option, key_option
from trustlog.cli.record import show_published
from trustlog.cli.session import LogAccess, log_options
from trustlog.keys.source import open_signer


@click.command(
    epilog="\b\nExample:\n  trustlog resolve --begin HASH --note 'rolled back by hand' --key alice.key --log URL --trust trust.toml"
)
@click.option("--begin", required=True, metavar="HASH", help="The begin of the execution; the gate's reasons name it.")
@click.option(
    "--note", required=True, metavar="TEXT", help="What was found; it is logged for ever, so no names and no secrets."
)
@key_option
@log_options
@json_option
def resolve(*, begin: str, note: str, key: str, access: LogAccess, as_json: bool) -> None:
    """Log that a person looked into an execution without an end. It then counts as ended with failure.

    The key is that of a person of the roster who did not request the change.
    """
    check_hash(begin, "begin")
    signer = open_signer(key, os.environ)
    published = at_desk(access, lambda desk: resolve_begin(desk, signer, begin=begin, note=note))
    more = {"begin_b64u": begin}
    show_published("resolution", published.payload_hash, published.submitted, as_json=as_json, more=more)
