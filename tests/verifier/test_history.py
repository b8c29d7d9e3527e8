"""What a history answers about its entries, and whom it lets sign what stands within them."""

from __future__ import annotations

import pytest

from tests.verifier.adversary.test_bundles import tool_receipt
from tests.verifier.changebuilder import REQUESTER, ROLE_KEYS, Change, envelope, ref
from tests.verifier.judging import setting
from tests.verifier.logbuilder import Key, hash_of
from tests.verifier.test_who_may import ended, last, read


@pytest.mark.parametrize(
    ("signer", "how"),
    [
        (ROLE_KEYS["agents"], "VALID"),
        (ROLE_KEYS["gateways"], "VALID"),
        (ROLE_KEYS["runners"], "SIGNER_WRONG_ROLE"),
        (Key("stranger"), "SIGNER_NOT_TRUSTED"),
    ],
)
def test_a_tool_receipt_in_a_bundle_is_signed_by_an_agent_or_a_gateway(signer: Key, how: str) -> None:
    receipt = tool_receipt(Change())
    sealed = envelope("tool_receipt", receipt, signer, hash_of(receipt))
    skip = {"approve_close_1", "approve_close_2", "decide_close", "closure"}
    change = Change(edit={"bundle": setting(tool_receipts=[sealed])}, skip=skip).build()
    bundle = read(change).find("proof_bundle", change.hashes["bundle"])
    assert bundle is not None
    assert ended(bundle) == how


def test_entries_are_found_by_kind_and_ref_both() -> None:
    change = Change().build()
    history = read(change)
    assert [item.entry.kind for item in history.named_refs("token_issued", "job", ref(change.job))] == ["token_issued"]
    assert history.named_refs("token_issued", "job", "another") == []
    assert history.named_refs("violation", "job", ref(change.job)) == []


def test_who_requested_is_known_though_the_begin_was_logged_twice() -> None:
    """The second copy is void, and says nothing of its own."""
    change = Change(skip={"end", "bundle", "approve_close_1", "approve_close_2", "decide_close", "closure"}).build()
    change.log.items.append(change.log.items[change.log.index_of(change.hashes["begin"])])
    payload = change.header("resolution", "resolve") | {"begin_b64u": change.hashes["begin"], "note": "n"}
    change.put("resolve", "resolution", payload, REQUESTER, lambda p: {"target": p["begin_b64u"]})
    assert ended(last(change)) == "SIGNER_WRONG_ROLE"
