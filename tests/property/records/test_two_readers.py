"""Whatever the log admits, the independent verifier reads, and gives it the same lookup keys and conflict keys.

The other way round it may be more lenient: an entry that no honest log admits is void for our own readers alone.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

import pytest

from tests.support import payloads
from tests.support.envelopes import SIGNERS, candidate
from tests.support.payloads import Payload
from tests.support.trust import ORIGIN
from tests.unit.records.test_schemas import CASES, changed, kind_of, leaves, spell
from trustlog.errors import Refused
from trustlog.formats.jsontext import canonicalize
from verifier.records.conflicts import conflict_keys
from verifier.records.kinds import compute_refs, read_record

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


@pytest.mark.parametrize("case", EVERYTHING)
def test_the_verifier_reads_whatever_is_admitted_and_derives_the_same_keys(case: str) -> None:
    kind, admitted = kind_of(case), 0
    signer = SIGNERS[kind].did
    for what, payload in [("as it is", EVERYTHING[case]), *variants(EVERYTHING[case])]:
        try:
            known = candidate(kind, payload)
        except Refused:
            continue
        admitted += 1
        text = canonicalize(payload)
        record = read_record(kind, text, signer_did=signer, origin=ORIGIN)
        name = payloads.hash_of(text.decode())
        assert compute_refs(record, name) == known.refs, what
        assert len(conflict_keys(kind, record, signer_did=signer, payload_hash_b64u=name)) == len(known.claims), what
        assert hashlib.sha256(text).digest() == known.payload_hash
    assert admitted > 1
