"""The event chain of a run: what happened, in order, each event naming the hash of the one before (Clawsig event_chain v1).

An event's hash is SHA-256 over the compact JSON of six of its members, in this order: ``event_id run_id event_type timestamp
payload_hash_b64u prev_hash_b64u``, with ``null`` where there is no predecessor.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

from trustlog.errors import Refused
from trustlog.formats.base64 import encode_b64u
from trustlog.formats.jsontext import stringify
from trustlog.records.fields import Instant, LooseHash, Struct, Text

HASHED_MEMBERS: Final = ("event_id", "run_id", "event_type", "timestamp", "payload_hash_b64u", "prev_hash_b64u")


class Event(Struct, frozen=True, kw_only=True):
    """One link of the chain."""

    event_id: Text
    run_id: Text
    event_type: Text
    timestamp: Instant
    payload_hash_b64u: LooseHash
    prev_hash_b64u: LooseHash | None
    event_hash_b64u: LooseHash


def compute_event_hash(
    *, event_id: str, run_id: str, event_type: str, timestamp: str, payload_hash_b64u: str, prev_hash_b64u: str | None
) -> str:
    """The ``event_hash_b64u`` of an event with these members; `timestamp` is the text as written."""
    values = (event_id, run_id, event_type, timestamp, payload_hash_b64u, prev_hash_b64u)
    header = dict(zip(HASHED_MEMBERS, values, strict=True))
    return encode_b64u(hashlib.sha256(stringify(header)).digest())


def check_event_chain(events: Sequence[Event], param: str) -> None:
    """Check one run, unique ids, every hash, every link, and times that never go back (``EVENT_CHAIN_INVALID``).

    Equal times are in order. `param` is the path of the chain.
    """
    ids: set[str] = set()
    before: Event | None = None
    for position, event in enumerate(events):
        where = f"{param}[{position}]"
        _expect(event.event_id not in ids, f"{where}.event_id", "the event id stands twice", "unique ids", event.event_id)
        ids.add(event.event_id)
        run_id = events[0].run_id
        _expect(event.run_id == run_id, f"{where}.run_id", "the chain is of two runs", run_id, event.run_id)
        link = None if before is None else before.event_hash_b64u
        found = event.prev_hash_b64u
        _expect(found == link, f"{where}.prev_hash_b64u", "the chain is broken", link or "null", found or "null")
        computed = _hash(event)
        found = event.event_hash_b64u
        _expect(found == computed, f"{where}.event_hash_b64u", "the event has another hash", computed, found)
        if before is not None:
            earliest, time = before.timestamp, event.timestamp
            in_order = earliest.ns <= time.ns
            _expect(in_order, f"{where}.timestamp", "the clock went back", f"{earliest.text} or later", time.text)
        before = event


def _hash(event: Event) -> str:
    return compute_event_hash(
        event_id=event.event_id,
        run_id=event.run_id,
        event_type=event.event_type,
        timestamp=event.timestamp.text,
        payload_hash_b64u=event.payload_hash_b64u,
        prev_hash_b64u=event.prev_hash_b64u,
    )


def _expect(holds: bool, param: str, detail: str, expected: str, found: str) -> None:
    if not holds:
        raise Refused("EVENT_CHAIN_INVALID", detail, param=param, expected=expected, found=found)
