"""``trustlog roster``: the people who may approve."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import click

from trustlog.change.roster import publish_roster
from trustlog.cli.answer import narrate
from trustlog.cli.desk import at_desk
from trustlog.cli.options import FILE, json_option, key_option
from trustlog.cli.record import show_published
from trustlog.cli.roster_file import read_roster
from trustlog.cli.roster_show import show
from trustlog.cli.session import LogAccess, log_options
from trustlog.errors import Refused
from trustlog.keys.source import open_signer

EXAMPLE: Final = """\b
Example:
  trustlog roster publish roster.json --next --key authority.key --log URL --trust trust.toml

\b
A roster's file is one JSON object, {"people": [ … ]}, with one member for each person:
  subject        an opaque id, never a name or an address: 1 to 128 of A-Z a-z 0-9 . _ -
  keys           their public keys: a DID, a line "ssh-ed25519 AAAA… comment", or the name of a .pub file beside this one;
                 a key stays with one person for ever, also when a later roster leaves it out
  roles          what a policy's approver_constraints may ask for: service_owner, platform_security …
  idp            hashes of their ids at identity providers; [] without any
  valid_from     optional, RFC 3339 in UTC: counts from then on
  valid_until    optional, RFC 3339 in UTC: counts before then
A later roster replaces the one before as a whole: who is not in it any more is out, and a key that is left out no longer signs."""


@click.group(epilog="\b\nExample:\n  trustlog roster show --log URL --trust trust.toml", no_args_is_help=False)
def roster() -> None:
    """Rosters: people as opaque subjects, their keys and roles."""


roster.add_command(show)


@roster.command(epilog=EXAMPLE)
@click.argument("file", type=FILE)
@click.option("--next", "renumber", is_flag=True, help="Continue the roster in force, whatever number the file states.")
@key_option
@log_options
@json_option
def publish(file: Path, *, renumber: bool, key: str, access: LogAccess, as_json: bool) -> None:
    """Log the roster in FILE; refuse one that would be void.

    Number and predecessor are those that continue the roster in force, read from the log, unless the file states them. A file
    with the member record is a complete payload and is signed as it is: so does a second authority sign the same roster, as
    trustlog roster show --payload prints it.
    """
    value = read_roster(file)
    if renumber and "record" in value:
        detail = "a complete payload is signed as it is"
        raise Refused("PARAMETER_INVALID", detail, param="next", expected="a draft without the member record")
    signer = open_signer(key, os.environ)
    published = at_desk(access, lambda desk: publish_roster(desk, signer, value, renumber=renumber))
    quorum = access.trust.quorums["roster"]
    if quorum > 1:
        narrate(f"it comes into force when {quorum} roster authorities have signed this very payload")
    more = {name: published.payload[name] for name in ("number", "previous_b64u")} | {"quorum": quorum}
    lines = [f"roster number {more['number']}, {len(published.payload['people'])} people"]
    show_published("roster", published.payload_hash, published.submitted, as_json=as_json, more=more, lines=lines)
