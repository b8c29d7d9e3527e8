"""What a gate has read of the log: every entry in order, judged by the rules of reading, looked up by ref.

A view takes bytes and returns values; it never fetches. Payloads that permit or restrict are given with their entry;
receipts and bundles, of which there are many, are read late, when a decision concerns their job.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from trustlog.errors import Refused
from trustlog.formats.entry import parse_entry
from trustlog.formats.envelope import check_signature
from trustlog.formats.trustpolicy import TrustPolicy
from trustlog.gate.entries import LoggedEntries
from trustlog.gate.logged import Logged
from trustlog.gate.misstated import misstatements_behind
from trustlog.gate.seen import Seen
from trustlog.merkle.hashing import hash_leaf
from trustlog.merkle.past import PastTrees
from trustlog.policy.facts import Lie, Misstatement
from trustlog.records.candidate import Candidate, read_logged
from trustlog.records.fields import UnsetType
from trustlog.records.kinds import BULK_KINDS
from trustlog.records.ledger import Ledger, MemoryHistory
from trustlog.records.revocation import may_revoke
from trustlog.records.rosters import RosterChain

LIES: Final = frozenset(
    {"ENTRY_REFS_MISMATCH", "ENTRY_MALFORMED", "HASH_MISMATCH", "PAYLOAD_TEXT_NOT_ACCEPTED", "SIGNATURE_INVALID"}
)


Sightings = tuple[tuple[int, int | None], ...]
"""Indexes, and when witnesses had seen them: that alone can become known later."""


class LogView(LoggedEntries):
    """Every entry below :attr:`size`, in order."""

    def __init__(self, trust: TrustPolicy) -> None:
        super().__init__()
        self.trust = trust
        self.lies: list[Lie] = []
        self.well_founded: dict[int, Sightings] = {}  # allows judged at their own index, below which nothing changes
        self.misstated: dict[int, tuple[Misstatement, ...]] = {}  # by the index of the decision that leads to it
        self._past = PastTrees()
        self._history = MemoryHistory()
        self._ledger = Ledger(trust, self._history)
        self._late_keys: dict[bytes, int] = {}
        self._unread_bundles: dict[str, list[int]] = defaultdict(list)  # by signer: themselves, or receipts in them
        self._withdrawals: dict[str, list[int]] = defaultdict(list)
        self._unread_key_revocations: dict[str, int] = {}
        self._seen = Seen()

    @property
    def origin(self) -> str:
        """The log's origin."""
        return self.trust.origin

    @property
    def rosters(self) -> RosterChain:
        """The roster chain over everything read."""
        return self._ledger.rosters

    def is_key_revoked(self, did: str, index: int) -> bool:
        """Whether the key was revoked below `index`; a revocation whose payload cannot be read counts by its refs."""
        unread = self._unread_key_revocations.get(did, index)
        return unread < index or self._ledger.is_key_revoked(did, index)

    def note_sighting(self, size: int, ns: int) -> bool:
        """A quorum of witnesses had cosigned the tree of `size` by the time `ns` (nanoseconds since 1970); whether that is news."""
        return self._seen.note(size, ns)

    def seen_by(self, index: int) -> int | None:
        """The earliest time by which witnesses had seen the entry at `index`, as far as is known here."""
        return self._seen.by(index)

    @property
    def sightings_moved(self) -> int:
        """How often entries turned out to have been seen earlier than was thought."""
        return self._seen.moved

    def root_at(self, size: int) -> bytes:
        """The root of the tree of the first `size` entries, 32 bytes; `size` is at most :attr:`size`."""
        return self._past.root_at(size)

    def check_next(self, candidate: Candidate) -> int | None:
        """Check a candidate as the log would at :attr:`size`; the index of its identity where it is logged already.

        Raises Refused, or Conflict.
        """
        held = self._ledger.already_logged(candidate)
        if held is None:
            self._check_signer_key(candidate.signer_did, self.size)
            self._ledger.judge(candidate, self.size)
        return held

    def foresee(self, pending: Sequence[Candidate]) -> LogView:
        """This view with restrictions on top that are not logged yet, as if they were the next entries.

        They are revocations and denials: looked up like entries, at the indexes from :attr:`size` on. What is foreseen holds until
        this view is added to.
        """
        above = LogView(self.trust)
        vars(above).update(vars(self))
        above._stack_on(self)
        above.lies = [*self.lies]
        above._seen = self._seen.copy()
        above._unread_key_revocations = {**self._unread_key_revocations}
        for candidate in pending:
            logged = Logged(above.size, candidate.entry_bytes, candidate.entry, candidate)
            above._append(logged)
            if candidate.kind.name == "revocation" and candidate.record.sort == "key":
                above._unread_key_revocations.setdefault(candidate.record.subject, logged.index)
        return above

    def add(self, data: bytes, payload: bytes | None, read: Candidate | None = None) -> None:
        """Read the next entry; `payload` is its payload's text, None where it is read late or could not be had.

        `read` is what these very bytes were read to before, every rule but the ledger's checked.
        """
        index = len(self._entries)
        self._past.append(hash_leaf(data))
        self._history.add(index, data, [])
        try:
            entry = parse_entry(data) if read is None or read.entry_bytes != data else read.entry
        except Refused as refused:
            self.lies.append(_lie(index, refused))
            self._append(None)
            return
        logged = Logged(index, data, entry)
        if payload is not None:
            logged = self._read(logged, payload, read)
        elif entry.kind not in BULK_KINDS:
            logged = self._unread(logged)
        self._append(logged)
        if logged.kind == "proof_bundle":
            self._unread_bundles[logged.entry.signer_did].append(index)
        if logged.kind == "gate_decision" and logged.candidate is not None:
            misstated = misstatements_behind(self._past, index, logged.record, self.misstated)
            if misstated:
                self.misstated[index] = misstated

    def read_late(self, index: int, payload: bytes | None) -> None:
        """Read the payload of a receipt or bundle that was added without it."""
        logged = self._entries[index]
        if logged is None or logged.candidate is not None or logged.void not in (None, "PAYLOAD_UNREADABLE"):
            return
        if payload is None:
            self._entries[index] = replace(logged, void="PAYLOAD_UNREADABLE")
            return
        try:
            candidate = read_logged(logged.data, payload, origin=self.origin)
            self._check_key(logged)
            self._ledger.judge_apart(candidate, index)
        except Refused as refused:
            self._entries[index] = self._void(logged, refused)
            return
        if self._is_taken(logged, candidate):
            self._entries[index] = replace(logged, void="CONFLICT")
            return
        self._entries[index] = replace(logged, candidate=candidate)

    def unread(self, size: int, *, refs: dict[str, str], bundles_of: str) -> list[Logged]:
        """Entries below `size` to be read late: those that share one of `refs`, and every bundle signed by `bundles_of`.

        Once those bundles are read, the tool receipts in them: so ask again until nothing is left.
        """
        found = {
            one.index: one for name, value in refs.items() for one in self.sharing(name, value, size) if _is_unread(one)
        }
        for bundle in list(self._below(self._unread_bundles.get(bundles_of, ()), size)):
            unread = [bundle] if _is_unread(bundle) else [one for one in self._inside(bundle) if _is_unread(one)]
            found |= {one.index: one for one in unread}
            if not unread:
                self._unread_bundles[bundles_of].remove(bundle.index)
        return [found[index] for index in sorted(found)]

    def withdrawals(self, payload_hash: str, size: int) -> Iterator[Logged]:
        """The valid denies that withdraw the decision with this payload."""
        return self._below(self._withdrawals.get(payload_hash, ()), size)

    def _inside(self, bundle: Logged) -> Iterator[Logged]:
        """The tool receipts in a bundle that was read, as they stand below it: what is above it never counts there."""
        if bundle.candidate is not None:
            for receipt in bundle.record.tool_receipts:
                if receipt.envelope is not None:
                    yield from self.named(receipt.envelope.payload_hash_b64u, receipt.envelope.kind, bundle.index)

    def _read(self, logged: Logged, payload: bytes, read: Candidate | None) -> Logged:
        try:
            candidate = read_logged(logged.data, payload, origin=self.origin) if read is None else read
            assert (candidate.entry_bytes, candidate.payload_text) == (logged.data, payload)
            if self._ledger.already_logged(candidate) is not None:
                return replace(logged, void="ENTRY_VOID")  # only the lowest-indexed entry of an identity counts
            self._check_key(logged)
            self._ledger.judge(candidate, logged.index)
        except Refused as refused:
            return self._void(logged, refused)
        rows = self._ledger.accept(candidate, logged.index)
        self._history.add(logged.index, logged.data, rows)
        if logged.kind == "gate_decision" and not isinstance(candidate.record.withdraws_b64u, UnsetType):
            self._withdrawals[candidate.record.withdraws_b64u].append(logged.index)
        return replace(logged, candidate=candidate)

    def _unread(self, logged: Logged) -> Logged:
        """An entry whose payload could not be had: it permits nothing, and what it restricts it restricts."""
        try:
            check_signature(logged.payload_hash, logged.entry.signature, logged.entry.signer_did)
            self._check_key(logged)
        except Refused as refused:
            return self._void(logged, refused)
        signer, target = logged.entry.signer_did, logged.refs.get("target", "")
        if logged.kind == "revocation" and target.startswith("key:"):
            did = target.removeprefix("key:")
            if did == signer or self.trust.role_at(signer, logged.index) in may_revoke("key"):
                self._unread_key_revocations.setdefault(did, logged.index)
        return replace(logged, void="PAYLOAD_UNREADABLE")

    def _check_key(self, logged: Logged) -> None:
        self._check_signer_key(logged.entry.signer_did, logged.index)

    def _check_signer_key(self, did: str, index: int) -> None:
        if self.is_key_revoked(did, index):
            raise Refused("KEY_REVOKED", "the signer's key is revoked", param="signer_did", found=did)

    def _void(self, logged: Logged, refused: Refused) -> Logged:
        if refused.code in LIES:
            self.lies.append(_lie(logged.index, refused))
        return replace(logged, void=refused.code)

    def _is_taken(self, logged: Logged, candidate: Candidate) -> bool:
        """Whether an earlier entry holds the identity or a conflict key.

        Receipts hold their id through their refs, read or not. Bundles hold theirs through their payload: all those of one
        agent are read, in order.
        """
        if logged.kind == "proof_bundle":
            keys = [candidate.identity, *(claim.key for claim in candidate.claims)]
            return any(self._late_keys.setdefault(key, logged.index) < logged.index for key in keys)
        earlier = (one for one in self.sharing("receipt", logged.refs["receipt"], logged.index) if one.kind == logged.kind)
        held = (one for one in earlier if one.void in (None, "PAYLOAD_UNREADABLE"))  # a void entry holds no key
        return any(one.entry.signer_did == logged.entry.signer_did for one in held)


def _is_unread(one: Logged) -> bool:
    return one.kind in BULK_KINDS and one.candidate is None and not one.void


def _lie(index: int, refused: Refused) -> Lie:
    return Lie(index, refused.code, refused.param, refused.expected, refused.found)
