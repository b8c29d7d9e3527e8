"""Judges the entries of a whole log as they stream by: signatures, payloads, records, conflicts and order."""

from __future__ import annotations

from collections import Counter

from verifier.change.closure_rules import closure_fault
from verifier.change.execution_rules import begin_fault, end_fault
from verifier.change.findings import Findings
from verifier.checkpoint import Checkpoint
from verifier.errors import Refused
from verifier.ledger.history import History
from verifier.ledger.logged import Logged, State
from verifier.ledger.prepared import Brought, Keep, Prepared, Unopened
from verifier.ledger.unread import Unread
from verifier.limits import MAX_LISTED
from verifier.payloads import PayloadsRead
from verifier.reading import BundleRead, Look
from verifier.records.closure import Closure
from verifier.records.execution import Execution
from verifier.source import Source, read_entry
from verifier.trust import TrustPolicy

_MET_LATER = frozenset(  # what a later entry can refer to; of all others only the keys that they take are kept
    ("token_issued", "human_approval_receipt", "gate_decision", "execution", "closure", "tombstone")
)
_UNSIGNED = ("SIGNATURE_INVALID", "INVALID_DID_FORMAT")


class DeepReader:
    """Reads entries in index order and collects their faults. Keeps of each entry what later rules need, and no more."""

    def __init__(self, source: Source, trust: TrustPolicy, checkpoint: Checkpoint) -> None:
        self._origin = checkpoint.origin
        self._history = History(trust, checkpoint.origin, reread=lambda index: read_entry(source, index, checkpoint.size))
        self._faults: list[tuple[int, Refused]] = []
        self._counts: Counter[str] = Counter()
        self._unread = Unread()
        self._is_export = not source.is_live  # whose payload files are looked at afterwards
        self.payloads_read = PayloadsRead()
        self.is_signed = True  # whether every signature so far was checked and right

    def look(self, *, signed_below: int) -> Look:
        """What to prepare of each entry; signatures below the index were checked by an earlier run."""
        keep = Keep(_MET_LATER, slim=True)
        return Look(grammar=True, deep=True, origin=self._origin, keep=keep, signed_below=signed_below)

    def read(self, bundle: BundleRead) -> None:
        """One bundle's entries."""
        for index, item in bundle.items():
            if isinstance(item, Unopened):
                self._read_unopened(index, item)
            else:
                self._read_one(index, item)

    def _read_unopened(self, first: int, row: Unopened) -> None:
        void = self._history.admit_unopened(first, row)
        for index, fault in void.items():
            self._add(index, fault)
        self._unread.add_row(first, row, void=void)

    def _read_one(self, index: int, prepared: Prepared) -> None:
        try:
            admitted = self._history.admit(index, prepared)
        except Refused as lie:
            self.is_signed = False  # what comes with another payload is not read at all, its signature neither
            self._add(index, lie)
            return
        if self._is_export and prepared.brought is Brought.THERE:
            self.payloads_read.add(prepared.payload_hash_b64u)
        if admitted.state is State.UNREAD:
            self._unread.add(index, prepared.kind, prepared.payload_hash_b64u)
        fault = admitted.fault or (self._order_fault(admitted.logged) if admitted.logged is not None else None)
        if fault is not None:
            self._add(index, fault)

    def _add(self, index: int, fault: Refused) -> None:
        fault.forget_frames()
        self._counts[fault.code] += 1
        self.is_signed = self.is_signed and fault.code not in _UNSIGNED
        if len(self._faults) < MAX_LISTED:
            self._faults.append((index, fault))

    def _order_fault(self, item: Logged) -> Refused | None:
        """Begins, ends and closures stand under decisions that carry them."""
        record = item.record
        if isinstance(record, Execution):
            check = begin_fault if record.phase == "begin" else end_fault
            return check(self._history, item, record)
        if isinstance(record, Closure):
            return closure_fault(self._history, item, record)
        return None

    def report(self, findings: Findings) -> None:
        """What the entries amount to."""
        for index, fault in self._faults:
            findings.refused("evidence.rules", fault, index=index)
        if self._counts.total() > len(self._faults):
            counted = ", ".join(f"{count} {code}" for code, count in self._counts.most_common())
            findings.failed("evidence.rules", self._faults[0][1].code, found=f"altogether {counted}")
        if not self._faults:
            findings.passed("evidence.rules", "every entry with a payload keeps every rule of reading")
        missing, count, erased = self._unread.explain(self._history, at_most=MAX_LISTED)
        for index in missing:
            findings.undecided("evidence.payload", "PAYLOAD_MISSING", expected="the payload", index=index)
        if count > len(missing):
            found = f"altogether {count} payloads are missing"
            findings.undecided("evidence.payload", "PAYLOAD_MISSING", expected="every payload", found=found)
        if erased:
            findings.not_proven.append(f"what {erased} erased payloads said: tombstones explain their absence")
