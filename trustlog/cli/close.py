"""``trustlog close``: the gate decides, and logs the closure."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from trustlog.change.close import CLOSE, log_closure, log_closure_of
from trustlog.change.desk import Published
from trustlog.cli.answer import PASS, show
from trustlog.cli.decision import AUDIENCE, answer, ask_gate, new_nonce, show_decision
from trustlog.cli.desk import at_desk, check_role, where
from trustlog.cli.gate_service import GateService, gate_service, gate_service_options, show_service_deny
from trustlog.cli.options import gate_key_option, json_option
from trustlog.cli.session import LogAccess, log_options
from trustlog.cli.token_file import read_token_file, token_option
from trustlog.errors import Refused
from trustlog.gate.identify import GateRequest
from trustlog.keys.source import open_signer


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
@gate_service_options
@log_options
@json_option
def close(
    *,
    ticket: str,
    token: Path,
    closing_reason: str,
    gate_key: str,
    gate: str | None,
    gate_credential_file: Path | None,
    access: LogAccess,
    as_json: bool,
) -> int:
    """Ask the gate whether the ticket may be closed for this reason; if so, log the closure.

    With --gate, the gate that is served there decides; its allow is found in the log and judged again. The closure is a gate's
    record, signed with --gate-key in either case.
    """
    request = GateRequest(
        action=CLOSE,
        ticket=ticket,
        token=read_token_file(token),
        audience=AUDIENCE,
        nonce=new_nonce(),
        closing_reason=closing_reason,
    )
    service = gate_service(gate, gate_credential_file)
    if service is not None:
        return _close_by_service(service, request, gate_key, access, as_json=as_json)
    decision = ask_gate(access, request, gate_key)
    if not decision.allow:
        return show_decision(decision, as_json=as_json)
    signer = open_signer(gate_key, os.environ)
    closure = at_desk(access, lambda desk: log_closure(desk, signer, decision))
    assert decision.payload_hash is not None
    return _show(closure, decision.payload_hash, answer(decision), as_json=as_json)


def _close_by_service(service: GateService, request: GateRequest, gate_key: str, access: LogAccess, *, as_json: bool) -> int:
    signer = open_signer(gate_key, os.environ)
    check_role(access, signer, "gates", "the gate was not asked")
    decision = service.ask(request)
    if not decision.allow:
        return show_service_deny(decision, request, as_json=as_json)
    name = decision.decision_b64u
    if name is None:
        detail = "the gate allows it, but names no logged decision"
        raise Refused("DECISION_NOT_LOGGED", detail, param="decision_b64u", expected="the hash of a logged allow")
    closure = at_desk(access, lambda desk: log_closure_of(desk, signer, name))
    return _show(closure, name, dict(decision.body), as_json=as_json)


def _show(closure: Published, decision: str, said: dict[str, Any], *, as_json: bool) -> int:
    result = {"kind": "closure", **where(closure), "decision": said}
    lines = [f"decision {decision}: allow", f"closure {closure.payload_hash} at index {closure.index}"]
    show(result, lines, as_json=as_json)
    return PASS
