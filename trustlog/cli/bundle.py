"""``trustlog bundle``: the proof bundle of a change, from what is in the log."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from trustlog.change.bundle import build_bundle, job_of_run
from trustlog.change.desk import Desk, Published
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


@click.command(epilog="\b\nExample:\n  trustlog bundle --job job-17 --key agent.key --log URL --trust trust.toml")
@click.option("--job", metavar="ID", help="The job whose change it is.")
@click.option("--run", metavar="ID", help="The job by its run.")
@click.option(
    "--events", type=FILE, metavar="FILE", help="The run's event chain, a JSON array, where receipts carry no events."
)
@key_option
@log_options
@json_option
def bundle(*, job: str | None, run: str | None, events: Path | None, key: str, access: LogAccess, as_json: bool) -> None:
    """Build the bundle of a change that was executed, sign it with the agent's key, log it, and print its reference.

    It holds the event chain of the run and every gateway receipt of the job that the log has.
    """
    if (job is None) == (run is None):
        raise Refused("PARAMETER_INVALID", "say which change, one way", param="job", expected="either --job or --run")
    chain = None if events is None else read_events(read_input(events, max_bytes=MAX_BUNDLE_ENVELOPE_BYTES))
    signer = open_signer(key, os.environ)
    published = at_desk(access, lambda desk: _build(desk, signer, job, run, chain))
    reference = f"bundle:{published.payload_hash}"
    lines = [f"the closing reason names {reference}"]
    more = {"reference": reference}
    show_published("proof_bundle", published.payload_hash, published.submitted, as_json=as_json, more=more, lines=lines)


async def _build(
    desk: Desk, signer: Signer, job: str | None, run: str | None, chain: list[dict[str, Any]] | None
) -> Published:
    job_id = await job_of_run(desk, run) if run is not None else job
    assert job_id is not None
    return await build_bundle(desk, signer, job_id=job_id, events=chain)


def read_events(text: bytes) -> list[dict[str, Any]]:
    """The event chain in a file: an array of event objects. The chain itself is checked with the bundle."""
    value = parse_json(text, "events")
    if not isinstance(value, list) or not all(isinstance(event, dict) for event in value):
        expected = "an array of objects"
        raise Refused(
            "SCHEMA_VALIDATION_FAILED", "not an event chain", param="events", expected=expected, found=describe(value)
        )
    return value
