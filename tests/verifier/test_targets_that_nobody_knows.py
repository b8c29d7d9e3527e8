"""Refs of entries whose payload is not there: what names nothing that can be revoked or superseded has no effect."""

from __future__ import annotations

import pytest

from tests.verifier.changebuilder import ORIGIN, ROLE_KEYS, SECURITY, Change, trust_toml
from tests.verifier.logbuilder import Key, hash_of
from verifier.ledger.history import History
from verifier.ledger.logged import State
from verifier.trust import parse_trust_policy

AUTHORITY, ISSUER = ROLE_KEYS["roster_authorities"], ROLE_KEYS["policy_issuers"]


def withheld(kind: str, target: str, signer: Key) -> History:
    """A change, and then an entry with this target, of which nobody has the payload."""
    change = Change().build()
    change.log.add(
        kind, b"withheld", refs={"target": target, **({"policy": "p" * 43} if "work" in kind else {})}, signer=signer
    )
    change.log.items[-1].payload = None
    history = History(parse_trust_policy(trust_toml()), ORIGIN)
    for index, item in enumerate(change.log.items):
        history.add(index, item.entry, item.payload)
    return history


@pytest.mark.parametrize(
    ("target", "signer"),
    [("gate:1", AUTHORITY), (f"gate:{SECURITY.did}", SECURITY), (SECURITY.did, SECURITY)],
    ids=["of no kind", "of no kind, with the signer's key", "the key without its kind"],
)
def test_a_revocation_of_what_cannot_be_revoked_is_void(target: str, signer: Key) -> None:
    (found,) = withheld("revocation", target, signer).named("revocation", hash_of(b"withheld"))
    assert found.state is State.VOID
    assert found.fault is not None
    assert found.fault.code == "REVOCATION_NOT_PERMITTED"


@pytest.mark.parametrize(("prefix", "is_superseded"), [("policy:", True), ("", False), ("job:", False)])
def test_a_policy_is_superseded_only_as_a_policy(prefix: str, *, is_superseded: bool) -> None:
    policy = Change().policy_hash
    history = withheld("work_policy_contract", prefix + policy, ISSUER)
    assert (history.policies.superseded_below(policy, 100) is not None) == is_superseded
