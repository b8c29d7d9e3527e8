"""``trustlog revoke``: void from here on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import click

from trustlog.cli.answer import narrate
from trustlog.cli.options import json_option, key_option
from trustlog.cli.record import new_payload, publish, show_published
from trustlog.cli.session import LogAccess, log_options
from trustlog.cli.token_file import read_token_file, token_option
from trustlog.errors import Refused
from trustlog.formats.trustpolicy import TrustPolicy
from trustlog.keys.source import open_signer
from trustlog.records.revocation import may_revoke
from trustlog.tokens.scoped_token import parse_token

SORTS: Final = {
    "token": "the token, and with it its job for ever",
    "job": "the job, for ever",
    "policy": "the policy, and every later decision under it",
    "approval": "the approval; if a decision used it, its job for ever",
    "key": "all that the key signs from here on, and its approvals for every later decision",
}
THEMSELVES: Final = {"approval": "who signed it", "key": "the key itself"}
EXAMPLE: Final = """\b
Example:
  trustlog revoke job:job-17 --reason 'ticket withdrawn' --key issuer.key --log URL --trust trust.toml
  trustlog revoke --token job-17.token --reason 'seen in a chat' --key issuer.key --log URL --trust trust.toml"""


@click.command(epilog=EXAMPLE)
@click.argument("target", required=False)
@token_option(required=False)
@click.option("--reason", required=True, metavar="TEXT", help="Why; it is logged for ever, so no names and no secrets.")
@key_option
@log_options
@json_option
def revoke(target: str | None, *, token: Path | None, reason: str, key: str, access: LogAccess, as_json: bool) -> None:
    """Void TARGET for every later decision: token:HEX, job:ID, policy:HASH, approval:HASH or key:DID. Irrevocable.

    A token or a job is revoked by a token issuer, a policy by a policy issuer, an approval by its signer or a roster authority,
    a key by itself or a roster authority. With --token FILE the target is the token in the file, good or bad.
    """
    if (target is None) == (token is None):
        expected = "either TARGET or --token FILE"
        raise Refused("PARAMETER_INVALID", "say what is to be revoked", param="TARGET", expected=expected)
    named = target if token is None else f"token:{parse_token(read_token_file(token)).token_hash}"
    assert named is not None
    sort = named.partition(":")[0]
    if sort not in SORTS:
        expected = "token:HEX, job:ID, policy:HASH, approval:HASH or key:DID"
        raise Refused(
            "SCHEMA_VALIDATION_FAILED", "nothing of that sort is revoked", param="TARGET", expected=expected, found=named
        )
    payload = new_payload("revocation", {"target": named, "reason": reason}, origin=access.trust.origin)
    try:
        payload_hash, logged = publish("revocation", payload, open_signer(key, os.environ), access)
    except Refused as refused:
        if refused.code != "REVOCATION_NOT_PERMITTED":
            raise
        raise Refused(
            refused.code,
            refused.detail,
            param=refused.param,
            expected=refused.expected,
            found=refused.found,
            hint=f"ask one of these, whom your trust policy names: {who_may(sort, access.trust)}",
        ) from None
    narrate(f"void from index {logged.index} on: {SORTS[sort]}")
    show_published("revocation", payload_hash, logged, as_json=as_json, more={"target": named})


def who_may(sort: str, trust: TrustPolicy) -> str:
    """Who may revoke a target of this sort, by name: one line."""
    by_role = [f"{role} {window.did}" for role in may_revoke(sort) for window in trust.roles[role]]
    themselves = [THEMSELVES[sort]] if sort in THEMSELVES else []
    return "; ".join([*themselves, *by_role]) or f"nobody: {' or '.join(may_revoke(sort))} is empty there"
