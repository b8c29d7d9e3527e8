"""Which of two reasons comes first, and where a text that nobody accepts is refused."""

from __future__ import annotations

import copy

import pytest

from tests.verifier.changebuilder import ROLE_KEYS, Change, Payload, default_policy, envelope
from tests.verifier.logbuilder import hash_of, jcs, to_json
from verifier.errors import Refused
from verifier.records.envelope import open_envelope
from verifier.records.policy import PublishedPolicy, read_policy


def refusal(sealed: Payload) -> str:
    with pytest.raises(Refused) as refused:
        open_envelope(sealed, "receipts[0]", kind="gateway_receipt")
    return refused.value.code


def test_a_receipt_whose_signed_text_is_of_no_accepted_form() -> None:
    """The gateway hashed `1.0`, which neither JSON.stringify nor RFC 8785 writes."""
    payload = copy.deepcopy(Change().build().receipts[0]["payload"])
    payload["metadata"] = {"share": 1.0}
    assert b"1.0" in to_json(payload)
    assert refusal(envelope("gateway_receipt", payload, ROLE_KEYS["gateways"], hash_of(to_json(payload)))) == "HASH_MISMATCH"


def test_who_signed_comes_before_what_was_signed() -> None:
    sealed = copy.deepcopy(Change().build().receipts[0])
    sealed["payload"]["tokens_input"] += 1
    assert refusal(sealed) == "HASH_MISMATCH"
    assert refusal(sealed | {"signer_did": "did:key:z1"}) == "INVALID_DID_FORMAT"


def test_a_policy_without_rules_names_itself() -> None:
    assert PublishedPolicy(None).refs_with("p") == {"policy": "p"}


@pytest.mark.parametrize(
    ("edit", "code", "named"),
    [
        ({"wpc_version": None}, "POLICY_VERSION_UNKNOWN", "wpc_version"),
        ({"policy_version": "1"}, "POLICY_INVALID", "policy.policy_version"),
    ],
    ids=["neither version", "both versions"],
)
def test_which_kind_of_policy_it_is_not(edit: Payload, code: str, named: str) -> None:
    value = {name: one for name, one in (default_policy() | edit).items() if one is not None}
    with pytest.raises(Refused) as refused:
        read_policy(value, jcs(value))
    assert (refused.value.code, refused.value.detail) == (code, named)
