"""``trustlog bundle``: the proof bundle of a change, from what is in the log."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from trustlog.change.bundle import against_bundle, build_bundle, earlier_bundles, job_of_run
from trustlog.change.desk import Desk, Published
from trustlog.cli.answer import FAIL, PASS, narrate, report
from trustlog.cli.desk import at_desk
from trustlog.cli.files import read_input
from trustlog.cli.options import FILE, json_option, key_option
from trustlog.cli.record import show_published
from trustlog.cli.session import LogAccess, log_options
from trustlog.errors import Refused
from trustlog.formats.jsontext import describe, parse_json
from trustlog.keys.signer import Signer
from trustlog.keys.source import open_signer
from trustlog.limits import MAX_BUNDLE_ENVELOPE_BYTES
from trustlog.policy.finding import Finding


@click.command(
    epilog="""\b
Example:
  trustlog bundle --job job-17 --key agent.key --log URL --trust trust.toml
  trustlog bundle --run run-17 --events events.json --key agent.key --log URL --trust trust.toml"""
)
@click.option("--job", metavar="ID", help="The job whose change it is.")
@click.option("--run", metavar="ID", help="The job by its run.")
@click.option(
    "--events", type=FILE, metavar="FILE", help="The run's event chain, a JSON array, where receipts carry no events."
)
@key_option
@log_options
@json_option
def bundle(*, job: str | None, run: str | None, events: Path | None, key: str, access: LogAccess, as_json: bool) -> int:
    """Build the bundle of a change that was executed, sign it with the agent's key, log it, and print its reference.

    It holds the event chain of the run and every gateway receipt of the job that the log has. Where a bundle with all of that is
    in the log already, it is named again. Receipts that came after it do not spoil it: a bundle holds those below itself.
    Approvals of closing name one bundle, and count for no other. Exit code 1 where a gate would not close with it; what it lacks
    is said.
    """
    if (job is None) == (run is None):
        raise Refused("PARAMETER_INVALID", "say which change, one way", param="job", expected="either --job or --run")
    chain = None if events is None else read_events(read_input(events, max_bytes=MAX_BUNDLE_ENVELOPE_BYTES))
    signer = open_signer(key, os.environ)
    built = at_desk(access, lambda desk: _build(desk, signer, job, run, chain))
    reference = f"bundle:{built.published.payload_hash}"
    others = [name for name in built.earlier if name != built.published.payload_hash]
    if others:
        narrate(
            f"the job has {len(others)} other bundles: {', '.join(others)}; approvals that name one of them do not count for this"
        )
    for one in built.against:
        narrate(f"no gate closes with it as it is: {one.code}: {one.detail}")
    against = [{"code": one.code, "detail": one.detail, "hint": one.hint} for one in built.against]
    show_published(
        "proof_bundle",
        built.published.payload_hash,
        built.published.submitted,
        as_json=as_json,
        lines=[f"the closing reason names {reference}"],
        more={"reference": reference, "other_bundles": others, "against": against},
    )
    if not built.against:
        return PASS
    first = built.against[0]
    report(f"{first.code}: the bundle is logged, but no gate closes with it: {first.detail}", first.hint)
    return FAIL


@dataclass(frozen=True, slots=True)
class _Built:
    """A bundle that is in the log, those of the job before it, and what a gate would hold against it."""

    published: Published
    earlier: tuple[str, ...]
    against: tuple[Finding, ...]


async def _build(desk: Desk, signer: Signer, job: str | None, run: str | None, chain: list[dict[str, Any]] | None) -> _Built:
    job_id = await job_of_run(desk, run) if run is not None else job
    assert job_id is not None
    published = await build_bundle(desk, signer, job_id=job_id, events=chain)
    against = await against_bundle(desk, job_id, published.payload_hash)
    earlier = tuple(one.payload_hash for one in earlier_bundles(await desk.job(job_id)))
    return _Built(published, earlier, tuple(against))


def read_events(text: bytes) -> list[dict[str, Any]]:
    """The event chain in a file: an array of event objects. The chain itself is checked with the bundle."""
    value = parse_json(text, "events")
    if not isinstance(value, list) or not all(isinstance(event, dict) for event in value):
        expected = "an array of objects"
        raise Refused(
            "SCHEMA_VALIDATION_FAILED", "not an event chain", param="events", expected=expected, found=describe(value)
        )
    return value
