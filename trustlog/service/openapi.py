"""``/openapi.json``: OpenAPI 3.1, written by hand and held to the routes by a test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from trustlog import __version__
from trustlog.formats.entry import REF_NAMES
from trustlog.limits import MAX_REF_VALUE_CHARACTERS
from trustlog.records.kinds import KINDS
from trustlog.service.context import SHORT, json_response
from trustlog.service.lookups import HASH_TERMS
from trustlog.service.rules import BATCH, EVERYWHERE
from trustlog.storage.index_texts import MAX_TEXT_QUERY_CHARACTERS

_TEXT: Final[dict[str, Any]] = {"type": "string"}
_COUNT: Final[dict[str, Any]] = {"type": "integer", "minimum": 0}
_HASH_B64U: Final[dict[str, Any]] = {"type": "string", "pattern": "^[A-Za-z0-9_-]{43}$"}
_PROOF: Final[dict[str, Any]] = {"type": "array", "items": {"type": "string", "pattern": "^[A-Za-z0-9+/]{43}=$"}}


def _object(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {**required, **optional}, "required": list(required)}


_SIGNED: Final = {
    "type": "array",
    "items": _object({"signer_did": _TEXT, "index": _COUNT, "leaf_hash_b64u": _HASH_B64U}),
}
_CHAIN: Final = {
    "type": "array",
    "items": _object({"policy_hash_b64u": _HASH_B64U, "in_force_at": {"type": ["integer", "null"]}}),
}

SCHEMAS: Final = {
    "Envelope": _object(
        {
            "envelope_version": {"const": "1"},
            "envelope_type": _TEXT,
            "payload": {"type": "object"},
            "payload_hash_b64u": _HASH_B64U,
            "hash_algorithm": {"const": "SHA-256"},
            "signature_b64u": {"type": "string", "pattern": "^[A-Za-z0-9_-]{86}$"},
            "algorithm": {"const": "Ed25519"},
            "signer_did": {"type": "string", "pattern": "^did:key:z"},
            "issued_at": {"type": "string", "format": "date-time"},
        },
        expires_at={"type": "string", "format": "date-time"},
    ),
    "Logged": _object(
        {
            "index": _COUNT,
            "leaf_hash_b64u": _HASH_B64U,
            "entry": _TEXT,
            "already_logged": {"type": "boolean"},
            "tree_size": _COUNT,
            "checkpoint": _TEXT,
            "inclusion_proof": _PROOF,
        },
        attachments={"type": "object"},
    ),
    "Entries": _object(
        {
            "entries": {
                "type": "array",
                "items": _object({"index": _COUNT, "leaf_hash_b64u": _HASH_B64U, "entry": _TEXT}),
            },
            "complete_to": _COUNT,
            "next_cursor": {"type": ["string", "null"]},
        }
    ),
    "Policy": _object(
        {"ok": {"const": True}, "policy_hash_b64u": _HASH_B64U, "envelope": {"$ref": "#/components/schemas/Envelope"}}
    ),
    "Policies": _object(
        {
            "policies": {
                "type": "array",
                "items": _object(
                    {
                        "policy_hash_b64u": _HASH_B64U,
                        "policy_name": {"type": ["string", "null"]},
                        "index": _COUNT,
                        "leaf_hash_b64u": _HASH_B64U,
                        "signer_did": _TEXT,
                        "supersedes_b64u": {"type": ["string", "null"]},
                    }
                ),
            },
            "complete_to": _COUNT,
            "next_cursor": {"type": ["string", "null"]},
        }
    ),
    "PolicyStanding": _object(
        {
            "policy_hash_b64u": _HASH_B64U,
            "policy_name": {"type": ["string", "null"]},
            "status": {"enum": ["in_force", "awaiting_signatures", "superseded", "revoked"]},
            "quorum": _COUNT,
            "in_force_at": {"type": ["integer", "null"]},
            "signers": _SIGNED,
            "revocations": _SIGNED,
            "supersedes": _CHAIN,
            "superseded_by": _CHAIN,
            "complete_to": _COUNT,
            "trust_policy_sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
        }
    ),
    "StoredPayload": _object({"sha256_b64u": _HASH_B64U, "size": _COUNT}),
    "InclusionProof": _object(
        {"index": _COUNT, "leaf_hash_b64u": _HASH_B64U, "tree_size": _COUNT, "inclusion_proof": _PROOF}
    ),
    "ConsistencyProof": _object({"from": _COUNT, "to": _COUNT, "consistency_proof": _PROOF}),
    "Problem": _object(
        {"type": _TEXT, "title": _TEXT, "status": {"type": "integer"}, "detail": _TEXT, "code": _TEXT, "request_id": _TEXT},
        param=_TEXT,
        expected=_TEXT,
        found=_TEXT,
        hint=_TEXT,
        index=_COUNT,
        leaf_hash_b64u=_HASH_B64U,
    ),
}


def _schema(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _content(media_type: str, schema: dict[str, Any] | None = None) -> dict[str, Any]:
    return {media_type: {} if schema is None else {"schema": schema}}


def _operation(
    summary: str,
    answers: dict[str, dict[str, Any] | None],
    *,
    refusals: tuple[str, ...] = (),
    description: str = "",
    coded: bool = False,
    query: Mapping[str, Mapping[str, Any]] | None = None,
    path: Mapping[str, Mapping[str, Any]] | None = None,
    body: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """One operation; `answers` maps a status to its content, `refusals` are the statuses of problems that are its own.

    Every operation may also answer with another problem. `coded`: what it answers may be compressed.
    """
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "query", "schema": schema} for name, schema in (query or {}).items()
    ]
    parameters += [{"name": name, "in": "path", "required": True, "schema": schema} for name, schema in (path or {}).items()]
    responses: dict[str, Any] = {status: {"description": "Success"} for status in answers}
    for status, content in answers.items():
        if content is not None:
            responses[status]["content"] = content
    if "304" in responses:
        responses["200"]["headers"] = {
            name: _HEADERS[name] for name in ("ETag", "Cache-Control", *(("Vary",) if coded else ()))
        }
    responses |= {status: {"$ref": f"#/components/responses/{status}"} for status in refusals}
    responses["default"] = {"description": "Problem", "content": _PROBLEM}
    operation: dict[str, Any] = {"summary": summary, "responses": responses}
    if description:
        operation["description"] = description
    if parameters:
        operation["parameters"] = parameters
    if body is not None:
        operation["requestBody"] = {"required": True, "content": body}
    return operation


_HEADERS: Final[dict[str, Any]] = {
    "ETag": {"schema": _TEXT},
    "Cache-Control": {
        "schema": _TEXT,
        "description": "A year and immutable for what is full, or never changes; 60 s for keys; else 2 s",
    },
    "Vary": {"schema": {"const": "Accept-Encoding"}, "description": "gzip for those who take it, with an ETag of its own"},
    "Retry-After": {"schema": {"type": "integer"}, "description": "Seconds"},
}
_PROBLEM: Final = _content("application/problem+json", _schema("Problem"))
RESPONSES: Final[dict[str, dict[str, Any]]] = {
    "401": {"description": "A credential is needed", "content": _PROBLEM},
    "404": {"description": "Not here", "content": _PROBLEM},
    "408": {"description": "The body did not come in time", "content": _PROBLEM},
    "409": {
        "description": "Its identity is taken by another content: `index` and `leaf_hash_b64u` name it",
        "content": _PROBLEM,
    },
    "410": {"description": "Erased: `index` is that of the tombstone", "content": _PROBLEM},
    "413": {"description": "Too large", "content": _PROBLEM},
    "415": {"description": "Another content type, or an encoded body", "content": _PROBLEM},
    "503": {
        "description": "Not now: try again",
        "content": _PROBLEM,
        "headers": {"Retry-After": _HEADERS["Retry-After"]},
    },
}
_SENDING: Final = ("401", "408", "413", "415", "503")


def _json(name: str) -> dict[str, Any]:
    return _content("application/json", _schema(name))


_BYTES: Final = _content("application/octet-stream")
_PLAIN: Final = _content("text/plain")
_OBJECT: Final = _content("application/json", {"type": "object"})
_HEX: Final = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_REF: Final = {"type": "string", "pattern": f"^[A-Za-z0-9._:/-]{{1,{MAX_REF_VALUE_CHARACTERS}}}$"}
_FORMS: Final = {**dict.fromkeys(REF_NAMES, _REF), **dict.fromkeys(HASH_TERMS, _HASH_B64U), "token": _HEX}
_BY_HASH: Final = {"sha256_b64u": _HASH_B64U}

PATHS: Final[dict[str, dict[str, Any]]] = {
    "/": {"get": _operation("Status page", {"200": _content("text/html")})},
    "/checkpoint": {"get": _operation("The newest published checkpoint", {"200": _PLAIN, "304": None})},
    "/tile/entries/{path}": {
        "get": _operation(
            "An entry bundle (C2SP tlog-tiles)",
            {"200": _BYTES, "304": None},
            coded=True,
            refusals=("404",),
            path={"path": _TEXT},
        )
    },
    "/tile/{level}/{path}": {
        "get": _operation(
            "A tile (C2SP tlog-tiles)",
            {"200": _BYTES, "304": None},
            refusals=("404",),
            path={"level": {"type": "integer"}, "path": _TEXT},
        )
    },
    "/v1/entries": {
        "post": _operation(
            "Submit one envelope, or one a line",
            {
                "200": {**_json("Logged"), **_content("application/x-ndjson")},
                "201": _json("Logged"),
            },
            description=BATCH,
            refusals=(*_SENDING, "409"),
            body={**_json("Envelope"), **_content("application/x-ndjson")},
        ),
        "get": _operation(
            "Look up entries; all that is given must match",
            {"200": _json("Entries")},
            query={
                "kind": {"enum": sorted(KINDS)},
                **_FORMS,
                "limit": {"type": "integer", "minimum": 1, "maximum": 1000},
                "min_size": _COUNT,
                "cursor": _TEXT,
            },
        ),
    },
    "/v1/entries/{index}": {
        "get": _operation(
            "One entry, proven under the current checkpoint",
            {"200": _json("Logged")},
            refusals=("404",),
            path={"index": _COUNT},
        )
    },
    "/v1/search": {
        "get": _operation(
            "Records by the words in them; all that is given must match. Receipts and bundles are found by refs only",
            {"200": _json("Entries")},
            refusals=("401",),
            query={
                "text": {"type": "string", "maxLength": MAX_TEXT_QUERY_CHARACTERS},
                "kind": {"enum": sorted(KINDS)},
                **_FORMS,
                "limit": {"type": "integer", "minimum": 1, "maximum": 1000},
                "cursor": _TEXT,
            },
        )
    },
    "/v1/payloads": {
        "post": _operation(
            "Store a payload that is not an entry",
            {"200": _json("StoredPayload"), "201": _json("StoredPayload")},
            refusals=_SENDING,
            body=_BYTES,
        )
    },
    "/v1/payloads/{sha256_b64u}": {
        "get": _operation("The exact bytes of a payload", {"200": _BYTES}, refusals=("401", "404", "410"), path=_BY_HASH)
    },
    "/v1/policies": {
        "get": _operation(
            "The policies that were logged, oldest first",
            {"200": _json("Policies")},
            description="A claim of the derived index below complete_to. A page may be short, or empty, and not the last.",
            refusals=("401", "503"),
            query={
                "name": {"type": "string", "minLength": 1, "maxLength": 128},
                "limit": {"type": "integer", "minimum": 1, "maximum": 1000},
                "min_size": _COUNT,
                "cursor": _TEXT,
            },
        )
    },
    "/v1/policies/{sha256_b64u}": {
        "get": _operation(
            "The exact bytes of a policy, or its envelope",
            {"200": {**_BYTES, **_json("Policy")}},
            description="The envelope for `Accept: application/json`: the first that was logged, checked against its entry.",
            refusals=("401", "404", "503"),
            path=_BY_HASH,
        )
    },
    "/v1/policies/{sha256_b64u}/standing": {
        "get": _operation(
            "What acts on a policy: signers, quorum, revocations, what it replaces and what replaces it",
            {"200": _json("PolicyStanding")},
            description="A claim, under the log's own trust policy: recompute it from the entries. Chains: nearest first.",
            refusals=("401", "404", "503"),
            query={"min_size": _COUNT},
            path=_BY_HASH,
        )
    },
    "/v1/checkpoints/{size}": {
        "get": _operation(
            "The checkpoint published at exactly this size",
            {"200": _PLAIN, "304": None},
            refusals=("404",),
            path={"size": _COUNT},
        )
    },
    "/v1/proofs/inclusion": {
        "get": _operation(
            "Inclusion proof",
            {"200": _json("InclusionProof")},
            description="Give one of leaf_hash and index. To a tree_size that is given it never changes, and may be cached.",
            query={"leaf_hash": _HASH_B64U, "index": _COUNT, "tree_size": _COUNT},
        )
    },
    "/v1/proofs/consistency": {
        "get": _operation(
            "Consistency proof",
            {"200": _json("ConsistencyProof")},
            description="Sizes default to the published one. Between sizes that are given it never changes, and may be cached.",
            query={"from": _COUNT, "to": _COUNT},
        )
    },
    "/v1/evidence": {
        "get": _operation(
            "Evidence pack",
            {"200": _OBJECT},
            description="Give one of ticket and bundle.",
            refusals=("401", "503"),
            query={"ticket": _TEXT, "bundle": _HASH_B64U},
        )
    },
    "/.well-known/jwks.json": {
        "get": _operation("The token issuers' keys (RFC 7517)", {"200": _content("application/jwk-set+json"), "304": None})
    },
    "/healthz": {"get": _operation("The process answers", {"200": _OBJECT})},
    "/readyz": {
        "get": _operation(
            "The log takes writes",
            {"200": _OBJECT},
            description="503 with the reason's code while it does not: read-only, in trouble with its storage, or stopping.",
            refusals=("503",),
        )
    },
    "/metrics": {"get": _operation("Prometheus metrics", {"200": _PLAIN})},
    "/openapi.json": {"get": _operation("This document", {"200": _OBJECT})},
}


async def get_openapi(request: web.Request) -> web.StreamResponse:
    """The description of this interface."""
    served = {resource.canonical for resource in request.app.router.resources()}
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "trustlog",
            "version": __version__,
            "description": EVERYWHERE,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": {path: operations for path, operations in PATHS.items() if path in served},
        "components": {
            "schemas": SCHEMAS,
            "responses": RESPONSES,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"bearer": []}],
    }
    return json_response(document, cache=SHORT)
