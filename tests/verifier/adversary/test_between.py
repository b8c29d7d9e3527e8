"""What is logged between a decision's view and its index restricts it; what is logged above its index changes nothing."""

from __future__ import annotations

import pytest

from tests.verifier.adversary.test_steps import allow_again, view_of
from tests.verifier.changebuilder import ROLE_KEYS, SECURITY, Change, Payload, default_people, trust_toml
from tests.verifier.judging import assert_fails, assert_passes, verdict
from tests.verifier.logbuilder import Key, b64u, sha
from tests.verifier.test_used_again import resolved, resolving_policy

AGAIN = sha(b"a token that is minted later").hex()


def resolve(change: Change) -> None:
    payload = change.header("resolution", "resolve") | {"begin_b64u": change.hashes["begin"], "note": "lost"}
    change.put("resolve", "resolution", payload, SECURITY, lambda p: {"target": p["begin_b64u"]})


def test_a_token_that_is_revoked_first_and_logged_after_the_closure() -> None:
    """Whoever issues tokens cannot spoil a change that is closed."""

    def revoke(change: Change) -> None:
        change.revoke("revoke", f"token:{AGAIN}", ROLE_KEYS["token_issuers"])

    later = {"after": lambda change: change.put_token("token_2", AGAIN)}
    assert_passes(verdict(Change(before={"simulation": revoke} | later).build()))


def test_a_token_that_is_revoked_first_and_logged_before_the_decision() -> None:
    def renew(change: Change) -> None:
        change.revoke("revoke", f"token:{AGAIN}", ROLE_KEYS["token_issuers"])
        change.put_token("token_2", AGAIN)

    change = Change(before={"simulation": renew})
    change.edit = dict.fromkeys(("decide_execute", "decide_close"), lambda p: list_also(change, p, "revoke"))
    assert_fails(verdict(change.build()), "TOKEN_REVOKED")


def list_also(change: Change, decision: Payload, *steps: str) -> None:
    """Add entries to what a decision lists, whether they concern the change or not."""
    listed = {seen["index"]: seen for seen in decision["evidence"]}
    for step in steps:
        index = change.log.index_of(change.hashes[step])
        leaf_hash = b64u(sha(b"\x00" + change.log.items[index].entry))
        listed[index] = {"index": index, "leaf_hash_b64u": leaf_hash}
    decision["evidence"] = [listed[index] for index in sorted(listed)]


@pytest.mark.parametrize(("step", "action"), [("decide_execute", "change.execute"), ("decide_close", "ticket.close")])
@pytest.mark.parametrize("names", ["the old one", "the one that it has not read"])
def test_a_roster_between_view_and_decision(step: str, action: str, names: str) -> None:
    """The people are the same; but the decision is judged by the roster in force at its own index."""

    def renew(change: Change) -> None:
        read, first = view_of(change, change.log.size), change.hashes["roster"]
        change.put_roster("roster_2", 2, first, default_people())
        named = first if names == "the old one" else change.hashes["roster_2"]
        change.edit[step] = lambda decision: (read(decision), decision.update(roster_b64u=named))

    told = (
        f"approvals.latest_roster[{ {'decide_execute': 'change.execute'}.get(step, 'ticket.close') }] ROSTER_NOT_CONTINUING"
    )
    assert_fails(verdict(Change(before={step: renew}).build()), "ROSTER_NOT_CONTINUING", told)


def test_a_resolution_between_view_and_decision() -> None:
    """Somebody had to look into the execution before closing was decided, though the gate had not read that."""

    def late(change: Change) -> None:
        change.edit["decide_close"] = view_of(change, change.log.size)
        resolve(change)

    assert_fails(verdict(Change(before={"decide_close": late}).build()), "EXECUTION_FAILED")


def test_what_a_decision_lists_besides_needs_no_more() -> None:
    """A call of another change is listed too; that the key of its gateway was revoked need not be."""
    gateway = Key("gateway of others")

    def strange(change: Change) -> None:
        other = Change(log=change.log, job="job-8", run="run-8", ticket="jira.example:CHG-8", signer={"strange": gateway})
        other._receipt("strange")
        change.hashes["strange"] = other.hashes["strange"]
        change.revoke("revoked", f"key:{gateway.did}", ROLE_KEYS["roster_authorities"])

    def listing(change: Change, decision: Payload) -> None:
        revoked = change.log.index_of(change.hashes["revoked"])
        decision["evidence"] = [seen for seen in decision["evidence"] if seen["index"] != revoked]
        list_also(change, decision, "strange")

    change = Change(before={"simulation": strange})
    change.edit = dict.fromkeys(("decide_execute", "decide_close"), lambda decision: listing(change, decision))
    trust = trust_toml(roles={"gateways": [f'"{ROLE_KEYS["gateways"].did}"', f'"{gateway.did}"']})
    assert_passes(verdict(change.build(), trust=trust))


def test_an_unknown_outcome_stops_whatever_names_a_bundle() -> None:
    """Not only closing: another tool that is asked for the bundle of what was executed."""

    def running(change: Change) -> None:
        first = dict(change.hashes)
        allow_again(change)
        change.hashes["decide_execute"] = change.hashes["decide_again"]
        change._begin("begin_2")
        resolved(change)
        change._end("end_2")
        change.hashes |= {step: first[step] for step in ("decide_execute", "begin", "end")}

    report = verdict(Change(policy=resolving_policy(), before={"approve_close_1": running}).build())
    assert "policy.outcome_known[ticket.resolve] EXECUTION_OUTCOME_UNKNOWN" in {
        f"{check.full_name} {check.code}" for check in report.checks
    }
    assert_passes(verdict(Change(policy=resolving_policy(), before={"approve_close_1": resolved}).build()))
