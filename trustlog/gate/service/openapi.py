"""``/openapi.json`` of the gate: OpenAPI 3.1, held to the routes by a test."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from trustlog import __version__
from trustlog.gate.service.decisions import MAX_DECISIONS
from trustlog.limits import DECISION_TTL_S
from trustlog.service.context import SHORT, json_response
from trustlog.service.openapi import RESPONSES, SCHEMAS
from trustlog.tokens.scoped_token import MAX_TOKEN_CHARACTERS

_TEXT: Final[dict[str, Any]] = {"type": "string"}
_WORD: Final[dict[str, Any]] = {"type": "string", "minLength": 1, "maxLength": 256}
_TOKEN: Final[dict[str, Any]] = {"type": "string", "maxLength": MAX_TOKEN_CHARACTERS}
_HASH: Final[dict[str, Any]] = {"type": "string", "pattern": "^[A-Za-z0-9_-]{43}$"}
_INDEX: Final[dict[str, Any]] = {"type": ["integer", "null"], "minimum": 0}

DECISIONS: Final = f"""One object, or an array of at most {MAX_DECISIONS}, answered in order. Allow and deny are both 200: a problem
means that nothing was decided, and what was not allowed is denied. Every deny, and every allow of an action that needs evidence,
has its signed record in `envelope`; `index` says where it is logged, and is null for a deny that equals one logged within the last
minute. The same request, with the same nonce and audience, gets the same answer for {DECISION_TTL_S} s, and no second decision; but
an allow that no longer stands is not given again: it is decided anew. A deny because the log could not be asked is not kept. An
allow expires at `expires_at` and uses up the approvals that it rests on."""
RESTRICTIONS: Final = """One signed revocation, or one signed human_approval_receipt that denies. It counts in every decision from
the answer on, whether the log has it or not; the gate submits it to the log until it has. 200: it is logged; 202: not yet, and
`reason_code` says why if that is known. A log takes it until `loggable_until`: one that it did not have by then counts at this
gate only, `must_be_signed_again` is true, `hint` says by whom, and it goes once the log has a fresh one. It needs no credential:
its signature is one. Permissions are not taken here, nor the
revocation of a key that has no role in the trust policy and is no person's."""


def _object(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {**required, **optional},
        "required": list(required),
        "additionalProperties": False,
    }


_REASON: Final = _object({"code": _TEXT, "detail": _TEXT, "hint": _TEXT})
GATE_SCHEMAS: Final[dict[str, Any]] = {
    "Asked": _object(
        {"action": _WORD, "ticket": _WORD, "token": _TOKEN, "audience": _WORD, "nonce": _WORD},
        plan_hash_b64u=_HASH,
        simulation_b64u=_HASH,
        closing_reason={"type": "string", "maxLength": 4096},
    ),
    "Decision": _object(
        {
            "decision": {"enum": ["allow", "deny"]},
            "status": {"enum": ["PASS", "FAIL"]},
            "reason_code": {"type": ["string", "null"]},
            "reasons": {"type": "array", "items": _REASON},
            "action": _TEXT,
            "ticket": _TEXT,
            "scope": {"type": "object", "additionalProperties": _TEXT},
            "run_id": {"type": ["string", "null"]},
            "approvals": {"type": "array", "items": _HASH},
            "audience": _TEXT,
            "nonce": _TEXT,
            "decided_at": {"type": "string", "format": "date-time"},
            "expires_at": {"type": "string", "format": "date-time"},
            "index": _INDEX,
            "decision_b64u": {"type": ["string", "null"]},
            "envelope": {"type": ["string", "null"]},
        }
    ),
    "Restricted": _object(
        {
            "kind": {"enum": ["revocation", "human_approval_receipt"]},
            "payload_hash_b64u": _HASH,
            "logged": {"type": "boolean"},
            "index": _INDEX,
            "reason_code": {"type": ["string", "null"]},
            "detail": {"type": ["string", "null"]},
            "loggable_until": {"type": ["string", "null"], "format": "date-time"},
            "must_be_signed_again": {"type": "boolean"},
            "hint": {"type": ["string", "null"]},
        }
    ),
    "Envelope": SCHEMAS["Envelope"],
    "Problem": SCHEMAS["Problem"],
}


def _json(name: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}


def _one_or_many(name: str) -> dict[str, Any]:
    one = {"$ref": f"#/components/schemas/{name}"}
    many = {"type": "array", "items": one, "minItems": 1, "maxItems": MAX_DECISIONS}
    return {"application/json": {"schema": {"oneOf": [one, many]}}}


def _operation(
    summary: str, answers: dict[str, dict[str, Any]], *, refusals: tuple[str, ...] = (), **more: Any
) -> dict[str, Any]:
    responses: dict[str, Any] = {
        status: {"description": "Success", "content": content} for status, content in answers.items()
    }
    responses |= {status: {"$ref": f"#/components/responses/{status}"} for status in refusals}
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    responses["default"] = {"description": "Problem", "content": problem}
    return {"summary": summary, "responses": responses, **more}


_SENDING: Final = ("408", "413", "415", "503")
_OBJECT: Final = {"application/json": {"schema": {"type": "object"}}}
PATHS: Final[dict[str, dict[str, Any]]] = {
    "/v1/decisions": {
        "post": _operation(
            "May this be done?",
            {"200": _one_or_many("Decision")},
            refusals=("401", *_SENDING),
            description=DECISIONS,
            requestBody={"required": True, "content": _one_or_many("Asked")},
            security=[{}, {"bearer": []}],
        )
    },
    "/v1/restrictions": {
        "post": _operation(
            "Hand in a restriction",
            {"200": _json("Restricted"), "202": _json("Restricted")},
            refusals=("409", *_SENDING),
            description=RESTRICTIONS,
            requestBody={"required": True, "content": _json("Envelope")},
        )
    },
    "/healthz": {"get": _operation("The process answers", {"200": _OBJECT})},
    "/readyz": {"get": _operation("The gate sees the log as it is now", {"200": _OBJECT}, refusals=("503",))},
    "/metrics": {"get": _operation("Prometheus metrics", {"200": {"text/plain": {}}})},
    "/openapi.json": {"get": _operation("This document", {"200": _OBJECT})},
}


async def get_openapi(_request: web.Request) -> web.StreamResponse:
    """The description of this interface."""
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "trustlog gate",
            "version": __version__,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": PATHS,
        "components": {
            "schemas": GATE_SCHEMAS,
            "responses": RESPONSES,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }
    return json_response(document, cache=SHORT)
