"""Plans: a canonical JSON payload of their own, without an envelope. The fingerprint is the SHA-256 of the bytes."""

from __future__ import annotations

from dataclasses import dataclass

from verifier import schema as s
from verifier.errors import Refused
from verifier.jsonforms import canonicalize
from verifier.jsontext import parse_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be done, where, for which ticket. The body is any JSON value."""

    plan_version: str = s.member(s.one_of("1"))
    change_type: str = s.member(s.line)
    environment: str = s.member(s.line)
    ticket: str = s.member(s.ticket)
    body: object = s.member(s.anything)


def parse_plan(data: bytes) -> Plan:
    """The plan in `data`. Raises Refused PLAN_NOT_CANONICAL or a schema or JSON code."""
    value = parse_json(data, "plan")
    plan = s.decode(Plan, value, "plan")
    if canonicalize(value, "plan") != data:
        raise Refused("PLAN_NOT_CANONICAL", "plan", expected="its own RFC 8785 form")
    return plan
