"""A log's order in memory: a ledger over a history, without tree, storage or network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.support.envelopes import candidate
from tests.support.payloads import Payload, roster, salt_of, violation
from tests.support.trust import trust_policy
from trustlog.errors import Conflict, Refused
from trustlog.formats.trustpolicy import TrustPolicy
from trustlog.keys.signer import SeedSigner
from trustlog.records.candidate import Candidate
from trustlog.records.ledger import Ledger, MemoryHistory


class MemoryLog:
    """Gives indexes as a log does: judge, accept, remember. What is refused gets none."""

    def __init__(self, trust: TrustPolicy | None = None) -> None:
        self.trust = trust or trust_policy()
        self.history = MemoryHistory()
        self.ledger = Ledger(self.trust, self.history)
        self.candidates: list[Candidate] = []

    @property
    def size(self) -> int:
        """How many entries there are: the next one's index."""
        return len(self.candidates)

    def log(self, kind: str, payload: Mapping[str, Any] | None = None, signer: SeedSigner | None = None) -> int:
        """The index of a payload of this kind (the valid one, unless given), signed by its usual signer unless given."""
        return self.take(candidate(kind, payload, signer))

    def refusal(self, kind: str, payload: Mapping[str, Any] | None = None, signer: SeedSigner | None = None) -> Refused:
        """Why a payload is refused; it names a field and what was expected, and the log is as before."""
        size = self.size
        with pytest.raises(Refused) as caught:
            self.log(kind, payload, signer)
        assert self.size == size
        assert caught.value.param
        assert caught.value.expected
        return caught.value

    def conflict(self, kind: str, payload: Mapping[str, Any], signer: SeedSigner | None = None) -> Conflict:
        """The conflict that a payload meets."""
        found = self.refusal(kind, payload, signer)
        assert isinstance(found, Conflict)
        assert found.code == "CONFLICT"
        return found

    def fill(self, count: int) -> None:
        """Take `count` indexes with violations, which concern nobody."""
        for _ in range(count):
            self.log("violation", violation(salt=salt_of(f"filler {self.size}")))

    def continuing(self, people: list[Payload], **changes: Any) -> Payload:
        """The roster of these people that continues the one in force."""
        before = self.ledger.rosters.at(self.size)
        number, previous = (1, None) if before is None else (before.record.number + 1, before.payload_hash_b64u)
        return roster(**{"number": number, "previous_b64u": previous, "people": people, **changes})

    def next_roster(self, people: list[Payload]) -> int:
        """The index of the roster of these people that continues the one in force."""
        return self.log("roster", self.continuing(people))

    def take(self, new: Candidate) -> int:
        """The index of a candidate; that of the first one if it is already logged. Raises what the ledger raises."""
        known = self.ledger.already_logged(new)
        if known is not None:
            return known
        index = self.size
        self.ledger.judge(new, index)
        self.history.add(index, new.entry.encode(), self.ledger.accept(new, index))
        self.candidates.append(new)
        return index
