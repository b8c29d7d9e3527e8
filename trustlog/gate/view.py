"""What a gate has read of the log: every entry in order, judged by the rules of reading, looked up by ref.

A view takes bytes and returns values; it never fetches. Payloads that permit or restrict are given with their entry;
receipts and bundles, of which there are many, are read late, when a decision concerns their job.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Iterable, Iterator, MutableSequence, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, Final

from trustlog.errors import Refused
from trustlog.formats.base64 import encode_b64u
from trustlog.formats.entry import Entry, parse_entry, ref_value
from trustlog.formats.envelope import check_signature
from trustlog.formats.trustpolicy import TrustPolicy
from trustlog.gate.misstated import misstatements_behind
from trustlog.gate.stacked import StackedIndex, StackedList
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


Sightings = tuple[
    tuple[int, int | None], ...
]  # indexes, and when witnesses had seen them: that alone can become known later


@dataclass(frozen=True, slots=True)
class Logged:
    """One entry as it was read. `candidate` is None while its payload is unread, unreadable, or the entry is void.

    `void` is the reason code of the rule that it breaks; ``PAYLOAD_UNREADABLE`` when the payload could not be had.
    """

    index: int
    data: bytes
    entry: Entry
    candidate: Candidate | None = None
    void: str | None = None
    payload_hash: str = field(init=False)  # how other records name it
    _leaf_hash: str = field(init=False, repr=False, compare=False, default="")

    def __post_init__(self) -> None:
        read = self.candidate
        object.__setattr__(
            self, "payload_hash", encode_b64u(self.entry.payload_hash) if read is None else read.payload_hash_b64u
        )

    @property
    def kind(self) -> str:
        """The record kind."""
        return self.entry.kind

    @property
    def refs(self) -> Any:
        """The entry's lookup keys."""
        return self.entry.refs

    @property
    def record(self) -> Any:
        """The payload's record; only for an entry that was read and is not void."""
        assert self.candidate is not None
        return self.candidate.record

    @property
    def leaf_hash_b64u(self) -> str:
        """The leaf hash, base64url; computed when it is first asked for, by each decision that lists the entry."""
        if not self._leaf_hash:
            object.__setattr__(self, "_leaf_hash", encode_b64u(hash_leaf(self.data)))
        return self._leaf_hash


class LogView:
    """Every entry below :attr:`size`, in order."""

    def __init__(self, trust: TrustPolicy) -> None:
        self.trust = trust
        self.lies: list[Lie] = []
        self.well_founded: dict[
            int, Sightings
        ] = {}  # allows that were judged at their own index, below which nothing changes
        self.misstated: dict[int, tuple[Misstatement, ...]] = {}  # by the index of the decision that leads to it
        self._past = PastTrees()
        self._history = MemoryHistory()
        self._ledger = Ledger(trust, self._history)
        self._entries: MutableSequence[Logged | None] = []
        self._by_ref: dict[tuple[str, str], list[int]] = defaultdict(list)
        self._by_kind: dict[str, list[int]] = defaultdict(list)
        self._by_payload: dict[str, list[int]] = defaultdict(list)
        self._late_keys: dict[bytes, int] = {}
        self._unread_bundles: dict[str, list[int]] = defaultdict(list)  # by signer: themselves, or receipts in them
        self._withdrawals: dict[str, list[int]] = defaultdict(list)
        self._key_revocations: list[int] = []
        self._unread_key_revocations: dict[str, int] = {}
        self._sightings: list[tuple[int, int]] = []  # sizes and times, both ascending: what a later one says too is left out
        self.sightings_moved = 0

    @property
    def origin(self) -> str:
        """The log's origin."""
        return self.trust.origin

    @property
    def size(self) -> int:
        """How many entries were read."""
        return len(self._entries)

    @property
    def rosters(self) -> RosterChain:
        """The roster chain over everything read."""
        return self._ledger.rosters

    def is_key_revoked(self, did: str, index: int) -> bool:
        """Whether the key was revoked below `index`; a revocation whose payload cannot be read counts by its refs."""
        unread = self._unread_key_revocations.get(did, index)
        return unread < index or self._ledger.is_key_revoked(did, index)

    def note_sighting(self, size: int, ns: int) -> bool:
        """A quorum of witnesses had cosigned the tree of `size` by the time `ns` (nanoseconds since 1970); whether that is news.

        Where entries turn out to have been seen earlier than was thought, :attr:`sightings_moved` counts up.
        """
        earliest_ns = self.seen_by(size - 1)
        if earliest_ns is not None and earliest_ns <= ns:
            return False
        last_size, last_ns = self._sightings[-1] if self._sightings else (0, ns)
        if last_size < size and last_ns <= ns:
            self._sightings.append((size, ns))
            return True
        self.sightings_moved += 1  # the time of some entry that had one
        self._sightings = [known for known in self._sightings if known[0] > size or known[1] < ns]
        insort(self._sightings, (size, ns))
        return True

    def seen_by(self, index: int) -> int | None:
        """The earliest time by which witnesses had seen the entry at `index`, as far as is known here."""
        place = bisect_right(self._sightings, index, key=lambda known: known[0])
        return self._sightings[place][1] if place < len(self._sightings) else None

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
        is_small = {name: isinstance(value, list) and name != "_entries" for name, value in vars(self).items()}
        state = {name: [*value] if is_small[name] else value for name, value in vars(self).items()}
        vars(above).update(state)
        above._entries = StackedList(self._entries)
        above._by_ref = StackedIndex(self._by_ref)
        above._by_kind = StackedIndex(self._by_kind)
        above._by_payload = StackedIndex(self._by_payload)
        above._unread_key_revocations = {**self._unread_key_revocations}
        for candidate in pending:
            logged = Logged(above.size, candidate.entry_bytes, candidate.entry, candidate)
            above._entries.append(logged)
            above._index(logged)
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
            self._entries.append(None)
            return
        logged = Logged(index, data, entry)
        if payload is not None:
            logged = self._read(logged, payload, read)
        elif entry.kind not in BULK_KINDS:
            logged = self._unread(logged)
        self._entries.append(logged)
        self._index(logged)
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

    def _inside(self, bundle: Logged) -> Iterator[Logged]:
        """The tool receipts in a bundle that was read, as they stand below it: what is above it never counts there."""
        if bundle.candidate is not None:
            for receipt in bundle.record.tool_receipts:
                if receipt.envelope is not None:
                    yield from self.named(receipt.envelope.payload_hash_b64u, receipt.envelope.kind, bundle.index)

    # Looking up. All answers are in index order and below `size`.

    def sharing(self, name: str, value: str, size: int) -> Iterator[Logged]:
        """Entries, void ones included, whose field `name` is `value`: a long value stands in its ref as a hash."""
        found = self._by_ref.get((name, value))  # mostly it is short and plain
        return self._below(self._by_ref.get((name, ref_value(value)), ()) if found is None else found, size)

    def of_kind(self, kind: str, size: int) -> Iterator[Logged]:
        """Entries of a kind, void ones included."""
        return self._below(self._by_kind.get(kind, ()), size)

    def valid(self, kind: str, name: str, value: str, size: int) -> list[Logged]:
        """Read, valid entries of `kind` whose ref `name` is `value`."""
        return [one for one in self.sharing(name, value, size) if one.kind == kind and one.candidate is not None]

    def by_payload(self, payload_hash: str, kind: str, size: int) -> list[Logged]:
        """Read, valid entries of a kind with this payload."""
        found = self._below(self._by_payload.get(payload_hash, ()), size)
        return [one for one in found if one.kind == kind and one.candidate is not None]

    def named(self, payload_hash: str, kind: str, size: int) -> list[Logged]:
        """Entries of a kind with this payload, void and unread ones included."""
        return [one for one in self._below(self._by_payload.get(payload_hash, ()), size) if one.kind == kind]

    def withdrawals(self, payload_hash: str, size: int) -> Iterator[Logged]:
        """The valid denies that withdraw the decision with this payload."""
        return self._below(self._withdrawals.get(payload_hash, ()), size)

    def key_revocations(self, size: int) -> Iterator[Logged]:
        """Entries, void ones included, that name a key as their target: there are few of them in a log."""
        return self._below(self._key_revocations, size)

    def naming(self, names: Iterable[str], values: Iterable[str], start: int) -> set[int]:
        """The indexes from `start` on of entries, void ones included, of which any of these refs has any of these values."""
        found = set()
        for ref in product(names, values):
            for index in reversed(self._by_ref.get(ref, ())):
                if index < start:
                    break
                found.add(index)
        return found

    def kinds_since(self, start: int) -> set[str]:
        """The kinds of the entries from `start` on, void ones included."""
        return {kind for kind, indexes in self._by_kind.items() if indexes[-1] >= start}

    def first(self, payload_hash: str, kind: str, size: int) -> Logged | None:
        """The lowest-indexed valid entry with this payload: the one that counts."""
        return next(iter(self.by_payload(payload_hash, kind, size)), None)

    def at(self, index: int) -> Logged | None:
        """The entry at an index; None if its bytes are no entry."""
        return self._entries[index]

    def _below(self, indexes: Any, size: int) -> Iterator[Logged]:
        for index in indexes:
            if index >= size:
                return
            logged = self._entries[index]
            assert logged is not None
            yield logged

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

    def _index(self, logged: Logged) -> None:
        for name, value in logged.refs.items():
            self._by_ref[name, value].append(logged.index)
        if logged.refs.get("target", "").startswith("key:"):
            self._key_revocations.append(logged.index)
        self._by_kind[logged.kind].append(logged.index)
        if logged.kind == "proof_bundle":
            self._unread_bundles[logged.entry.signer_did].append(logged.index)
        self._by_payload[logged.payload_hash].append(logged.index)


def _is_unread(one: Logged) -> bool:
    return one.kind in BULK_KINDS and one.candidate is None and not one.void


def _lie(index: int, refused: Refused) -> Lie:
    return Lie(index, refused.code, refused.param, refused.expected, refused.found)
