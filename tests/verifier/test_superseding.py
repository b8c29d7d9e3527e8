"""A policy whose payload is withheld permits nothing, and what it supersedes is superseded."""

from __future__ import annotations

import pytest

from verifier.ledger.policies import Policies
from verifier.records.policy import PublishedPolicy

OLD, NEW = "A" * 43, "B" * 42 + "A"
TARGET = f"policy:{OLD}"


def test_an_unreadable_supersession_counts_by_its_ref() -> None:
    policies = Policies(quorum=1)
    policies.add_unread(5, TARGET, payload_hash_b64u=NEW, signer_did="a")
    assert policies.superseded_below(OLD, 5) is None
    assert policies.superseded_below(OLD, 6) == 5
    assert policies.in_force_since(NEW) is None


def test_it_needs_the_quorum_of_different_signers_readable_ones_included() -> None:
    policies = Policies(quorum=2)
    policies.add_unread(5, TARGET, payload_hash_b64u=NEW, signer_did="a")
    policies.add_unread(6, TARGET, payload_hash_b64u=NEW, signer_did="a")
    assert policies.superseded_below(OLD, 9) is None
    policies.add(7, PublishedPolicy(None), payload_hash_b64u=NEW, signer_did="b")
    policies.add_unread(8, TARGET, payload_hash_b64u=NEW, signer_did="a")
    assert policies.superseded_below(OLD, 9) == 8


@pytest.mark.parametrize("target", [None, "", f"job:{OLD}"])
def test_a_policy_that_supersedes_none_restricts_nothing(target: str | None) -> None:
    policies = Policies(quorum=1)
    policies.add_unread(5, target, payload_hash_b64u=NEW, signer_did="a")
    assert policies.superseded_below(OLD, 9) is None
