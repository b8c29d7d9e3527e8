"""``trustlog token``: scoped tokens, each for one job."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from trustlog.change.mint import Minted, Terms
from trustlog.change.mint import mint as mint_at
from trustlog.cli.answer import narrate
from trustlog.cli.desk import at_desk, check_hash, check_role
from trustlog.cli.did import read_did
from trustlog.cli.files import check_writable, write_file
from trustlog.cli.names import JOB_ID, SUBJECT, TICKET, check_name
from trustlog.cli.options import FILE, force_option, json_option, key_option
from trustlog.cli.record import show_published
from trustlog.cli.session import LogAccess, log_options
from trustlog.cli.token_file import TOKEN_FILE_MODE
from trustlog.cli.token_inspect import inspect
from trustlog.cli.token_jwks import jwks
from trustlog.formats.timestamp import NS, format_timestamp
from trustlog.keys.source import open_signer
from trustlog.records.fields import Id, Subject, Ticket

MINT_EXAMPLE = """\b
Example:
  trustlog token mint --job job-17 --ticket jira.example:CHG-17 --requester p-7 --agent did:key:z6Mk… \\
    --policy HASH --aud gate.example --scope change:execute --key issuer.key --log URL --trust trust.toml --out job-17.token"""


@click.group(epilog="\b\nExample:\n  trustlog token inspect job-17.token", no_args_is_help=False)
def token() -> None:
    """Scoped tokens: short-lived, for one job, pinned to one policy, their issuance in the log."""


token.add_command(inspect)
token.add_command(jwks)


@token.command(epilog=MINT_EXAMPLE)
@click.option(
    "--job", required=True, metavar="ID", help="The job: one cycle of one change. A new id, or the same terms again."
)
@click.option("--ticket", required=True, metavar="SYSTEM:ID", help="The ticket that the job works on.")
@click.option(
    "--requester", required=True, metavar="SUBJECT", help="Who asked for the change: an opaque subject of the roster."
)
@click.option("--agent", required=True, metavar="DID", help="The agent that may use the token, or a file that says its key.")
@click.option("--policy", required=True, metavar="HASH", help="The policy that the token is pinned to.")
@click.option("--aud", multiple=True, required=True, metavar="NAME", help="An audience; may be repeated.")
@click.option("--scope", multiple=True, required=True, metavar="NAME", help="A scope; may be repeated.")
@click.option(
    "--ttl", type=click.IntRange(min=1), metavar="S", help="Lifetime in seconds (default: the most that the policy allows)."
)
@click.option("--out", type=FILE, metavar="FILE", help="Write the token there (mode 0600) and not to standard output.")
@key_option
@log_options
@force_option
@json_option
def mint(
    *,
    job: str,
    ticket: str,
    requester: str,
    agent: str,
    policy: str,
    aud: tuple[str, ...],
    scope: tuple[str, ...],
    ttl: int | None,
    out: Path | None,
    key: str,
    access: LogAccess,
    force: bool,
    as_json: bool,
) -> None:
    """Mint a token and log its issuance; the token is given out only once the issuance is in the log.

    A second token for the same job, ticket, requester, agent, policy, audience and scope renews the first one. A token that no
    gate would take is not minted: one that lives longer than its policy allows, under a policy that is not in force, for a job
    that has ended or has other terms.
    """
    policy = policy.removeprefix("b64u:")
    check_hash(policy, "policy")
    check_name(job, Id, param="job", expected=JOB_ID)
    check_name(ticket, Ticket, param="ticket", expected=TICKET)
    check_name(requester, Subject, param="requester", expected=SUBJECT)
    agent = read_did(agent, "agent")
    if out is not None:
        check_writable(out, force=force)
    signer = open_signer(key, os.environ)
    check_role(access, signer, "token_issuers", "nothing was minted")
    terms = Terms(job, ticket, requester, agent, policy, aud, scope)
    minted = at_desk(access, lambda desk: mint_at(desk, signer, terms, ttl_s=ttl))
    if out is not None:
        write_file(out, f"{minted.compact}\n".encode("ascii"), force=force, mode=TOKEN_FILE_MODE)
    for warning in minted.warnings:
        narrate(f"warning: {warning}")
    _show(minted, out, as_json=as_json)


def _show(minted: Minted, out: Path | None, *, as_json: bool) -> None:
    issuance = minted.issuance
    members = issuance.payload
    if not as_json and out is None:
        narrate(f"token_issued {issuance.payload_hash} at index {issuance.index}; the token is secret")
        click.echo(minted.compact)
        return
    names = ("token_hash", "token_scope_hash_b64u", "job_id", "ticket", "exp")
    more: dict[str, Any] = {name: members[name] for name in names}
    more |= {"renews": minted.renews, "warnings": list(minted.warnings)}
    more |= {"token": minted.compact} if out is None else {"file": str(out)}
    does = "renews the token of" if minted.renews else "begins"
    expires = format_timestamp(members["exp"] * NS)
    lines = [
        f"token {members['token_hash']} in {out}",
        f"it {does} job {members['job_id']}, and expires at {expires}",
    ]
    show_published("token_issued", issuance.payload_hash, issuance.submitted, as_json=as_json, more=more, lines=lines)
