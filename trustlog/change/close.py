"""Close: the gate decides, and logs the closure. Signed by the gate."""

from __future__ import annotations

from trustlog.change.desk import Desk, Published
from trustlog.formats.envelope import Signer
from trustlog.formats.timestamp import format_timestamp
from trustlog.gate.decision import Decision
from trustlog.limits import DECISION_TTL_S


async def log_closure(desk: Desk, gate: Signer, decision: Decision) -> Published:
    """Log the closure that an allowed decision of closing permits; insists while the decision lives, which is used up by it."""
    assert decision.allow
    assert decision.payload_hash is not None
    at_ns = desk.clock()
    members = {
        "ticket": decision.scope["ticket"],
        "job_id": decision.scope["job_id"],
        "run_id": decision.run_id,
        "decision_b64u": decision.payload_hash,
        "bundle_b64u": decision.scope["bundle_b64u"],
        "closing_reason": decision.request.closing_reason,
        "closed_at": format_timestamp(at_ns),
    }
    return await desk.publish_record("closure", members, gate, at_ns=at_ns, patience_s=DECISION_TTL_S)
