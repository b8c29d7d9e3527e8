"""The proof bundle of a change, built from what is in the log. Signed by the agent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trustlog.change.desk import Desk, Published
from trustlog.errors import Refused
from trustlog.formats.base64 import encode_b64u
from trustlog.formats.envelope import Signer
from trustlog.formats.jsontext import canonicalize, parse_json, stringify
from trustlog.gate.execution import Execution, executions
from trustlog.gate.job import Job
from trustlog.gate.view import Logged


async def build_bundle(
    desk: Desk, signer: Signer, *, job_id: str, events: Sequence[Mapping[str, Any]] | None = None
) -> Published:
    """Log the bundle of a job: its event chain, every gateway receipt of its token scope, and which change it is.

    `events` supplies the chain for receipts that do not carry their event. Raises :class:`Refused`: ``REQUIRED_STEP_MISSING`` (no
    execution ended with success), ``RECEIPTS_MISSING``, ``EVENT_CHAIN_INVALID``, and what the log says.
    """
    job = await desk.job(job_id)
    await desk.reading.read_job(job.issuance, job.size)
    done = [one for one in executions(job) if one.succeeded]
    if not done:
        detail = "no execution of the job ended with success"
        hint = "execute the approved plan first: trustlog execute"
        raise Refused("REQUIRED_STEP_MISSING", detail, param="job", expected="an end with success", found=job_id, hint=hint)
    receipts = job.receipts(job.size)
    chain = list(events) if events is not None else [_event(one) for one in receipts]
    payload: dict[str, Any] = {
        "bundle_version": "1",
        "bundle_id": f"trustlog:bundle:{encode_b64u(desk.random_bytes(16))}",
        "agent_did": job.terms.agent_did,
        "metadata": {"change": _change(job, done[-1])},
    }
    if chain:
        payload["event_chain"] = chain
    texts = [_payload_text(one) for one in receipts]
    if receipts:
        payload["receipts"] = [_envelope(one) for one in receipts]
    canonical = all(canonicalize(parse_json(text)) == text for text in texts)
    text = canonicalize(payload) if canonical else stringify(payload)  # a receipt's own text must survive
    return await desk.publish_text("proof_bundle", text, signer)


async def job_of_run(desk: Desk, run_id: str) -> str:
    """The job whose simulation named this run; a run belongs to one job. ``SIMULATION_MISSING`` where there is none."""
    await desk.reading.catch_up()
    view = desk.reading.view
    for one in view.valid("simulation", "run", run_id, view.size):
        if one.record.run_id == run_id:
            return str(one.record.job_id)
    raise Refused("SIMULATION_MISSING", "the log has no simulation of this run", param="run", found=run_id)


def _change(job: Job, execution: Execution) -> dict[str, str]:
    assert execution.end is not None
    scope = execution.decision.record.scope
    return {
        "change_version": "1",
        "ticket": job.terms.ticket,
        "job_id": job.terms.job_id,
        "run_id": execution.decision.record.run_id,
        "policy_hash_b64u": job.terms.policy_hash_b64u,
        "plan_hash_b64u": scope["plan_hash_b64u"],
        "token_scope_hash_b64u": job.terms.token_scope_hash_b64u,
        "simulation_b64u": scope["simulation_b64u"],
        "decision_b64u": execution.decision.payload_hash,
        "execution_b64u": execution.end.payload_hash,
    }


def _payload_text(one: Logged) -> bytes:
    assert one.candidate is not None
    return one.candidate.payload_text


def _event(one: Logged) -> Mapping[str, Any]:
    """The event that a receipt carries."""
    event = parse_json(_payload_text(one)).get("metadata", {}).get("event")
    if not isinstance(event, dict):
        raise Refused(
            "EVENT_CHAIN_INVALID",
            f"the receipt at index {one.index} carries no event",
            param="payload.metadata.event",
            expected="an event header, or the chain from a file",
            found="absent",
            hint="give the run's event chain: trustlog bundle --events FILE",
        )
    return event


def _envelope(one: Logged) -> dict[str, Any]:
    """A receipt's envelope. Its date is not signed; the receipt's own time stands in for it."""
    return {
        "envelope_version": "1",
        "envelope_type": one.kind,
        "payload": parse_json(_payload_text(one)),
        "payload_hash_b64u": one.payload_hash,
        "hash_algorithm": "SHA-256",
        "signature_b64u": encode_b64u(one.entry.signature),
        "algorithm": "Ed25519",
        "signer_did": one.entry.signer_did,
        "issued_at": one.record.timestamp.text,
    }
