"""Names that a person types, checked before anything is read or sent: what was expected is said in words."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from trustlog.errors import Refused

TICKET: Final = "SYSTEM:ID, such as jira.example:CHG-17: the system in small letters, digits, . and -; no spaces"
JOB_ID: Final = "1 to 128 letters, digits, . _ : and -, such as job-17"
SUBJECT: Final = "an opaque subject of the roster: 1 to 128 letters, digits, . _ and -, such as p-7"


def check_name(text: str, shape: Any, *, param: str, expected: str) -> None:
    """Check what the option `param` says against `shape`, a type of :mod:`trustlog.records.fields` (``PARAMETER_INVALID``)."""
    try:
        msgspec.convert(text, shape)
    except msgspec.ValidationError:
        hint = f"correct --{param}; nothing was signed and nothing was sent"
        raise Refused(
            "PARAMETER_INVALID", f"this is no {param}", param=param, expected=expected, found=text, hint=hint
        ) from None
