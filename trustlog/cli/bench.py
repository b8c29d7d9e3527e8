"""``trustlog bench``: how fast a log is, counting only what it proved."""

from __future__ import annotations

import os
import secrets
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from trustlog.cli.answer import FAIL, PASS, narrate, show
from trustlog.cli.options import FILE, json_option
from trustlog.cli.progress import ProgressBar
from trustlog.cli.session import read_credential, read_trust
from trustlog.errors import Refused, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trustlog.bench.generating import Target
    from trustlog.bench.reads import ReadPlan, ReadRun
    from trustlog.bench.run import Plan, Run
    from trustlog.bench.throwaway import ThrowAwayLog
    from trustlog.keys.signer import Signer

MAX_ENTRIES: Final = 5_000_000
MAX_BATCH: Final = 512
MAX_CONNECTIONS: Final = 256
MAX_SAMPLE: Final = 10_000
MAX_CHECK_EVERY: Final = 1024
MAX_SECONDS: Final = 3600.0
MAX_RATE: Final = 1_000_000.0
SEED_BITS: Final = 32
CHECK_EVERY: Final = 64
KEY_VARIABLE: Final = "TRUSTLOG_KEY"
CHECK_EVERY_READ: Final = 8

_EPILOG: Final = """\b
Example:
  trustlog bench --serve --entries 1000000
  trustlog bench --log http://127.0.0.1:8080 --trust ./log --key gateway.key --entries 100000 --dir ./log
  trustlog bench --log http://127.0.0.1:8080 --trust ./log --reads --connections 8 --seconds 30
"""


@click.command(epilog=_EPILOG)
@click.option("--log", envvar="TRUSTLOG_LOG", metavar="URL", help="Where the log is served.")
@click.option("--trust", envvar="TRUSTLOG_TRUST", type=FILE, metavar="FILE", help="The trust policy of that log (TOML).")
@click.option("--key", "keys", metavar="FILE", multiple=True, help="A gateway's key: a file, or env:NAME; may be repeated.")
@click.option("--serve", is_flag=True, help="Make a log for this run, serve it, and throw it away (kept with --dir).")
@click.option("--credential-file", envvar="TRUSTLOG_CREDENTIAL_FILE", type=FILE, metavar="FILE", help="A bearer token.")
@click.option("--entries", type=click.IntRange(1, MAX_ENTRIES), default=10_000, show_default=True, help="How many receipts.")
@click.option("--batch", type=click.IntRange(1, MAX_BATCH), default=256, show_default=True, help="Lines of one request.")
@click.option("--connections", type=click.IntRange(1, MAX_CONNECTIONS), default=4, show_default=True, help="At once.")
@click.option("--one-by-one", is_flag=True, help="One receipt a request, not batches.")
@click.option("--rate", type=click.FloatRange(0, MAX_RATE), default=0.0, help="Receipts a second at most.")
@click.option("--check-every", type=click.IntRange(1, MAX_CHECK_EVERY), help="Prove one in so many at once.")
@click.option("--sample", type=click.IntRange(0, MAX_SAMPLE), default=64, show_default=True, help="Entries to read again.")
@click.option("--whole", is_flag=True, help="Read the whole log back afterwards and recompute its root.")
@click.option("--seed", type=click.IntRange(0), help="Draws the samples (default: a new one, which is reported).")
@click.option("--reads", is_flag=True, help="Read instead: random proofs, tiles and bundles of the log.")
@click.option(
    "--seconds", type=click.FloatRange(0.1, MAX_SECONDS), default=10.0, show_default=True, help="How long to read."
)
@click.option("--dir", "directory", type=FILE, metavar="DIR", help="The log's directory here: report its size and memory.")
@click.option(
    "--pid", type=click.IntRange(1), help="The server's process here: report memory and CPU of it and its children."
)
@click.option("--over-plain-http", is_flag=True, help="Send to another machine over http too.")
@json_option
def bench(
    *,
    log: str | None,
    trust: Path | None,
    keys: tuple[str, ...],
    serve: bool,
    credential_file: Path | None,
    entries: int,
    batch: int,
    connections: int,
    one_by_one: bool,
    rate: float,
    check_every: int | None,
    sample: int,
    whole: bool,
    seed: int | None,
    reads: bool,
    seconds: float,
    directory: Path | None,
    pid: int | None,
    over_plain_http: bool,
    as_json: bool,
) -> int:
    """Load a log with signed 1 KB receipts, and measure. They stay in it for ever: use a log made for this, or --serve.

    The receipts are made and signed by --key (gateways') before the clock starts. They go out in NDJSON batches over some
    connections, or one a request (--one-by-one; with --connections 1 a lone submitter). Every answer is tested: our entry's
    leaf hash, an index of its own, a checkpoint that the trust policy accepts. One in --check-every, and the first under every
    checkpoint, is proven in full at once. Afterwards a sample is read again and proven, and the checkpoints named meanwhile are
    proven to be one history; --whole recomputes everything. Bare signature checks of the same machine are measured in the same
    run. With --dir or --pid the memory and CPU of the server and its children are reported too.

    With --serve the log is made for the run, stopped and started again at its end, and measured at that too. With --reads a log
    that exists is read instead; with both, the log that was just made is read after it was written.

    Exit code 1 if anything was refused or not proven.
    """
    from trustlog.bench.processes import check_process, read_lock  # noqa: PLC0415 (aiohttp takes long to load)
    from trustlog.bench.reads import ReadPlan  # noqa: PLC0415
    from trustlog.bench.run import Plan  # noqa: PLC0415
    from trustlog.bench.submitting import Shape  # noqa: PLC0415
    from trustlog.bench.throwaway import throw_away_log  # noqa: PLC0415
    from trustlog.keys.source import open_signer  # noqa: PLC0415

    for number in (signal.SIGINT, signal.SIGTERM):  # what was started and written for the run goes, however it ends
        signal.signal(number, signal.default_int_handler)
    drawn = secrets.randbits(SEED_BITS) if seed is None else seed
    shape = Shape(connections=connections, batch=batch, one_by_one=one_by_one, rate=rate)

    def plan_writes(target: Target, signers: Sequence[Signer], directory: Path | None, pid: int | None) -> Plan:
        return Plan(
            target=target,
            signers=tuple(signers),
            entries=entries,
            shape=shape,
            check_every=check_every or CHECK_EVERY,
            sample=sample,
            seed=drawn,
            whole=whole,
            directory=directory,
            pid=pid,
        )

    def plan_reads(target: Target, pid: int | None) -> ReadPlan:
        one_in = check_every or CHECK_EVERY_READ
        return ReadPlan(target, connections=connections, seconds=seconds, check_every=one_in, seed=drawn, pid=pid)

    if serve:
        with throw_away_log(directory) as made:
            plan = plan_writes(made.target(), made.signers, made.directory, made.pid)
            return _bench_made(made, plan, plan_reads(made.target(), made.pid) if reads else None, as_json=as_json)
    target = _target(log, trust, credential_file, over_plain_http=over_plain_http)
    if pid is not None:
        check_process(pid)
    elif directory is not None:
        pid = read_lock(directory)
    if reads:
        return _bench_reads(plan_reads(target, pid), as_json=as_json)
    named = keys or tuple(filter(None, [os.environ.get(KEY_VARIABLE)]))  # click would cut it at spaces for a repeated option
    if not named:
        raise _missing("--key", "the key of a gateway that the log trusts")
    return _bench_writes(
        plan_writes(target, [open_signer(key, os.environ) for key in named], directory, pid), as_json=as_json
    )


def _bench_writes(plan: Plan, *, as_json: bool) -> int:
    from trustlog.bench.figures import compute_figures  # noqa: PLC0415
    from trustlog.bench.table import describe  # noqa: PLC0415

    run = _run_writes(plan)
    figures = compute_figures(run)
    show(figures, [printable(line) for line in describe(figures)], as_json=as_json)
    return PASS if run.passed else FAIL


def _bench_reads(plan: ReadPlan, *, as_json: bool) -> int:
    from trustlog.bench.reads import compute_read_figures, describe_reads  # noqa: PLC0415

    run = _run_reads(plan)
    figures = compute_read_figures(run)
    show(figures, [printable(line) for line in describe_reads(figures)], as_json=as_json)
    return PASS if run.passed else FAIL


def _bench_made(made: ThrowAwayLog, plan: Plan, reads: ReadPlan | None, *, as_json: bool) -> int:
    """Write to a log that was made for it, read from it if that is asked for, and start it again."""
    from trustlog.bench.figures import compute_figures  # noqa: PLC0415
    from trustlog.bench.reads import compute_read_figures, describe_reads  # noqa: PLC0415
    from trustlog.bench.table import describe  # noqa: PLC0415

    run = _run_writes(plan)
    read = None if reads is None else _run_reads(reads)
    figures = compute_figures(run, made.restart())
    lines = describe(figures)
    if read is not None:
        figures["reads"] = compute_read_figures(read)
        lines += ["", "reads", *describe_reads(figures["reads"])]
    show(figures, [printable(line) for line in lines], as_json=as_json)
    return PASS if run.passed and (read is None or read.passed) else FAIL


def _run_writes(plan: Plan) -> Run:
    from trustlog.bench.run import run_bench  # noqa: PLC0415

    progress = ProgressBar()
    try:
        run = run_bench(plan, progress)
    finally:
        progress.close()
    for refusal in (run.written.judged.first_refusal, run.failure):
        if refusal is not None:
            narrate(f"first refusal: {refusal.code}: {refusal.detail}")
    return run


def _run_reads(plan: ReadPlan) -> ReadRun:
    from trustlog.bench.reads import run_reads  # noqa: PLC0415

    progress = ProgressBar()
    try:
        run = run_reads(plan, progress)
    finally:
        progress.close()
    refusal = run.read.first_refusal
    if refusal is not None:
        narrate(f"first refusal: {refusal.code}: {refusal.detail}")
    return run


def _target(log: str | None, trust: Path | None, credential_file: Path | None, *, over_plain_http: bool) -> Target:
    from trustlog.bench.generating import Target  # noqa: PLC0415
    from trustlog.bench.run import check_place  # noqa: PLC0415

    if log is None:
        raise _missing("--log", "the URL that trustlog serve printed, or --serve")
    if trust is None:
        raise _missing("--trust", "the log's trust policy")
    if not over_plain_http:
        check_place(log)
    return Target(log, read_trust(trust), None if credential_file is None else read_credential(credential_file))


def _missing(option: str, what: str) -> Refused:
    hint = "trustlog bench --help shows the options and an example"
    return Refused("PARAMETER_INVALID", f"Missing option '{option}': {what}.", hint=hint)
