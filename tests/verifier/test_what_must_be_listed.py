"""What a decision lists is below its view and in the pack; what it omits is named from the lowest index on."""

from __future__ import annotations

import pytest

from tests.verifier.adversary.test_approvals import executed
from tests.verifier.adversary.test_omissions import OMITTED
from tests.verifier.adversary.test_steps import view_of
from tests.verifier.changebuilder import REQUESTER, ROLE_KEYS, Change, Payload, approval_refs, trust_toml
from tests.verifier.judging import verdict
from tests.verifier.logbuilder import Key, hash_of
from tests.verifier.test_what_may_be_left_out import STRANGER, leaving_out
from verifier.report import Report

LISTED, NOTHING_OMITTED = "evidence.listed[change.execute]", "evidence.nothing_omitted[change.execute]"
SECOND = Key("second roster authority")
TRUST = trust_toml(roles={"roster_authorities": [f'"{ROLE_KEYS["roster_authorities"].did}"', f'"{SECOND.did}"']})


def said(report: Report, name: str) -> list[tuple[str | None, str | None]]:
    return [(check.code, check.found) for check in report.checks if check.full_name == name]


def test_an_honest_list_is_counted() -> None:
    change = executed()
    count = len(change.payloads["decide_execute"]["evidence"])
    assert said(verdict(change), LISTED) == [(None, f"{count} entries")]


@pytest.mark.parametrize(
    ("seen", "problem"),
    [
        ({"index": 9}, "an entry at or above its view"),
        ({"index": 99}, "an entry at or above its view"),
        ({"leaf_hash_b64u": hash_of(b"x")}, "another leaf hash"),
    ],
    ids=["at the view", "above it", "another leaf hash"],
)
def test_a_list_of_what_the_gate_has_not_read(seen: Payload, problem: str) -> None:
    change = executed(edit={"decide_execute": lambda p: p["evidence"].append(p["evidence"].pop() | seen)})
    assert change.payloads["decide_execute"]["view"]["size"] == 9
    assert said(verdict(change), LISTED) == [("EVIDENCE_INCOMPLETE", problem)]


def test_a_list_of_what_is_not_in_the_pack() -> None:
    change = executed()
    pack = change.pack(leave_out=lambda index: index == 4)
    assert said(verdict(pack), LISTED) == [("EVIDENCE_INCOMPLETE", "no such entry in the pack")]


def test_of_two_that_are_omitted_the_lower_is_named() -> None:
    def omit(decision: Payload) -> None:
        decision["evidence"] = [seen for seen in decision["evidence"] if seen["index"] not in (3, 6)]

    (check,) = [one for one in verdict(executed(edit={"decide_execute": omit})).checks if one.full_name == NOTHING_OMITTED]
    assert check.expected is not None
    assert check.expected.startswith("entry 3 ")


def test_who_revoked_a_key_and_was_revoked() -> None:
    """A stranger signed of the change; their key was revoked, and then the key of whoever revoked it."""

    def strange(change: Change) -> None:
        payload = change.approval("strange", "change.execute", "p-owner")
        change.put("strange", "human_approval_receipt", payload, STRANGER, approval_refs)
        change.revoke("first", f"key:{STRANGER.did}", SECOND)
        change.revoke("second", f"key:{SECOND.did}", SECOND)
        change.edit["decide_execute"] = leaving_out(change, "second")

    report = verdict(executed(before={"decide_execute": strange}), trust=TRUST)
    assert OMITTED in {f"{check.full_name} {check.code}" for check in report.checks}


def test_an_approval_that_is_none_is_revoked_by_nobody() -> None:
    """A revocation as of an approval, of what is a simulation."""

    def revoke(change: Change) -> None:
        change.revoke("revoked", f"approval:{change.hashes['simulation']}", ROLE_KEYS["roster_authorities"])
        change.edit["decide_execute"] = leaving_out(change, "revoked")

    assert [code for code, _ in said(verdict(executed(before={"decide_execute": revoke})), NOTHING_OMITTED)] == [None]


def test_of_two_revocations_that_are_omitted_the_lower_is_named() -> None:
    def revoke(change: Change) -> None:
        first = change.log.size
        for key in (REQUESTER, ROLE_KEYS["gateways"]):
            change.revoke(f"revoked {key.did}", f"key:{key.did}", key)
        change.edit["decide_execute"] = lambda p: p.update(evidence=[one for one in p["evidence"] if one["index"] < first])

    change = executed(before={"decide_execute": revoke})
    (check,) = [one for one in verdict(change).checks if one.full_name == NOTHING_OMITTED]
    assert check.expected is not None
    assert check.expected.startswith(f"entry {change.log.index_of(change.hashes[f'revoked {REQUESTER.did}'])} ")


def test_a_revocation_that_was_read_before_there_was_a_roster() -> None:
    early = {"roster": lambda c: c.revoke("early", "job:job-9", ROLE_KEYS["token_issuers"])}
    read = {"decide_execute": lambda c: c.edit.update(decide_execute=view_of(c, 2))}
    report = verdict(executed(before=early | read))
    assert [code for code, _ in said(report, "approvals.roster[change.execute]")] == ["ROSTER_MISSING"]


def test_a_tombstone_that_names_a_begin_is_no_word_on_it() -> None:
    """It is void, and a resolution is something else."""

    def erase(change: Change) -> None:
        payload = change.header("tombstone", "tombstone") | {"payload_b64u": change.hashes["begin"], "index": 10}
        payload |= {"leaf_hash_b64u": hash_of(b"x"), "rule": "retention", "reason": "test"}
        change.put("tombstone", "tombstone", payload, ROLE_KEYS["custodians"], lambda p: {"target": p["payload_b64u"]})

    report = verdict(Change(before={"approve_close_1": erase}).build())
    assert [code for code, _ in said(report, "evidence.nothing_omitted[ticket.close]")] == [None]
