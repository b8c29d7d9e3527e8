"""What the log admits, the independent verifier reads, with the same lookup keys and conflict keys; what the log refuses, it
refuses for the same reason: what is void for one reader is void for all.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

import pytest

import verifier.errors
from tests.support import payloads
from tests.support.envelopes import SIGNERS, candidate
from tests.support.payloads import Payload
from tests.support.trust import ORIGIN
from tests.unit.records.test_schemas import CASES, changed, kind_of, leaves, spell
from trustlog.errors import Refused
from trustlog.formats.jsontext import canonicalize
from trustlog.records.candidate import Candidate
from verifier.records.conflicts import conflict_keys
from verifier.records.kinds import Record, compute_refs, read_record

HASH: Final = payloads.hash_of("z")
# Values that are right in one field and wrong in another.
VALUES: Final[list[Any]] = [
    *("", "x", "é", "a b", "a:b", "x" * 97, "x" * 300, "success", "12"),
    *(
        HASH,
        HASH[:-1] + "B",
        f"b64u:{HASH}",
        "0" * 64,
        "policy:" + HASH,
        "2026-03-02T09:00:00+00:00",
        "2027-01-01T00:00:00Z",
    ),
    *(0, 1, -1, 7, 0.5, 1e21, 2**53 - 1, True, False, None, [], {}, ["a"], ["a", "a"], [HASH], {"a": "b"}),
]
# Optional members that the valid payloads do not have.
MORE: Final = (
    *("valid_from", "valid_until", "closing_reason", "count", "withdraws_b64u", "bundle_b64u", "begin_b64u", "outcome"),
    *(
        "diff_b64u",
        "span_id",
        "capability_id",
        "minted_capability_id",
        "evidence_required",
        "supersedes",
        "models",
        "budgets",
    ),
    *("egress", "step_up", "policy_hash", "cst_scope_hash", "approver_constraints", "tool_version", "extra"),
)
EVERYTHING: Final = {**CASES, "proof_bundle": payloads.VALID["proof_bundle"]()}


def variants(payload: Payload) -> list[tuple[str, Payload]]:
    """The payload with one member changed to, or added with, each value."""
    found = []
    for path, old in leaves(payload):
        found += [(f"{spell(path)} = {value!r:.60}", changed(payload, path, value)) for value in VALUES]
        if isinstance(old, dict):
            more = [(*path, name) for name in MORE if name not in old]
            found += [(f"{spell(p)} = {value!r:.60}", changed(payload, p, value)) for p in more for value in VALUES[-20::3]]
    found += [(f"{n} = {value!r:.60}", changed(payload, (n,), value)) for n in MORE if n not in payload for value in VALUES]
    return found


def admit(kind: str, payload: Payload) -> Candidate | str:
    """What the log makes of a payload, or the code of its refusal."""
    try:
        return candidate(kind, payload)
    except Refused as refusal:
        return refusal.code


def read(kind: str, text: bytes) -> tuple[Record, dict[str, str]] | str:
    """What the verifier makes of it, with its refs, or the code of its refusal."""
    try:
        record = read_record(kind, text, signer_did=SIGNERS[kind].did, origin=ORIGIN)
        return record, dict(compute_refs(record, payloads.hash_of(text.decode())))
    except verifier.errors.Refused as refusal:
        return refusal.code


@pytest.mark.parametrize("case", EVERYTHING)
def test_both_readers_agree_on_every_payload(case: str) -> None:
    kind, answers = kind_of(case), set()
    for what, payload in [("as it is", EVERYTHING[case]), *variants(EVERYTHING[case])]:
        text = canonicalize(payload)
        known, found = admit(kind, payload), read(kind, text)
        answers.add(isinstance(known, str))
        if isinstance(known, str) or isinstance(found, str):
            assert known == found, what
            continue
        record, refs = found
        assert refs == known.refs, what
        keys = conflict_keys(kind, record, signer_did=SIGNERS[kind].did, payload_hash_b64u=payloads.hash_of(text.decode()))
        assert len(keys) == len(known.claims), what
        assert hashlib.sha256(text).digest() == known.payload_hash
    assert answers == {True, False}
