"""The proof bundle of a change, built from what is in the log. Signed by the agent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from trustlog.change.close import CLOSE
from trustlog.change.desk import Desk, Published
from trustlog.errors import Refused
from trustlog.formats.base64 import encode_b64u
from trustlog.formats.envelope import Signer
from trustlog.formats.jsontext import canonicalize, parse_json, stringify
from trustlog.gate.execution import Execution, executions
from trustlog.gate.job import Job
from trustlog.gate.logged import Logged
from trustlog.limits import MAX_BUNDLE_RECEIPTS
from trustlog.policy.finding import Finding
from trustlog.records.fields import UNSET

OF_BUNDLES: Final = ("BUNDLE_", "RECEIPT", "EVENT_", "RUN_MISMATCH", "PROOF_BUNDLE")


async def build_bundle(
    desk: Desk, signer: Signer, *, job_id: str, events: Sequence[Mapping[str, Any]] | None = None
) -> Published:
    """Log the bundle of a job: its event chain, every gateway receipt of its token scope, and which change it is.

    `events` supplies the chain for receipts that do not carry their event. A bundle that has all of it already is found again, and
    none is logged beside it. Approvals stay out: inside a bundle they would be unsigned.

    Raises :class:`Refused`: ``REQUIRED_STEP_MISSING`` (no execution ended with success), ``JOB_ENDED`` (it is closed),
    ``SIGNER_NOT_TRUSTED`` (the agent's window is over), ``EVENT_CHAIN_INVALID``, and what the log says.
    """
    job = await desk.job(job_id)
    await desk.reading.read_job(job.issuance, job.size)
    _check_open(job)
    execution = _execution(job)
    receipts = job.receipts(job.size)
    _check_fits(receipts)
    chain = list(events) if events is not None else [_event(one) for one in receipts]
    payload: dict[str, Any] = {
        "bundle_version": "1",
        "bundle_id": f"trustlog:bundle:{encode_b64u(desk.random_bytes(16))}",
        "agent_did": job.terms.agent_did,
        "metadata": {"change": _change(job, execution), **_approvals(execution, receipts)},
    }
    if chain:
        payload["event_chain"] = chain
    texts = [_payload_text(one) for one in receipts]
    if receipts:
        payload["receipts"] = [_envelope(one) for one in receipts]
    for one in earlier_bundles(job):
        if _same_but_for_its_id(parse_json(_payload_text(one)), payload):
            return await desk.publish_text("proof_bundle", _payload_text(one), signer)
    canonical = all(canonicalize(parse_json(text)) == text for text in texts)
    text = canonicalize(payload) if canonical else stringify(payload)  # a receipt's own text must survive
    return await desk.publish_text("proof_bundle", text, signer)


def earlier_bundles(job: Job) -> list[Logged]:
    """The bundles of the job's agent that name this job, in index order; what the log has of the job must have been read."""
    bundles = [one for one in job.view.of_kind("proof_bundle", job.size) if one.entry.signer_did == job.terms.agent_did]
    return [one for one in bundles if one.candidate is not None and _names(one, job.terms.job_id)]


async def against_bundle(desk: Desk, job_id: str, bundle: str) -> list[Finding]:
    """What a gate that is asked to close with this bundle would hold against the bundle itself."""
    judgement = await desk.judgement(await desk.job(job_id), CLOSE, closing_reason=f"bundle:{bundle}")
    return [finding for finding in judgement.findings if finding.code.startswith(OF_BUNDLES)]


async def job_of_run(desk: Desk, run_id: str) -> str:
    """The job whose simulation named this run; a run belongs to one job. ``SIMULATION_MISSING`` where there is none."""
    await desk.reading.catch_up()
    view = desk.reading.view
    for one in view.valid("simulation", "run", run_id, view.size):
        if one.record.run_id == run_id:
            return str(one.record.job_id)
    raise Refused("SIMULATION_MISSING", "the log has no simulation of this run", param="run", found=run_id)


def _check_open(job: Job) -> None:
    """Check that a bundle could still serve: the job is not closed, and its agent's key counts for what is logged next."""
    closures = job.view.valid("closure", "job", job.terms.job_id, job.size)
    if closures:
        first = closures[0]
        raise Refused(
            "JOB_ENDED",
            f"the ticket was closed at index {first.index}; another bundle would change nothing, and none was logged",
            param="job",
            expected="a job that is not closed",
            found=f"its closure with bundle:{first.record.bundle_b64u}",
            hint="there is nothing left to do for this job; a further change starts a new one: trustlog token mint",
        )
    agent, trust = job.terms.agent_did, job.view.trust
    if trust.role_at(agent, job.size) != "agents":
        windows = [f"{w.from_index} to {w.until_index}" for w in trust.roles["agents"] if w.did == agent]
        raise Refused(
            "SIGNER_NOT_TRUSTED",
            "the agent's key is not trusted for what is logged now, so a bundle by it would be void; none was logged",
            param="key",
            expected=f"{agent} trusted as agent at index {job.size}",
            found=f"trusted at indexes {', '.join(windows)}" if windows else "no such window in the trust policy",
            hint="a bundle logged within the window still counts; else start a new job whose agent has a trusted key",
        )


def _execution(job: Job) -> Execution:
    """The last execution of the job that ended with success, not before it began."""
    done = [one for one in executions(job) if one.succeeded]
    if not done:
        detail = "no execution of the job ended with success"
        hint = "execute the approved plan first: trustlog execute"
        expected, found = f"an execution of job {job.terms.job_id} that ended with success", f"none below index {job.size}"
        raise Refused("REQUIRED_STEP_MISSING", detail, param="job", expected=expected, found=found, hint=hint)
    begin, end = done[-1].begin.record, done[-1].end
    assert end is not None
    if end.record.issued_at.ns < begin.issued_at.ns:
        detail = f"the execution's end at index {end.index} is dated before its begin"
        expected, found = f"a time from {begin.issued_at.text}", end.record.issued_at.text
        hint = "somebody set the runner's clock or dated the record back: look into it, and start a new job"
        raise Refused("EXECUTION_MISMATCH", detail, param="issued_at", expected=expected, found=found, hint=hint)
    return done[-1]


def _check_fits(receipts: Sequence[Logged]) -> None:
    if len(receipts) > MAX_BUNDLE_RECEIPTS:
        detail = "the job has more model calls than a bundle holds, and a bundle has to hold them all"
        expected, found = f"at most {MAX_BUNDLE_RECEIPTS} receipts", len(receipts)
        hint = "do the work in several jobs"
        raise Refused("RECEIPT_SET_INCOMPLETE", detail, param="receipts", expected=expected, found=found, hint=hint)


def _same_but_for_its_id(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return {**one, "bundle_id": ""} == {**other, "bundle_id": ""}


def _names(bundle: Logged, job_id: str) -> bool:
    change = bundle.record.metadata.get("change")
    return isinstance(change, dict) and change.get("job_id") == job_id


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


def _approvals(execution: Execution, receipts: Sequence[Logged]) -> dict[str, list[str]]:
    """The approvals by their hashes, where receipts have no span that one inside the bundle would have to name."""
    spans = [one.record.binding.span_id for one in receipts if one.record.binding is not UNSET]
    named = len(spans) == len(receipts) and UNSET not in spans
    return {} if named else {"approvals_b64u": sorted(execution.decision.record.approvals)}


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
