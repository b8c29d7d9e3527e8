"""The event chain: each event's hash covers six members, the hash of the event before it among them."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

from verifier import schema as s
from verifier.encodings import encode_b64u
from verifier.errors import Refused
from verifier.explain.step import Step, as_b64u, as_hex, shown
from verifier.jsonforms import stringify
from verifier.records.bundle import Event, OpenedBundle
from verifier.records.receipts import GatewayReceipt

MAX_EVENTS = 16  # of one bundle; each further one is hashed alike


def explain_events(record: object) -> list[Step]:
    """The event that a gateway receipt carries, or those of a bundle; nothing for other records."""
    if isinstance(record, GatewayReceipt):
        return _carried(record)
    if isinstance(record, OpenedBundle):
        return _chain(record.events.values())
    return []


def _carried(receipt: GatewayReceipt) -> list[Step]:
    """A receipt names its event by hash, and may carry the event itself."""
    named = receipt.binding.event_hash_b64u if receipt.binding is not None else None
    carried = (receipt.metadata or {}).get("event")
    if named is None or carried is None:
        return []
    try:
        return [_event(s.decode(Event, carried, "metadata.event"), named, "binding.event_hash_b64u")]
    except Refused as refused:
        return [Step("the event in metadata.event cannot be read", note=f"{refused.code}: {refused.detail}")]


def _chain(events: Iterable[Event]) -> list[Step]:
    every = list(events)
    steps = [_event(event, event.event_hash_b64u, "event_hash_b64u") for event in every[:MAX_EVENTS]]
    if len(every) > MAX_EVENTS:
        steps.append(
            Step(f"{len(every) - MAX_EVENTS} more events", note="each is hashed alike, and names the one before it")
        )
    return steps


def _event(event: Event, named: str, where: str) -> Step:
    document = event.to_json()
    del document["event_hash_b64u"]
    data = stringify(document)
    digest = sha256(data).digest()
    return Step(
        f"event hash of {event.event_id}: six of its members, without spaces",
        "SHA-256(event)",
        (shown("event", data),),
        (as_hex("event hash", digest), as_b64u("event hash", digest)),
        note=f"{where} is {named}",
        holds=encode_b64u(digest) == named,
    )
