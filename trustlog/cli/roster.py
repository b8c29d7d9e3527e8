"""``trustlog roster``: the people who may approve."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trustlog.cli.files import read_input
from trustlog.cli.options import FILE, json_option, key_option
from trustlog.cli.record import new_payload, show_published
from trustlog.cli.record import publish as publish_record
from trustlog.cli.session import LogAccess, log_options
from trustlog.errors import Refused
from trustlog.formats.base64 import encode_b64u
from trustlog.formats.entry import parse_entry
from trustlog.formats.jsontext import describe, parse_json
from trustlog.keys.source import open_signer
from trustlog.limits import MAX_ENVELOPE_BYTES
from trustlog.records.candidate import read_logged

if TYPE_CHECKING:
    from trustlog.client.log import LogClient

DRAFT_MEMBERS = frozenset({"number", "previous_b64u", "people"})


@click.group(
    epilog="\b\nExample:\n  trustlog roster publish roster.json --key authority.key --log URL --trust trust.toml",
    no_args_is_help=False,
)
def roster() -> None:
    """Rosters: people as opaque subjects, their keys and roles."""


@roster.command(
    epilog="\b\nExample:\n  trustlog roster publish roster.json --key authority.key --log URL --trust trust.toml"
)
@click.argument("file", type=FILE)
@key_option
@log_options
@json_option
def publish(file: Path, *, key: str, access: LogAccess, as_json: bool) -> None:
    """Log the roster in FILE: {"people": [{"subject", "keys", "roles", "idp"}, …]}.

    Number and predecessor are those that continue the log's last roster unless the file states them. A file with the member
    record is a complete payload and is signed as it is: so does a second authority sign the same roster.
    """
    value = _read(read_input(file, max_bytes=MAX_ENVELOPE_BYTES))
    if "record" not in value:
        chain = {} if {"number", "previous_b64u"} <= value.keys() else access.run(_continue_chain)
        members = {"number": 1, "previous_b64u": None, **chain, **value}
        value = new_payload("roster", members, origin=access.trust.origin)
    payload_hash, logged = publish_record("roster", value, open_signer(key, os.environ), access)
    show_published("roster", payload_hash, logged, as_json=as_json, more={"number": value.get("number")})


def _read(text: bytes) -> dict[str, Any]:
    value = parse_json(text, "roster")
    if not isinstance(value, dict):
        raise Refused(
            "SCHEMA_VALIDATION_FAILED", "a roster is an object", param="roster", expected="object", found=describe(value)
        )
    unknown = value.keys() - DRAFT_MEMBERS
    if "record" not in value and ("people" not in value or unknown):
        raise Refused(
            "SCHEMA_VALIDATION_FAILED",
            "not a draft of a roster",
            param="roster",
            expected="people, and if you like number and previous_b64u",
            found=", ".join(sorted(value)) or "nothing",
        )
    return value


async def _continue_chain(client: LogClient) -> dict[str, Any]:
    """The number and predecessor that continue the last roster which the log names.

    What the log leaves out cannot be seen here; a roster that does not continue the one in force is refused at admission, and void
    for every reader.
    """
    found, _complete_to = await client.find({"kind": "roster"})
    last: tuple[int, str] | None = None
    for listed in found:
        entry = parse_entry(listed.entry.encode("utf-8"))
        text = await client.payload(entry.payload_hash, max_bytes=MAX_ENVELOPE_BYTES)
        record = read_logged(entry.encode(), text, origin=client.origin).record
        if last is None or record.number > last[0]:
            last = (record.number, encode_b64u(entry.payload_hash))
    return {} if last is None else {"number": last[0] + 1, "previous_b64u": last[1]}
