"""``trustlog token inspect``: what a token is for, in words, and what the log says of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click

from trustlog.change.token_standing import LoggedToken, look_up_token
from trustlog.cli.answer import FAIL, PASS, report, show
from trustlog.cli.desk import at_desk
from trustlog.cli.did import read_did
from trustlog.cli.files import read_input
from trustlog.cli.options import FILE, json_option
from trustlog.cli.session import LogAccess, log_options_if_given
from trustlog.cli.token_file import MAX_TOKEN_FILE_BYTES
from trustlog.errors import printable
from trustlog.formats.timestamp import NS, format_timestamp
from trustlog.policy.sentences import duration
from trustlog.records.token_issued import TokenIssued
from trustlog.tokens.scoped_token import ScopedToken, parse_token

EXAMPLE: Final = """\b
Example:
  trustlog token inspect job-17.token --log URL --trust trust.toml
  trustlog token inspect job-17.token --issuer did:key:z6Mk…"""


@click.command(epilog=EXAMPLE)
@click.argument("file", type=FILE, metavar="FILE|-")
@click.option("--issuer", metavar="DID", help="Check the signature under this key, or the key that a file says.")
@log_options_if_given
@json_option
def inspect(file: Path, *, issuer: str | None, access: LogAccess | None, as_json: bool) -> int:
    """Say what the token in FILE is for. The token itself is never shown.

    With --log and --trust it is checked against its issuance in the log, whose signer is the only key that counts, and everything
    that a gate would hold against it now is said; exit code 1 if there is anything.
    """
    text = read_input(file, max_bytes=MAX_TOKEN_FILE_BYTES).decode("latin-1").removesuffix("\n")
    found = parse_token(text)
    key = None if issuer is None else read_did(issuer, "issuer")
    signed = None if key is None else found.is_signed_by(key)
    logged = None if access is None else at_desk(access, lambda desk: look_up_token(desk, text, found.token_hash))
    now_ns = time.time_ns()
    result = {**_describe(found), "expired": now_ns >= found.claims.exp * NS, "signature_valid": signed}
    lines = [*_words(found, now_ns), *_signature(signed, key, logged)]
    if logged is not None:
        result |= _describe_logged(logged)
        if signed is None and logged.issuance is not None:
            result["signature_valid"] = (
                True  # the issuance is looked up by the token's hash, and its issuer's key then checked
            )
        lines += _words_logged(logged)
    show(result, [printable(line) for line in lines], as_json=as_json)
    if signed is False:
        report(f"TOKEN_SIGNATURE_INVALID: {key} did not sign this token", "trustlog explain TOKEN_SIGNATURE_INVALID")
        return FAIL
    if logged is not None and logged.against:
        first = logged.against[0]
        report(f"{first.code}: no gate takes this token now: {first.detail}", first.hint)
        return FAIL
    return PASS


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


def _words(found: ScopedToken, now_ns: int) -> Iterator[str]:
    claims, said = found.claims, _describe(found)
    aud = [claims.aud] if isinstance(claims.aud, str) else claims.aud
    yield f"This token is for the agent {claims.sub},"
    yield f"  to work on {'job ' + said['job_id'] if 'job_id' in said else 'no particular job'}"
    yield f"  before the audience {', '.join(aud)}, with the scope {', '.join(claims.scope)}."
    pin = f"to the policy {said['policy_hash_b64u']}" if "policy_hash_b64u" in said else "to no policy"
    yield f"It is pinned {pin}."
    until_s = claims.exp - now_ns // NS
    left = f"in {duration(until_s)}" if until_s > 0 else f"{duration(max(-until_s, 1))} ago; it has expired"
    yield f"It was issued at {format_timestamp(claims.iat * NS)} and ends at {format_timestamp(claims.exp * NS)}: {left}."
    yield f"Its hash is {found.token_hash}, its scope's hash {found.token_scope_hash_b64u}, its kid {found.kid}."


def _signature(signed: bool | None, key: str | None, logged: LoggedToken | None) -> Iterator[str]:
    if signed is not None:
        yield f"It is {'signed' if signed else 'NOT signed'} by {key}."
    elif logged is None:
        yield "Its signature was not checked: --log with --trust checks it against the log, --issuer DID under one key."


def _describe_logged(logged: LoggedToken) -> dict[str, Any]:
    against = [{"code": one.code, "detail": one.detail, "hint": one.hint} for one in logged.against]
    if logged.issuance is None:
        return {"logged": False, "against": against}
    terms: TokenIssued = logged.issuance.record
    return {
        "logged": True,
        "index": logged.issuance.index,
        "issuer_did": logged.issuance.entry.signer_did,
        "ticket": terms.ticket,
        "requester": terms.requester,
        "against": against,
    }


def _words_logged(logged: LoggedToken) -> Iterator[str]:
    if logged.issuance is not None:
        terms: TokenIssued = logged.issuance.record
        yield f"Its issuance is in the log at index {logged.issuance.index}, by {logged.issuance.entry.signer_did}, who signed it."
        yield f"It is for ticket {terms.ticket}, requested by {terms.requester}."
    if not logged.against:
        yield "Nothing in the log stands against it."
        return
    yield "Against it stands:"
    for one in logged.against:
        yield f"  {one.code}: expected {one.expected}"
        yield f"    found {one.found}"
        yield f"    next  {one.hint}"
