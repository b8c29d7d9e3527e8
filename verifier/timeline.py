"""The records of a change in the log's order: what each says, who signed it, and what the verdict says about it.

The order is the log's and is proven; every time is the signer's own word. Made for people, after judging: nothing here
decides anything, and what no check is about is not said to hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from verifier.entry import parse_entry
from verifier.errors import Refused
from verifier.ledger.history import History
from verifier.ledger.logged import Logged
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
_JUDGING = frozenset(("policy", "approvals", "execution"))  # that an entry is in the log, and listed, says nothing for it
_ONLY_TOLD = frozenset(("execution.violation",))


class Standing(Enum):
    """What is said about one record.

    HOLDS      the checks about it hold, as far as absences carry.
    OPEN       a check about it is undecided, and none fails.
    FAILS      a check about it fails.
    UNJUDGED   it was read, and no check is about it alone.
    LIES       its payload is not the one that its entry commits to.
    VOID       it breaks a rule of reading: it is without effect.
    UNREAD     its payload is not here.
    """

    HOLDS = "holds"
    OPEN = "open"
    FAILS = "fails"
    UNJUDGED = "unjudged"
    LIES = "lies"
    VOID = "void"
    UNREAD = "unread"


@dataclass(frozen=True, slots=True)
class Moment:
    """One record. `time_ns` is claimed; `code` says why it is without effect, what failed on it, or what is open."""

    index: int
    kind: str
    says: str
    time_ns: int | None
    role: str
    signer_did: str
    subject: str | None
    standing: Standing
    code: str | None = None


@dataclass(frozen=True, slots=True)
class _Said:
    """What the checks about one entry come to."""

    standing: Standing
    code: str | None = None


_UNJUDGED = _Said(Standing.UNJUDGED)


def build_timeline(pack: Pack, trust: TrustPolicy, report: Report, *, origin: str) -> tuple[Moment, ...]:
    """Every entry of a pack, in index order. Never raises: what cannot be read is said to be unreadable."""
    history = History(trust, origin)
    said = _said_of_entries(report)
    return tuple(_moment(item, history, trust, said.get(item.index, _UNJUDGED)) for item in pack.entries)


def _said_of_entries(report: Report) -> dict[int, _Said]:
    """What the checks say by entry: the first that fails, else the first that is undecided, else that they hold."""
    said: dict[int, _Said] = {}
    for check in report.checks:
        if check.index is None:
            continue
        before = said.get(check.index, _UNJUDGED).standing
        if check.status is Status.FAIL and before is not Standing.FAILS:
            said[check.index] = _Said(Standing.FAILS, check.code)
        elif check.status is Status.UNDECIDED and before not in (Standing.FAILS, Standing.OPEN):
            said[check.index] = _Said(Standing.OPEN, check.code)
        elif before is Standing.UNJUDGED and check.group in _JUDGING and check.full_name not in _ONLY_TOLD:
            said[check.index] = _Said(Standing.HOLDS)
    return said


def _moment(item: PackedEntry, history: History, trust: TrustPolicy, said: _Said) -> Moment:
    index, data = item.index, item.entry.encode("utf-8")
    try:
        logged = history.add(index, data, None if item.payload is None else item.payload.encode("utf-8"))
    except Refused as lie:
        entry = parse_entry(data)
        return Moment(index, entry.kind, "another payload", None, "", entry.signer_did, None, Standing.LIES, lie.code)
    if logged is None:
        code = said.code or "ENTRY_MALFORMED"
        return Moment(index, "unreadable", "no entry of the grammar", None, "", "", None, Standing.VOID, code)
    kind, signer, record = logged.entry.kind, logged.entry.signer_did, logged.record
    subject, role = _who(logged, history, trust)
    if logged.fault is not None:
        return Moment(index, kind, "without effect", None, role, signer, subject, Standing.VOID, logged.fault.code)
    if record is None:
        return Moment(index, kind, "payload erased or missing", None, role, signer, subject, Standing.UNREAD, said.code)
    time_ns, says = _claimed_time(record), shorten(say(record))
    return Moment(index, kind, says, time_ns, role, signer, subject, said.standing, said.code)


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
