"""The documents that a change hangs together by: plan, token scope and approval scope, each with its hash."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256

from verifier.encodings import encode_b64u
from verifier.explain.step import Chapter, Step, as_b64u, as_hex, shown
from verifier.jsontext import canonicalize
from verifier.records.decision import Decision
from verifier.records.token import TokenIssued

MAX_DOCUMENTS = 16  # of one kind; a change has one or two


def explain_documents(records: Iterable[object], payloads: Mapping[str, bytes]) -> Chapter:
    """The chapter on the hashes that tie records together. `payloads` maps hashes to bytes: plans among them."""
    decisions: dict[bytes, Decision] = {}
    tokens: dict[bytes, TokenIssued] = {}
    plans: dict[str, bytes] = {}
    for record in records:
        if isinstance(record, TokenIssued):
            tokens.setdefault(record.scope_document(), record)
        elif isinstance(record, Decision) and record.scope_hash() is not None:
            decisions.setdefault(canonicalize(record.scope), record)
            plan = record.scope["plan_hash_b64u"]
            if plan in payloads:
                plans[plan] = payloads[plan]
    steps = [_plan(name, data) for name, data in plans.items()]
    steps += [_document("token scope hash", data, token.token_scope_hash_b64u) for data, token in tokens.items()]
    steps += [
        _document(f"scope hash of {decision.scope['action']}", data, decision.scope_hash() or "")
        for data, decision in decisions.items()
    ]
    return Chapter("the documents that records name by hash", tuple(steps[:MAX_DOCUMENTS]))


def _plan(name: str, data: bytes) -> Step:
    digest = sha256(data).digest()
    return Step(
        "plan fingerprint: the plan's bytes as they are",
        "SHA-256(plan)",
        (shown("plan", data),),
        (as_hex("fingerprint", digest), as_b64u("fingerprint", digest)),
        note=f"records name the plan {name}",
        holds=encode_b64u(digest) == name,
    )


def _document(what: str, data: bytes, stated: str) -> Step:
    digest = sha256(data).digest()
    return Step(
        f"{what}: the document's RFC 8785 form",
        "SHA-256(document)",
        (shown("document", data),),
        (as_hex("hash", digest), as_b64u("hash", digest)),
        note=f"records name it {stated}",
        holds=encode_b64u(digest) == stated,
    )
