"""What belongs to one change: a growing set of entries, and what to look up next because of them.

Pure: :meth:`Change.queries` and :meth:`Change.listed` say what to fetch, :meth:`Change.add` takes what was fetched, until both
ask for nothing new. The set holds every entry that shares job, token, token scope, run, scope, plan or bundle with the change,
its policy, every roster, the violations of its ticket, whatever any decision in it lists as evidence, the receipts that its
bundles hold, and every revocation, supersession, resolution, step-up and tombstone of one of these. More than a judge needs is
no fault; less is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from trustlog.errors import Refused
from trustlog.evidence.source import Query
from trustlog.formats.base64 import decode_b64u, encode_b64u
from trustlog.formats.entry import Entry, parse_entry, ref_value
from trustlog.records.candidate import read_logged

SHARED: Final[dict[str, tuple[str, ...]]] = {
    "token_issued": ("token", "token_scope"),
    "simulation": ("run", "plan"),
    "execution": ("plan",),
    "gate_decision": ("scope", "plan", "bundle"),
    "closure": ("run", "bundle"),
}
"""By kind of a record of the job: the refs that tie other entries to the change."""

READ: Final = frozenset({"token_issued", "simulation", "gate_decision", "proof_bundle", "closure", "tombstone"})
"""Kinds whose payload says more than their refs do."""


@dataclass(frozen=True, slots=True)
class Found:
    """One entry of the change, as the log gave it. `payload` is its text's bytes, None where there is none.

    `record` is the payload's record, None where nothing was to be read, or where it breaks a rule: the entry is then void.
    """

    index: int
    data: bytes
    entry: Entry
    payload: bytes | None
    record: Any

    @property
    def payload_hash(self) -> str:
        """How other records name it."""
        return encode_b64u(self.entry.payload_hash)


def read_found(index: int, data: bytes, payload: bytes | None, *, origin: str) -> Found:
    """An entry with its payload. Raises Refused(ENTRY_MALFORMED) for bytes that are no entry, which no honest log holds."""
    entry = parse_entry(data)
    record = None
    if payload is not None and entry.kind in READ:
        try:
            record = read_logged(data, payload, origin=origin).record
        except Refused:
            record = None
    return Found(index, data, entry, payload, record)


class Change:
    """The entries of one job so far. `ticket` and `job_id` are the texts of its token's issuance."""

    def __init__(self, *, ticket: str, job_id: str) -> None:
        self.ticket = ticket
        self.job_id = job_id
        self.found: dict[int, Found] = {}

    def add(self, found: Found) -> None:
        """Take an entry that belongs to the change."""
        self.found[found.index] = found

    def of_job(self, kind: str) -> list[Found]:
        """The job's records of a kind, in index order."""
        found = (self.found[index] for index in sorted(self.found))
        return [one for one in found if one.entry.kind == kind and one.entry.refs.get("job") == ref_value(self.job_id)]

    def decisions(self) -> list[Found]:
        """Every decision in the set that can be read, whatever job it is about."""
        return [one for one in self.found.values() if one.entry.kind == "gate_decision" and one.record is not None]

    def queries(self) -> set[Query]:
        """Everything to look up, given what is known."""
        return {
            (("kind", "roster"),),
            (("kind", "violation"), ("ticket", ref_value(self.ticket))),
            (("job", ref_value(self.job_id)),),
            *self._shared(),
            *self._bundled(),
            *((("target", ref_value(target)),) for target in self._targets()),
        }

    def listed(self) -> set[int]:
        """The indexes that records of the set name: the evidence of decisions, what tombstones are about."""
        listed = {logged.index for decision in self.decisions() for logged in decision.record.evidence}
        tombstones = (one for one in self.found.values() if one.entry.kind == "tombstone" and one.record is not None)
        return listed | {one.record.index for one in tombstones}

    def plans(self) -> set[bytes]:
        """The fingerprint of every plan that a decision in the set is about."""
        named = {one.entry.refs["plan"] for one in self.decisions() if "plan" in one.entry.refs}
        return set(_hashes(named))

    def artefacts(self) -> list[bytes]:
        """The SHA-256 of every artefact of the job's simulations, the newest simulation first."""
        simulations = [one.record for one in reversed(self.of_job("simulation")) if one.record is not None]
        return list(dict.fromkeys(_hashes(a.sha256_b64u for record in simulations for a in record.artefacts)))

    def _shared(self) -> Iterator[Query]:
        for kind, names in SHARED.items():
            for one in self.of_job(kind):
                yield from (((name, one.entry.refs[name]),) for name in names if name in one.entry.refs)
        for policy in self._policies():
            yield (("kind", "work_policy_contract"), ("policy", policy))

    def _bundled(self) -> Iterator[Query]:
        """The signed receipts in bundles that name neither run nor token scope, by which the others are found."""
        bundles = [one.record for one in self.found.values() if one.entry.kind == "proof_bundle" and one.record is not None]
        for receipt in (receipt for bundle in bundles for receipt in (*bundle.receipts, *bundle.tool_receipts)):
            binding = receipt.record.binding
            if receipt.envelope is not None and not (binding.run_id or binding.token_scope_hash_b64u):
                yield (("kind", receipt.kind), ("receipt", ref_value(receipt.record.receipt_id)))

    def _policies(self) -> set[str]:
        return {one.entry.refs["policy"] for one in self.of_job("token_issued") if "policy" in one.entry.refs}

    def _targets(self) -> Iterator[str]:
        """Everything whose revocation, supersession, resolution, step-up or erasure concerns the change."""
        yield f"job:{self.job_id}"
        yield from (f"policy:{policy}" for policy in self._policies())
        for one in self.found.values():
            yield f"key:{one.entry.signer_did}"
            if one.payload is None:
                yield one.payload_hash
            match one.entry.kind:
                case "token_issued":
                    yield f"token:{one.entry.refs.get('token')}"
                case "human_approval_receipt":
                    yield from (f"approval:{one.payload_hash}", one.payload_hash)
                case "execution":
                    yield one.payload_hash
                case "gate_decision" if "plan" in one.entry.refs:
                    yield one.entry.refs["plan"]


def _hashes(texts: Any) -> Iterator[bytes]:
    """The 32 bytes of each text that is a hash."""
    for text in sorted(texts) if isinstance(texts, set) else texts:
        try:
            yield decode_b64u(text, 32, "hash")
        except Refused:
            continue
