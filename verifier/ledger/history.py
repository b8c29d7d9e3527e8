"""History: entries read in index order, each judged by the rules of reading at its own index.

Rules of reading: the entry's grammar, the signer's DID and signature, the payload's hash and accepted text, its
closed schema, recomputed refs, the signer's role in its window (or the person in the roster in force), no
revoked key, identity and conflict keys, the roster chain, who may revoke and who may erase. An entry that breaks
one is void: it has no effect and holds no key. Admission's rate and clock rules are not rules of reading.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from verifier.encodings import encode_b64u
from verifier.entry import Entry, match_entry, parse_entry
from verifier.errors import Refused
from verifier.ledger.jobs import Jobs
from verifier.ledger.keytable import KeyTable
from verifier.ledger.logged import Logged, State
from verifier.ledger.policies import Policies
from verifier.ledger.prepared import Brought, Prepared, Unopened, prepare
from verifier.ledger.revocations import Revocations
from verifier.ledger.rosters import RosterChain
from verifier.records.bundle import OpenedBundle
from verifier.records.conflicts import ConflictKey, holding
from verifier.records.decision import Decision
from verifier.records.execution import Execution, Resolution
from verifier.records.kinds import KINDS, Record
from verifier.records.policy import PublishedPolicy
from verifier.records.restrictions import Revocation, Tombstone
from verifier.records.roster import Roster
from verifier.records.token import TokenIssued
from verifier.tree import HASH_SIZE, hash_leaf
from verifier.trust import Role, TrustPolicy

_LEAF_DIGEST = 16  # of a leaf hash: enough that no second entry has it


class Admitted(NamedTuple):
    """How an entry ended: `record` if it is valid, `fault` if it is void, `logged` if it is remembered."""

    state: State
    record: Record | None = None
    fault: Refused | None = None
    logged: Logged | None = None


class History:
    """Entries in ascending index order and what follows from them.

    `complete_to` is the size of the tree whose every entry was added, or None if only some were.
    """

    def __init__(self, trust: TrustPolicy, origin: str, *, reread: Callable[[int], bytes] | None = None) -> None:
        """`reread` gives the bytes of an entry that was not remembered, if a tombstone names it."""
        self.trust = trust
        self.origin = origin
        self.complete_to: int | None = None
        self.rosters = RosterChain(quorum=trust.roster_quorum, reserved=trust.reserved_keys())
        self.policies = Policies(quorum=trust.policy_quorum)
        self.revocations = Revocations(trust)
        self._jobs = Jobs()
        self._reread = reread
        self._entries: dict[int, Logged] = {}
        self._valid: dict[str, list[Logged]] = {}
        self._unkept = bytearray()  # the first bytes of the leaf hash of each entry that is not remembered, by index
        self._withdrawals: dict[str, list[int]] = {}
        self._by_payload: dict[str, list[Logged]] = {}
        self._keys = KeyTable()
        self._next = 0

    def __iter__(self) -> Iterator[Logged]:
        """Every remembered entry in index order."""
        return iter(self._entries.values())

    def at(self, index: int) -> Logged | None:
        """The remembered entry at `index`, or None."""
        return self._entries.get(index)

    def valid(self, kind: str) -> list[Logged]:
        """The remembered valid entries of a kind, in index order."""
        return self._valid.get(kind, [])

    def withdrawn_between(self, decision_b64u: str, low: int, high: int) -> int | None:
        """The index of a valid deny that withdraws a decision, strictly between two indexes, or None."""
        found = self._withdrawals.get(decision_b64u, ())
        return next((index for index in found if low < index < high), None)

    def named(self, kind: str, payload_hash_b64u: str) -> list[Logged]:
        """Every entry of a kind with this payload, in index order, whether it counts or not."""
        return [item for item in self._by_payload.get(payload_hash_b64u, ()) if item.entry.kind == kind]

    def find(self, kind: str, payload_hash_b64u: str) -> Logged | None:
        """The lowest valid entry of a kind with this payload, else the lowest that does not count, else None."""
        found = self.named(kind, payload_hash_b64u)
        return next((item for item in found if item.is_valid), found[0] if found else None)

    def named_refs(self, kind: str, name: str, value: str) -> list[Logged]:
        """The entries of a kind with this ref, in index order, whether they count or not."""
        return [item for item in self if item.entry.kind == kind and item.ref(name) == value]

    def add(self, index: int, data: bytes, payload: bytes | None) -> Logged | None:
        """Read and remember the entry at `index`, above every index so far; None if it is outside the grammar of entries.

        A payload with another hash than the entry's is no fault of the entry: whoever brought it lies.
        Raises Refused HASH_MISMATCH for it; the entry is not read then.
        """
        match = match_entry(data)
        if match is None:
            return None
        return self.admit(index, prepare(match, payload, index=index, origin=self.origin, leaf_hash=hash_leaf(data))).logged

    def admit(self, index: int, prepared: Prepared) -> Admitted:
        """Read what was prepared of the entry at `index`, above every index so far. Raises Refused HASH_MISMATCH as `add`."""
        assert index >= self._next, "entries are read in index order"
        if prepared.brought is Brought.WRONG:
            assert prepared.fault is not None, "what is wrong is said"
            raise prepared.fault
        self._next = index + 1
        state, fault = self._judge(index, prepared)
        record = prepared.record if state is State.VALID else None
        if not prepared.is_kept:
            self._unkept += bytes(index * _LEAF_DIGEST - len(self._unkept)) + prepared.leaf_hash[:_LEAF_DIGEST]
            return Admitted(state, record, fault)
        assert prepared.entry is not None, "only receipts that nobody remembers come without"
        logged = Logged(index, prepared.entry, state, record=record, fault=fault)
        self._remember(logged)
        return Admitted(state, record, fault, logged)

    def admit_unopened(self, first: int, row: Unopened) -> dict[int, Refused]:
        """Read receipts in a row from the entry at `first` on; the faults of those that are void, by index."""
        assert first >= self._next, "entries are read in index order"
        self._next = first + row.width
        self._unkept += bytes(first * _LEAF_DIGEST - len(self._unkept))
        for begin in range(0, len(row.leaf_hashes), HASH_SIZE):
            self._unkept += row.leaf_hashes[begin : begin + _LEAF_DIGEST]
        faults = {signer: self._key_fault(first, signer) for signer in set(row.signers)}  # they revoke nothing themselves
        signers = enumerate(row.signers, start=first)
        return {index: fault for index, signer in signers if (fault := faults[signer]) is not None}

    def _remember(self, logged: Logged) -> None:
        entry = logged.entry
        self._entries[logged.index] = logged
        self._by_payload.setdefault(entry.payload_hash_b64u, []).append(logged)
        if not logged.is_valid:
            return
        self._valid.setdefault(entry.kind, []).append(logged)
        if isinstance(logged.record, Decision) and logged.record.withdraws_b64u is not None:
            self._withdrawals.setdefault(logged.record.withdraws_b64u, []).append(logged.index)

    def _judge(self, index: int, prepared: Prepared) -> tuple[State, Refused | None]:
        try:
            if prepared.fault is not None:
                raise prepared.fault
            if prepared.brought is Brought.ABSENT:
                self._check_key(index, prepared)
                self._apply_unread(index, prepared)
                return State.UNREAD, None
            identity = _identity(prepared)
            self._check_identity(*identity)
            self._check_key(index, prepared)
            self._check_role(index, prepared)
            self._apply(index, prepared)
            self._check_conflicts(prepared)
        except Refused as fault:
            return State.VOID, fault
        for key, value in prepared.keys if identity in prepared.keys else (*prepared.keys, identity):
            self._keys.take(key, value, index)
        if prepared.record is not None:
            self._jobs.add(index, prepared.record)
        return State.VALID, None

    def _apply_unread(self, index: int, prepared: Prepared) -> None:
        """What restricts is taken at its worst if its payload is not there."""
        if prepared.kind not in ("revocation", "work_policy_contract"):
            return
        assert prepared.entry is not None, "only receipts come without"
        target = prepared.entry.refs.get("target")
        if prepared.kind == "revocation":
            self._revoke(index, target or "", prepared.signer_did)
        elif self.trust.has_role(prepared.signer_did, Role.POLICY_ISSUER, index):
            named = {"payload_hash_b64u": prepared.payload_hash_b64u, "signer_did": prepared.signer_did}
            self.policies.add_unread(index, target, **named)

    def _check_key(self, index: int, prepared: Prepared) -> None:
        fault = self._key_fault(index, prepared.signer_did)
        if fault is not None:
            raise fault

    def _key_fault(self, index: int, signer_did: str) -> Refused | None:
        revoked = self.revocations.first_below(f"key:{signer_did}", index)
        if revoked is None:
            return None
        return Refused(
            "KEY_REVOKED", "signer_did", expected="a key that is not revoked", found=f"revoked at index {revoked}"
        )

    def _check_role(self, index: int, prepared: Prepared) -> None:
        signer, record = prepared.signer_did, prepared.record
        roles = KINDS[prepared.kind].roles
        if roles:
            self._check_one_role(signer, roles, index)
        elif prepared.kind in ("human_approval_receipt", "resolution"):
            if self.rosters.at(index) is None:
                raise Refused("ROSTER_MISSING", "signer_did", expected="a roster in force")
            if any(window.did == signer for windows in self.trust.windows.values() for window in windows):
                raise Refused("SIGNER_WRONG_ROLE", "signer_did", expected="a person's key, which never has a role")
            person = self.rosters.person_at(signer, index)
            if person is None:
                raise Refused("SIGNER_NOT_TRUSTED", "signer_did", expected="a person of the roster in force")
            if isinstance(record, Resolution) and person.subject in self._requesters(record.begin_b64u):
                raise Refused("SIGNER_WRONG_ROLE", "signer_did", expected="somebody else than the requester")
        if isinstance(record, OpenedBundle):
            self._check_inner_signers(record, index)

    def _check_inner_signers(self, record: OpenedBundle, index: int) -> None:
        """Gateways may have been cut off since they signed: a receipt is judged where it is logged, in its own window."""
        for gateway in dict.fromkeys(sealed.signer_did for sealed, _ in record.receipts.gateway):
            if not self.trust.had_role(gateway, Role.GATEWAY, index):
                self._check_one_role(gateway, (Role.GATEWAY,), index)
        for sealed in record.receipts.signed_tools:
            self._check_one_role(sealed.signer_did, (Role.AGENT, Role.GATEWAY), index)

    def _check_one_role(self, did: str, roles: tuple[Role, ...], index: int) -> None:
        for role in roles:
            if self.trust.has_role(did, role, index):
                return
        known = any(self.trust.has_role(did, role, index) for role in Role)
        code = "SIGNER_WRONG_ROLE" if known else "SIGNER_NOT_TRUSTED"
        raise Refused(code, "signer_did", expected=" or ".join(roles) + f" at index {index}", found=did)

    def _requesters(self, begin_b64u: str) -> set[str]:
        begins = [item.record for item in self.named("execution", begin_b64u)]
        jobs = {begin.job_id for begin in begins if isinstance(begin, Execution)}
        tokens = [item.record for item in self.valid("token_issued")]
        return {token.requester for token in tokens if isinstance(token, TokenIssued) and token.job_id in jobs}

    def _check_identity(self, key: tuple[str, ...], value: str) -> None:
        if self._keys.holds(key, value):
            raise Refused(
                "CONFLICT", "identity", expected="one entry", found=f"already logged at index {self._keys.holder(key)}"
            )

    def _check_conflicts(self, prepared: Prepared) -> None:
        for key, value in prepared.keys:
            holder = self._keys.holder(key)
            if holder is not None and not self._keys.holds(key, value):
                raise Refused("CONFLICT", " ".join(key[:1]), expected="a key of its own", found=f"taken by index {holder}")

    def _apply(self, index: int, prepared: Prepared) -> None:
        """What the kind demands of history, and what follows; no kind that changes anything here has conflict keys."""
        signer, payload = prepared.signer_did, prepared.payload_hash_b64u
        match prepared.record:
            case Roster() as record:
                self.rosters.add(index, record, payload_hash_b64u=payload, signer_did=signer)
            case PublishedPolicy() as record:
                self.policies.add(index, record, payload_hash_b64u=payload, signer_did=signer)
            case Revocation() as record:
                self._revoke(index, record.target, signer)
            case Tombstone() as record:
                self._check_tombstone(record)
            case _:
                pass

    def _check_tombstone(self, record: Tombstone) -> None:
        """Erasable are receipts, bundles, plans and artefacts, of no job that is still open.

        Plans and artefacts are erased under the lowest-indexed simulation or execution that names them.
        """
        target = self._any_at(record.index)
        if target is None or encode_b64u(target[1].leaf_hash) != record.leaf_hash_b64u:
            raise Refused("TOMBSTONE_NOT_PERMITTED", "index", expected="the entry that holds or names the payload")
        if not self._may_erase(*target, record.payload_b64u):
            raise Refused("TOMBSTONE_NOT_PERMITTED", "payload_b64u", expected="an erasable payload")
        job = self._jobs.concerned(target[1])
        if job is not None and job not in self._jobs.over:
            raise Refused("TOMBSTONE_NOT_PERMITTED", "payload_b64u", expected="a job that is closed or ended")

    def _any_at(self, index: int) -> tuple[int, Entry] | None:
        """Index and entry at `index`, if it was read; one that was not remembered is read once more."""
        logged = self.at(index)
        if logged is not None:
            return index, logged.entry
        digest = self._unkept[index * _LEAF_DIGEST : (index + 1) * _LEAF_DIGEST]
        if self._reread is None or not any(digest):
            return None
        data = self._reread(index)
        if hash_leaf(data)[:_LEAF_DIGEST] != digest:
            raise Refused("TILE_INVALID", f"entry {index}", expected="the entry that was read before", found="another")
        return index, parse_entry(data)

    def _may_erase(self, index: int, entry: Entry, payload_b64u: str) -> bool:
        if entry.payload_hash_b64u == payload_b64u:
            return KINDS[entry.kind].erasable
        return self._jobs.first_to_name.get(payload_b64u) == index

    def _revoke(self, index: int, target: str, signer: str) -> None:
        self.revocations.add(index, target, signer, signers_of=self._signers_of_approval)

    def _signers_of_approval(self, payload_hash_b64u: str) -> set[str]:
        named = self.named("human_approval_receipt", payload_hash_b64u)
        return {item.entry.signer_did for item in named if item.state is not State.VOID}


def _identity(prepared: Prepared) -> ConflictKey:
    """The key that says that this was logged: one of its own that holds signer and payload hash, if it has one.

    Equal payloads give equal keys, so no other need be kept; that halves what a receipt takes.
    """
    mine = holding(prepared.signer_did, prepared.payload_hash_b64u)
    own = next((key for key in prepared.keys if key[1] == mine), None)
    return own or (("identity", prepared.signer_did, prepared.kind, prepared.payload_hash_b64u), mine)
