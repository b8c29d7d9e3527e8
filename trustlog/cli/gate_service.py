"""Asking a gate's service from a command, and saying what it answered."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from trustlog.change.gate_service import ServiceDecision, ask_service
from trustlog.cli.answer import FAIL, UNDECIDED, exit_code_of, report, show
from trustlog.cli.options import FILE, F
from trustlog.cli.session import read_credential
from trustlog.errors import REASONS, printable
from trustlog.gate.identify import GateRequest

DETAIL: Final = re.compile(r"expected (.*?); found (.*)", re.DOTALL)  # as trustlog.policy.finding writes it


@dataclass(frozen=True, slots=True)
class GateService:
    """Where a gate is served, and the bearer token that it asks for."""

    url: str
    credential: str | None = None

    def ask(self, request: GateRequest) -> ServiceDecision:
        """Its answer to one request. Raises Refused."""
        return asyncio.run(self._ask(request))

    async def _ask(self, request: GateRequest) -> ServiceDecision:
        from trustlog.client.http import Http, open_session  # noqa: PLC0415 (aiohttp takes a quarter of a second to load)

        async with open_session() as session:
            return await ask_service(Http(self.url, session, credential=self.credential), request)


def gate_service_options(command: F) -> F:
    """``--gate`` and ``--gate-credential-file``: pass `gate` and `gate_credential_file`; :func:`gate_service` reads them."""
    options: tuple[Callable[[F], F], ...] = (
        click.option(
            "--gate-credential-file",
            envvar="TRUSTLOG_GATE_CREDENTIAL_FILE",
            type=FILE,
            metavar="FILE",
            help="A bearer token for the gate's service, one line.",
        ),
        click.option("--gate", envvar="TRUSTLOG_GATE", metavar="URL", help="Ask the gate that is served there."),
    )
    for option in options:
        command = option(command)
    return command


def gate_service(gate: str | None, credential_file: Path | None) -> GateService | None:
    """The service that the options name."""
    if gate is None:
        return None
    return GateService(gate, None if credential_file is None else read_credential(credential_file))


def show_service_deny(decision: ServiceDecision, request: GateRequest, *, as_json: bool) -> int:
    """A deny on standard output, its first reason in two lines on standard error; the exit code."""
    first = decision.reasons[0]
    more = f"; and {len(decision.reasons) - 1} more reasons" if len(decision.reasons) > 1 else ""
    lines = [f"DENY {request.action} for {request.ticket}"]
    if decision.decision_b64u is not None:
        lines.append(f"decision {decision.decision_b64u}")
    for one in decision.reasons:
        lines += [one.code, *_because(one.detail), f"  next      {one.hint}"]
    show(_answer(decision), [printable(line) for line in lines], as_json=as_json)
    code = first.code if first.code in REASONS else "INTERNAL_ERROR"
    report(f"{code}: the gate denies {request.action}: {first.detail}{more}", first.hint)
    return UNDECIDED if exit_code_of(code) == UNDECIDED else FAIL


def _because(detail: str) -> list[str]:
    """A reason's detail as it is printed elsewhere: ``expected …; found …``, on two lines."""
    parts = DETAIL.fullmatch(detail)
    return [f"  because   {detail}"] if parts is None else [f"  expected  {parts[1]}", f"  found     {parts[2]}"]


def _answer(decision: ServiceDecision) -> dict[str, Any]:
    return dict(decision.body)
