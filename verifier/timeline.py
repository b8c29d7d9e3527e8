"""The records of a change in the log's order: what each says, who signed it, and whether it counts.

The order is the log's and is proven; every time is the signer's own word. Made for people, after judging: nothing here
decides anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from verifier.entry import parse_entry
from verifier.errors import Refused
from verifier.ledger.history import History
from verifier.ledger.logged import Logged, State
from verifier.pack import Pack, PackedEntry
from verifier.records.approval import Approval
from verifier.records.bundle import OpenedBundle
from verifier.records.closure import Closure
from verifier.records.decision import Decision
from verifier.records.execution import Execution, Resolution
from verifier.records.kinds import KINDS, Record
from verifier.records.own import OwnRecord
from verifier.records.policy import PublishedPolicy
from verifier.records.receipts import GatewayReceipt, SideEffectReceipt, ToolReceipt
from verifier.records.restrictions import Revocation, StepUp, Tombstone, Violation
from verifier.records.roster import Roster
from verifier.records.simulation import Simulation
from verifier.records.token import TokenIssued
from verifier.report import Report, Status
from verifier.trust import TrustPolicy

MAX_SAID = 160  # characters of one line


@dataclass(frozen=True, slots=True)
class Moment:
    """One record. `time_ns` is claimed; `standing` says whether it counts, `code` why it does not or what failed on it."""

    index: int
    kind: str
    says: str
    time_ns: int | None
    role: str
    signer_did: str
    subject: str | None
    standing: str
    code: str | None = None


def build_timeline(pack: Pack, trust: TrustPolicy, report: Report, *, origin: str) -> tuple[Moment, ...]:
    """Every entry of a pack, in index order. Never raises: what cannot be read is said to be unreadable."""
    history = History(trust, origin)
    failed = {
        check.index: check.code
        for check in reversed(report.checks)
        if check.status is Status.FAIL and check.index is not None
    }
    return tuple(_moment(item, history, trust, failed) for item in pack.entries)


def _moment(item: PackedEntry, history: History, trust: TrustPolicy, failed: Mapping[int, str | None]) -> Moment:
    data, code = item.entry.encode("utf-8"), failed.get(item.index)
    try:
        logged = history.add(item.index, data, None if item.payload is None else item.payload.encode("utf-8"))
    except Refused as lie:
        entry = parse_entry(data)
        return Moment(item.index, entry.kind, "another payload", None, "", entry.signer_did, None, "lie", lie.code)
    if logged is None:
        return Moment(
            item.index, "unreadable", "no entry of the grammar", None, "", "", None, "void", code or "ENTRY_MALFORMED"
        )
    signer, record = logged.entry.signer_did, logged.record
    subject, role = _who(logged, history, trust)
    if record is None:
        says = "payload erased or missing" if logged.state is State.UNREAD else "without effect"
        fault = logged.fault.code if logged.fault else None
        return Moment(item.index, logged.entry.kind, says, None, role, signer, subject, logged.state.value, fault or code)
    time_ns = _claimed_time(record)
    standing = "fails" if item.index in failed else logged.state.value
    return Moment(item.index, logged.entry.kind, shorten(say(record)), time_ns, role, signer, subject, standing, code)


def _who(logged: Logged, history: History, trust: TrustPolicy) -> tuple[str | None, str]:
    """The person who signed, if it was one, and the signer's role."""
    kind, did = logged.entry.kind, logged.entry.signer_did
    role = next((role for role in KINDS[kind].roles if trust.has_role(did, role, logged.index)), None)
    if role is not None:
        return None, role.value.removesuffix("ies").removesuffix("s").replace("_authorit", "_authority").replace("_", " ")
    person = history.rosters.person_at(did, logged.index)
    if person is not None:
        return person.subject, "person of the roster"
    return None, "signer without a role"


def _claimed_time(record: Record) -> int | None:
    if isinstance(record, Decision):
        return record.decided_at
    if isinstance(record, Closure):
        return record.closed_at
    if isinstance(record, OwnRecord):
        return record.issued_at
    if isinstance(record, Approval | GatewayReceipt | ToolReceipt | SideEffectReceipt):
        return record.timestamp
    return None


def shorten(text: str) -> str:
    """At most MAX_SAID characters: names in receipts may be as long as a payload."""
    return text if len(text) <= MAX_SAID else f"{text[: MAX_SAID - 1]}… ({len(text)} characters)"


def say(record: Record) -> str:  # noqa: C901, PLR0911, PLR0912 - one line a kind
    """One line about a record, in the words of its members."""
    match record:
        case GatewayReceipt():
            return f"model call to {record.provider} {record.model}"
        case ToolReceipt():
            return f"tool call of {record.tool_name}"
        case SideEffectReceipt():
            return "side effect"
        case PublishedPolicy():
            return f"policy {record.rules.policy_name}" if record.rules else "policy without change-management rules"
        case Roster():
            return f"roster {record.number} of {len(record.people)} people"
        case TokenIssued():
            return f"token of job {record.job_id} for {record.ticket}, asked for by {record.requester}"
        case Simulation():
            return f"simulation, {record.outcome}"
        case Approval():
            return f"{record.approval_type} by {record.approver_subject}"
        case StepUp():
            return f"step-up of {record.subject}"
        case Decision():
            return f"{record.decision} {record.requested.action}"
        case Execution():
            return f"{record.phase} of applying the plan in {record.environment}" + (
                f", {record.outcome}" if record.outcome else ""
            )
        case Resolution():
            return "a lost outcome was looked into"
        case OpenedBundle():
            return f"proof bundle with {len(record.receipts.gateway)} gateway receipts"
        case Closure():
            return f"ticket {record.ticket} closed"
        case Revocation():
            return f"revoked: {record.target}"
        case Violation():
            return f"violation {record.code}"
        case Tombstone():
            return f"payload erased under rule {record.rule}"
