"""Rules about the log and the policy as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from trustlog.formats.timestamp import format_timestamp
from trustlog.policy.facts import Lie, PolicyFact
from trustlog.policy.finding import Finding
from trustlog.policy.rules.rule import rule
from trustlog.records.fields import UnsetType
from trustlog.records.token_issued import TokenIssued
from trustlog.records.work_policy_contract import Tool

MOST_LIES: Final = 16  # that are told apart; one is enough
AFTER_A_LIE: Final = (
    "Ask the independent verifier, too: trustlog-verify log URL --trust FILE --deep. If it says the same, nothing mends this log,"
    " and no gate decides on it again: its operator keeps it for the auditors and starts one with an origin of its own."
)
MINT: Final = "trustlog token mint --job NEW-ID …"


@rule("LOG_LIES", enforces=["reading: refs are recomputed from payloads"])
def log_is_what_it_says(lies: tuple[Lie, ...]) -> Iterator[Finding]:
    """The log holds no entry that is another than it says.

    “Refs are recomputed from payloads by every reader; an entry whose refs differ is void.”

    A log that holds such an entry cannot be decided on at all.
    """
    for lie in lies[:MOST_LIES]:
        yield Finding("LOG_LIES", "a log whose entries are what their payloads say", lie.what, AFTER_A_LIE)


@rule(
    "POLICY_NOT_FOUND",
    "POLICY_NOT_IN_FORCE",
    enforces=["valid_from", "valid_until", "policy: in force by its issuers' quorum"],
)
def policy_is_valid_now(policy: PolicyFact, at_ns: int) -> Iterator[Finding]:
    """The policy is in force, and the time lies within its dates.

    “Validity of policies, people and tokens is measured at `decided_at`, half-open (from ≤ t < until).”

    “A roster or policy is in force at the index of the k-th different trusted signer of the same payload.”
    """
    start, end = policy.rules.valid_from, policy.rules.valid_until
    now = format_timestamp(at_ns)
    if not isinstance(start, UnsetType) and at_ns < start.ns:
        step = f"Wait until {start.text}, or ask the policy issuer for a policy that is valid now, and for a job under it."
        yield Finding("POLICY_NOT_IN_FORCE", f"a time from {start.text}", now, step)
    if not isinstance(end, UnsetType) and at_ns >= end.ns:
        step = (
            f"The policy ended at {end.text}: ask the policy issuer for its successor, then start a new job under it: {MINT}"
        )
        yield Finding("POLICY_NOT_IN_FORCE", f"a time before {end.text}", now, step)


@rule("POLICY_REVOKED", "POLICY_SUPERSEDED", enforces=["supersedes", "revocation: policy"])
def policy_stands(policy: PolicyFact) -> Iterator[Finding]:
    """The policy was neither revoked nor superseded.

    “Irrevocable; acts on every decision with a higher index. A WPC in force that supersedes another acts as its
    revocation.”
    """
    expected = f"policy {policy.policy_hash} to stand"
    for index in policy.revoked_at:
        yield Finding("POLICY_REVOKED", expected, f"its revocation at index {index}")
    for newer, index in policy.superseded_by:
        step = f"Start a new job under the newer policy: trustlog token mint --policy {newer} --job NEW-ID …; then simulate again."
        yield Finding("POLICY_SUPERSEDED", expected, f"policy {newer} at index {index}, which supersedes it", step)


@rule(
    "STEP_UP_UNSUPPORTED",
    "PROOF_OF_POSSESSION_UNSUPPORTED",
    "POLICY_UNSUPPORTED",
    enforces=[
        "tools.*.step_up.acr",
        "tools.*.step_up.max_age_s",
        "token_requirements.proof_of_possession",
        "models.providers",
        "models.models",
        "budgets.max_calls",
        "budgets.max_tokens",
    ],
)
def policy_demands_nothing_unsupported(policy: PolicyFact, tool: Tool) -> Iterator[Finding]:
    """The policy demands nothing that a gate cannot check yet.

    “Until this is built, a policy with `step_up` is denied `STEP_UP_UNSUPPORTED`.”

    The same holds for every demand that nothing here can check: it is denied, never waved through.
    """
    if not isinstance(tool.step_up, UnsetType):
        yield Finding("STEP_UP_UNSUPPORTED", "a tool without step_up", "step_up, which this gate cannot check yet")
    if policy.rules.token_requirements.proof_of_possession:
        found = "proof_of_possession, which this gate cannot check yet"
        yield Finding("PROOF_OF_POSSESSION_UNSUPPORTED", "a policy without proof_of_possession", found)
    for name in ("models", "budgets"):
        if not isinstance(getattr(policy.rules, name), UnsetType):
            yield Finding("POLICY_UNSUPPORTED", f"a policy without {name}", f"{name}, which nothing here enforces yet")


def policy_not_found(token: TokenIssued) -> Finding:
    """The policy that a token is pinned to is not in force."""
    policy = token.policy_hash_b64u
    return Finding("POLICY_NOT_FOUND", f"policy {policy} in the log, in force, with rules for changes", "none")
