"""The allows of a gate that went to the log and were not released: each is released, withdrawn, or found never to be there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from trustlog.formats.timestamp import NS
from trustlog.gate.kept_view import KeptAllow, KeptView
from trustlog.limits import DECISION_TTL_S

DECISION_TTL_NS: Final = DECISION_TTL_S * NS
DROP_EVERY_NS: Final = 5 * NS


class AllowsUnderWay:
    """Allows by payload hash; with `kept`, a later process finds them too."""

    def __init__(self, kept: KeptView | None) -> None:
        self._kept = kept
        self._allows: dict[str, KeptAllow] = {}
        self._drop_again_ns = 0

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

    def add(self, allows: Sequence[KeptAllow]) -> None:
        """They are about to be sent."""
        self._allows |= {one.payload_hash: one for one in allows}
        if allows and self._kept is not None:
            self._kept.add_allows(allows)

    def drop(self, payload_hash: str) -> None:
        """It was withdrawn, or is not in the log."""
        if self._allows.pop(payload_hash, None) is not None and self._kept is not None:
            self._kept.drop_allow(payload_hash)

    def release(self, indexes: Mapping[str, int], *, now_ns: int) -> None:
        """These, by payload hash, are about to be given to their callers; that is committed when this returns."""
        for payload_hash in indexes:
            del self._allows[payload_hash]
        if not indexes or self._kept is None:
            return
        self._kept.note_released(indexes)
        if now_ns >= self._drop_again_ns:  # there may be many, and all are looked at
            self._kept.drop_released(now_ns - DECISION_TTL_NS)
            self._drop_again_ns = now_ns + DROP_EVERY_NS
        self._kept.commit()
