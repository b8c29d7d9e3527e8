"""Equal denies are logged once a minute, with a count: a caller that asks in a loop cannot flood the log."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from trustlog.formats.jsontext import canonicalize
from trustlog.formats.timestamp import NS
from trustlog.gate.identify import GateRequest
from trustlog.gate.judge import Judgement
from trustlog.gate.kept_view import KeptView

EQUAL_DENIES_S: Final = 60
MOST_REMEMBERED: Final = 10_000


@dataclass(slots=True)
class _Seen:
    logged_at_ns: int
    unlogged: int


class DenyMemory:
    """Which denies were logged lately; with `kept`, also by an earlier process."""

    def __init__(self, kept: KeptView | None = None) -> None:
        self._kept = kept
        self._seen: OrderedDict[bytes, _Seen] = OrderedDict()

    def restore(self) -> None:
        """Take up what an earlier process knew."""
        assert self._kept is not None
        for key, logged_at_ns, unlogged in self._kept.denies():
            self._seen[key] = _Seen(logged_at_ns, unlogged)

    def count(self, request: GateRequest, judgement: Judgement, at_ns: int) -> int | None:
        """How many equal denies the record to log now stands for; None if none is to be logged yet."""
        key = _key(request, judgement)
        seen = self._seen.get(key)
        if seen is not None and at_ns - seen.logged_at_ns < EQUAL_DENIES_S * NS:
            seen.unlogged += 1
            self._keep(key, seen)
            return None
        stands_for = 1 + (seen.unlogged if seen is not None else 0)
        self._seen[key] = _Seen(at_ns, 0)
        self._seen.move_to_end(key)
        self._keep(key, self._seen[key])
        if len(self._seen) > MOST_REMEMBERED:
            oldest, _ = self._seen.popitem(last=False)
            if self._kept is not None:
                self._kept.drop_deny(oldest)
        return stands_for

    def put_back(self, request: GateRequest, judgement: Judgement, count: int) -> None:
        """The record of `count` denies was not logged after all: the next equal one stands for them too."""
        key = _key(request, judgement)
        seen = self._seen.get(key)
        if seen is not None:
            seen.logged_at_ns -= EQUAL_DENIES_S * NS
            seen.unlogged += count
            self._keep(key, seen)

    def _keep(self, key: bytes, seen: _Seen) -> None:
        if self._kept is not None:
            self._kept.put_deny(key, seen.logged_at_ns, seen.unlogged)


def _key(request: GateRequest, judgement: Judgement) -> bytes:
    """What makes denies equal. A token of which nothing is established could be any text: it makes no difference."""
    same = {
        "action": request.action,
        "ticket": request.ticket,
        "token": hashlib.sha256(request.token.encode("utf-8", "surrogatepass")).hexdigest() if judgement.scope else None,
        "codes": sorted({finding.code for finding in judgement.findings}),
        "scope": dict(judgement.scope),
    }
    return hashlib.sha256(canonicalize(same)).digest()
