"""History: entries read in index order, each judged by the rules of reading at its own index.

Rules of reading: the entry's grammar, the signer's DID and signature, the payload's hash and accepted text, its
closed schema, recomputed refs, the signer's role in its window (or the person in the roster in force), no
revoked key, identity and conflict keys, the roster chain, who may revoke and who may erase. An entry that breaks
one is void: it has no effect and holds no key. Admission's rate and clock rules are not rules of reading.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from verifier.encodings import encode_b64u
from verifier.entry import Entry, check_entry_signature, parse_entry
from verifier.errors import Refused
from verifier.ledger.jobs import Jobs
from verifier.ledger.logged import Logged, State
from verifier.ledger.policies import Policies
from verifier.ledger.revocations import Revocations
from verifier.ledger.rosters import RosterChain
from verifier.records.bundle import OpenedBundle
from verifier.records.conflicts import conflict_keys
from verifier.records.decision import Decision
from verifier.records.execution import Execution, Resolution
from verifier.records.kinds import KINDS, Record, compute_refs, payload_hash, read_record
from verifier.records.policy import PublishedPolicy
from verifier.records.restrictions import Revocation, Tombstone
from verifier.records.roster import Roster
from verifier.records.token import TokenIssued
from verifier.trust import Role, TrustPolicy


class History:
    """Entries in ascending index order and what follows from them.

    `complete_to` is the size of the tree whose every entry was added, or None if only some were.
    """

    def __init__(self, trust: TrustPolicy, origin: str, *, keep: Callable[[Entry], bool] | None = None) -> None:
        """`keep` says which entries to remember whole; of the others only the keys they take are kept."""
        self.trust = trust
        self.origin = origin
        self.complete_to: int | None = None
        self.rosters = RosterChain(quorum=trust.roster_quorum, reserved=trust.reserved_keys())
        self.policies = Policies(quorum=trust.policy_quorum)
        self.revocations = Revocations(trust, self._signers_of_approval)
        self._jobs = Jobs()
        self._keep = keep
        self._entries: dict[int, Logged] = {}
        self._valid: dict[str, list[Logged]] = {}
        self._light: dict[int, bytes] = {}
        self._withdrawals: dict[str, list[int]] = {}
        self._by_payload: dict[str, list[Logged]] = {}
        self._identities: dict[tuple[str, str, str], int] = {}
        self._keys: dict[tuple[str, ...], tuple[str, int]] = {}
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
        """Read the entry at `index`, above every index so far; None if it is outside the grammar of entries.

        A payload with another hash than the entry's is no fault of the entry: whoever brought it lies.
        Raises Refused HASH_MISMATCH for it; the entry is not read then.
        """
        assert index >= self._next, "entries are read in index order"
        try:
            entry = parse_entry(data)
        except Refused:
            return None
        if payload is not None and payload_hash(payload) != entry.payload_hash_b64u:
            raise Refused(
                "HASH_MISMATCH",
                f"payload of entry {index}",
                expected=entry.payload_hash_b64u,
                found=payload_hash(payload),
            )
        self._next = index + 1
        logged = self._read(index, entry, payload)
        if logged.is_valid:
            self._identities[entry.identity] = index
        if self._keep is None or self._keep(entry):
            self._remember(logged)
        else:
            self._light[index] = data
        return logged

    def _remember(self, logged: Logged) -> None:
        entry = logged.entry
        self._entries[logged.index] = logged
        self._by_payload.setdefault(entry.payload_hash_b64u, []).append(logged)
        if not logged.is_valid:
            return
        self._valid.setdefault(entry.kind, []).append(logged)
        if isinstance(logged.record, Decision) and logged.record.withdraws_b64u is not None:
            self._withdrawals.setdefault(logged.record.withdraws_b64u, []).append(logged.index)

    def _read(self, index: int, entry: Entry, payload: bytes | None) -> Logged:
        try:
            check_entry_signature(entry)
            if payload is None:
                self._check_key(index, entry)
                if entry.kind == "revocation":
                    self.revocations.add(index, entry.refs.get("target", ""), entry.signer_did)
                if entry.kind == "work_policy_contract" and self.trust.has_role(entry.signer_did, Role.POLICY_ISSUER, index):
                    named = {"payload_hash_b64u": entry.payload_hash_b64u, "signer_did": entry.signer_did}
                    self.policies.add_unread(index, entry.refs.get("target"), **named)
                return Logged(index, entry, None, State.UNREAD)
            record = self._read_payload(entry, payload)
            self._check_identity(entry)
            self._check_key(index, entry)
            self._check_role(index, entry, record)
            self._apply(index, entry, record)
            keys = self._check_conflicts(entry, record)
        except Refused as fault:
            return Logged(index, entry, payload, State.VOID, fault=fault)
        for key, value in keys:
            self._keys.setdefault(key, (value, index))
        self._jobs.add(index, record)
        return Logged(index, entry, payload, State.VALID, record=record)

    def _check_key(self, index: int, entry: Entry) -> None:
        revoked = self.revocations.first_below(f"key:{entry.signer_did}", index)
        if revoked is not None:
            raise Refused("KEY_REVOKED", "signer_did", found=f"revoked at index {revoked}")

    def _read_payload(self, entry: Entry, payload: bytes) -> Record:
        record = read_record(entry.kind, payload, signer_did=entry.signer_did, origin=self.origin)
        refs = compute_refs(record, entry.payload_hash_b64u)
        if refs != entry.refs:
            raise Refused("ENTRY_REFS_MISMATCH", "refs", expected=str(refs), found=str(dict(entry.refs)))
        return record

    def _check_role(self, index: int, entry: Entry, record: Record) -> None:
        roles = KINDS[entry.kind].roles
        if roles:
            self._check_one_role(entry.signer_did, roles, index)
        elif entry.kind in ("human_approval_receipt", "resolution"):
            if self.rosters.at(index) is None:
                raise Refused("ROSTER_MISSING", "signer_did", expected="a roster in force")
            if any(window.did == entry.signer_did for windows in self.trust.windows.values() for window in windows):
                raise Refused("SIGNER_WRONG_ROLE", "signer_did", expected="a person's key, which never has a role")
            person = self.rosters.person_at(entry.signer_did, index)
            if person is None:
                raise Refused("SIGNER_NOT_TRUSTED", "signer_did", expected="a person of the roster in force")
            if isinstance(record, Resolution) and person.subject in self._requesters(record.begin_b64u):
                raise Refused("SIGNER_WRONG_ROLE", "signer_did", expected="somebody else than the requester")
        if isinstance(record, OpenedBundle):
            for sealed, _ in record.receipts.gateway:
                self._check_one_role(sealed.signer_did, (Role.GATEWAY,), index)
            for sealed in record.receipts.signed_tools:
                self._check_one_role(sealed.signer_did, (Role.AGENT, Role.GATEWAY), index)

    def _check_one_role(self, did: str, roles: tuple[Role, ...], index: int) -> None:
        if any(self.trust.has_role(did, role, index) for role in roles):
            return
        known = any(self.trust.has_role(did, role, index) for role in Role)
        code = "SIGNER_WRONG_ROLE" if known else "SIGNER_NOT_TRUSTED"
        raise Refused(code, "signer_did", expected=" or ".join(roles) + f" at index {index}", found=did)

    def _requesters(self, begin_b64u: str) -> set[str]:
        begins = [item.record for item in self.named("execution", begin_b64u)]
        jobs = {begin.job_id for begin in begins if isinstance(begin, Execution)}
        tokens = [item.record for item in self.valid("token_issued")]
        return {token.requester for token in tokens if isinstance(token, TokenIssued) and token.job_id in jobs}

    def _check_identity(self, entry: Entry) -> None:
        first = self._identities.get(entry.identity)
        if first is not None:
            raise Refused("CONFLICT", "identity", found=f"already logged at index {first}")

    def _check_conflicts(self, entry: Entry, record: Record) -> list[tuple[tuple[str, ...], str]]:
        keys = conflict_keys(entry.kind, record, signer_did=entry.signer_did, payload_hash_b64u=entry.payload_hash_b64u)
        for key, value in keys:
            held, holder = self._keys.get(key, (value, -1))
            if held != value:
                raise Refused("CONFLICT", " ".join(key[:1]), found=f"taken by index {holder}")
        return keys

    def _apply(self, index: int, entry: Entry, record: Record) -> None:
        """What the kind demands of history, and what follows; no kind that changes anything here has conflict keys."""
        signer, payload = entry.signer_did, entry.payload_hash_b64u
        match record:
            case Roster():
                self.rosters.add(index, record, payload_hash_b64u=payload, signer_did=signer)
            case PublishedPolicy():
                self.policies.add(index, record, payload_hash_b64u=payload, signer_did=signer)
            case Revocation():
                self.revocations.add(index, record.target, signer)
            case Tombstone():
                self._check_tombstone(record)
            case _:
                pass

    def _check_tombstone(self, record: Tombstone) -> None:
        """Erasable are receipts, bundles, plans and artefacts, of no job that is still open.

        Plans and artefacts are erased under the lowest-indexed simulation or execution that names them.
        """
        target = self._any_at(record.index)
        if target is None or encode_b64u(target.entry.leaf_hash) != record.leaf_hash_b64u:
            raise Refused("TOMBSTONE_NOT_PERMITTED", "index", expected="the entry that holds or names the payload")
        if not self._may_erase(target, record.payload_b64u):
            raise Refused("TOMBSTONE_NOT_PERMITTED", "payload_b64u", expected="an erasable payload")
        job = self._jobs.concerned(target.entry)
        if job is not None and job not in self._jobs.over:
            raise Refused("TOMBSTONE_NOT_PERMITTED", "payload_b64u", expected="a job that is closed or ended")

    def _any_at(self, index: int) -> Logged | None:
        """The entry at `index`, also if only its bytes were remembered."""
        if index in self._light:
            return Logged(index, parse_entry(self._light[index]), None, State.UNREAD)
        return self.at(index)

    def _may_erase(self, target: Logged, payload_b64u: str) -> bool:
        if target.entry.payload_hash_b64u == payload_b64u:
            return KINDS[target.entry.kind].erasable
        return self._jobs.first_to_name.get(payload_b64u) == target.index

    def _signers_of_approval(self, payload_hash_b64u: str) -> set[str]:
        named = self.named("human_approval_receipt", payload_hash_b64u)
        return {item.entry.signer_did for item in named if item.state is not State.VOID}
