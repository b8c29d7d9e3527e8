"""Restrictions that were handed in: they count at once, are kept, and are sent to the log until it has them.

Taken are revocations and denials, checked as the log would. A permission never comes in this way.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from trustlog.client.log import LogClient
from trustlog.errors import Refused
from trustlog.formats.envelope import parse_envelope
from trustlog.formats.timestamp import format_timestamp
from trustlog.gate.kept_view import KeptView
from trustlog.gate.sign_again import is_final, is_replaced, loggable_until, sign_again
from trustlog.gate.view import LogView
from trustlog.limits import MAX_ENVELOPE_BYTES
from trustlog.policy.finding import Finding
from trustlog.records.approval import DENIALS
from trustlog.records.candidate import Candidate, check_skew, read_candidate

MAX_PENDING: Final = 1_000
MAX_PENDING_OF_ONE: Final = 100  # of one signer: nobody takes the room of all others
MAX_NAMED: Final = 16  # restrictions that are told apart, in a deny's reasons and in what is said of the gate

LOGGER: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Restricted:
    """A restriction that counts. `index` is where it is logged; None while it is not."""

    kind: str
    payload_hash: str
    index: int | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A restriction that counts at this gate, and that the log does not have.

    `trouble` is why not, as of the last try. `next_step` is set where the log will never take it: who has to do what.
    """

    candidate: Candidate
    loggable_until: str
    trouble: Refused | None
    next_step: str | None


@dataclass(slots=True)
class _Pending:
    candidate: Candidate
    envelope: bytes
    trouble: Refused | None = None
    is_refused: bool = False  # for ever


class Restrictions:
    """What was handed in to one gate and is not logged yet, over what the gate has read."""

    def __init__(self, client: LogClient, view: LogView, clock: Callable[[], int], kept: KeptView | None = None) -> None:
        self._client = client
        self._view = view
        self._clock = clock
        self._kept = kept
        self._pending: dict[bytes, _Pending] = {}  # by identity

    def __len__(self) -> int:
        return len(self._pending)

    def restore(self) -> None:
        """Take up what an earlier process was handed."""
        assert self._kept is not None
        for envelope in self._kept.restrictions():
            candidate = read_candidate(parse_envelope(envelope), origin=self._client.origin)
            self._pending[candidate.identity] = _Pending(candidate, envelope)
        self.drop_logged()

    def take(self, envelope: bytes) -> Restricted:
        """Check a signed revocation or denial; from when this returns, it counts.

        Raises Refused: what the log would (signature, schema, the signer's role or roster, skew, conflict); ``PARAMETER_INVALID``
        for what is no restriction; ``REVOCATION_NOT_PERMITTED`` for that of a key which nobody relies on; ``UNAVAILABLE`` when too
        many wait already.
        """
        if len(envelope) > MAX_ENVELOPE_BYTES:
            raise Refused("BODY_TOO_LARGE", "the envelope is too large", expected=f"at most {MAX_ENVELOPE_BYTES} bytes")
        candidate = read_candidate(parse_envelope(envelope), origin=self._client.origin)
        _check_restricts(candidate)
        index = self._view.check_next(candidate)
        if index is None and candidate.identity not in self._pending:
            check_skew(candidate, self._clock())
            self._check_concerns(candidate)
            self._check_room(candidate.signer_did)
            if self._kept is not None:
                self._kept.add_restriction(candidate.identity, envelope)
            self._pending[candidate.identity] = _Pending(candidate, envelope)
        return Restricted(candidate.kind.name, candidate.payload_hash_b64u, index)

    def _check_concerns(self, candidate: Candidate) -> None:
        """A key may revoke itself, and anybody can make keys: taken are those with a role, and those of people."""
        record = candidate.record
        if (
            candidate.kind.name != "revocation"
            or record.sort != "key"
            or self._view.trust.role_of(record.subject) is not None
        ):
            return
        rosters = self._view.rosters.up_to(self._view.size)
        if all(roster.record.person_of_key(record.subject) is None for roster in rosters):
            raise Refused(
                "REVOCATION_NOT_PERMITTED",
                "this key restricts nothing",
                param="payload.target",
                expected="a key with a role in the trust policy, or of a person of a roster",
                found=record.target,
                hint="nothing that this gate decides relies on the key; a log may take its revocation: POST /v1/entries there",
            )

    def _check_room(self, signer_did: str) -> None:
        own = sum(one.candidate.signer_did == signer_did for one in self._pending.values())
        if len(self._pending) >= MAX_PENDING or own >= MAX_PENDING_OF_ONE:
            detail = "as many restrictions wait for the log as are kept"
            expected = f"fewer than {MAX_PENDING}, and {MAX_PENDING_OF_ONE} of one signer"
            raise Refused("UNAVAILABLE", detail, expected=expected, found=f"{len(self._pending)}, {own} of this signer")

    async def send(self, payload_hash: str | None = None) -> int | None:
        """Try to log what is pending, or the one with this payload hash; the index of the last that is in the log now.

        What the log refused for ever is tried last, in case that its clock was wrong.
        """
        index = None
        for pending in sorted(self._pending.values(), key=lambda one: one.is_refused):
            if payload_hash in (None, pending.candidate.payload_hash_b64u):
                try:
                    index = (await self._client.submit(pending.envelope)).index
                except Refused as refused:
                    self._note_trouble(pending, refused)
        return index

    def _note_trouble(self, pending: _Pending, refused: Refused) -> None:
        pending.trouble = refused
        if not pending.is_refused and is_final(refused, pending.candidate, self._clock()):
            pending.is_refused = True
            one = pending.candidate
            said = "the %s %s counts at this gate only: the log will never take it (%s); %s"
            next_step = sign_again(one, self._view)
            LOGGER.error(said, one.kind.name, one.payload_hash_b64u, refused.code, next_step)

    def waiting(self, payload_hash: str | None = None) -> list[Waiting]:
        """What the log does not have, what it will never take first; of all, or of those with this payload hash."""
        found = (one for one in self._pending.values() if payload_hash in (None, one.candidate.payload_hash_b64u))
        return [
            Waiting(
                one.candidate,
                format_timestamp(loggable_until(one.candidate)),
                one.trouble,
                sign_again(one.candidate, self._view) if one.is_refused else None,
            )
            for one in sorted(found, key=lambda one: not one.is_refused)[:MAX_NAMED]
        ]

    @property
    def refused(self) -> int:
        """How many the log will never take: they count at this gate only."""
        return sum(one.is_refused for one in self._pending.values())

    def drop_logged(self) -> None:
        """Forget what the view holds by now: there it counts by itself. So does a fresh one for what the log never took."""
        for identity, pending in list(self._pending.items()):
            one = pending.candidate
            named = self._view.named(one.payload_hash_b64u, one.kind.name, self._view.size)
            is_logged = any(logged.entry.signer_did == one.signer_did for logged in named)
            if is_logged or (pending.is_refused and is_replaced(one, self._view)):
                del self._pending[identity]
                if self._kept is not None:
                    self._kept.drop_restriction(identity)

    def add_findings(
        self, found: tuple[Finding, ...], judge_on: Callable[[LogView], tuple[Finding, ...]]
    ) -> tuple[Finding, ...]:
        """`found`, and what the pending restrictions add to it; `judge_on` gives the findings on a view that holds them."""
        pending = list(self._pending.values())
        if not pending:
            return found
        more = tuple(one for one in judge_on(self._view.foresee([one.candidate for one in pending])) if one not in found)
        if not more:
            return found
        named: list[Finding] = []
        for one in pending[:MAX_NAMED]:
            alone = judge_on(self._view.foresee([one.candidate]))
            named += [_not_logged(finding, one) for finding in alone if finding not in found]
        fresh = tuple(dict.fromkeys(named)) or tuple(_not_logged(finding, pending[-1]) for finding in more)
        return found + fresh


def _check_restricts(candidate: Candidate) -> None:
    kind = candidate.kind.name
    if kind == "revocation" or (kind == "human_approval_receipt" and candidate.record.approval_type in DENIALS):
        return
    found = kind if kind != "human_approval_receipt" else candidate.record.approval_type
    raise Refused(
        "PARAMETER_INVALID",
        "only what restricts comes in this way",
        param="envelope_type" if kind == found else "payload.approval_type",
        expected=f"a revocation, or a human_approval_receipt with {' or '.join(DENIALS)}",
        found=found,
        hint="submit it to the log: POST /v1/entries there",
    )


def _not_logged(finding: Finding, by: _Pending) -> Finding:
    refused = by.trouble.code if by.is_refused and by.trouble is not None else None
    state = (
        "not logged yet" if refused is None else f"never to be logged ({refused}): it counts at this gate only, see /readyz"
    )
    name = f"the {by.candidate.kind.name} {by.candidate.payload_hash_b64u}"
    return Finding(finding.code, finding.expected, f"{name}, handed in and {state}", finding.next_step)
