"""``trustlog policy``: work policy contracts."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, Final

import click

from trustlog.cli.answer import narrate
from trustlog.cli.files import read_input
from trustlog.cli.options import FILE, json_option, key_option
from trustlog.cli.policy_check import check
from trustlog.cli.policy_diff import diff
from trustlog.cli.policy_help import MEMBERS_HELP
from trustlog.cli.policy_list import list_policies
from trustlog.cli.policy_show import show
from trustlog.cli.policy_source import read_draft
from trustlog.cli.record import publish as publish_record
from trustlog.cli.record import show_published
from trustlog.cli.session import LogAccess, log_options
from trustlog.formats.jsontext import canonicalize
from trustlog.keys.source import open_signer
from trustlog.limits import MAX_ENVELOPE_BYTES
from trustlog.policy.traps import find_traps
from trustlog.records.work_policy_contract import policy_from_text

__all__ = ["policy", "read_draft"]

EXAMPLE: Final = """\b
Example:
  trustlog policy check policy.json --roster roster.json
  trustlog policy publish policy.json --key issuer.key --log URL --trust trust.toml
"""


@click.group(epilog=EXAMPLE, no_args_is_help=False)
def policy() -> None:
    """Work policy contracts: what an agent may do, and what it needs first."""


@policy.command(
    epilog="\b\nExample:\n  trustlog policy publish policy.json --key issuer.key --log URL --trust trust.toml\n\n"
    + MEMBERS_HELP
)
@click.argument("file", type=FILE)
@key_option
@log_options
@json_option
def publish(file: Path, *, key: str, access: LogAccess, as_json: bool) -> None:
    """Log the policy in FILE (JSON, any layout) and print its hash, which is its address.

    A policy_hash in the draft is checked and left out; what is published is the RFC 8785 form. Look at it first: policy check.
    """
    value = read_draft(read_input(file, max_bytes=MAX_ENVELOPE_BYTES))
    _tell_of_traps(value, file)
    payload_hash, logged = publish_record("work_policy_contract", value, open_signer(key, os.environ), access)
    show_published("work_policy_contract", payload_hash, logged, as_json=as_json, more={"policy_hash_b64u": payload_hash})


def _tell_of_traps(value: dict[str, Any], file: Path) -> None:
    """What is published is for ever, so a trap is worth a line before it is."""
    found = find_traps(policy_from_text(canonicalize(value)), time.time_ns())
    names = list(dict.fromkeys(trap.name for trap in found if trap.is_warning))
    if names:
        count = f"{len(names)} warning{'' if len(names) == 1 else 's'}"
        narrate(f"{count}: {', '.join(names)}; trustlog policy check {file} says more")


for command in (check, show, diff, list_policies):
    policy.add_command(command)
