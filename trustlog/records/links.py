"""Links: keys that say nothing of conflicts, but that later rules look up.

Who signed an approval; whose job a token, a token scope, a run, a decided scope or a used approval is; which job is over; who
asked for it; which entry was the first to name a plan or an artefact. A job is over when it is closed, when it or one of its
tokens or used approvals is revoked, or when it is denied: by a denial that names its token scope, or the scope of one of its
decisions. Whether the record that ends a job or the one that ties it to the job was logged first makes no difference.

All of it concerns two rules: nothing of an open job may be erased, and who asked for a change does not resolve its execution.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from trustlog.formats.entry import Entry, ref_value
from trustlog.records.approval import DENIALS, HumanApprovalReceipt
from trustlog.records.fields import UnsetType
from trustlog.records.history import HELD, History, Judged, Row
from trustlog.records.kind import hash_parts
from trustlog.records.scope import compute_scope_hash, is_complete_scope

_LINKED: Final = frozenset(
    {"human_approval_receipt", "token_issued", "simulation", "execution", "gate_decision", "closure", "revocation"}
)

Thing = tuple[str, str]  # what can be tied to a job, and what ends: its sort and its value


def link_rows(candidate: Judged, history: History) -> list[Row]:
    """The links of an accepted entry."""
    if candidate.kind.name not in _LINKED:
        return []
    record, payload_hash = candidate.record, candidate.payload_hash_b64u
    rows: list[Row] = []
    match candidate.kind.name:
        case "human_approval_receipt":
            rows = [(approval_key(payload_hash, candidate.signer_did), HELD)]
            rows += _ends(_denied(record), history) if record.approval_type in DENIALS else []
        case "token_issued":
            things = [("token_scope", record.token_scope_hash_b64u), ("token", record.token_hash)]
            requester = (_requester_key(_job(record.job_id)), subject_value(record.requester))
            rows = [requester, *_ties(record.job_id, things, history)]
        case "simulation":
            artefacts = [_naming(artefact.sha256_b64u) for artefact in record.artefacts]
            run = ("run", ref_value(record.run_id))
            rows = [*_ties(record.job_id, [run], history), _naming(record.plan_hash_b64u), *artefacts]
        case "execution":
            diff = [] if isinstance(record.diff_b64u, UnsetType) else [_naming(record.diff_b64u)]
            rows = [(_execution_key(payload_hash), _job(record.job_id)), _naming(record.plan_hash_b64u), *diff]
        case "gate_decision" if is_complete_scope(record.scope):
            used = [("approval", approval) for approval in record.approvals] if record.decision == "allow" else []
            rows = _ties(record.scope["job_id"], [("scope", compute_scope_hash(record.scope)), *used], history)
        case "closure":
            rows = [_over(_job(record.job_id))]
        case "revocation":
            rows = _ends([(record.sort, record.subject)], history)
    return rows


def approval_key(payload_hash: str, signer_did: str) -> bytes:
    """Held if this signer signed the approval with this payload."""
    return hash_parts("approval", payload_hash, signer_did)


def first_to_name(payload_hash: str, history: History) -> int | None:
    """The index of the first simulation or execution that names a plan or an artefact."""
    held = history.held(_naming(payload_hash)[0])
    return None if held is None else held.index


def is_free_to_erase(entry: Entry, history: History) -> bool:
    """Whether the job that an entry's refs point to, if any, is over."""
    job = _job(entry.refs["job"]) if "job" in entry.refs else None
    for sort in ("token_scope", "run"):
        held = history.held(_tie_key((sort, entry.refs[sort]))) if job is None and sort in entry.refs else None
        job = job if held is None else held.value
    return job is None or history.held(_over(job)[0]) is not None


def requester_of_execution(payload_hash: str, history: History) -> bytes | None:
    """Who asked for the job of the execution with this payload, as :func:`subject_value` spells it."""
    job = history.held(_execution_key(payload_hash))
    requester = None if job is None else history.held(_requester_key(job.value))
    return None if requester is None else requester.value


def subject_value(subject: str) -> bytes:
    """A person's subject as a 32-byte value."""
    return hash_parts("subject", subject)


def _denied(record: HumanApprovalReceipt) -> list[Thing]:
    bound = record.binding.token_scope_hash_b64u
    return [("scope", record.scope_hash_b64u), *([] if isinstance(bound, UnsetType) else [("token_scope", bound)])]


def _ties(job_id: str, things: Iterable[Thing], history: History) -> list[Row]:
    job, rows = _job(job_id), []
    for thing in things:
        rows.append((_tie_key(thing), job))
        if history.held(_end_key(thing)) is not None:
            rows.append(_over(job))
    return rows


def _ends(things: Iterable[Thing], history: History) -> list[Row]:
    rows: list[Row] = []
    for thing in things:
        rows.append((_end_key(thing), HELD))
        held = history.held(_tie_key(thing))
        if thing[0] == "job":
            rows.append(_over(_job(thing[1])))
        elif held is not None:
            rows.append(_over(held.value))
    return rows


def _job(job_id: str) -> bytes:
    return hash_parts("job", ref_value(job_id))


def _tie_key(thing: Thing) -> bytes:
    return hash_parts("job of", *thing)


def _end_key(thing: Thing) -> bytes:
    return hash_parts("ended", *thing)


def _over(job: bytes) -> Row:
    return hash_parts("job over", job.hex()), HELD


def _requester_key(job: bytes) -> bytes:
    return hash_parts("requester of", job.hex())


def _execution_key(payload_hash: str) -> bytes:
    return hash_parts("job of execution", payload_hash)


def _naming(payload_hash: str) -> Row:
    return hash_parts("names", payload_hash), HELD
