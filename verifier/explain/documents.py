"""The documents that a change hangs together by: policy, roster, plan, bundle, token scope and approval scope."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256

from verifier.encodings import encode_b64u
from verifier.explain.step import Chapter, Step, as_b64u, as_hex, shown
from verifier.jsonforms import canonicalize
from verifier.records.closure import Closure, bundles_named
from verifier.records.decision import Decision
from verifier.records.token import TokenIssued

MAX_DOCUMENTS = 16  # of one kind; a change has one or two


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes that records name by hash: what they are, and where they stand in the pack."""

    what: str
    where: str
    data: bytes


def explain_documents(records: Iterable[object], contents: Mapping[str, Content]) -> Chapter:
    """The chapter on the hashes that tie records together. `contents` are found by their hashes."""
    decisions: dict[bytes, Decision] = {}
    tokens: dict[bytes, TokenIssued] = {}
    named: dict[str, str] = {}  # hash, what it is of
    reasons: dict[str, Closure] = {}
    for record in records:
        if isinstance(record, TokenIssued):
            tokens.setdefault(record.scope_document(), record)
        elif isinstance(record, Decision) and record.scope_hash() is not None:
            decisions.setdefault(canonicalize(record.scope), record)
            named[record.scope["policy_hash_b64u"]] = "policy hash"
            named[record.roster_b64u or ""] = "roster"
            named[record.scope["plan_hash_b64u"]] = "plan fingerprint"
        elif isinstance(record, Closure):
            named[record.bundle_b64u] = "bundle"
            reasons.setdefault(record.closing_reason, record)
    found = [(what, name, contents[name]) for name, what in named.items() if name in contents]
    steps = [_content(what, name, content) for what, name, content in found[:MAX_DOCUMENTS]]
    steps += [_closing_reason(closure) for closure in [*reasons.values()][:MAX_DOCUMENTS]]
    documents = [_document("token scope hash", data, token.token_scope_hash_b64u) for data, token in tokens.items()]
    documents += [
        _document(f"scope hash of {decision.scope['action']}", data, decision.scope_hash() or "")
        for data, decision in decisions.items()
    ]
    return Chapter("the documents that records name by hash", (*steps, *documents[:MAX_DOCUMENTS]))


def _content(what: str, name: str, content: Content) -> Step:
    digest = sha256(content.data).digest()
    label = what.split(maxsplit=1)[0]
    return Step(
        f"{what}: {content.what}, its bytes as they are",
        f"SHA-256({label})",
        (shown(label, content.data, content.where),),
        (as_hex(what, digest), as_b64u(what, digest)),
        note=f"records name it {name}",
        holds=encode_b64u(digest) == name,
    )


def _closing_reason(closure: Closure) -> Step:
    """The reference that the ticket system shows to people."""
    return Step(
        "the bundle that the closing reason refers to",
        inputs=(shown("closing reason", closure.closing_reason.encode("utf-8")),),
        note=f"it refers to exactly one, bundle:{closure.bundle_b64u}",
        holds=bundles_named(closure.closing_reason) == [closure.bundle_b64u],
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
