"""A plan: what the runner simulates and applies, a payload of its own.

``{"plan_version":"1","change_type","environment","ticket","body"}``, its bytes equal to their own RFC 8785 form. The *plan
fingerprint* is the SHA-256 of those bytes; what is fed to the command are those bytes, never the file they came from.
"""

from __future__ import annotations

import hashlib
from typing import Any, Literal

from trustlog.errors import Refused
from trustlog.formats.base64 import encode_b64u
from trustlog.formats.jsontext import canonicalize, parse_json
from trustlog.records.fields import Line, Struct, Ticket, convert_record


class Plan(Struct, frozen=True, kw_only=True):
    """``body`` is any JSON value: what the runner's command understands."""

    plan_version: Literal["1"]
    change_type: Line
    environment: Line
    ticket: Ticket
    body: Any


def parse_plan(text: bytes) -> Plan:
    """The plan that these exact bytes are; ``PLAN_NOT_CANONICAL`` for another text of it, ``SCHEMA_VALIDATION_FAILED``."""
    value = parse_json(text, "plan")
    plan = convert_record(value, Plan, param="plan")
    if canonicalize(value) != text:
        raise Refused(
            "PLAN_NOT_CANONICAL",
            "the plan's bytes are not their own RFC 8785 form",
            param="plan",
            expected="RFC 8785: sorted names, no white space, no final line feed",
            found=text[:80].decode("utf-8", "replace"),
        )
    return plan


def compute_fingerprint(text: bytes) -> str:
    """The plan fingerprint, as base64url text."""
    return encode_b64u(hashlib.sha256(text).digest())
