"""The two claims that a bundle may carry, rate limits and disclosures: each rule on both of its sides."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tests.verifier.logbuilder import b64u, hash_of, jcs, sha
from verifier import schema as s
from verifier.errors import Refused
from verifier.records.claims import Disclosure, RateLimitClaim, check_disclosure, check_rate_limits

EARLY, LATE = "2026-03-02T09:00:00Z", "2026-03-02T10:00:00Z"
SALT = "A" * 43


def code_of(check: Callable[[], object]) -> str | None:
    try:
        check()
    except Refused as refused:
        return refused.code
    return None


def claim(**members: Any) -> RateLimitClaim:
    least = {"claim_version": "1", "scope": "agent", "scope_key": "a", "max_requests": 5, "observed_requests": 5}
    return s.decode(RateLimitClaim, least | {"window_start": EARLY, "window_end": LATE} | members, "claim")


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({}, None),
        ({"window_start": LATE}, None),
        ({"window_start": LATE, "window_end": EARLY}, "RATE_LIMIT_WINDOW_INVALID"),
        ({"observed_requests": 5.5}, "RATE_LIMIT_EXCEEDED"),
        ({"max_tokens_input": 1, "observed_tokens_input": 1}, None),
        ({"max_tokens_input": 1, "observed_tokens_input": 2}, "RATE_LIMIT_EXCEEDED"),
        ({"max_tokens_output": 1, "observed_tokens_output": 1}, None),
        ({"max_tokens_output": 1, "observed_tokens_output": 2}, "RATE_LIMIT_EXCEEDED"),
        ({"max_tokens_input": 1}, "RATE_LIMIT_CLAIM_INCONSISTENT"),
        ({"observed_tokens_input": 1}, "RATE_LIMIT_CLAIM_INCONSISTENT"),
        ({"max_tokens_output": 1}, "RATE_LIMIT_CLAIM_INCONSISTENT"),
        ({"observed_tokens_output": 1}, "RATE_LIMIT_CLAIM_INCONSISTENT"),
        ({"run_id": "run-7"}, None),
        ({"run_id": "run-8"}, "RATE_LIMIT_CLAIM_INCONSISTENT"),
    ],
)
def test_a_rate_limit(members: dict[str, Any], code: str | None) -> None:
    assert code_of(lambda: check_rate_limits([claim(), claim(**members)], "run-7")) == code


def test_a_rate_limit_of_any_run_where_there_is_no_chain() -> None:
    assert code_of(lambda: check_rate_limits([claim(run_id="run-8")], None)) is None


def leaf(value: object, kind: str) -> dict[str, object]:
    return {"type": kind, "value": value, "salt_b64u": SALT}


def leaf_hash(name: str, value: object, kind: str) -> str:
    return b64u(sha(name.encode() + b":" + jcs(leaf(value, kind))))


def disclosure(root: str, *, redacted: list[str], **leaves: dict[str, object]) -> Disclosure:
    members = {
        "disclosure_algorithm": "vir_v2_typed_lexicographical",
        "merkle_root_b64u": root,
        "redacted_leaf_hashes_b64u": redacted,
        "disclosed_leaves": leaves,
    }
    return s.decode(Disclosure, members, "disclosure")


OF_TYPE: dict[str, list[object]] = {
    "string": ["", "x"],
    "number": [0, 1.5],
    "boolean": [True, False],
    "null": [None],
    "array": [[], [1]],
    "object": [{}, {"a": 1}],
}


@pytest.mark.parametrize("kind", OF_TYPE)
@pytest.mark.parametrize("told", OF_TYPE)
def test_a_disclosed_value_has_the_type_that_it_tells(kind: str, told: str) -> None:
    for value in OF_TYPE[kind]:
        root = hash_of([leaf_hash("a", value, told)])
        shown = disclosure(root, redacted=[], a=leaf(value, told))
        expected = None if kind == told else "DISCLOSURE_TYPE_MISMATCH"
        assert code_of(partial(check_disclosure, shown, root, "here")) == expected


def test_disclosed_and_redacted_leaves_lead_to_the_root_that_the_receipt_names() -> None:
    shown, hidden = leaf_hash("a", 1, "number"), [hash_of(b"hidden 1"), hash_of(b"hidden 2")]
    root = hash_of(sorted([shown, *hidden]))

    def check(root_told: str, named: str, redacted: list[str], value: object = 1) -> str | None:
        told = disclosure(root_told, redacted=redacted, a=leaf(value, "number"))
        return code_of(lambda: check_disclosure(told, named, "here"))

    assert check(root, root, hidden) is None
    assert check(root, root, hidden[::-1]) is None
    assert check(root, root, hidden[:1]) == "DISCLOSURE_ROOT_MISMATCH"
    assert check(root, root, hidden, value=2) == "DISCLOSURE_ROOT_MISMATCH"
    assert check(hash_of(b"x"), root, hidden) == "DISCLOSURE_ROOT_MISMATCH"
    assert check(root, hash_of(b"x"), hidden) == "DISCLOSURE_ROOT_MISMATCH"
    assert check(hash_of(b"x"), hash_of(b"x"), hidden) == "DISCLOSURE_ROOT_MISMATCH"


def test_what_discloses_nothing_is_no_claim() -> None:
    assert code_of(lambda: check_disclosure(None, hash_of(b"x"), "here")) is None
