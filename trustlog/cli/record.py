"""Making one of our own records: header, envelope, submission, and what is said about it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trustlog.cli.answer import narrate, show
from trustlog.cli.session import LogAccess
from trustlog.formats.envelope import parse_envelope, seal_text
from trustlog.formats.jsontext import canonicalize
from trustlog.formats.timestamp import format_timestamp
from trustlog.keys.signer import Signer
from trustlog.records.own import SALT_BYTES, own_payload

if TYPE_CHECKING:
    from trustlog.client.checking import Logged


def new_payload(kind: str, members: Mapping[str, Any], *, origin: str) -> dict[str, Any]:
    """A payload of ours, issued now, with a fresh salt."""
    return own_payload(kind, members, origin=origin, at_ns=time.time_ns(), salt=os.urandom(SALT_BYTES))


def publish(kind: str, payload: Mapping[str, Any], signer: Signer, access: LogAccess) -> tuple[str, Logged]:
    """Sign the RFC 8785 form of `payload` and log it; its hash (43 characters) and where it is. Raises Refused."""
    envelope = seal_text(kind, canonicalize(dict(payload)), signer, format_timestamp(time.time_ns()))
    payload_hash = parse_envelope(envelope).payload_hash_b64u
    return payload_hash, access.run(lambda client: client.submit(envelope))


def show_published(
    kind: str,
    payload_hash: str,
    logged: Logged,
    *,
    as_json: bool,
    more: Mapping[str, Any] | None = None,
    lines: Sequence[str] = (),
) -> None:
    """The result of :func:`publish`: ``<kind> <payload hash> at index <n>``, then `lines`; `more` goes into the JSON."""
    if logged.already_logged:
        narrate("already logged: this is where it was")
    result = {
        "kind": kind,
        "payload_hash_b64u": payload_hash,
        "index": logged.index,
        "leaf_hash": logged.leaf_hash.hex(),
        "already_logged": logged.already_logged,
        "tree_size": logged.checkpoint.checkpoint.size,
        **(more or {}),
    }
    show(result, [f"{kind} {payload_hash} at index {logged.index}", *lines], as_json=as_json)
