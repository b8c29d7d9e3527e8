"""``trustlog policy``: work policy contracts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import click

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
from trustlog.keys.source import open_signer
from trustlog.limits import MAX_ENVELOPE_BYTES

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
    payload_hash, logged = publish_record("work_policy_contract", value, open_signer(key, os.environ), access)
    show_published("work_policy_contract", payload_hash, logged, as_json=as_json, more={"policy_hash_b64u": payload_hash})


for command in (check, show, diff, list_policies):
    policy.add_command(command)
