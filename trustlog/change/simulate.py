"""Simulate: store a plan and its artefacts, and log the dry run with the plan's fingerprint. Done by the runner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from trustlog.change.desk import Desk, Published
from trustlog.errors import Refused
from trustlog.formats.envelope import Signer
from trustlog.records.plan import compute_fingerprint, parse_plan


@dataclass(frozen=True, slots=True)
class ArtefactFile:
    """One artefact to store: ``expected_diff``, ``validation_output``, ``rollback_steps`` or another role."""

    role: str
    media_type: str
    data: bytes


async def simulate(
    desk: Desk,
    signer: Signer,
    *,
    job_id: str,
    run_id: str,
    plan: bytes,
    artefacts: Sequence[ArtefactFile],
    outcome: Literal["success", "failure"],
) -> Published:
    """Log that `plan` (exact bytes, RFC 8785 form) was run dry for a job.

    Raises :class:`Refused`: ``PLAN_NOT_CANONICAL``, ``PLAN_MISMATCH`` (a plan for another ticket), ``TOKEN_NOT_LOGGED``, and what
    the log says.
    """
    terms = (await desk.job(job_id)).terms
    ticket = parse_plan(plan).ticket
    if ticket != terms.ticket:
        detail = "the plan is for another ticket than the job"
        hint = "correct the plan's ticket, or name the job of that ticket: --job; nothing was logged"
        raise Refused("PLAN_MISMATCH", detail, param="plan.ticket", expected=terms.ticket, found=ticket, hint=hint)
    await desk.store(plan)
    stored = [
        {
            "role": one.role,
            "media_type": one.media_type,
            "size": len(one.data),
            "sha256_b64u": await desk.store(one.data),
        }
        for one in artefacts
    ]
    members = {
        "job_id": job_id,
        "run_id": run_id,
        "ticket": terms.ticket,
        "plan_hash_b64u": compute_fingerprint(plan),
        "policy_hash_b64u": terms.policy_hash_b64u,
        "token_scope_hash_b64u": terms.token_scope_hash_b64u,
        "artefacts": stored,
        "outcome": outcome,
    }
    return await desk.publish_record("simulation", members, signer)
