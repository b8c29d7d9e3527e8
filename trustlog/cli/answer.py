"""What a command says: results on standard output, everything else on standard error.

With ``--json`` a result is one JSON object on one line, an error one ``{"error": …}`` object; without it, text for people.
Errors are always also one ``error:`` line and one ``hint:`` line on standard error, whatever was in them: what a log or a file
says is shown as one line of printable characters.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from trustlog.errors import Conflict, TrustlogError, printable, shorten

PASS: Final = 0
FAIL: Final = 1
USAGE: Final = 2
UNDECIDED: Final = 3

LINE_MAX_CHARACTERS: Final = 600

_INPUT_CODES: Final = frozenset(
    {
        "BASE64URL_INVALID",
        "BASE64_INVALID",
        "BODY_TOO_LARGE",
        "INPUT_UNREADABLE",
        "INVALID_DID_FORMAT",
        "JSON_DUPLICATE_KEY",
        "JSON_INVALID",
        "JSON_LONE_SURROGATE",
        "JSON_NUMBER_OUT_OF_RANGE",
        "JSON_TOO_DEEP",
        "MALFORMED_ENVELOPE",
        "PACK_MALFORMED",
        "PACK_TOO_LARGE",
        "PARAMETER_INVALID",
        "STORAGE_FAILED",
        "TOKEN_MALFORMED",
        "TRUST_POLICY_INVALID",
    }
)
_UNDECIDED_CODES: Final = frozenset(
    {
        "CHECKPOINT_STALE",
        "LOG_READ_ONLY",
        "LOG_UNREACHABLE",
        "OUTCOME_PENDING",
        "PAYLOAD_ERASED",
        "PAYLOAD_MISSING",
        "PAYLOAD_UNREADABLE",
        "PLAN_MISSING",
        "RATE_LIMITED",
        "REQUEST_TIMEOUT",
        "UNAVAILABLE",
        "VIEW_STALE",
    }
)


def exit_code_of(code: str) -> int:
    """The exit code for an error: 2 for input that cannot be read, 3 where nothing could be decided, else 1."""
    if code in _INPUT_CODES:
        return USAGE
    return UNDECIDED if code in _UNDECIDED_CODES else FAIL


def show(result: Mapping[str, Any], lines: Sequence[str], *, as_json: bool) -> None:
    """A result: the object with ``--json``, else the lines."""
    if as_json:
        print(encode_line(result), flush=True)
    else:
        for line in lines:
            print(line, flush=True)


def encode_line(value: Mapping[str, Any]) -> str:
    """One JSON object on one line, ASCII only, so that no terminal is told anything by it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True)


def narrate(line: str) -> None:
    """One line about what is going on, on standard error."""
    print(shorten(line, most=LINE_MAX_CHARACTERS), file=sys.stderr, flush=True)


def tell(lines: Iterable[str]) -> None:
    """Lines for a person to read, on standard error, unshortened."""
    print("\n".join(printable(line) for line in lines), file=sys.stderr, flush=True)


def describe_error(error: TrustlogError) -> dict[str, Any]:
    """An error as the object that ``--json`` prints for it."""
    members = {
        "code": error.code,
        "detail": error.detail,
        "param": error.param,
        "expected": error.expected,
        "found": error.found,
        "hint": error.hint,
        "index": error.index if isinstance(error, Conflict) else None,
        "leaf_hash": error.leaf_hash.hex() if isinstance(error, Conflict) else None,
    }
    return {name: value for name, value in members.items() if value is not None}


def error_sentence(error: TrustlogError) -> str:
    """What happened, in one line: code, detail, then whichever of field, expected and found are known."""
    known = [
        f"{name} {value or 'nothing'}"
        for name, value in (("expected", error.expected), ("found", error.found))
        if value is not None
    ]
    if error.param is not None and error.param not in error.detail:
        known.insert(0, f"field {error.param}")
    return f"{error.code}: {error.detail}" + (f" ({'; '.join(known)})" if known else "")


def report(sentence: str, hint: str) -> None:
    """One ``error:`` line and one ``hint:`` line on standard error."""
    print(f"error: {shorten(sentence, most=LINE_MAX_CHARACTERS)}", file=sys.stderr)
    print(f"hint: {shorten(hint, most=LINE_MAX_CHARACTERS)}", file=sys.stderr, flush=True)


def report_error(error: TrustlogError, *, as_json: bool) -> int:
    """Report an error; the exit code it leads to."""
    if as_json:
        print(encode_line({"error": describe_error(error)}), flush=True)
    report(error_sentence(error), error.hint or f"trustlog explain {error.code}")
    return exit_code_of(error.code)
