"""``trustlog gate``: whether something may be done."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import click

from trustlog.cli.decision import AUDIENCE, ask_gate, new_nonce, show_decision
from trustlog.cli.desk import check_hash
from trustlog.cli.files import read_input
from trustlog.cli.gate_bench import bench
from trustlog.cli.gate_serve import serve
from trustlog.cli.options import gate_key_option, json_option
from trustlog.cli.session import LogAccess, log_options
from trustlog.cli.token_file import read_token_file, token_option
from trustlog.gate.identify import GateRequest
from trustlog.limits import MAX_BLOB_BYTES
from trustlog.records.plan import compute_fingerprint

FINGERPRINT: Final = re.compile(r"[A-Za-z0-9_-]{43}")
CHECK_EXAMPLE: Final = """\b
Example:
  trustlog gate check --action change.execute --ticket jira.example:CHG-17 --token job-17.token --gate-key gate.key \\
    --plan plan.json --log URL --trust trust.toml"""


@click.group(epilog=CHECK_EXAMPLE, no_args_is_help=False)
def gate() -> None:
    """The gate: allow or deny an action, from evidence in the log alone."""


gate.add_command(serve)
gate.add_command(bench)


@gate.command(epilog=CHECK_EXAMPLE)
@click.option("--action", required=True, metavar="NAME", help="What is to be done, as the policy names it: change.execute.")
@click.option("--ticket", required=True, metavar="SYSTEM:ID", help="The ticket that it is to be done for.")
@token_option(required=True)
@gate_key_option(required=True)
@click.option("--plan", metavar="FILE|HASH", help="The plan, or its fingerprint (default: the one simulated last).")
@click.option("--simulation", metavar="HASH", help="The dry run to rely on (default: the last that succeeded).")
@click.option("--closing-reason", metavar="TEXT", help="For closing: the reason, with bundle:HASH in it.")
@click.option("--nonce", metavar="TEXT", help="Comes back in the decision (default: a random one).")
@click.option("--audience", default=AUDIENCE, show_default=True, metavar="NAME", help="Whom the decision is for.")
@log_options
@json_option
def check(
    *,
    action: str,
    ticket: str,
    token: Path,
    gate_key: str,
    plan: str | None,
    simulation: str | None,
    closing_reason: str | None,
    nonce: str | None,
    audience: str,
    access: LogAccess,
    as_json: bool,
) -> int:
    """Decide one action, log the decision, and say every reason. Exit code 0 allow, 1 deny, 3 not decidable, so denied.

    An allow is good for a minute, and uses the approvals up that it rests on.
    """
    check_hash(simulation, "simulation")
    request = GateRequest(
        action=action,
        ticket=ticket,
        token=read_token_file(token),
        audience=audience,
        nonce=nonce or new_nonce(),
        plan_hash=None if plan is None else read_fingerprint(plan),
        simulation=simulation,
        closing_reason=closing_reason,
    )
    return show_decision(ask_gate(access, request, gate_key), as_json=as_json)


def read_fingerprint(plan: str) -> str:
    """The fingerprint of the plan in a file; a fingerprint itself, where no file has that name."""
    if FINGERPRINT.fullmatch(plan) and not Path(plan).exists():
        check_hash(plan, "plan")
        return plan
    return compute_fingerprint(read_input(Path(plan), max_bytes=MAX_BLOB_BYTES))
