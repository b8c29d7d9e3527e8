"""Whole logs: structure, grammar of entries, and every rule of reading; and the history that absence needs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from verifier.change.closure_rules import closure_fault
from verifier.change.execution_rules import begin_fault, end_fault
from verifier.change.findings import Findings
from verifier.change.judge import WholeLog
from verifier.change.sighting import check_age
from verifier.entry import is_entry, parse_entry
from verifier.errors import Refused, Unavailable
from verifier.ledger.history import History
from verifier.ledger.logged import Logged, State
from verifier.records.closure import Closure
from verifier.records.execution import Execution
from verifier.records.restrictions import Tombstone
from verifier.report import Report, conclude
from verifier.scan import OnProgress, check_scan_root, scan_log
from verifier.source import Source, read_checkpoint
from verifier.tree import hash_leaf
from verifier.trust import TrustedCheckpoint, TrustPolicy, open_checkpoint
from verifier.wanted import Wanted

MAX_LISTED = 50  # faults that are listed one by one; the rest is counted
_RECEIPTS = ("gateway_receipt", "tool_receipt", "side_effect_receipt")
_NO_EARLIER = (
    "that this log never showed another history (fork against an earlier view): no earlier checkpoint was given",
    "that this is the newest state of the log (stale view)",
)


@dataclass(frozen=True, slots=True)
class Depth:
    """How much of each entry is looked at."""

    entries: bool = False
    deep: bool = False


def check_log(
    source: Source,
    trust: TrustPolicy,
    *,
    at_ns: int,
    depth: Depth,
    earlier: bytes | None = None,
    on_progress: OnProgress | None = None,
) -> tuple[Report, bytes | None]:
    """The verdict on a whole log, and the checkpoint note to remember if it passed.

    `earlier` is a checkpoint note seen before: this log must continue it. Without it, forks against an earlier view
    and stale views are listed as not proven.
    """
    findings = Findings()
    note: bytes | None = None
    try:
        note = read_checkpoint(source)
        trusted = open_checkpoint(note, trust)
        _check_log(findings, source, trusted, trust, at_ns=at_ns, depth=depth, earlier=earlier, on_progress=on_progress)
    except Refused as error:
        findings.refused("log.read", error)
    except Unavailable as error:
        findings.undecided("log.read", error.code, expected=error.expected, found=_place(error))
    not_proven = [*findings.not_proven, *(() if earlier is not None else _NO_EARLIER)]
    if trust.log_policy.quorum is None:
        not_proven.append("that everyone is shown the same log, and any time: the trust policy names no witnesses")
    if not depth.deep:
        not_proven.append("what the entries say: signatures, payloads and rules were not checked (--deep)")
    report = conclude(
        findings.checks,
        not_proven=not_proven,
        trust_policy_sha256=trust.sha256,
        passed="every entry and every tile is under the signed root",
    )
    return report, note


def _place(error: Unavailable) -> str:
    return ": ".join(part for part in (error.detail, error.found) if part)


def _check_log(
    findings: Findings,
    source: Source,
    trusted: TrustedCheckpoint,
    trust: TrustPolicy,
    *,
    at_ns: int,
    depth: Depth,
    earlier: bytes | None,
    on_progress: OnProgress | None,
) -> None:
    checkpoint = trusted.checkpoint
    findings.passed("log.checkpoint", f"{checkpoint.origin}, {checkpoint.size} entries, root {checkpoint.root.hex()}")
    if source.is_live and trust.log_policy.quorum is not None:
        check_age(findings, trusted, trust, at_ns=at_ns, max_age_s=trust.max_checkpoint_age_s)
    old = open_checkpoint(earlier, trust).checkpoint if earlier is not None else None
    if old is not None and old.size > checkpoint.size:
        raise Refused("CHECKPOINT_STALE", "checkpoint", expected=f"at least {old.size} entries", found=f"{checkpoint.size}")
    reader = _Reader(source, trust, checkpoint.origin, depth)
    scan = scan_log(
        source,
        checkpoint.size,
        sizes=[old.size] if old is not None else [],
        on_entries=reader.read if depth.entries or depth.deep else None,
        on_progress=on_progress,
    )
    check_scan_root(scan, checkpoint.root)
    findings.passed("log.entries", f"{scan.size} entries lead to the signed root")
    findings.passed("log.tiles", f"{scan.tiles} tiles hold the hashes of these entries")
    if old is not None and old.size and scan.roots[old.size] != old.root:
        raise Refused("CHECKPOINT_INCONSISTENT", "earlier checkpoint", expected=old.root.hex())
    if old is not None:
        findings.passed("log.continues", f"the checkpoint of {old.size} entries seen before")
    reader.report(findings)


class _Reader:
    """Judges entries as they stream by."""

    def __init__(self, source: Source, trust: TrustPolicy, origin: str, depth: Depth) -> None:
        self._source = source
        self._depth = depth
        self._malformed: list[int] = []
        self._faults: list[tuple[int, Refused]] = []
        self._counts: Counter[str] = Counter()
        self._unread: dict[int, str] = {}
        self._read = 0
        self._history = History(trust, origin, keep=lambda entry: entry.kind not in _RECEIPTS)

    def read(self, first: int, entries: list[bytes]) -> None:
        """One bundle's entries."""
        self._read += len(entries)
        for index, data in enumerate(entries, start=first):
            if not is_entry(data):
                self._malformed.append(index)
            elif self._depth.deep:
                self._read_deep(index, data)

    def _read_deep(self, index: int, data: bytes) -> None:
        payload = self._source.read_payload(parse_entry(data).payload_hash_b64u)
        try:
            item = self._history.add(index, data, payload)
        except Refused as lie:
            self._counts[lie.code] += 1
            self._faults.append((index, lie))
            return
        if item is None:
            return
        if item.state is State.UNREAD:
            self._unread[index] = item.entry.payload_hash_b64u
        fault = item.fault or _order_fault(self._history, item)
        if fault is not None:
            self._counts[fault.code] += 1
            self._faults.append((index, fault))

    def report(self, findings: Findings) -> None:
        """What the entries amount to."""
        if not self._depth.entries and not self._depth.deep:
            return
        for index in self._malformed[:MAX_LISTED]:
            findings.failed("evidence.grammar", "ENTRY_MALFORMED", expected="the grammar of entries", index=index)
        if not self._malformed:
            findings.passed("evidence.grammar", f"{self._read} entries are within the grammar")
        if not self._depth.deep:
            return
        for index, fault in self._faults[:MAX_LISTED]:
            findings.refused("evidence.rules", fault, index=index)
        if len(self._faults) > MAX_LISTED:
            counted = ", ".join(f"{count} {code}" for code, count in self._counts.most_common())
            findings.failed("evidence.rules", self._faults[0][1].code, found=f"altogether {counted}")
        if not self._faults:
            findings.passed("evidence.rules", "every entry with a payload keeps every rule of reading")
        self._report_unread(findings)

    def _report_unread(self, findings: Findings) -> None:
        tombstones = self._history.valid("tombstone")
        erased = {item.record.payload_b64u for item in tombstones if isinstance(item.record, Tombstone)}
        missing = [index for index, payload in self._unread.items() if payload not in erased]
        for index in missing[:MAX_LISTED]:
            findings.undecided("evidence.payload", "PAYLOAD_MISSING", expected="the payload", index=index)
        if len(self._unread) > len(missing):
            count = len(self._unread) - len(missing)
            findings.not_proven.append(f"what {count} erased payloads said: tombstones explain their absence")


def _order_fault(history: History, item: Logged) -> Refused | None:
    """Begins, ends and closures stand under decisions that carry them."""
    record = item.record
    if isinstance(record, Execution):
        check = begin_fault if record.phase == "begin" else end_fault
        return check(history, item, record)
    if isinstance(record, Closure):
        return closure_fault(history, item, record)
    return None


def read_whole_log(
    source: Source,
    trust: TrustPolicy,
    wanted: Wanted,
    *,
    earlier: bytes | None = None,
    on_progress: OnProgress | None = None,
) -> tuple[WholeLog, bytes]:
    """Read all entries and payloads of a log for the judgment of changes; also the checkpoint note.

    Receipts that have nothing to do with these changes are read and judged, but not remembered.
    Raises Refused for a log that contradicts itself, Unavailable for one that cannot be read whole.
    """
    note = read_checkpoint(source)
    checkpoint = open_checkpoint(note, trust).checkpoint
    old = open_checkpoint(earlier, trust).checkpoint if earlier is not None else None
    if old is not None and old.size > checkpoint.size:
        raise Refused("CHECKPOINT_STALE", "checkpoint", expected=f"at least {old.size} entries", found=f"{checkpoint.size}")
    history = History(trust, checkpoint.origin, keep=wanted.concerns)
    leaves: dict[int, bytes] = {}
    unread: dict[int, str] = {}

    def read(first: int, entries: list[bytes]) -> None:
        for index, data in enumerate(entries, start=first):
            if index in wanted.indexes:
                leaves[index] = hash_leaf(data)
            if is_entry(data):
                payload = source.read_payload(parse_entry(data).payload_hash_b64u)
                history.add(index, data, payload)
                if payload is None:
                    unread[index] = parse_entry(data).payload_hash_b64u

    sizes = [*wanted.sizes, *([old.size] if old is not None else [])]
    scan = scan_log(source, checkpoint.size, sizes=sizes, on_entries=read, on_progress=on_progress)
    check_scan_root(scan, checkpoint.root)
    if old is not None and old.size and scan.roots[old.size] != old.root:
        raise Refused("CHECKPOINT_INCONSISTENT", "earlier checkpoint", expected=old.root.hex())
    _check_all_read(history, unread)
    history.complete_to = checkpoint.size
    checked = f"{checkpoint.size} entries were read and lead to the signed root {checkpoint.root.hex()}"
    return WholeLog(history, checkpoint.size, scan.roots, leaves, checked), note


def _check_all_read(history: History, unread: dict[int, str]) -> None:
    tombstones = history.valid("tombstone")
    erased = {item.record.payload_b64u for item in tombstones if isinstance(item.record, Tombstone)}
    for index, payload in unread.items():
        if payload not in erased:
            raise Unavailable("PAYLOAD_MISSING", f"payload of entry {index}", expected="it, or a tombstone")
