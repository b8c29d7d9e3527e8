"""Asking a gate in this process, and saying what it decided."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING, Any, Final

from trustlog.cli.answer import FAIL, PASS, UNDECIDED, exit_code_of, report, show
from trustlog.cli.desk import check_role
from trustlog.cli.reading import showing_progress
from trustlog.cli.session import LogAccess
from trustlog.errors import printable
from trustlog.gate.decision import Decision, next_steps
from trustlog.gate.gate import Gate
from trustlog.gate.identify import GateRequest
from trustlog.keys.source import open_signer

if TYPE_CHECKING:
    from trustlog.client.log import LogClient

AUDIENCE: Final = "trustlog"  # a caller that relays decisions names itself
NONCE_BYTES: Final = 16


def new_nonce() -> str:
    """A nonce for a caller that has none of its own."""
    return secrets.token_urlsafe(NONCE_BYTES)


def ask_gate(access: LogAccess, request: GateRequest, gate_key: str) -> Decision:
    """The decision of a gate whose key `gate_key` names, over the whole log as it is now."""
    signer = open_signer(gate_key, os.environ)
    check_role(access, signer, "gates", "nothing was decided")

    async def ask(client: LogClient) -> Decision:
        gate = Gate(client, signer)
        async with showing_progress(client, lambda: gate.view.size):
            return await gate.decide(request)

    return access.run(ask)


def exit_code(decision: Decision) -> int:
    """0 allow, 1 deny, 3 where the deny starts with something that could not be had."""
    if decision.allow:
        return PASS
    return UNDECIDED if exit_code_of(decision.findings[0].code) == UNDECIDED else FAIL


def answer(decision: Decision) -> dict[str, Any]:
    """The decision as JSON; its ``status`` agrees with the exit code."""
    undecided = exit_code(decision) == UNDECIDED
    return {**decision.answer(), **({"status": "UNDECIDED"} if undecided else {})}


def show_decision(decision: Decision, *, as_json: bool) -> int:
    """The decision on standard output; for a deny its first reason in two lines on standard error. The exit code."""
    show(answer(decision), [printable(line) for line in decision_lines(decision)], as_json=as_json)
    if not decision.allow:
        first = decision.findings[0]
        more = f"; and {len(decision.findings) - 1} more reasons" if len(decision.findings) > 1 else ""
        hint = next_steps(decision.findings)[0]
        report(f"{first.code}: the gate denies {decision.request.action}: {first.detail}{more}", hint)
    return exit_code(decision)


def decision_lines(decision: Decision) -> list[str]:
    """ALLOW or DENY first, then where it is logged, then each reason: code, expected, found, next step."""
    asked = f"{decision.request.action} for {decision.request.ticket}"
    lines = [f"{'ALLOW' if decision.allow else 'DENY'} {asked}"]
    if decision.payload_hash is not None:
        life = f", good until {decision.expires_at}" if decision.allow else ""
        place = "signed, not logged" if decision.index is None else f"at index {decision.index}"
        lines.append(f"decision {decision.payload_hash} {place}{life}")
    for finding, step in zip(decision.findings, next_steps(decision.findings), strict=True):
        lines += [
            finding.code,
            f"  expected  {finding.expected}",
            f"  found     {finding.found}",
            f"  next      {step}",
        ]
    return lines
