"""Which member is named when several are wrong, missing or too many, and how much of it."""

from __future__ import annotations

import copy

import pytest

from tests.verifier.changebuilder import Change, Payload
from tests.verifier.test_records_alone import honest, read
from verifier.errors import Refused
from verifier.records.envelope import open_envelope


def refusal(envelope: Payload, *, kind: str = "gateway_receipt", version: str = "1") -> Refused:
    with pytest.raises(Refused) as refused:
        open_envelope(envelope, "receipts[0]", kind=kind, version=version)
    return refused.value


def receipt() -> Payload:
    envelope: Payload = copy.deepcopy(Change().build().receipts[0])
    return envelope


@pytest.mark.parametrize("name", ["signer_did", "payload"])
def test_a_member_that_is_missing_is_named(name: str) -> None:
    envelope = receipt()
    del envelope[name]
    found = refusal(envelope)
    assert (found.code, found.found) == ("MALFORMED_ENVELOPE", name)


def test_a_member_that_is_too_many_is_named_and_not_one_that_may_be_there() -> None:
    found = refusal({"expires_at": "2026-03-01T10:00:00Z", **receipt(), "more": 1})
    assert (found.code, found.found) == ("MALFORMED_ENVELOPE", "more")


def test_of_what_is_missing_and_what_is_too_many_the_first_is_named() -> None:
    envelope = {"more": 1, **receipt()}
    del envelope["algorithm"]
    assert refusal(envelope).found == "algorithm"


def test_co_signatures_are_too_many_only_where_a_version_has_none() -> None:
    found = refusal(receipt() | {"co_signatures": [], "more": 1}, version="2")
    assert found.found == "more"
    assert refusal(receipt() | {"co_signatures": []}).found == "co_signatures"


@pytest.mark.parametrize(("label", "said"), [("x" * 65, "x" * 64), (7, None), (None, None)])
def test_what_a_record_says_that_it_is(label: object, said: str | None) -> None:
    payload = copy.deepcopy(honest().payloads["simulation"]) | {"record": label}
    with pytest.raises(Refused) as refused:
        read("simulation", payload)
    assert (refused.value.detail, refused.value.found) == ("payload.record", said)
