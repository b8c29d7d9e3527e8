"""``trustlog explain``: the registry of reason codes, for reading."""

from __future__ import annotations

import difflib

import click

from trustlog.cli.answer import show
from trustlog.cli.options import json_option
from trustlog.errors import REASONS, Refused


@click.command(epilog="\b\nExample:\n  trustlog explain CONFLICT")
@click.argument("code", required=False)
@json_option
def explain(code: str | None, *, as_json: bool) -> None:
    """Say what a reason CODE means, why it usually happens, and what to do next. Without CODE, list them all."""
    if code is None:
        for reason in REASONS.values():
            show({"code": reason.code, "sentence": reason.sentence}, [f"{reason.code}  {reason.sentence}"], as_json=as_json)
        return
    found = REASONS.get(code.upper())
    if found is None:
        near = difflib.get_close_matches(code.upper(), REASONS, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "trustlog explain, without a code, lists them all"
        raise Refused("PARAMETER_INVALID", "no reason code has that name", param="code", found=code, hint=hint)
    show(
        {"code": found.code, "sentence": found.sentence, "cause": found.cause, "next_step": found.next_step},
        [found.code, f"  {found.sentence}", f"  likely cause: {found.cause}", f"  next step: {found.next_step}"],
        as_json=as_json,
    )
