"""The rules of reading that need history: who may say what at which index, and what is already taken.

The log's writer asks the ledger before it gives an index; every reader asks it again, in index order, of every entry. An entry
that the ledger refuses is *void*: it has no effect and holds no key. So a log that admitted what it should not have gains
nothing by it.

State that is small and always needed (rosters, revoked keys) is kept here; what grows with the log (identities, conflict keys,
entries) is looked up through :class:`History`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from trustlog.errors import Conflict, Refused
from trustlog.formats.base64 import decode_b64u, encode_b64u
from trustlog.formats.entry import parse_entry
from trustlog.formats.trustpolicy import TrustPolicy, Window
from trustlog.merkle.hashing import hash_leaf
from trustlog.records.history import HELD, Held, History, Judged, MemoryHistory, Row
from trustlog.records.kind import ANY_PERMITTED, PERSON
from trustlog.records.kinds import KINDS
from trustlog.records.links import (
    approval_key,
    first_to_name,
    is_free_to_erase,
    link_rows,
    requester_of_execution,
    subject_value,
)
from trustlog.records.revocation import may_revoke
from trustlog.records.rosters import RosterChain

__all__ = ["Held", "History", "Judged", "Ledger", "MemoryHistory", "Row"]

_Windows: TypeAlias = Mapping[str, Sequence[tuple[str, Window]]]


class Ledger:
    """Judges candidates at their index. One ledger sees every entry once, in order."""

    GOVERNANCE: Final = frozenset({"roster", "revocation"})  # what :meth:`replay` needs to rebuild the state

    def __init__(self, trust: TrustPolicy, history: History, *, windows: _Windows | None = None) -> None:
        """`windows` are those of `trust`, where they are known already."""
        self._trust = trust
        self._history = history
        self._windows = windows or _windows_by_did(trust)
        self.rosters = RosterChain(trust)
        self._revoked_keys: dict[str, int] = {}

    def fork(self, history: History | None = None) -> Ledger:
        """A copy to try a batch on, over another history if given."""
        fork = Ledger(self._trust, history or self._history, windows=self._windows)
        fork.rosters = self.rosters.fork()
        fork._revoked_keys = dict(self._revoked_keys)
        return fork

    def already_logged(self, candidate: Judged) -> int | None:
        """The index of the same payload by the same signer as the same kind."""
        held = self._history.held(candidate.identity)
        return None if held is None else held.index

    def judge(self, candidate: Judged, index: int) -> None:
        """Check a candidate against everything below `index`; raises :class:`Refused` or :class:`Conflict`."""
        self._check_signer(candidate, index)
        self._check_kind(candidate, index)
        for claim in candidate.claims:
            held = self._history.held(claim.key)
            if held is not None and held.value != claim.value:
                raise self._conflict(claim.param, held.index)

    def judge_apart(self, candidate: Judged, index: int) -> None:
        """Check everything but conflict keys: for a reader that reads some payloads late and out of order."""
        self._check_signer(candidate, index)
        self._check_kind(candidate, index)

    def accept(self, candidate: Judged, index: int) -> list[Row]:
        """The rows to store for an entry that was judged: its identity, and keys that nobody holds; updates rosters and such."""
        self._apply(candidate, index)
        rows: list[Row] = [(candidate.identity, HELD)]
        rows += [(claim.key, claim.value) for claim in candidate.claims if self._history.held(claim.key) is None]
        return rows + [row for row in link_rows(candidate, self._history) if self._history.held(row[0]) is None]

    def replay(self, candidate: Judged, index: int) -> None:
        """Rebuild the state from a stored entry of a kind in :data:`GOVERNANCE`, under today's trust policy."""
        try:
            self._check_signer(candidate, index)
            self._check_kind(candidate, index)
        except Refused:
            return  # void under today's trust policy
        self._apply(candidate, index)

    def is_key_revoked(self, did: str, index: int) -> bool:
        """Whether what `did` signed at `index` is void because the key was revoked below it."""
        return did in self._revoked_keys and self._revoked_keys[did] < index

    # Rules. Each raises a refusal that names the field.

    def _check_signer(self, candidate: Judged, index: int) -> None:
        signer, allowed = candidate.signer_did, candidate.kind.signers
        if self.is_key_revoked(signer, index):
            found = f"{signer}, revoked at index {self._revoked_keys[signer]}"
            raise Refused(
                "KEY_REVOKED", "the signer's key is revoked", param="signer_did", expected="a key in force", found=found
            )
        if PERSON in allowed:
            self._check_person(candidate, index)
        elif ANY_PERMITTED not in allowed:
            self._check_role(signer, allowed, index, "signer_did")

    def _check_kind(self, candidate: Judged, index: int) -> None:
        match candidate.kind.name:
            case "roster":
                self.rosters.check_continues(candidate.record, index)
            case "revocation":
                self._check_revocation(candidate, index)
            case "proof_bundle":
                self._check_bundle_receipts(candidate, index)
            case "tombstone":
                self._check_tombstone(candidate, index)
            case "resolution":
                self._check_resolution(candidate, index)

    def _check_role(self, did: str, allowed: tuple[str, ...], index: int, param: str) -> None:
        role = self._role_at(did, index)
        if role in allowed:
            return
        expected = f"a key trusted as {' or '.join(allowed)} at index {index}"
        code = "SIGNER_WRONG_ROLE" if role else "SIGNER_NOT_TRUSTED"
        found = f"{did}, trusted as {role}" if role else did
        raise Refused(code, f"{param} may not sign this", param=param, expected=expected, found=found)

    def _role_at(self, did: str, index: int) -> str | None:
        for role, window in self._windows.get(did, ()):
            if window.covers(index):
                return role
        return None

    def _was_gateway(self, did: str, index: int) -> bool:
        return any(role == "gateways" and window.from_index <= index for role, window in self._windows.get(did, ()))

    def _check_person(self, candidate: Judged, index: int) -> None:
        roster = self.rosters.at(index)
        if roster is None:
            detail = "no roster is in force, so nobody can be told to be a person"
            raise Refused("ROSTER_MISSING", detail, param="signer_did", expected="a roster in force", found="none")
        if self._trust.role_of(candidate.signer_did) is not None:
            role = self._trust.role_of(candidate.signer_did)
            detail = "a key with a role is never a person's"
            found = f"{candidate.signer_did}, trusted as {role}"
            raise Refused("SIGNER_WRONG_ROLE", detail, param="signer_did", expected="a person's key", found=found)
        if self.rosters.person_at(candidate.signer_did, index) is None:
            expected = f"a key of a person of roster {roster.record.number}"
            detail = "the signer is not in the roster in force"
            raise Refused("SIGNER_NOT_TRUSTED", detail, param="signer_did", expected=expected, found=candidate.signer_did)

    def _check_revocation(self, candidate: Judged, index: int) -> None:
        record, signer = candidate.record, candidate.signer_did
        own_key = record.sort == "key" and record.subject == signer
        own_approval = record.sort == "approval" and self._history.held(approval_key(record.subject, signer)) is not None
        if own_key or own_approval:
            return
        allowed = may_revoke(record.sort)
        role = self._role_at(signer, index)
        if role not in allowed:
            raise Refused(
                "REVOCATION_NOT_PERMITTED",
                f"the signer may not revoke a {record.sort}",
                param="signer_did",
                expected=f"a key trusted as {' or '.join(allowed)}, or the signer of what is revoked",
                found=f"{signer}, trusted as {role}" if role else signer,
            )

    def _check_bundle_receipts(self, candidate: Judged, index: int) -> None:
        """A gateway may have been cut off since it signed: its receipt is judged where it is logged, in its own window."""
        for position, (kind, did) in enumerate(candidate.record.inner_signers()):
            if kind == "gateway_receipt" and self._was_gateway(did, index):
                continue
            self._check_role(did, KINDS[kind].signers, index, f"payload.receipts[{position}].signer_did")

    def _check_resolution(self, candidate: Judged, index: int) -> None:
        """Not by the requester of the job: it would hold the key, and nobody else could resolve the execution any more."""
        requester = requester_of_execution(candidate.record.begin_b64u, self._history)
        person = self.rosters.person_at(candidate.signer_did, index)
        if requester is not None and person is not None and requester == subject_value(person.subject):
            detail = "the requester may not resolve an execution of their own job"
            raise Refused(
                "SIGNER_WRONG_ROLE",
                detail,
                param="signer_did",
                expected="a person of the roster who did not request the job",
                found=candidate.signer_did,
            )

    def _check_tombstone(self, candidate: Judged, index: int) -> None:
        record = candidate.record
        data = self._history.entry(record.index) if record.index < index else None
        if data is None or hash_leaf(data) != decode_b64u(record.leaf_hash_b64u, 32, "payload.leaf_hash_b64u"):
            found = "no such entry" if data is None else f"the entry with leaf hash {encode_b64u(hash_leaf(data))}"
            raise _no_tombstone("payload.leaf_hash_b64u", "the leaf hash of the entry at payload.index", found)
        entry = parse_entry(data)
        is_own = encode_b64u(entry.payload_hash) == record.payload_b64u
        if is_own and not (entry.kind in KINDS and KINDS[entry.kind].erasable):
            raise _no_tombstone("payload.payload_b64u", "a payload of an erasable kind", entry.kind)
        if not is_own and first_to_name(record.payload_b64u, self._history) != record.index:
            expected = "the entry's own payload, or a plan or artefact that this entry is the first to name"
            raise _no_tombstone("payload.payload_b64u", expected, record.payload_b64u)
        if not is_free_to_erase(entry, self._history):
            raise _no_tombstone("payload.payload_b64u", "a payload of no open job", "a job that is neither closed nor ended")

    def _conflict(self, param: str, index: int) -> Conflict:
        holder = self._history.entry(index)
        leaf_hash = hash_leaf(holder) if holder is not None else bytes(32)
        detail = f"{param} is taken by the entry at index {index}"
        return Conflict(detail, index=index, leaf_hash=leaf_hash, param=param, found=f"held by index {index}")

    def _apply(self, candidate: Judged, index: int) -> None:
        if candidate.kind.name == "roster":
            self.rosters.add(candidate.record, candidate.payload_hash_b64u, candidate.signer_did, index)
        elif candidate.kind.name == "revocation" and candidate.record.sort == "key":
            self._revoked_keys.setdefault(candidate.record.subject, index)


def _no_tombstone(param: str, expected: str, found: str) -> Refused:
    detail = "this payload may not be erased"
    return Refused("TOMBSTONE_NOT_PERMITTED", detail, param=param, expected=expected, found=found)


def _windows_by_did(trust: TrustPolicy) -> _Windows:
    """The windows of every key with a role: what :meth:`TrustPolicy.role_at` searches, found by key."""
    windows: dict[str, list[tuple[str, Window]]] = {}
    for role, of_role in trust.roles.items():
        for window in of_role:
            windows.setdefault(window.did, []).append((role, window))
    return windows
