"""An allow that was given before, to who asks the very same again."""

from __future__ import annotations

import hashlib

from trustlog.gate.decision import Decision
from trustlog.gate.identify import GateRequest
from trustlog.gate.logged import Logged
from trustlog.gate.view import LogView


def find_repeated(view: LogView, request: GateRequest, given: Decision, *, at_ns: int) -> Logged | None:
    """The logged allow that `given` is, alive at `at_ns`, not withdrawn, and an answer to this very request; else None.

    What is known of it may come from a file: nothing but the log's entry says what it allows.
    """
    logged = None if given.payload_hash is None else view.first(given.payload_hash, "gate_decision", view.size)
    if logged is None or logged.record.decision != "allow" or logged.index != given.index:
        return None
    record = logged.record
    asked = (request.action, request.ticket, request.audience, request.nonce)
    says = (record.requested.action, record.requested.ticket, record.audience, record.nonce)
    if asked != says or record.token_hash != hashlib.sha256(request.token.encode("utf-8")).hexdigest():
        return None
    is_alive = record.decided_at.ns <= at_ns < record.expires_at.ns
    is_withdrawn = any(view.withdrawals(logged.payload_hash, view.size))
    return logged if is_alive and not is_withdrawn else None
