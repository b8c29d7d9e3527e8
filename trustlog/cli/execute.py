"""``trustlog execute``: apply exactly the approved plan, between two records."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import click

from trustlog.change.desk import Published
from trustlog.change.execute import Executed
from trustlog.change.execute import execute as apply_plan
from trustlog.cli.answer import FAIL, PASS, narrate, report, show
from trustlog.cli.command import prepare_command
from trustlog.cli.decision import AUDIENCE, ask_gate, new_nonce, show_decision
from trustlog.cli.desk import at_desk, check_hash, where
from trustlog.cli.files import read_input
from trustlog.cli.options import FILE, gate_key_option, json_option, key_option
from trustlog.cli.session import LogAccess, log_options
from trustlog.cli.token_file import read_token_file, token_option
from trustlog.errors import Refused
from trustlog.gate.decision import Decision
from trustlog.gate.execution import EXECUTE
from trustlog.gate.identify import GateRequest
from trustlog.keys.signer import Signer
from trustlog.keys.source import open_signer
from trustlog.limits import MAX_BLOB_BYTES
from trustlog.records.plan import compute_fingerprint

EXAMPLE: Final = """\b
Example:
  trustlog execute --decision HASH --key runner.key --log URL --trust trust.toml -- ./apply
  trustlog execute --ticket jira.example:CHG-17 --token job-17.token --gate-key gate.key --key runner.key \\
    --log URL --trust trust.toml -- ./apply"""


@click.command(epilog=EXAMPLE)
@click.option("--decision", metavar="HASH", help="The logged allow to execute under.")
@click.option("--ticket", metavar="SYSTEM:ID", help="Ask a gate in this process first: the ticket.")
@token_option(required=False)
@gate_key_option(required=False)
@click.option("--plan", type=FILE, metavar="FILE", help="Refuse unless this is the approved plan, byte for byte.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="-- COMMAND…", required=True)
@key_option
@log_options
@json_option
def execute(
    *,
    decision: str | None,
    ticket: str | None,
    token: Path | None,
    gate_key: str | None,
    plan: Path | None,
    command: tuple[str, ...],
    key: str,
    access: LogAccess,
    as_json: bool,
) -> int:
    """Apply the plan of one allow: COMMAND gets exactly the stored bytes of the approved plan on its standard input.

    What it prints is stored as the diff produced; its exit code is the outcome. TRUSTLOG_PLAN_FINGERPRINT in its environment
    names the plan. A record is logged before it starts and after it ended, and one allow never starts it twice.
    """
    run = prepare_command(command, [key, gate_key])
    signer = open_signer(key, os.environ)
    text = None if plan is None else read_input(plan, max_bytes=MAX_BLOB_BYTES)
    check_hash(decision, "decision")
    if decision is None:
        _check_runner(access, signer)
        decided = _ask(access, ticket, token, gate_key, text)
        if not decided.allow:
            return show_decision(decided, as_json=as_json)
        narrate(f"the gate allows it: decision {decided.payload_hash} at index {decided.index}")
        decision = decided.payload_hash
    elif ticket is not None or token is not None:
        raise Refused("PARAMETER_INVALID", "a decision names its ticket and token itself", param="decision")
    assert decision is not None
    allow = decision
    executed = at_desk(
        access, lambda desk: apply_plan(desk, signer, decision=allow, run=run, plan=text, begun=_narrate_begin)
    )
    return _show(allow, executed, as_json=as_json)


def _check_runner(access: LogAccess, signer: Signer) -> None:
    """Check the key before the gate is asked: an allow that nobody can use would still use its approvals up."""
    role = access.trust.role_of(signer.did)
    if role != "runners":
        detail = "this key is no runner's; the gate was not asked"
        raise Refused("SIGNER_WRONG_ROLE", detail, param="key", expected="a key of role runners", found=role or "no role")


def _ask(access: LogAccess, ticket: str | None, token: Path | None, gate_key: str | None, plan: bytes | None) -> Decision:
    if ticket is None or token is None or gate_key is None:
        expected = "either --decision, or --ticket, --token and --gate-key to ask for one"
        raise Refused("PARAMETER_INVALID", "nothing allows this yet", param="decision", expected=expected)
    request = GateRequest(
        action=EXECUTE,
        ticket=ticket,
        token=read_token_file(token),
        audience=AUDIENCE,
        nonce=new_nonce(),
        plan_hash=None if plan is None else compute_fingerprint(plan),
    )
    return ask_gate(access, request, gate_key)


def _narrate_begin(begin: Published) -> None:
    narrate(f"begin {begin.payload_hash} at index {begin.index}; now the command")


def _show(decision: str, executed: Executed, *, as_json: bool) -> int:
    outcome, diff = executed.end.payload["outcome"], executed.end.payload["diff_b64u"]
    result = {
        "kind": "execution",
        "outcome": outcome,
        "exit_code": executed.ran.exit_code,
        "decision_b64u": decision,
        "plan_hash_b64u": executed.end.payload["plan_hash_b64u"],
        "begin": where(executed.begin),
        "end": where(executed.end),
        "diff_b64u": diff,
    }
    lines = [
        f"begin {executed.begin.payload_hash} at index {executed.begin.index}",
        f"end {executed.end.payload_hash} at index {executed.end.index}",
        f"diff {diff}, {len(executed.ran.output)} bytes",
        f"outcome {outcome}",
    ]
    show(result, lines, as_json=as_json)
    if outcome == "success":
        return PASS
    sentence = f"EXECUTION_FAILED: the command ended with exit code {executed.ran.exit_code}, and that is logged"
    report(sentence, "look at what was applied; correct the plan, simulate it and have it approved again")
    return FAIL
