"""A log's order in memory: a ledger over a history, without tree, storage or network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.support.envelopes import candidate
from tests.support.trust import trust_policy
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
