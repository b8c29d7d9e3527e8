"""``trustlog bench``: how fast a log is, counting only what it proved."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import click

from trustlog.cli.answer import FAIL, PASS, narrate, printable, show
from trustlog.cli.options import FILE, json_option, key_option, trust_option
from trustlog.cli.progress import ProgressBar
from trustlog.cli.session import read_credential, read_trust

MAX_ENTRIES: Final = 5_000_000
MAX_BATCH: Final = 512
MAX_CONNECTIONS: Final = 256
MAX_SAMPLE: Final = 10_000


@click.command(
    epilog="\b\nExample:\n"
    "  trustlog bench --log http://127.0.0.1:8080 --trust ./log/trust.toml --key gateway.key --entries 100000 --dir ./log"
)
@click.option("--log", envvar="TRUSTLOG_LOG", metavar="URL", required=True, help="Where the log is served.")
@trust_option
@key_option
@click.option("--credential-file", envvar="TRUSTLOG_CREDENTIAL_FILE", type=FILE, metavar="FILE", help="A bearer token.")
@click.option("--entries", type=click.IntRange(1, MAX_ENTRIES), default=10_000, show_default=True, help="How many receipts.")
@click.option("--batch", type=click.IntRange(1, MAX_BATCH), default=256, show_default=True, help="Lines of one request.")
@click.option("--connections", type=click.IntRange(1, MAX_CONNECTIONS), default=4, show_default=True, help="At once.")
@click.option("--one-by-one", is_flag=True, help="One receipt a request, not batches.")
@click.option("--sample", type=click.IntRange(0, MAX_SAMPLE), default=64, show_default=True, help="Entries to read again.")
@click.option("--dir", "directory", type=FILE, metavar="DIR", help="The log's directory here: report its size and memory.")
@click.option("--over-plain-http", is_flag=True, help="Send to another machine over http too.")
@json_option
def bench(
    *,
    log: str,
    trust: Path,
    key: str,
    credential_file: Path | None,
    entries: int,
    batch: int,
    connections: int,
    one_by_one: bool,
    sample: int,
    directory: Path | None,
    over_plain_http: bool,
    as_json: bool,
) -> int:
    """Load the log with signed 1 KB receipts, and measure. They stay in it for ever: use a log made for this.

    The receipts are made and signed by --key (a gateway's) before the clock starts. They go out in NDJSON batches over some
    connections, or one a request (--one-by-one; with --connections 1 a lone submitter). An answer counts only if it proves our
    entry under a checkpoint that the trust policy accepts. Afterwards a sample is read again and proven, and the checkpoints
    named meanwhile are proven to be one history. Bare signature checks of the same machine are measured in the same run.

    Exit code 1 if anything was refused or not proven.
    """
    from trustlog.bench.figures import compute_figures, describe  # noqa: PLC0415 (aiohttp takes a quarter of a second to load)
    from trustlog.bench.load import Shape  # noqa: PLC0415
    from trustlog.bench.run import Plan, check_place, run_bench  # noqa: PLC0415
    from trustlog.keys.source import open_signer  # noqa: PLC0415

    if not over_plain_http:
        check_place(log)
    plan = Plan(
        url=log,
        trust=read_trust(trust),
        signer=open_signer(key, os.environ),
        entries=entries,
        shape=Shape(connections=connections, batch=batch, one_by_one=one_by_one),
        sample=sample,
        credential=None if credential_file is None else read_credential(credential_file),
        directory=directory,
    )
    progress = ProgressBar()
    try:
        run = run_bench(plan, progress)
    finally:
        progress.close()
    for refusal in (run.measured.first_refusal, run.failure):
        if refusal is not None:
            narrate(f"first refusal: {refusal.code}: {refusal.detail}")
    figures = compute_figures(run)
    show(figures, [printable(line) for line in describe(figures)], as_json=as_json)
    return PASS if run.passed else FAIL
