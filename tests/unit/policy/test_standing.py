"""A standing is what its entries come to, said fact by fact; and what a command reads of a log is what its gate reads."""

from __future__ import annotations

import pytest

from tests.support import keys
from tests.support.payloads import NOW_NS, hash_of, payload_hash
from tests.support.trust import trust_policy
from tests.unit.gate.story import EXECUTE, Story, policy
from tests.unit.policy.test_sentences import rules_of
from trustlog.cli.policy_log import named_in_view, policies_in_view, standing_in_view
from trustlog.cli.policy_show import against
from trustlog.cli.policy_source import Named
from trustlog.errors import Refused
from trustlog.formats.jsontext import canonicalize
from trustlog.policy.standing import Standing, quorum_index, standing_sentences, status_of, validity_fault
from trustlog.records.work_policy_contract import policy_from_text

HASH, NEWER, OLDER = hash_of("policy"), hash_of("newer"), hash_of("older")
SECOND = keys.fixture_key("second policy issuer")


def test_the_quorum_is_of_different_signers() -> None:
    assert quorum_index([(3, "a"), (5, "a"), (8, "b"), (9, "c")], 2) == 8
    assert quorum_index([(3, "a"), (5, "a")], 2) is None
    assert quorum_index([(3, "a")], 1) == 3


@pytest.mark.parametrize(
    ("in_force_at", "revoked", "superseded", "status"),
    [
        (None, False, False, "awaiting_signatures"),
        (1, False, False, "in_force"),
        (1, False, True, "superseded"),
        (1, True, True, "revoked"),
        (None, True, False, "revoked"),
    ],
)
def test_one_word_for_a_standing(in_force_at: int | None, revoked: bool, superseded: bool, status: str) -> None:
    assert status_of(in_force_at, revoked=revoked, superseded=superseded) == status


def test_every_fact_of_a_standing_has_its_sentence_and_no_other() -> None:
    stands = Standing(HASH, 9, 1, ((2, "did:a"),))
    assert list(standing_sentences(stands)) == [
        "Signed by policy issuer did:a at index 2.",
        "It came into force at index 2, with 1 of 1 signatures needed.",
    ]
    waits = Standing(HASH, 9, 2, ((2, "did:a"),))
    assert list(standing_sentences(waits))[1:] == ["Not in force: 1 of 2 different policy issuers signed it."]
    ended = Standing(HASH, 9, 1, ((2, "did:a"),), (4,), ((5, NEWER),), (OLDER, HASH), (NEWER, OLDER))
    assert list(standing_sentences(ended))[2:] == [
        "Revoked at index 4: everything above that is denied under it.",
        f"Superseded by policy {NEWER} at index 5: everything above that is denied under it.",
        f"It replaced {OLDER}, which replaced {HASH}.",
        f"Since then, nearest first: {NEWER}, {OLDER}.",
    ]


def test_a_policy_permits_only_within_its_validity() -> None:
    assert validity_fault(rules_of(policy()), NOW_NS) is None
    assert validity_fault(rules_of(policy(valid_from="2026-03-02T09:00:00Z")), NOW_NS) is None
    assert "valid from" in str(validity_fault(rules_of(policy(valid_from="2026-03-02T09:00:01Z")), NOW_NS))
    assert "valid until" in str(validity_fault(rules_of(policy(valid_until="2026-03-02T09:00:00Z")), NOW_NS))
    assert validity_fault(None, NOW_NS) == "it has no rules for changes"


def fault(named: Named) -> str | None:
    found = against(named, NOW_NS)
    return None if found is None else found.code


def test_a_file_stands_nowhere_yet() -> None:
    text = canonicalize(policy(valid_until="2026-03-02T09:00:00Z"))
    assert fault(Named(text, policy_from_text(text))) is None


# Read of a log, as a gate reads it.


def test_what_ends_a_policy_is_what_its_gate_denies_for() -> None:
    story = Story().up_to_approvals()
    name = story.policy_hash
    stands = named_in_view(story.view, name)
    assert (stands.text, stands.standing is not None and stands.standing.status) == (canonicalize(policy()), "in_force")
    assert (fault(stands), story.codes(EXECUTE)) == (None, set())
    newer = policy(policy_name="newer", supersedes=f"b64u:{name}")
    story.log("work_policy_contract", newer)
    assert (fault(named_in_view(story.view, name)), story.codes(EXECUTE)) == ("POLICY_SUPERSEDED", {"POLICY_SUPERSEDED"})
    story.revoke(f"policy:{name}")
    assert fault(named_in_view(story.view, name)) == "POLICY_REVOKED"
    assert "POLICY_REVOKED" in story.codes(EXECUTE)
    assert policies_in_view(story.view) == [name, payload_hash(newer)]


def test_a_revocation_that_cannot_be_read_ends_it_all_the_same() -> None:
    story = Story().govern()
    story.revoke(f"policy:{story.policy_hash}", readable=False)
    assert fault(named_in_view(story.view, story.policy_hash)) == "POLICY_REVOKED"


def test_a_policy_waits_for_its_quorum() -> None:
    trust = trust_policy(policy_quorum=2, roles={"policy_issuers": [keys.POLICY_ISSUER.did, SECOND.did]})
    story = Story(trust=trust)
    story.publish_policy(policy())
    assert fault(named_in_view(story.view, story.policy_hash)) == "POLICY_NOT_IN_FORCE"
    story.publish_policy(policy(), SECOND)
    assert fault(named_in_view(story.view, story.policy_hash)) is None


def test_the_chain_is_followed_both_ways() -> None:
    story = Story()
    hashes = [OLDER]
    for number in range(4):
        hashes.append(story.publish_policy(policy(policy_name=f"p{number}", supersedes=f"b64u:{hashes[-1]}")).payload_hash)
    standing = standing_in_view(story.view, hashes[2])
    assert standing.supersedes == (hashes[1], OLDER)
    assert standing.superseded_by == ((2, hashes[3]),)
    assert standing.descends_to == (hashes[3], hashes[4])


def test_why_a_policy_cannot_be_shown() -> None:
    story = Story().govern()
    with pytest.raises(Refused, match="POLICY_NOT_FOUND: none of the log's 2 entries is this policy"):
        named_in_view(story.view, HASH)
    story.log("work_policy_contract", policy(policy_name="withheld"), readable=False)
    with pytest.raises(Refused, match="PAYLOAD_UNREADABLE"):
        named_in_view(story.view, payload_hash(policy(policy_name="withheld")))
    story.log("work_policy_contract", policy(policy_name="forged"), keys.STRANGER)
    with pytest.raises(Refused, match="POLICY_NOT_FOUND") as caught:
        named_in_view(story.view, payload_hash(policy(policy_name="forged")))
    assert caught.value.found == "SIGNER_NOT_TRUSTED at index 3"
