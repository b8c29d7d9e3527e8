"""What the log holds about policies: which there are, who signed one, what revokes or replaces it.

All of it comes from the derived index, confirmed in the log: it is a claim to whoever asks over HTTP, who can recompute it from
the entries. Whose signature counts is judged by the log's own trust policy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from trustlog.errors import Refused
from trustlog.formats.base64 import encode_b64u
from trustlog.formats.entry import Entry, parse_entry
from trustlog.formats.trustpolicy import TrustPolicy
from trustlog.log.lookup import find_page, index_behind
from trustlog.policy.standing import Status, quorum_index, status_of
from trustlog.records.revocation import may_revoke
from trustlog.records.work_policy_contract import policy_from_text
from trustlog.storage.index_reader import IndexReader
from trustlog.storage.log_reader import LogReader

KIND: Final = "work_policy_contract"
MAX_SCANNED: Final = 1_000  # entries read for one page of a list: a page may be short, or empty, and not the last
MAX_SIGNERS: Final = 1_000  # entries of one policy, or revocations of it, that are looked at
MAX_CHAIN: Final = 64  # policies of a chain, in each direction


@dataclass(frozen=True, slots=True)
class Revision:
    """One policy: the lowest-indexed entry that carries it, and the name in its payload (None where that is erased)."""

    index: int
    data: bytes
    entry: Entry
    name: str | None


@dataclass(frozen=True, slots=True)
class RevisionPage:
    """Part of a list: every revision in [start, searched_to) that was asked for, at most `limit`."""

    revisions: list[Revision]
    searched_to: int


@dataclass(frozen=True, slots=True)
class Link:
    """A policy of a chain, and the index at which it came into force (None: it is not, or the log does not hold it)."""

    policy_hash_b64u: str
    in_force_at: int | None


@dataclass(frozen=True, slots=True)
class Standing:
    """What acts on a policy. `signed` and `revoked` are entries that count, by index; chains have the nearest policy first."""

    signed: Mapping[int, bytes]
    in_force_at: int | None
    revoked: Mapping[int, bytes]
    supersedes: tuple[Link, ...]
    superseded_by: tuple[Link, ...]

    @property
    def status(self) -> Status:
        """``in_force``, or what keeps it from being so."""
        superseded = any(one.in_force_at is not None for one in self.superseded_by)
        return status_of(self.in_force_at, revoked=bool(self.revoked), superseded=superseded)


class PolicyLookup:
    """Looks below index `end`, under `trust`."""

    def __init__(self, reader: LogReader, index: IndexReader, trust: TrustPolicy, *, end: int) -> None:
        self._reader = reader
        self._index = index
        self._trust = trust
        self._end = end

    def revisions(self, name: str | None, *, start: int, limit: int) -> RevisionPage:
        """Some of the policies first logged in [start, end), those called `name` where it is given.

        Raises Refused(UNAVAILABLE) if the index is being built again and does not go that far.
        """
        page = find_page(self._reader, self._index, {"kind": KIND}, start=start, end=self._end, limit=MAX_SCANNED)
        found: list[Revision] = []
        for index, data in page.entries:
            revision = self._revision(index, data)
            if revision is None or name not in (None, revision.name):
                continue
            if len(found) == limit:
                return RevisionPage(found, index)
            found.append(revision)
        if page.complete_to <= page.searched_to < self._end:  # the index is being built again
            raise index_behind(page.complete_to, self._end)
        return RevisionPage(found, page.searched_to)

    def standing(self, policy_hash: str) -> Standing | None:
        """What acts on the policy with this hash; None where no entry carries it."""
        entries = self._carrying(policy_hash)
        if not entries:
            return None
        revoked = {
            index: data
            for index, data in self._entries({"kind": "revocation", "target": f"policy:{policy_hash}"}).items()
            if self._trust.role_at(parse_entry(data).signer_did, index) in may_revoke("policy")
        }
        signed = self._signed(entries)
        return Standing(
            signed=signed,
            in_force_at=self._in_force_at(signed),
            revoked=revoked,
            supersedes=tuple(self._before(entries, policy_hash)),
            superseded_by=tuple(self._after(policy_hash)),
        )

    def _revision(self, index: int, data: bytes) -> Revision | None:
        """The policy that an entry is the first to carry."""
        entry = parse_entry(data)
        carrying = self._index.search({"kind": KIND, "policy": encode_b64u(entry.payload_hash)}, 0, index, 1)
        if carrying:
            return None
        stored = self._reader.stored(index)
        text = None if stored is None else stored.payload
        return Revision(index, data, entry, None if text is None else name_of(text))

    def _entries(self, terms: Mapping[str, str]) -> dict[int, bytes]:
        places = self._index.search(terms, 0, self._end, MAX_SIGNERS)
        found = {index: self._reader.entry(index) for index in places}
        return {index: data for index, data in found.items() if data is not None}

    def _carrying(self, policy_hash: str) -> dict[int, bytes]:
        return self._entries({"kind": KIND, "policy": policy_hash})

    def _signed(self, entries: Mapping[int, bytes]) -> dict[int, bytes]:
        """The entries whose signer is a policy issuer there; admission refused what a revoked key signed."""
        return {
            index: data
            for index, data in entries.items()
            if self._trust.role_at(parse_entry(data).signer_did, index) == "policy_issuers"
        }

    def _in_force_at(self, signed: Mapping[int, bytes]) -> int | None:
        signers = ((index, parse_entry(data).signer_did) for index, data in signed.items())
        return quorum_index(signers, self._trust.quorums["policy"])

    def _before(self, entries: Mapping[int, bytes], policy_hash: str) -> Iterator[Link]:
        """Those that it replaces, back to the first. A hash names what existed before it, so there are no circles."""
        seen = {policy_hash}
        while len(seen) <= MAX_CHAIN and entries:
            target = parse_entry(next(iter(entries.values()))).refs.get("target")
            if target is None or (older := target.removeprefix("policy:")) in seen:
                return
            seen.add(older)
            entries = self._carrying(older)
            yield Link(older, self._in_force_at(self._signed(entries)))

    def _after(self, policy_hash: str) -> Iterator[Link]:
        """Those that replace it, and those that replace them."""
        ahead, seen = [policy_hash], {policy_hash}
        while ahead:
            replacing = self._entries({"kind": KIND, "target": f"policy:{ahead.pop(0)}"})
            for data in replacing.values():
                newer = encode_b64u(parse_entry(data).payload_hash)
                if newer in seen:
                    continue
                if len(seen) > MAX_CHAIN:
                    return
                seen.add(newer)
                ahead.append(newer)
                yield Link(newer, self._in_force_at(self._signed(self._carrying(newer))))


def name_of(text: bytes) -> str | None:
    """How a policy is called: the name in its rules, else the id of a Clawsig policy; None for what is no policy."""
    try:
        policy = policy_from_text(text)
    except Refused:
        return None
    if policy.rules is not None:
        return policy.rules.policy_name
    return None if policy.clawsig is None else policy.clawsig.policy_id
