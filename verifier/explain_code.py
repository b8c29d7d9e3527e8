"""`explain [CODE]`: what a reason code means, its likely cause and the next step; or all of them."""

from __future__ import annotations

from argparse import Namespace
from difflib import get_close_matches

from verifier.display import to_json_line
from verifier.output import complain, write_out
from verifier.reasons import REASONS
from verifier.report import error_report


def explain(options: Namespace) -> int:
    """One reason code, or all of them."""
    if options.code is None:
        return _explain_all(options)
    code = options.code.upper()
    reason = REASONS.get(code)
    if reason is None:
        sentence = f"no reason code {options.code[:64]!r}"
        complain(sentence, _similar(code))
        if options.json:
            write_out(to_json_line(error_report("PARAMETER_INVALID", sentence).to_json()))
        return 2
    if options.json:
        write_out(to_json_line({"code": code, **reason.to_json()}))
    else:
        write_out(f"{code}: {reason.sentence}\nlikely cause: {reason.cause}\nnext step: {reason.next_step}\n")
    return 0


def _similar(code: str) -> str:
    alike = get_close_matches(code, REASONS, n=3)
    return f"did you mean {' or '.join(alike)}?" if alike else "explain without a code lists them all"


def _explain_all(options: Namespace) -> int:
    """Every code with its sentence; as JSON, one whole reason a line."""
    columns = max(len(code) for code in REASONS)
    for code, reason in sorted(REASONS.items()):
        if options.json:
            write_out(to_json_line({"code": code, **reason.to_json()}))
        else:
            write_out(f"{code:<{columns}}  {reason.sentence}\n")
    return 0
