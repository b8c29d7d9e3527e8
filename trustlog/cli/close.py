"""``trustlog close``: the gate decides, and logs the closure."""

from __future__ import annotations

import os
from pathlib import Path

import click

from trustlog.change.close import log_closure
from trustlog.cli.answer import show
from trustlog.cli.decision import AUDIENCE, answer, ask_gate, new_nonce, show_decision
from trustlog.cli.desk import at_desk, where
from trustlog.cli.options import gate_key_option, json_option
from trustlog.cli.session import LogAccess, log_options
from trustlog.cli.token_file import read_token_file, token_option
from trustlog.gate.identify import GateRequest
from trustlog.keys.source import open_signer

CLOSE = "ticket.close"


@click.command(
    epilog="""\b
Example:
  trustlog close --ticket jira.example:CHG-17 --token job-17.token --closing-reason 'done, bundle:HASH' --gate-key gate.key \\
    --log URL --trust trust.toml"""
)
@click.option("--ticket", required=True, metavar="SYSTEM:ID", help="The ticket to close.")
@token_option(required=True)
@click.option(
    "--closing-reason", required=True, metavar="TEXT", help="Why, with bundle:HASH in it; trustlog bundle prints it."
)
@gate_key_option(required=True)
@log_options
@json_option
def close(*, ticket: str, token: Path, closing_reason: str, gate_key: str, access: LogAccess, as_json: bool) -> int:
    """Ask the gate whether the ticket may be closed for this reason; if so, log the closure."""
    request = GateRequest(
        action=CLOSE,
        ticket=ticket,
        token=read_token_file(token),
        audience=AUDIENCE,
        nonce=new_nonce(),
        closing_reason=closing_reason,
    )
    decision = ask_gate(access, request, gate_key)
    if not decision.allow:
        return show_decision(decision, as_json=as_json)
    signer = open_signer(gate_key, os.environ)
    closure = at_desk(access, lambda desk: log_closure(desk, signer, decision))
    result = {"kind": "closure", **where(closure), "decision": answer(decision)}
    lines = [
        f"decision {decision.payload_hash} at index {decision.index}: allow",
        f"closure {closure.payload_hash} at index {closure.index}",
    ]
    show(result, lines, as_json=as_json)
    return 0
