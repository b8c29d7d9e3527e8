"""The allows of a gate that went to the log and were not released: each is released, withdrawn, or found never to be there."""

from __future__ import annotations

from typing import Final

from trustlog.formats.timestamp import NS
from trustlog.gate.kept_view import KeptAllow, KeptView
from trustlog.limits import DECISION_TTL_S

DECISION_TTL_NS: Final = DECISION_TTL_S * NS


class AllowsUnderWay:
    """Allows by payload hash; with `kept`, a later process finds them too."""

    def __init__(self, kept: KeptView | None) -> None:
        self._kept = kept
        self._allows: dict[str, KeptAllow] = {}

    def __len__(self) -> int:
        return len(self._allows)

    def restore(self, *, now_ns: int) -> list[KeptAllow]:
        """Take up what an earlier process had under way; gives what it released and what has not expired."""
        assert self._kept is not None
        self._kept.drop_released(now_ns - DECISION_TTL_NS)
        kept = self._kept.allows()
        self._allows = {one.payload_hash: one for one in kept if one.index is None}
        return [one for one in kept if one.index is not None]

    def all(self) -> list[KeptAllow]:
        """Those under way by now."""
        return list(self._allows.values())

    def add(self, allow: KeptAllow) -> None:
        """It is about to be sent."""
        self._allows[allow.payload_hash] = allow
        if self._kept is not None:
            self._kept.add_allow(allow)

    def drop(self, payload_hash: str) -> None:
        """It was withdrawn, or is not in the log."""
        if self._allows.pop(payload_hash, None) is not None and self._kept is not None:
            self._kept.drop_allow(payload_hash)

    def release(self, indexes: dict[str, int], *, now_ns: int) -> None:
        """These, by payload hash, are about to be given to their callers; that is committed when this returns."""
        for payload_hash, index in indexes.items():
            del self._allows[payload_hash]
            if self._kept is not None:
                self._kept.note_released(payload_hash, index)
        if indexes and self._kept is not None:
            self._kept.drop_released(now_ns - DECISION_TTL_NS)
            self._kept.commit()
