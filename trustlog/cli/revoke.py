"""``trustlog revoke``: void from here on."""

from __future__ import annotations

import os

import click

from trustlog.cli.options import json_option, key_option
from trustlog.cli.record import new_payload, publish, show_published
from trustlog.cli.session import LogAccess, log_options
from trustlog.keys.source import open_signer


@click.command(
    epilog="\b\nExample:\n  trustlog revoke job:job-17 --reason 'ticket withdrawn' --key issuer.key --log URL --trust trust.toml"
)
@click.argument("target")
@click.option("--reason", required=True, metavar="TEXT", help="Why; it is logged for ever, so no names and no secrets.")
@key_option
@log_options
@json_option
def revoke(target: str, *, reason: str, key: str, access: LogAccess, as_json: bool) -> None:
    """Void TARGET for every later decision: token:HEX, job:ID, policy:HASH, approval:HASH or key:DID. Irrevocable.

    A token or a job is revoked by a token issuer, a policy by a policy issuer, an approval by its signer or a roster authority,
    a key by itself or a roster authority.
    """
    payload = new_payload("revocation", {"target": target, "reason": reason}, origin=access.trust.origin)
    payload_hash, logged = publish("revocation", payload, open_signer(key, os.environ), access)
    show_published("revocation", payload_hash, logged, as_json=as_json, more={"target": target})
