"""What a decision must list because of who signed it, and what may be left out because it came only above its view."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.verifier.adversary.test_approvals import assert_only_waits, executed
from tests.verifier.adversary.test_omissions import OMITTED
from tests.verifier.adversary.test_steps import view_of
from tests.verifier.changebuilder import OWNER, ROLE_KEYS, SECURITY, Change, Payload, approval_refs, default_people
from tests.verifier.judging import assert_fails, assert_undecided, verdict
from tests.verifier.logbuilder import Key, sha

STRANGER = Key("stranger")
AGAIN = sha(b"a token that is minted later").hex()


def leaving_out(change: Change, step: str) -> Callable[[Payload], object]:
    """An edit of a decision: it does not list the entry of `step`."""

    def edit(decision: Payload) -> None:
        index = change.log.index_of(change.hashes[step])
        decision["evidence"] = [seen for seen in decision["evidence"] if seen["index"] != index]

    return edit


def revoke_own_key(change: Change, key: Key) -> None:
    """Revoke a key, which the decision to execute does not list."""
    change.revoke("revoked", f"key:{key.did}", key)
    change.edit["decide_execute"] = leaving_out(change, "revoked")


def test_the_key_of_a_stranger_who_signed_of_the_change() -> None:
    """What they signed counts for nothing; but who reads the evidence sees it, and that its key is void."""

    def strange(change: Change) -> None:
        payload = change.approval("strange", "change.execute", "p-owner")
        change.put("strange", "human_approval_receipt", payload, STRANGER, approval_refs)
        revoke_own_key(change, STRANGER)

    assert_fails(verdict(executed(before={"decide_execute": strange})), "EVIDENCE_INCOMPLETE", OMITTED)


def test_the_key_of_a_person_who_left_after_they_approved() -> None:
    """The roster at the view does not name them any more; their approval is in the evidence all the same."""

    def leave(change: Change) -> None:
        change.put_roster("roster_2", 2, change.hashes["roster"], default_people()[1:])
        revoke_own_key(change, OWNER)

    told = verdict(executed(before={"decide_execute": leave}))
    assert_fails(told, told.reason_code or "", OMITTED)


@pytest.mark.parametrize("is_at_the_view", [True, False], ids=["at the view", "after the decision"])
def test_a_token_that_was_revoked_before_it_was_minted(*, is_at_the_view: bool) -> None:
    """When the gate read the log, nothing said that this token would be the job's."""

    def revoke(change: Change) -> None:
        change.revoke("revoked", f"token:{AGAIN}", ROLE_KEYS["token_issuers"])

    def mint(change: Change) -> None:
        viewed, unlisted = view_of(change, change.log.size), leaving_out(change, "revoked")
        if is_at_the_view:
            change.put_token("token_2", AGAIN)
        change.edit["decide_execute"] = lambda decision: (viewed(decision), unlisted(decision))

    later = {"begin": lambda change: None if is_at_the_view else change.put_token("token_2", AGAIN)}
    change = executed(before={"simulation": revoke, "decide_execute": mint} | later)
    report = verdict(change)
    assert OMITTED not in {f"{check.full_name} {check.code}" for check in report.checks}
    if is_at_the_view:
        assert_fails(report, "TOKEN_REVOKED")
    else:
        assert_only_waits(change)


@pytest.mark.parametrize("is_at_the_view", [True, False], ids=["at the view", "after the decision"])
def test_an_execution_that_was_looked_into_before_it_began(*, is_at_the_view: bool) -> None:
    """Under a first allow, which is held back while a second is decided on; somebody knows which bytes its begin will have.

    The second allow has read that, and nothing that ties it to the job.
    """
    begin_b64u = executed().hashes["begin"]

    def begin(change: Change) -> None:
        change.clock += 1
        change._begin("begin")
        change.clock -= 1
        assert change.hashes["begin"] == begin_b64u

    def allow_once_more(change: Change) -> None:
        payload = change.header("resolution", "resolved") | {"begin_b64u": begin_b64u, "note": "lost"}
        change.put("resolved", "resolution", payload, SECURITY, lambda p: {"target": p["begin_b64u"]})
        for person in ("1", "2"):
            change._approve(f"again {person}", "change.execute")
        viewed, unlisted = view_of(change, change.log.size), leaving_out(change, "resolved")
        change.edit["decide_again"] = lambda decision: (viewed(decision), unlisted(decision))
        if is_at_the_view:
            begin(change)
        approvals = [change.hashes["again 1"], change.hashes["again 2"]]
        change.put_decision("decide_again", change.decision("decide_again", "change.execute", approvals))
        if not is_at_the_view:
            begin(change)
        change.hashes["decide_execute"] = change.hashes["decide_again"]
        change._begin("begin_2")

    report = verdict(executed(skip=frozenset({"begin", "end"}), before={"begin": allow_once_more}))
    if is_at_the_view:  # and what was logged beforehand tells nothing of how it ended
        assert_fails(report, "EXECUTION_OUTCOME_UNKNOWN")
    else:
        assert_undecided(report, "ABSENCE_NOT_PROVEN", "CLOSURE_MISSING")
    listed = [check.code for check in report.checks if check.full_name == "evidence.nothing_omitted[change.execute]"]
    assert listed == [None, None]
