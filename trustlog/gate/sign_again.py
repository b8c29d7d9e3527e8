"""Restrictions that the log will never take: they count at one gate only, until who signed them signs afresh.

Admission takes what a person signed at most :data:`~trustlog.limits.MAX_SKEW_BEHIND_S` ago, and nobody but that person can give
it another date. So a restriction that could not be logged in time, because the log was away, is refused from then on.
"""

from __future__ import annotations

from typing import Final

from trustlog.errors import Refused
from trustlog.formats.timestamp import NS
from trustlog.gate.view import LogView
from trustlog.limits import MAX_SKEW_BEHIND_S
from trustlog.records.approval import DENIALS
from trustlog.records.candidate import Candidate

SAME_DENIAL: Final = ("scope", "token_scope", "plan")  # what a denial restricts, whoever's it is


def is_final(refused: Refused, candidate: Candidate, now_ns: int) -> bool:
    """Whether the log's refusal will never be another: too old, or its id is taken. Most refusals can still change."""
    return refused.code == "CONFLICT" or (refused.code == "CLOCK_SKEW" and now_ns > loggable_until(candidate))


def loggable_until(candidate: Candidate) -> int:
    """Until when (nanoseconds since 1970) a log takes this restriction, by its clock."""
    signed_at = candidate.kind.signed_at(candidate.record)
    assert signed_at is not None
    return signed_at.ns + MAX_SKEW_BEHIND_S * NS


def is_replaced(candidate: Candidate, view: LogView) -> bool:
    """Whether the log holds a restriction, by whomever, that restricts all that this one does."""
    if candidate.kind.name == "revocation":
        return bool(view.valid("revocation", "target", candidate.record.target, view.size))
    refs = candidate.entry.refs
    name, value = next((name, refs[name]) for name in SAME_DENIAL if name in refs)
    return any(
        one.record.approval_type in DENIALS
        and all(one.refs.get(name) == refs.get(name) for name in SAME_DENIAL)
        and view.rosters.person_at(one.entry.signer_did, one.index) is not None
        for one in view.valid("human_approval_receipt", name, value, view.size)
    )


def sign_again(candidate: Candidate, view: LogView) -> str:
    """What is to be done, by whom."""
    signed_by = f"{candidate.signer_did}, who signed it, or another who may, signs it again once the log answers"
    if candidate.kind.name == "revocation":
        return f"{signed_by}: trustlog revoke {candidate.record.target} --reason TEXT --key FILE --log URL --trust FILE"
    issued = view.valid("token_issued", "token_scope", candidate.entry.refs.get("token_scope", ""), view.size)
    job = issued[-1].record.job_id if issued else "ID"
    return f"{signed_by}: trustlog deny --job {job} --action NAME --key FILE --log URL --trust FILE"
