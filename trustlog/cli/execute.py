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
from trustlog.cli.command import COMMAND_HELP, prepare_command, run_stoppable, stopping
from trustlog.cli.decision import AUDIENCE, ask_gate, new_nonce, show_decision
from trustlog.cli.desk import at_desk, check_hash, check_role, where
from trustlog.cli.files import read_input
from trustlog.cli.gate_service import GateService, gate_service, gate_service_options, show_service_deny
from trustlog.cli.options import FILE, gate_key_option, json_option, key_option
from trustlog.cli.session import LogAccess, log_options
from trustlog.cli.token_file import read_token_file, token_option
from trustlog.errors import Refused
from trustlog.gate.execution import EXECUTE
from trustlog.gate.identify import GateRequest
from trustlog.keys.source import open_signer
from trustlog.limits import MAX_BLOB_BYTES
from trustlog.records.plan import compute_fingerprint

EXAMPLE: Final = """\b
Example:
  trustlog execute --decision HASH --key runner.key --log URL --trust trust.toml -- ./apply
  trustlog execute --ticket jira.example:CHG-17 --token job-17.token --gate http://127.0.0.1:8081 --key runner.key \\
    --log URL --trust trust.toml -- ./apply"""


@click.command(
    epilog=EXAMPLE,
    help=f"""Apply the plan of one allow: COMMAND gets exactly the stored bytes of the approved plan on its standard input.

    What it prints is stored as the diff produced; its exit code is the outcome. TRUSTLOG_PLAN_FINGERPRINT in its environment
    names the plan. A record is logged before it starts and after it ended, and one allow never starts it twice.

    The allow is a logged one (--decision), or a gate is asked for it first: one that is served (--gate) or one in this process
    (--gate-key). Either way it is found in the log and judged again before anything starts.

    {COMMAND_HELP}""",
)
@click.option("--decision", metavar="HASH", help="The logged allow to execute under.")
@click.option("--ticket", metavar="SYSTEM:ID", help="Ask a gate first: the ticket.")
@token_option(required=False)
@gate_service_options
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
    gate: str | None,
    gate_credential_file: Path | None,
    gate_key: str | None,
    plan: Path | None,
    command: tuple[str, ...],
    key: str,
    access: LogAccess,
    as_json: bool,
) -> int:
    """Apply the plan of one allow."""
    prepared = prepare_command(command, [key, gate_key])
    signer = open_signer(key, os.environ)
    text = None if plan is None else read_input(plan, max_bytes=MAX_BLOB_BYTES)
    check_hash(decision, "decision")
    if decision is None:
        # An allow that nobody can use would still use its approvals up.
        check_role(access, signer, "runners", "the gate was not asked")
        service = gate_service(gate, gate_credential_file)
        asked = _ask(access, _request(ticket, token, text), service, gate_key, as_json=as_json)
        if isinstance(asked, int):
            return asked
        decision = asked
    elif ticket is not None or token is not None:
        raise Refused("PARAMETER_INVALID", "a decision names its ticket and token itself", param="decision")
    allow: str = decision
    with stopping(prepared):
        run = run_stoppable(prepared)
        executed = at_desk(
            access, lambda desk: apply_plan(desk, signer, decision=allow, run=run, plan=text, begun=_narrate_begin)
        )
    return _show(allow, executed, as_json=as_json)


def _request(ticket: str | None, token: Path | None, plan: bytes | None) -> GateRequest:
    if ticket is None or token is None:
        expected = "either --decision, or --ticket and --token with --gate or --gate-key to ask for one"
        raise Refused("PARAMETER_INVALID", "nothing allows this yet", param="decision", expected=expected)
    return GateRequest(
        action=EXECUTE,
        ticket=ticket,
        token=read_token_file(token),
        audience=AUDIENCE,
        nonce=new_nonce(),
        plan_hash=None if plan is None else compute_fingerprint(plan),
    )


def _ask(
    access: LogAccess, request: GateRequest, service: GateService | None, gate_key: str | None, *, as_json: bool
) -> str | int:
    """The payload hash of the allow that a gate gave now; of a deny, which is shown, the exit code."""
    if (service is None) == (gate_key is None):
        expected = "one of --gate (a gate that is served) and --gate-key (a gate in this process)"
        raise Refused("PARAMETER_INVALID", "say which gate to ask", param="gate", expected=expected)
    if service is not None:
        answered = service.ask(request)
        if not answered.allow:
            return show_service_deny(answered, request, as_json=as_json)
        name = answered.decision_b64u
    else:
        assert gate_key is not None
        decided = ask_gate(access, request, gate_key)
        if not decided.allow:
            return show_decision(decided, as_json=as_json)
        name = decided.payload_hash
    if name is None:
        hint = (
            "the policy lets this be done without approvals, so no decision of it is logged, and none can be executed under"
        )
        raise Refused(
            "DECISION_NOT_LOGGED", "the allow is not in the log", param="decision", expected="a logged allow", hint=hint
        )
    narrate(f"the gate allows it: decision {name}")
    return name


def _narrate_begin(begin: Published) -> None:
    narrate(f"begin {begin.payload_hash} at index {begin.index}; now the command")


def _show(decision: str, executed: Executed, *, as_json: bool) -> int:
    ran, end = executed.ran, executed.end.payload
    outcome, diff = end["outcome"], end.get("diff_b64u")
    result = {
        "kind": "execution",
        "outcome": outcome,
        "exit_code": ran.exit_code,
        "told": ran.told,
        "decision_b64u": decision,
        "plan_hash_b64u": end["plan_hash_b64u"],
        "begin": where(executed.begin),
        "end": where(executed.end),
        "diff_b64u": diff,
        "diff_is_cut": ran.is_cut,
    }
    cut = f", the beginning of {ran.output_size}" if ran.is_cut else ""
    lines = [
        f"begin {executed.begin.payload_hash} at index {executed.begin.index}",
        f"end {executed.end.payload_hash} at index {executed.end.index}",
        f"diff {diff}, {len(ran.output)} bytes{cut}" if diff is not None else "diff not stored",
        f"outcome {outcome}",
    ]
    show(result, lines, as_json=as_json)
    if executed.unstored is not None:
        narrate(f"what the command printed could not be stored: {executed.unstored}")
    if outcome == "success":
        return PASS
    sentence = f"EXECUTION_FAILED: {ran.ending}, and that is logged"
    report(sentence, "look at what was applied; correct the plan, simulate it and have it approved again")
    return FAIL
