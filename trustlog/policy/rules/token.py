"""Rules about the scoped token: the one that was presented, and the terms that its logged issuance states."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from trustlog.formats.base64 import encode_b64u
from trustlog.formats.jsontext import canonicalize
from trustlog.formats.timestamp import NS, format_timestamp
from trustlog.policy.facts import PolicyFact, PresentedToken
from trustlog.policy.finding import Finding
from trustlog.policy.rules.rule import rule
from trustlog.records.fields import UnsetType
from trustlog.records.token_issued import TokenIssued
from trustlog.records.token_scope import sort_names


@rule(
    "TOKEN_MALFORMED",
    "TOKEN_NOT_LOGGED",
    "TOKEN_SIGNATURE_INVALID",
    enforces=["token_requirements.require_cst"],
    about="presented token",
)
def token_is_logged_and_signed(presented: PresentedToken) -> Iterator[Finding]:
    """The token's issuance is in the log, and whoever logged it signed the token.

    “Job, ticket, policy and agent come from the token and its issuance, never from the caller.”
    """
    if not presented.is_signed_by_issuer:
        expected = f"a token signed by {presented.issuer_did}, who logged its issuance"
        yield Finding("TOKEN_SIGNATURE_INVALID", expected, f"another signature, kid {presented.kid}")


@rule(
    "TOKEN_SCOPE_MISMATCH",
    enforces=["token_requirements.optional_policy_hash_pinning", "token_requirements.job_scoped_binding"],
    about="presented token",
)
def token_says_what_its_issuance_says(presented: PresentedToken) -> Iterator[Finding]:
    """The token is of the job, and pinned to the policy, that its issuance states.

    “true: a pin is optional but must match if present; false: a pin is required … ours are always pinned.”

    The pin and the job are members of every issuance, and the token's claims must equal it in all that it states.
    """
    for name, logged in presented.issued.items():
        claimed = presented.claims.get(name)
        if claimed != logged:
            yield Finding("TOKEN_SCOPE_MISMATCH", f"{name} {logged}, as its issuance says", str(claimed))


@rule("TOKEN_TICKET_MISMATCH", enforces=["token: of the ticket that is asked for"], about="presented token")
def token_is_of_the_ticket(presented: PresentedToken) -> Iterator[Finding]:
    """The token is of the ticket that is asked for.

    “The others … need a good token of the same ticket”, and so does every action.
    """
    if presented.asked_ticket != presented.issued_ticket:
        step = f"Ask with the token of ticket {presented.asked_ticket}, or have one minted: trustlog token mint --ticket …"
        yield Finding(
            "TOKEN_TICKET_MISMATCH", f"a token of ticket {presented.asked_ticket}", f"one of {presented.issued_ticket}", step
        )


@rule("TOKEN_EXPIRED", enforces=["token: its life"])
def token_is_alive(token: TokenIssued, at_ns: int) -> Iterator[Finding]:
    """The time lies within the token's life.

    “Validity of policies, people and tokens is measured at `decided_at`, half-open (from ≤ t < until).”
    """
    if not token.iat * NS <= at_ns < token.exp * NS:
        life = f"{format_timestamp(token.iat * NS)} until {format_timestamp(token.exp * NS)}"
        step = f"Have the token renewed by the token issuer, for the same job: {renew_command(token)}; approvals stay valid."
        yield Finding("TOKEN_EXPIRED", f"a time from {life}", format_timestamp(at_ns), step)


@rule("TOKEN_TTL_EXCEEDED", enforces=["token_requirements.max_ttl_s"])
def token_is_short_lived(policy: PolicyFact, token: TokenIssued) -> Iterator[Finding]:
    """The token lives no longer than the policy allows.

    “`max_ttl_s`”: the token lives no longer than that, from `iat` to `exp`.
    """
    ttl_s, most_s = token.exp - token.iat, policy.rules.token_requirements.max_ttl_s
    if ttl_s > most_s:
        step = f"Have it renewed with a shorter life: {renew_command(token, f'--ttl {most_s}')}"
        yield Finding("TOKEN_TTL_EXCEEDED", f"a token that lives at most {most_s} s", f"{ttl_s} s", step)


@rule("TOKEN_SCOPE_MISMATCH", enforces=["token_requirements.cst_scope_hash"])
def token_has_the_pinned_scope(policy: PolicyFact, token: TokenIssued) -> Iterator[Finding]:
    """Audience and scope of the token are those that the policy pins.

    “`cst_scope_hash` (optional "b64u:<43>" over RFC 8785 of {"aud":[…],"scope":[…]}, sorted, de-duplicated)”.
    """
    pinned = policy.rules.token_requirements.cst_scope_hash
    if isinstance(pinned, UnsetType):
        return
    terms = {"aud": sort_names(token.aud), "scope": sort_names(token.scope)}
    found = "b64u:" + encode_b64u(hashlib.sha256(canonicalize(terms)).digest())
    if found != pinned:
        yield Finding("TOKEN_SCOPE_MISMATCH", f"aud and scope with the hash {pinned}", found)


def token_not_logged(token_hash: str) -> Finding:
    """No issuance of a token is in the log."""
    found = f"no issuance of the token with hash {token_hash}"
    return Finding("TOKEN_NOT_LOGGED", "a token whose issuance is in the log", found)


def renew_command(token: TokenIssued, more: str = "") -> str:
    """The command that renews a token: the same tuple again."""
    terms = (
        f"--ticket {token.ticket} --requester {token.requester} --agent {token.agent_did} --policy {token.policy_hash_b64u}"
    )
    return " ".join(part for part in (f"trustlog token mint --job {token.job_id}", terms, more, "…") if part)
