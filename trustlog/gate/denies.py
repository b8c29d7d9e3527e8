"""Equal denies are logged once a minute, with a count: a caller that asks in a loop cannot flood the log.

Nor can one that never asks the same twice: of one token so many denies a minute are logged, and so many of all tokens of which
nothing is established. Beyond that, those with the same reasons are equal, whatever action and ticket they name.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from trustlog.formats.jsontext import canonicalize
from trustlog.formats.timestamp import NS
from trustlog.gate.identify import GateRequest
from trustlog.gate.judge import Judgement
from trustlog.gate.kept_view import KeptView
from trustlog.limits import STRANGER_DENIES_A_MINUTE, TOKEN_DENIES_A_MINUTE

EQUAL_DENIES_S: Final = 60
MOST_REMEMBERED: Final = 10_000


@dataclass(slots=True)
class _Seen:
    logged_at_ns: int
    unlogged: int


@dataclass(slots=True)
class _Budget:
    """How many denies of one token were logged in the minute that began at `since_ns`."""

    since_ns: int
    logged: int = 0


class DenyMemory:
    """Which denies were logged lately; with `kept`, also by an earlier process."""

    def __init__(self, kept: KeptView | None = None) -> None:
        self._kept = kept
        self._seen: OrderedDict[bytes, _Seen] = OrderedDict()
        self._budgets: OrderedDict[str | None, _Budget] = OrderedDict()  # by token; that of the minute begun first, first

    def restore(self) -> None:
        """Take up what an earlier process knew."""
        assert self._kept is not None
        for key, logged_at_ns, unlogged in self._kept.denies():
            self._seen[key] = _Seen(logged_at_ns, unlogged)

    def count(self, request: GateRequest, judgement: Judgement, at_ns: int) -> int | None:
        """How many equal denies the record to log now stands for; None if none is to be logged yet."""
        key = _key(request, judgement)
        if self._is_due(key, at_ns) and not self._has_room(_token_of(request, judgement), at_ns):
            key = _overflow_key(request, judgement)
        if not self._is_due(key, at_ns):
            self._add(key)
            return None
        seen = self._seen.get(key)
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
        keys = [key for key in (_key(request, judgement), _overflow_key(request, judgement)) if key in self._seen]
        if keys:
            key = max(keys, key=lambda key: self._seen[key].logged_at_ns)
            seen = self._seen[key]
            seen.logged_at_ns -= EQUAL_DENIES_S * NS
            seen.unlogged += count
            self._keep(key, seen)

    def _is_due(self, key: bytes, at_ns: int) -> bool:
        seen = self._seen.get(key)
        return seen is None or not _is_within(seen.logged_at_ns, at_ns)

    def _add(self, key: bytes) -> None:
        """One more that is not logged by itself."""
        seen = self._seen[key]
        seen.unlogged += 1
        self._keep(key, seen)

    def _has_room(self, token: str | None, at_ns: int) -> bool:
        """Whether one more deny of this token is to be logged by itself, which takes the room."""
        while self._budgets and not _is_within(next(iter(self._budgets.values())).since_ns, at_ns):
            self._budgets.popitem(last=False)
        budget = self._budgets.setdefault(token, _Budget(at_ns))
        budget.logged += 1
        return budget.logged <= (STRANGER_DENIES_A_MINUTE if token is None else TOKEN_DENIES_A_MINUTE)

    def _keep(self, key: bytes, seen: _Seen) -> None:
        if self._kept is not None:
            self._kept.put_deny(key, seen.logged_at_ns, seen.unlogged)


def _is_within(since_ns: int, at_ns: int) -> bool:
    """Whether `at_ns` lies in the minute that began at `since_ns`; a clock that was set back begins anew."""
    return 0 <= at_ns - since_ns < EQUAL_DENIES_S * NS


def _token_of(request: GateRequest, judgement: Judgement) -> str | None:
    """The token, by its hash. One of which nothing is established could be any text: it makes no difference."""
    return hashlib.sha256(request.token.encode("utf-8", "surrogatepass")).hexdigest() if judgement.scope else None


def _key(request: GateRequest, judgement: Judgement) -> bytes:
    """What makes denies equal."""
    same = {"action": request.action, "ticket": request.ticket, "scope": dict(judgement.scope)}
    return _digest(request, judgement, same)


def _overflow_key(request: GateRequest, judgement: Judgement) -> bytes:
    """What makes denies equal of which as many were logged as are."""
    return _digest(request, judgement, {})


def _digest(request: GateRequest, judgement: Judgement, same: Mapping[str, Any]) -> bytes:
    codes = sorted({finding.code for finding in judgement.findings})
    return hashlib.sha256(canonicalize({"token": _token_of(request, judgement), "codes": codes, **same})).digest()
