"""The same entry twice is one, whether its kind has conflict keys of its own or not."""

from __future__ import annotations

from tests.verifier.changebuilder import ORIGIN, ROLE_KEYS, Change, trust_toml
from verifier.ledger.history import History
from verifier.ledger.logged import State
from verifier.trust import parse_trust_policy


def test_every_entry_of_a_change_that_comes_again_is_void() -> None:
    change = Change().build()
    change.revoke("revoke", "job:job-8", ROLE_KEYS["token_issuers"])
    history = History(parse_trust_policy(trust_toml()), ORIGIN)
    items, kinds = change.log.items, set[str]()
    for index, item in enumerate((*items, *items)):
        found = history.add(index, item.entry, item.payload)
        assert found is not None
        kinds.add(found.entry.kind)
        if index < len(items):
            assert found.state is State.VALID
        else:
            assert found.fault is not None
            assert found.fault.code == "CONFLICT"
            assert found.fault.found == f"already logged at index {index - len(items)}"
    assert kinds >= {"roster", "work_policy_contract", "revocation", "gateway_receipt", "proof_bundle", "closure"}
