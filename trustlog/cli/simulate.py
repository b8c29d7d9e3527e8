"""``trustlog simulate``: a dry run of a plan, logged with the plan's fingerprint."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

import click

from trustlog.change.simulate import ArtefactFile
from trustlog.change.simulate import simulate as log_simulation
from trustlog.cli.answer import FAIL, PASS, narrate, report
from trustlog.cli.command import COMMAND_HELP, prepare_command, run_stoppable, stopping
from trustlog.cli.desk import at_desk
from trustlog.cli.files import STANDARD_INPUT, read_input, write_file
from trustlog.cli.options import FILE, json_option, key_option
from trustlog.cli.record import show_published
from trustlog.cli.session import LogAccess, log_options
from trustlog.errors import Refused
from trustlog.formats.jsontext import canonicalize, parse_json
from trustlog.keys.source import open_signer
from trustlog.limits import MAX_BLOB_BYTES
from trustlog.records.plan import compute_fingerprint, parse_plan

VALIDATION_OUTPUT: Final = "validation_output"
EXAMPLE: Final = """\b
Example:
  trustlog simulate --job job-17 --run run-17 --plan plan.json --artefact expected_diff=plan.diff \\
    --artefact rollback_steps=rollback.md --key runner.key --log URL --trust trust.toml -- ./apply --dry-run

\b
A plan is one JSON object with exactly these members, in its RFC 8785 form:
  plan_version   "1"
  change_type    what sort of change, as the policy's change_types name it: 1 to 256 characters
  environment    where, as the policy's environments name it: 1 to 256 characters
  ticket         the job's ticket: <system>:<id>
  body           any JSON value: what COMMAND understands
such as
  {"body":{"set":{"max_connections":200}},"change_type":"config","environment":"staging","plan_version":"1","ticket":"jira.example:CHG-17"}
"""

Outcome = Literal["success", "failure"]


@click.command(
    epilog=EXAMPLE,
    help=f"""Store a plan and what its dry run showed, and log the simulation with the plan's fingerprint.

    COMMAND is run with the plan on its standard input: what it prints becomes the artefact validation_output, and its exit code
    the outcome. Exit code 1 if it failed; that is logged too. The fingerprint is the SHA-256 of the plan's exact bytes: what is
    approved and executed later are those bytes. What the job's approvers see of the dry run are the artefacts.

    {COMMAND_HELP}""",
)
@click.option("--job", required=True, metavar="ID", help="The job, as its token names it.")
@click.option("--run", required=True, metavar="ID", help="The run, as its model calls' receipts name it.")
@click.option("--plan", type=FILE, required=True, metavar="FILE", help="The plan: JSON in its RFC 8785 form; see below.")
@click.option("--write-plan", is_flag=True, help="Rewrite the plan's file in its RFC 8785 form first.")
@click.option(
    "--artefact",
    multiple=True,
    metavar="ROLE=FILE",
    help="What the dry run showed: expected_diff, validation_output, rollback_steps or another role; may be repeated.",
)
@click.option("--outcome", type=click.Choice(["success", "failure"]), help="How the dry run ended, if no COMMAND says so.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND…]")
@key_option
@log_options
@json_option
def simulate(
    *,
    job: str,
    run: str,
    plan: Path,
    write_plan: bool,
    artefact: tuple[str, ...],
    outcome: Outcome | None,
    command: tuple[str, ...],
    key: str,
    access: LogAccess,
    as_json: bool,
) -> int:
    """Store a plan and what its dry run showed, and log the simulation."""
    _check_outcome(outcome, command, artefact)
    run_dry = prepare_command(command, [key]) if command else None
    signer = open_signer(key, os.environ)
    text = read_plan(plan, rewrite=write_plan)
    artefacts = [read_artefact(one) for one in artefact]
    if run_dry is not None:
        with stopping(run_dry):
            ran = run_stoppable(run_dry)(text)
        outcome = "success" if ran.succeeded else "failure"
        artefacts.append(ArtefactFile(VALIDATION_OUTPUT, media_type_of(VALIDATION_OUTPUT, ran.output), ran.output))
        narrate(f"the dry run: {ran.ending}")
    assert outcome is not None
    ended: Outcome = outcome
    published = at_desk(
        access,
        lambda desk: log_simulation(desk, signer, job_id=job, run_id=run, plan=text, artefacts=artefacts, outcome=ended),
    )
    more = {"plan_hash_b64u": compute_fingerprint(text), "outcome": outcome, "artefacts": published.payload["artefacts"]}
    lines = [f"plan {more['plan_hash_b64u']}", f"outcome {outcome}"]
    show_published("simulation", published.payload_hash, published.submitted, as_json=as_json, more=more, lines=lines)
    if command and outcome == "failure":
        report("SIMULATION_FAILED: the dry run failed, and is logged as such", "correct the plan and simulate it again")
        return FAIL
    return PASS


def read_plan(path: Path, *, rewrite: bool) -> bytes:
    """The exact bytes of the plan in a file; with `rewrite`, the file is put into its RFC 8785 form first, and says so."""
    text = read_input(path, max_bytes=MAX_BLOB_BYTES)
    if rewrite:
        canonical = canonicalize(parse_json(text, "plan"))
        parse_plan(canonical)
        if canonical != text:
            if path == STANDARD_INPUT:
                raise Refused("PARAMETER_INVALID", "standard input cannot be rewritten", param="write-plan")
            write_file(path, canonical, force=True, mode=stat.S_IMODE(path.stat().st_mode))
            narrate(
                f"{path} is now in its RFC 8785 form: {len(canonical)} bytes, fingerprint {compute_fingerprint(canonical)}"
            )
        text = canonical
    try:
        parse_plan(text)
    except Refused as refused:
        if refused.code != "PLAN_NOT_CANONICAL":
            raise
        hint = f"--write-plan rewrites {path} in that form; or write it so: it is these bytes that are approved and executed"
        expected, found = refused.expected, why_not_canonical(text)
        raise Refused(refused.code, refused.detail, param="plan", expected=expected, found=found, hint=hint) from None
    return text


def why_not_canonical(text: bytes) -> str:
    """Where a plan's text first differs from its RFC 8785 form, and what stands there."""
    canonical = canonicalize(parse_json(text, "plan"))
    if text.rstrip(b"\r\n") == canonical:
        return "a line end after the last brace"
    at = next((at for at, (one, other) in enumerate(zip(text, canonical, strict=False)) if one != other), len(canonical))
    found, wanted = text[at : at + 20].decode("utf-8", "replace"), canonical[at : at + 20].decode("utf-8", "replace")
    what = "white space" if text[at : at + 1].isspace() else f"{found!r}"
    return f"{what} at byte {at}, where {wanted!r} should be"


def read_artefact(named: str) -> ArtefactFile:
    """The artefact that ``ROLE=FILE`` names."""
    role, equals, name = named.partition("=")
    if not (role and equals and name):
        raise Refused("PARAMETER_INVALID", "not an artefact", param="artefact", expected="ROLE=FILE", found=named)
    data = read_input(Path(name), max_bytes=MAX_BLOB_BYTES)
    return ArtefactFile(role, media_type_of(name, data), data)


def media_type_of(name: str, data: bytes) -> str:
    """The media type that a reader is told: JSON by its name, text if it is UTF-8, else bytes."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return "application/octet-stream"
    return "application/json" if name.endswith(".json") else "text/plain; charset=utf-8"


def _check_outcome(outcome: str | None, command: Sequence[str], artefacts: Sequence[str]) -> None:
    if (outcome is None) == (not command):
        raise Refused(
            "PARAMETER_INVALID",
            "how the dry run ended is said in exactly one way",
            param="outcome",
            expected="either --outcome, or the dry run's COMMAND after --",
            found="neither" if outcome is None else "both",
        )
    if command and any(one.startswith(f"{VALIDATION_OUTPUT}=") for one in artefacts):
        detail = f"{VALIDATION_OUTPUT} is what the COMMAND prints"
        raise Refused("PARAMETER_INVALID", detail, param="artefact", expected="another role")
