"""Threat: the token is genuine, and it is not the one for this: another policy, another scope, another time."""

from __future__ import annotations

import pytest
from making.case import PASS, fail
from making.dishonest import execute_anyway
from making.inputs import OWNER, REQUESTER, SECURITY

from tests.scenarios.change import EXECUTE, Change
from tests.scenarios.policies import publish_policy
from tests.scenarios.refusing import refuses
from tests.scenarios.stage import Stage
from trustlog.tokens.scoped_token import issuance_members

pytestmark = pytest.mark.asyncio(loop_scope="module")

LAX = {"step_up_approvals": 0, "two_person_rule": False, "approver_constraints": ["service_owner"]}


async def test_of_a_laxer_policy(stage: Stage) -> None:
    """The issuer signs a second token for the same job under a policy that wants one person: the log refuses its issuance."""
    lax = await publish_policy(stage.world, stage.name, tools={EXECUTE: LAX})
    change = await stage.simulated()
    pinned = change.token
    change.policy = lax
    with refuses("CONFLICT"):
        await change.issue_token()
    assert (await change.ask(EXECUTE)).denied_with("TOKEN_NOT_LOGGED")
    change.policy, change.token = "", pinned
    await change.approve(EXECUTE, OWNER)
    denied = await change.ask(EXECUTE)
    assert denied.denied_with("APPROVALS_INSUFFICIENT", "APPROVAL_ROLE_MISSING")
    careless = await stage.simulated()
    await execute_anyway(careless, await careless.approve(EXECUTE, OWNER))
    await stage.leave(careless, fail("APPROVALS_INSUFFICIENT"), like=denied)
    await change.approve(EXECUTE, SECURITY)
    assert (await change.ask(EXECUTE)).allowed


async def test_that_claims_another_policy(stage: Stage) -> None:
    """The token's claims name a laxer policy than its issuance: what is logged and what is carried differ."""
    lax = await publish_policy(stage.world, stage.name, tools={EXECUTE: LAX})
    change = stage.change()
    change.policy = lax
    change.token = change.mint()
    change.policy = ""
    members = {**issuance_members(change.token, ticket=change.ticket, requester=REQUESTER)}
    with refuses("TOKEN_SCOPE_MISMATCH", "SCHEMA_VALIDATION_FAILED", "HASH_MISMATCH"):
        await stage.world.publish("token_issued", {**members, "policy_hash_b64u": change.policy_hash}, "token issuer")
    await change.issue_token()
    assert (await change.ask("ticket.read")).allowed
    await _goes_on(stage, change)


async def _goes_on(stage: Stage, change: Change) -> None:
    """With the right token the change is made after all, and its evidence is left."""
    await change.call_model("draft the plan")
    await change.simulate()
    await change.finished()
    await stage.leave(change, PASS)


async def test_that_was_never_logged(stage: Stage) -> None:
    """A genuine signature is not enough: a token counts from its logged issuance on."""
    change = stage.change()
    change.token = change.mint()
    denied = await change.ask("ticket.read")
    assert denied.denied_with("TOKEN_NOT_LOGGED")
    await change.issue_token()
    assert (await change.ask("ticket.read")).allowed
    await _goes_on(stage, change)


async def test_by_another_issuer(stage: Stage) -> None:
    """The same claims signed by a key that issues no tokens."""
    change = stage.change()
    change.token = change.mint(issuer="stranger")
    assert (await change.ask("ticket.read")).denied_with("TOKEN_NOT_LOGGED")
    members = issuance_members(change.token, ticket=change.ticket, requester=REQUESTER)
    with refuses("SIGNER_NOT_TRUSTED"):
        await stage.world.publish("token_issued", members, "stranger")
    await stage.world.publish("token_issued", members, "token issuer")  # an issuer lends it a name, not a signature
    assert (await change.ask("ticket.read")).denied_with("TOKEN_SIGNATURE_INVALID")
    await change.issue_token()
    assert (await change.ask("ticket.read")).allowed
    await _goes_on(stage, change)


async def test_that_lives_too_long(stage: Stage) -> None:
    """The policy lets a token live for a quarter of an hour; this one lives for a day, and the gate does not mind."""
    change = stage.change()
    await change.issue_token(life_s=86_400)
    denied = await change.ask("ticket.read")
    assert denied.denied_with("TOKEN_TTL_EXCEEDED")
    assert denied.says("900 s", "86400 s")
    careless = stage.change()
    await careless.issue_token(life_s=86_400)
    await careless.call_model("draft the plan")
    await careless.simulate()
    await execute_anyway(careless, await careless.approve(EXECUTE, OWNER, SECURITY))
    await stage.leave(careless, fail("TOKEN_TTL_EXCEEDED"), like=denied)
    await change.issue_token()
    assert (await change.ask("ticket.read")).allowed


async def test_that_has_expired(stage: Stage) -> None:
    """The token ran out between the approvals and the request. A new one for the same job continues it."""
    change = await (await stage.simulated()).approved()
    careless = await stage.simulated()
    approvals = await careless.approve(EXECUTE, OWNER, SECURITY)
    stage.world.clock.step(901)
    denied = await change.ask(EXECUTE)
    assert denied.denied_with("TOKEN_EXPIRED")
    await execute_anyway(careless, approvals)
    await stage.leave(careless, fail("TOKEN_EXPIRED"), like=denied)
    await change.issue_token()
    await change.executed_as_approved()


async def test_with_another_scope(stage: Stage) -> None:
    """The policy pins audience and scope of its tokens; this one may do more."""
    pinned = "b64u:" + "A" * 43
    requirements = {
        "require_cst": True,
        "cst_scope_hash": pinned,
        "optional_policy_hash_pinning": False,
        "job_scoped_binding": True,
        "max_ttl_s": 900,
    }
    strict = await publish_policy(stage.world, stage.name, token_requirements=requirements)
    change = stage.change(policy=strict)
    await change.issue_token()
    denied = await change.ask("ticket.read")
    assert denied.denied_with("TOKEN_SCOPE_MISMATCH")
    assert denied.says(pinned)
    careless = await stage.simulated(policy=strict)
    await execute_anyway(careless, await careless.approve(EXECUTE, OWNER, SECURITY))
    await stage.leave(careless, fail("TOKEN_SCOPE_MISMATCH"), like=denied)
    corrected = change.another_job(policy="")
    await corrected.issue_token()
    assert (await corrected.ask("ticket.read")).allowed


async def test_that_is_no_token(stage: Stage) -> None:
    """What cannot be read is denied, and never repeated in the answer."""
    change = stage.change()
    await change.issue_token()
    for other in ("", "secret-password", change.token[:-1], change.token + "A", "a.b.c", "\ud800"):
        denied = await change.ask("ticket.read", token=other)
        assert denied.denied_with("TOKEN_MALFORMED")
        assert not other or other not in str(denied.decision.answer()["reasons"])
    assert (await change.ask("ticket.read")).allowed
    await _goes_on(stage, change)
