"""Each condition on policy, token, tool, view and withdrawal, broken by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.verifier.adversary.test_approvals import assert_only_waits, executed
from tests.verifier.adversary.test_steps import view_of
from tests.verifier.changebuilder import ROLE_KEYS, START, Change, Payload, default_policy, trust_toml
from tests.verifier.judging import assert_fails, assert_passes, scoped, setting, verdict
from tests.verifier.logbuilder import Key, hash_of, sha

TOKEN = "policy.token[change.execute]"
TOOL = "policy.tool[change.execute]"
SECOND_ISSUER = Key("second policy issuer")
DECIDED_S = int(START.timestamp()) + 10


def decision_of(**members: Any) -> dict[str, Callable[[Payload], object]]:
    """Another decision to execute than the builder's."""
    return {"decide_execute": setting(**members)}


# --- the token


def test_a_token_of_another_job_of_the_ticket() -> None:
    def other_token(change: Change) -> None:
        job, change.job = change.job, "job-8"
        change.put_token("other", sha(b"token of job-8").hex())
        change.job = job

    change = executed(before={"receipt_1": other_token}, edit=decision_of(token_hash=sha(b"token of job-8").hex()))
    assert_fails(verdict(change), "TOKEN_TICKET_MISMATCH", f"{TOKEN} TOKEN_TICKET_MISMATCH")


def test_a_decision_for_another_ticket_than_the_tokens() -> None:
    change = executed(edit={"token": setting(ticket="jira.example:CHG-8")})
    pack = change.pack()
    pack["subject"]["ticket"] = "jira.example:CHG-8"
    assert_fails(verdict(pack), "TOKEN_TICKET_MISMATCH", f"{TOKEN} TOKEN_TICKET_MISMATCH")


@pytest.mark.parametrize(
    ("edit", "first", "code"),
    [
        (scoped(agent_did=Key("another agent").did), "TOKEN_TICKET_MISMATCH", "TOKEN_TICKET_MISMATCH"),
        (scoped(requester="p-owner"), "TOKEN_TICKET_MISMATCH", "TOKEN_TICKET_MISMATCH"),
        (scoped(policy_hash_b64u=hash_of(b"another policy")), "POLICY_NOT_FOUND", "POLICY_MISMATCH"),
        (setting(token_scope_hash_b64u=hash_of(b"another")), "TOKEN_SCOPE_MISMATCH", "TOKEN_SCOPE_MISMATCH"),
        (setting(token_hash=sha(b"no token").hex()), "TOKEN_NOT_LOGGED", "TOKEN_NOT_LOGGED"),
    ],
    ids=["agent", "requester", "policy", "token scope", "token"],
)
def test_a_decision_for_another_than_the_tokens(edit: Callable[[Payload], object], first: str, code: str) -> None:
    assert_fails(verdict(executed(edit={"decide_execute": edit})), first, f"{TOKEN} {code}")


@pytest.mark.parametrize(("iat", "exp"), [(0, 600), (-600, 1)], ids=["its first second", "its last second"])
def test_a_token_lives_from_its_first_second_to_its_last(iat: int, exp: int) -> None:
    assert_only_waits(executed(edit={"token": setting(iat=DECIDED_S + iat, exp=DECIDED_S + exp)}))


@pytest.mark.parametrize(("iat", "exp"), [(1, 600), (-600, 0)], ids=["a second before", "its end"])
def test_a_token_that_is_not_alive(iat: int, exp: int) -> None:
    change = executed(edit={"token": setting(iat=DECIDED_S + iat, exp=DECIDED_S + exp)})
    assert_fails(verdict(change), "TOKEN_EXPIRED", f"{TOKEN} TOKEN_EXPIRED")


def test_a_token_as_long_lived_as_the_policy_allows() -> None:
    assert_only_waits(executed(edit={"token": lambda p: p.update(exp=p["iat"] + 900)}))


def test_a_token_whose_scope_the_policy_pins() -> None:
    policy = default_policy()
    pinned = {"aud": ["gate.example"], "scope": ["change:execute", "proxy:call"]}
    policy["token_requirements"]["cst_scope_hash"] = "b64u:" + hash_of(pinned)
    assert_only_waits(executed(policy=policy))
    policy["token_requirements"]["cst_scope_hash"] = "b64u:" + hash_of(pinned | {"scope": ["proxy:call"]})
    assert_fails(verdict(executed(policy=policy)), "TOKEN_SCOPE_MISMATCH", f"{TOKEN} TOKEN_SCOPE_MISMATCH")


def test_a_token_that_is_logged_above_the_view() -> None:
    """Its index is the first that the gate had not read."""
    renewed = sha(b"renewed").hex()

    def renew(change: Change) -> None:
        view = view_of(change, change.log.size)
        change.put_token("token_2", renewed)
        change.edit["decide_execute"] = lambda p: (view(p), p.update(token_hash=renewed))

    change = executed(before={"decide_execute": renew})
    assert_fails(verdict(change), "TOKEN_NOT_LOGGED", f"{TOKEN} TOKEN_NOT_LOGGED")


# --- the policy


def test_a_policy_without_rules_for_changes() -> None:
    """A Clawsig policy that says nothing about changes permits none."""
    policy = {"policy_version": "1", "policy_id": "p", "issuer_did": ROLE_KEYS["policy_issuers"].did}
    assert_fails(verdict(executed(policy=policy)), "POLICY_INVALID", "policy.in_force[change.execute] POLICY_INVALID")


def test_a_policy_that_comes_into_force_above_the_view() -> None:
    """The second issuer publishes it just above what the gate had read."""
    issuers = [f'"{key.did}"' for key in (ROLE_KEYS["policy_issuers"], SECOND_ISSUER)]
    trust = trust_toml(roles={"policy_issuers": issuers}).replace(b"policy = 1", b"policy = 2")

    def publish(change: Change) -> None:
        change.edit["decide_execute"] = view_of(change, change.log.size)
        change.signer["policy_2"] = SECOND_ISSUER
        change.put_policy("policy_2", change.policy)

    change = executed(before={"decide_execute": publish})
    assert_fails(verdict(change, trust=trust), "POLICY_NOT_IN_FORCE", "policy.in_force[change.execute] POLICY_NOT_IN_FORCE")


def test_a_policy_that_came_into_force_below_the_view() -> None:
    issuers = [f'"{key.did}"' for key in (ROLE_KEYS["policy_issuers"], SECOND_ISSUER)]
    trust = trust_toml(roles={"policy_issuers": issuers}).replace(b"policy = 1", b"policy = 2")

    def publish(change: Change) -> None:
        change.signer["policy_2"] = SECOND_ISSUER
        change.put_policy("policy_2", change.policy)

    assert_passes(verdict(Change(before={"token": publish}).build(), trust=trust))


# --- the tool


def test_a_policy_that_does_not_list_simulating() -> None:
    policy = default_policy()
    del policy["tools"]["change.simulate"]
    assert_fails(verdict(executed(policy=policy)), "TOOL_NOT_LISTED", f"{TOOL} TOOL_NOT_LISTED")


def test_a_policy_that_lists_simulating_and_does_not_allow_it() -> None:
    policy = default_policy()
    policy["tools"]["change.simulate"]["allowed"] = False
    assert_fails(verdict(executed(policy=policy)), "TOOL_NOT_ALLOWED", f"{TOOL} TOOL_NOT_ALLOWED")


def test_closing_without_the_bundle_that_the_tool_requires() -> None:
    def without(payload: Payload) -> None:
        del payload["scope"]["bundle_b64u"], payload["closing_reason"]

    change = Change(edit={"decide_close": without}).build()
    assert_fails(verdict(change), "DECISION_INVALID", "policy.tool[ticket.close] DECISION_INVALID")


def test_executing_with_a_bundle_that_the_tool_does_not_require() -> None:
    def with_one(payload: Payload) -> None:
        payload["scope"]["bundle_b64u"] = hash_of(b"a bundle")
        payload["closing_reason"] = f"bundle:{hash_of(b'a bundle')}"

    change = executed(edit={"decide_execute": with_one})
    assert_fails(verdict(change), "DECISION_INVALID", f"{TOOL} DECISION_INVALID")


# --- view, time and withdrawal


def test_a_view_above_the_decision() -> None:
    """A gate cannot have read what comes after its own word."""
    change = executed(edit={"decide_execute": lambda p: p["view"].update(size=12)})
    assert_fails(verdict(change), "VIEW_INVALID", "policy.decision[change.execute] VIEW_INVALID")


def test_a_decision_exactly_as_far_ahead_as_is_tolerated() -> None:
    """The decision to close is 300 seconds ahead of the auditor's clock."""
    closed_s = int(START.timestamp()) + 16
    assert_passes(verdict(Change().build(), at_ns=(closed_s - 300) * 10**9))
    assert verdict(Change().build(), at_ns=(closed_s - 300) * 10**9 - 1).reason_code == "DECISION_IN_FUTURE"


def test_a_withdrawal_is_told_of_the_decision_too() -> None:
    """Not only of the record that used it."""
    change = Change(before={"closure": lambda c: c.withdraw("withdraw", "decide_close")}).build()
    assert_fails(verdict(change), "DECISION_WITHDRAWN", "execution.not_withdrawn[ticket.close] DECISION_WITHDRAWN")
    change = executed(before={"begin": lambda c: c.withdraw("withdraw", "decide_execute")})
    assert_fails(verdict(change), "DECISION_WITHDRAWN", "execution.not_withdrawn[change.execute] DECISION_WITHDRAWN")
