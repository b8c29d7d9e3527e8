"""``trustlog token``: scoped tokens, each for one job."""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trustlog.cli.answer import FAIL, PASS, narrate, report, show
from trustlog.cli.files import check_writable, read_input, write_file
from trustlog.cli.options import FILE, force_option, json_option, key_option
from trustlog.cli.record import new_payload, publish, show_published
from trustlog.cli.session import LogAccess, log_options
from trustlog.errors import Refused
from trustlog.formats.base64 import decode_b64u
from trustlog.formats.didkey import parse_did_key
from trustlog.formats.timestamp import NS, format_timestamp
from trustlog.keys.source import open_signer
from trustlog.limits import MAX_ENVELOPE_BYTES
from trustlog.records.work_policy_contract import policy_from_text
from trustlog.tokens.scoped_token import MAX_TOKEN_CHARACTERS, ScopedToken, issuance_members, mint_token, parse_token

if TYPE_CHECKING:
    from trustlog.client.log import LogClient

TOKEN_FILE_MODE = 0o600
JTI_BYTES = 16
MINT_EXAMPLE = """\b
Example:
  trustlog token mint --job job-17 --ticket jira.example:CHG-17 --requester p-7 --agent did:key:z6Mk… \\
    --policy HASH --aud gate.example --scope change:execute --key issuer.key --log URL --trust trust.toml --out job-17.token"""


@click.group(epilog="\b\nExample:\n  trustlog token inspect job-17.token", no_args_is_help=False)
def token() -> None:
    """Scoped tokens: short-lived, for one job, pinned to one policy, their issuance in the log."""


@token.command(epilog=MINT_EXAMPLE)
@click.option("--job", required=True, metavar="ID", help="The job: one cycle of one change.")
@click.option("--ticket", required=True, metavar="SYSTEM:ID", help="The ticket that the job works on.")
@click.option(
    "--requester", required=True, metavar="SUBJECT", help="Who asked for the change: an opaque subject of the roster."
)
@click.option("--agent", required=True, metavar="DID", help="The agent that may use the token.")
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

    A second token for the same job, ticket, requester, agent, policy, audience and scope renews the first one.
    """
    parse_did_key(agent, "agent")
    if out is not None:
        check_writable(out, force=force)
    lifetime_s = access.run(lambda client: _lifetime_s(client, policy, ttl))
    signer = open_signer(key, os.environ)
    now_s = time.time_ns() // NS
    compact = mint_token(
        signer,
        agent_did=agent,
        aud=list(aud),
        scope=list(scope),
        job_id=job,
        policy_hash_b64u=policy,
        iat=now_s,
        exp=now_s + lifetime_s,
        jti=secrets.token_urlsafe(JTI_BYTES),
    )
    members = issuance_members(compact, ticket=ticket, requester=requester)
    payload_hash, logged = publish(
        "token_issued", new_payload("token_issued", members, origin=access.trust.origin), signer, access
    )
    if out is not None:
        write_file(out, f"{compact}\n".encode("ascii"), force=force, mode=TOKEN_FILE_MODE)
    named: dict[str, Any] = {
        name: members[name] for name in ("token_hash", "token_scope_hash_b64u", "job_id", "ticket", "exp")
    }
    if as_json or out is not None:
        given = {"token": compact} if out is None else {"file": str(out)}
        lines = [f"token {members['token_hash']} in {out}"]
        show_published("token_issued", payload_hash, logged, as_json=as_json, more={**named, **given}, lines=lines)
        return
    narrate(f"token_issued {payload_hash} at index {logged.index}; the token is secret")
    click.echo(compact)


@token.command(epilog="\b\nExample:\n  trustlog token inspect job-17.token --issuer did:key:z6Mk…")
@click.argument("file", type=FILE, metavar="FILE|-")
@click.option("--issuer", metavar="DID", help="Check the signature under this key.")
@json_option
def inspect(file: Path, *, issuer: str | None, as_json: bool) -> int:
    """Say what the token in FILE is for. Whether its issuance is in the log is not looked up."""
    text = read_input(file, max_bytes=MAX_TOKEN_CHARACTERS + 1).decode("latin-1").removesuffix("\n")
    found = parse_token(text)
    signed = None if issuer is None else found.is_signed_by(issuer)
    stated = {None: "not checked; --issuer DID checks it", True: f"of {issuer}", False: f"NOT of {issuer}"}[signed]
    result = _describe(found)
    lines = [f"{name} {', '.join(value) if isinstance(value, list) else value}" for name, value in result.items()]
    expires = format_timestamp(found.claims.exp * NS)
    expired = time.time_ns() >= found.claims.exp * NS
    lines += [f"expires {expires}" + (" (it has expired)" if expired else ""), f"signature {stated}"]
    show({**result, "expired": expired, "signature_valid": signed}, lines, as_json=as_json)
    if signed is False:
        report(f"TOKEN_SIGNATURE_INVALID: {issuer} did not sign this token", "trustlog explain TOKEN_SIGNATURE_INVALID")
        return FAIL
    return PASS


async def _lifetime_s(client: LogClient, policy_hash: str, ttl_s: int | None) -> int:
    """The token's lifetime: `ttl_s`, or the most that the policy allows. Raises Refused (``POLICY_…``, ``TOKEN_TTL_EXCEEDED``)."""
    try:
        text = await client.payload(decode_b64u(policy_hash, 32, "policy"), max_bytes=MAX_ENVELOPE_BYTES)
    except Refused as refusal:
        if refusal.code != "PAYLOAD_MISSING":
            raise
        raise Refused("POLICY_NOT_FOUND", "the log has no policy of that hash", param="policy", found=policy_hash) from None
    rules = policy_from_text(text).rules
    if rules is None:
        raise Refused("POLICY_INVALID", "the policy says nothing about changes", param="policy", found=policy_hash)
    most_s = rules.token_requirements.max_ttl_s
    if ttl_s is not None and ttl_s > most_s:
        raise Refused(
            "TOKEN_TTL_EXCEEDED",
            "the policy allows shorter tokens only",
            param="ttl",
            expected=f"at most {most_s} s",
            found=ttl_s,
        )
    return most_s if ttl_s is None else ttl_s


def _describe(found: ScopedToken) -> dict[str, Any]:
    """What the token says of itself; the token is not in it."""
    claims = found.claims
    known = {
        "token_hash": found.token_hash,
        "token_scope_hash_b64u": found.token_scope_hash_b64u,
        "kid": found.kid,
        "agent_did": claims.sub,
        "job_id": claims.mission_id,
        "policy_hash_b64u": claims.policy_hash_b64u,
        "aud": claims.aud,
        "scope": claims.scope,
        "iat": claims.iat,
        "exp": claims.exp,
    }
    return {name: value for name, value in known.items() if isinstance(value, (str, int, list))}
