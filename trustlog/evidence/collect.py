"""Making a pack: choose the job, fetch what belongs to it, prove all of it under one checkpoint.

What the log's index names is taken as it comes and proven; what it might leave out is not known to be absent. Every entry that
a decision lists as evidence is fetched by its index, so that a log cannot hide from a pack what a gate has seen.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Final

from trustlog.client.tiles import gather_bounded
from trustlog.errors import Refused
from trustlog.evidence.change import Change, Found, read_found
from trustlog.evidence.pack import EvidencePack, PackedEntry, Subject, check_count, check_size
from trustlog.evidence.proving import prove
from trustlog.evidence.source import Query, Source
from trustlog.evidence.subject import Sought, choose_job
from trustlog.formats.entry import parse_entry

MAX_ARTEFACT_BYTES: Final = 16 * 1024 * 1024  # of all artefacts: they are optional, and must not crowd out the rest


async def collect(source: Source, sought: Sought) -> EvidencePack:
    """The evidence pack of the change asked for.

    Raises Refused: ``NOT_FOUND``, ``PARAMETER_INVALID``; ``SIMULATION_MISSING`` for a job in which
    nothing names a run yet; ``PACK_TOO_LARGE``; ``INCLUSION_PROOF_INVALID`` and the like where the log lies; what the source
    raises.
    """
    job = await choose_job(source, sought)
    change = Change(ticket=job.ticket, job_id=job.job_id)
    await _gather(source, change)
    payloads = await _fetch_payloads(source, change)
    views = {one.record.view.size for one in change.decisions() if one.record.view.size <= source.size}
    proofs = await prove(source, {one.index: one.data for one in change.found.values()}, views)
    return EvidencePack(
        subject=_subject(change, sought),
        checkpoint=source.checkpoint,
        views=proofs.views,
        entries=tuple(_pack_entry(one, proofs.inclusion[one.index]) for one in change.found.values()),
        payloads=payloads,
    )


async def _gather(source: Source, change: Change) -> None:
    """Fetch and add, until nothing in the change asks for anything new."""
    asked: set[Query] = set()
    total_bytes = 0
    while True:
        queries = change.queries() - asked
        indexes = {index for index in change.listed() if index < source.size} - change.found.keys()
        if not queries and not indexes:
            return
        asked |= queries
        answers = await gather_bounded([partial(source.find, query) for query in sorted(queries)])
        answers.append(await source.entries(sorted(indexes)))
        new = {index: data for answer in answers for index, data in answer.items() if index not in change.found}
        check_count(len(change.found) + len(new))
        for found in await gather_bounded([partial(_read, source, index, new[index]) for index in sorted(new)]):
            total_bytes += len(found.data) + len(found.payload or b"")
            change.add(found)
        check_size(total_bytes)


async def _read(source: Source, index: int, data: bytes) -> Found:
    payload = await source.payload(parse_entry(data).payload_hash)
    return read_found(index, data, payload, origin=source.origin)


async def _fetch_payloads(source: Source, change: Change) -> tuple[bytes, ...]:
    """Every plan that the log still has, and artefacts as far as there is room."""
    plans = sorted(change.plans())
    payloads = {sha256: data for sha256 in plans if (data := await source.payload(sha256)) is not None}
    room = MAX_ARTEFACT_BYTES
    for sha256 in change.artefacts():
        data = None if sha256 in payloads else await source.payload(sha256)
        if data is not None and len(data) <= room:
            payloads[sha256] = data
            room -= len(data)
    return tuple(payloads.values())


def _subject(change: Change, sought: Sought) -> Subject:
    """What the pack says it is about: run and bundle of the closure, else of what came last."""
    closures = [one.record for one in change.of_job("closure") if one.record is not None]
    decisions = [one.record for one in change.of_job("gate_decision") if one.record is not None]
    simulations = [one.record for one in change.of_job("simulation") if one.record is not None]
    bundles = [one.scope["bundle_b64u"] for one in decisions if one.decision == "allow" and "bundle_b64u" in one.scope]
    bundle = sought.bundle or _last(one.bundle_b64u for one in closures) or _last(bundles)
    run = _last(one.run_id for one in closures) or _last(one.run_id for one in simulations) or _run_of_receipts(change)
    if run is None:
        raise Refused(
            "SIMULATION_MISSING",
            "nothing in this job names a run yet, so there is no change to show",
            param="job",
            expected="a simulation, or a receipt of the run",
            found=change.job_id,
        )
    return Subject(change.ticket, change.job_id, run, bundle)


def _run_of_receipts(change: Change) -> str | None:
    """The run that the last gateway receipt names; a ref that is a hash names none."""
    receipts = (change.found[index].entry for index in sorted(change.found))
    runs = (one.refs["run"] for one in receipts if one.kind == "gateway_receipt" and "run" in one.refs)
    return _last(run for run in runs if not run.startswith("sha256:"))


def _last(values: Iterable[str]) -> str | None:
    last = None
    for value in values:
        last = value
    return last


def _pack_entry(one: Found, proof: tuple[bytes, ...]) -> PackedEntry:
    return PackedEntry(one.index, one.data.decode("ascii"), _text(one), proof)


def _text(one: Found) -> str | None:
    if one.payload is None:
        return None
    try:
        return one.payload.decode("utf-8")
    except UnicodeDecodeError:
        detail = "a payload that the log gives is not text"
        raise Refused(
            "PAYLOAD_TEXT_NOT_ACCEPTED", detail, param="payload", expected="UTF-8", found=f"entry {one.index}"
        ) from None
