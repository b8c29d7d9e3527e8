"""When something is missing: deny, with what was expected and found, and the next step; never an allow, never a hang."""

from __future__ import annotations

import asyncio

import pytest
from making.case import PASS, fail, undecided
from making.dishonest import begin_anyway, close_on, execute_anyway
from making.inputs import OWNER, SECURITY, fixture_seed
from making.scenes import collect_pack
from making.trust import trust_text
from making.world import ROSTER

from tests.scenarios.change import CLOSE, EXECUTE, closing_reason
from tests.scenarios.policies import policy, publish_policy
from tests.scenarios.refusing import refuses
from tests.scenarios.stage import Stage
from trustlog.formats.jsontext import canonicalize
from trustlog.formats.note import ED25519_COSIGNATURE, NoteSigner
from trustlog.formats.timestamp import NS
from trustlog.records.plan import compute_fingerprint

pytestmark = pytest.mark.asyncio(loop_scope="module")

WITNESSES = [
    NoteSigner(f"witness.example/{name}", fixture_seed(f"witness {name}"), key_type=ED25519_COSIGNATURE)
    for name in ("w1", "w2", "w3")
]
TWO_OF_THREE = "\n".join(
    [
        *(f"witness {signer.key.name.rpartition('/')[2]} {signer.key.encode()}" for signer in WITNESSES),
        "group two 2 w1 w2 w3",
        "quorum two",
    ]
)


async def test_log_unreachable(stage: Stage) -> None:
    """The log is away, and then it is silent. When it is back, the same gate goes on."""
    change = await (await stage.simulated()).approved()
    front = await stage.front()
    gate = front.gate(timeout_s=0.3)
    front.is_away = True
    away = await change.ask(EXECUTE, gate=gate)
    assert away.denied_with("LOG_UNREACHABLE")
    assert away.decision.index is None
    front.is_away, front.is_silent = False, True
    async with asyncio.timeout(60):  # a hang, not a slow machine
        assert (await change.ask(EXECUTE, gate=gate)).denied_with("LOG_UNREACHABLE")
    front.is_silent = False
    await change.carried_out(await change.ask(EXECUTE, gate=front.gate()))
    await stage.leave(change, PASS)


async def test_log_unreachable_for_the_runner(stage: Stage) -> None:
    """The log goes away between the allow and the execution: nothing runs without its `begin`."""
    change = await (await stage.simulated()).approved()
    decision = await change.ask(EXECUTE)
    front = await stage.front()
    front.is_away = True
    with refuses("LOG_UNREACHABLE"):
        await change.run(decision, desk=front.desk())
    assert change.applied == []
    front.is_away = False
    await change.run(decision, desk=front.desk())
    assert change.applied == [change.plan]
    await change.closed()
    await stage.leave(change, PASS)


async def test_checkpoint_stale(stage: Stage) -> None:
    """The witnesses saw the checkpoint ten minutes ago; or it is an older one than the gate has seen."""
    change = await (await stage.simulated()).approved()
    front = await stage.front()
    front.witnesses = WITNESSES
    gate = front.gate(trust=trust_text(stage.world.origin, quorum=TWO_OF_THREE))
    front.witness_late_s = 600
    stale = await change.ask(EXECUTE, gate=gate)
    assert stale.denied_with("CHECKPOINT_STALE")
    front.witness_late_s = 0
    old = await front.client().checkpoint()
    assert (await change.ask("ticket.read", gate=gate)).allowed
    await change.call_model("look again")
    assert (await change.ask("ticket.read", gate=gate)).allowed
    front.lies = [lambda path, body: old.note if path == "/checkpoint" else body]
    assert (await change.ask(EXECUTE, gate=gate)).denied_with("CHECKPOINT_STALE")
    front.lies = []
    await change.carried_out(await change.ask(EXECUTE, gate=gate))
    await stage.leave(change, PASS)


async def test_checkpoint_inconsistent_with_the_one_remembered(stage: Stage) -> None:
    """The log that answers is not the one of before, and has its key. When the log is itself again, the same gate goes on."""
    world = await stage.log_of_its_own()
    other = await stage.log_of_its_own(origin=world.origin)
    await (await stage.simulated(other)).finished()
    change = await (await stage.simulated(world)).approved()
    front = await stage.front(world)
    gate = front.gate()
    assert (await change.ask("ticket.read", gate=gate)).allowed
    front.world = other
    denied = await change.ask(EXECUTE, gate=gate)
    assert denied.denied_with("CHECKPOINT_INCONSISTENT")
    await stage.leave(change, fail("CHECKPOINT_INCONSISTENT"), shown=stage.export(other), like=denied)
    front.world = world
    assert (await change.ask(EXECUTE, gate=gate)).allowed


async def test_quorum_not_met(stage: Stage) -> None:
    """The gate wants two of three witnesses to have seen the log: none did, then one, then two."""
    change = await (await stage.simulated()).approved()
    front = await stage.front()
    gate = front.gate(trust=trust_text(stage.world.origin, quorum=TWO_OF_THREE))
    assert (await change.ask(EXECUTE, gate=gate)).denied_with("QUORUM_NOT_MET")
    front.witnesses = WITNESSES[:1]
    denied = await change.ask(EXECUTE, gate=gate)
    assert denied.denied_with("QUORUM_NOT_MET")
    assert denied.says("two")
    await stage.leave(change, fail("QUORUM_NOT_MET"), quorum=TWO_OF_THREE, like=denied)
    front.witnesses = WITNESSES[1:]
    assert (await change.ask(EXECUTE, gate=gate)).allowed


@pytest.mark.parametrize("seconds", [-400, 400])
async def test_clock_skewed(stage: Stage, seconds: int) -> None:
    """The gate's clock is six minutes off: what it decides is not taken by the log, so it allows nothing."""
    change = await (await stage.simulated()).approved()
    front = await stage.front()
    world = stage.world
    gate = front.gate(clock=lambda: world.clock() + seconds * NS)
    denied = await change.ask(EXECUTE, gate=gate)
    assert not denied.decision.allow
    assert denied.codes & {"CLOCK_SKEW", "DECISION_NOT_LOGGED", "TOKEN_EXPIRED"}
    await change.carried_out(await change.ask(EXECUTE))
    await stage.leave(change, PASS)


async def test_policy_not_found_by_its_hash(stage: Stage) -> None:
    """The token is pinned to a policy that nobody published. Once it is, the job goes on."""
    document = policy(stage.name)
    change = stage.change(policy=compute_fingerprint(canonicalize(document)))
    await change.issue_token()
    denied = await change.ask("ticket.read")
    assert denied.denied_with("POLICY_NOT_FOUND")
    assert denied.says(change.policy_hash)
    await change.call_model("draft the plan")
    await change.simulate()
    assert (await change.ask(EXECUTE)).denied_with("POLICY_NOT_FOUND")
    assert await publish_policy(stage.world, stage.name) == change.policy_hash
    await change.finished()
    await stage.leave(change, PASS)


async def test_policy_superseded_in_mid_flow(stage: Stage) -> None:
    """Between approval and decision a new policy supersedes the one under which people approved."""
    old = await publish_policy(stage.world, f"{stage.name} 1")
    change = await (await stage.simulated(policy=old)).approved()
    careless = await stage.simulated(policy=old)
    approvals = await careless.approve(EXECUTE, OWNER, SECURITY)
    new = await publish_policy(stage.world, f"{stage.name} 2", supersedes=f"b64u:{old}")
    denied = await change.ask(EXECUTE)
    assert denied.denied_with("POLICY_SUPERSEDED")
    assert denied.says(old, new)
    await execute_anyway(careless, approvals)
    await stage.leave(careless, fail("POLICY_SUPERSEDED"), like=denied)
    corrected = change.another_job(policy=new)
    await corrected.prepare()
    await corrected.finished()


async def test_policy_revoked_in_mid_flow(stage: Stage) -> None:
    """Between execution and closing the policy is revoked: what was executed under it cannot be closed under it."""
    old = await publish_policy(stage.world, f"{stage.name} 1")
    change = await (await (await stage.simulated(policy=old)).executed()).bundled()
    approvals = await change.approve(CLOSE, OWNER, SECURITY, bundle=change.bundle)
    await change.revoke(f"policy:{old}", "policy issuer", why="a hole in it")
    denied = await change.ask(CLOSE)
    assert denied.denied_with("POLICY_REVOKED")
    await close_on(change, change.bundle, approvals)
    await stage.leave(change, fail("POLICY_REVOKED"), like=denied)
    corrected = change.another_job(policy=await publish_policy(stage.world, f"{stage.name} 2"))
    await corrected.prepare()
    await corrected.finished()


async def test_token_revoked_in_mid_flow(stage: Stage) -> None:
    """The token is revoked after two people approved: before the gate looks, and while it decides."""
    change = await (await stage.simulated()).approved()
    await change.revoke_token()
    denied = await change.ask(EXECUTE)
    assert denied.denied_with("TOKEN_REVOKED")
    racing = await (await stage.simulated()).approved()
    front = await stage.front()
    front.before_submission = racing.revoke_token
    withdrawn = await racing.ask(EXECUTE, gate=front.gate())
    assert withdrawn.denied_with("DECISION_WITHDRAWN", "TOKEN_REVOKED")
    [allow] = (await stage.world.desk.job(racing.job_id)).entries().decisions("allow")
    await begin_anyway(racing, allow.payload_hash)
    await stage.leave(racing, fail("TOKEN_REVOKED"), like=withdrawn)
    corrected = change.another_job()
    await corrected.prepare()
    await corrected.finished()


async def test_token_revoked_between_allow_and_begin(stage: Stage) -> None:
    """The token is revoked after the gate said yes: the runner still has its decision, and no other will follow."""
    change = await (await stage.simulated()).approved()
    decision = await change.ask(EXECUTE)
    await change.revoke_token()
    await change.run(decision)
    await change.bundled()
    denied = await change.ask(CLOSE, reason=closing_reason(change.bundle))
    assert "TOKEN_REVOKED" in denied.codes
    await close_on(change, change.bundle, await change.approve(CLOSE, OWNER, SECURITY, bundle=change.bundle))
    await stage.leave(change, fail("TOKEN_REVOKED"), like=denied)


async def test_simulation_impossible(stage: Stage) -> None:
    """The dry run fails: nothing is executed until one succeeds."""
    change = stage.change()
    await change.issue_token()
    await change.call_model("draft the plan")
    assert (await change.ask(EXECUTE)).denied_with("SIMULATION_MISSING", "APPROVALS_INSUFFICIENT")
    await change.simulate(outcome="failure")
    denied = await change.ask(EXECUTE)
    assert denied.denied_with("SIMULATION_FAILED", "APPROVALS_INSUFFICIENT")
    with refuses("APPROVALS_INSUFFICIENT"):
        await change.approved()
    await change.simulate()
    await change.finished()
    await stage.leave(change, PASS)


async def test_simulation_without_its_plan(stage: Stage) -> None:
    """The log does not have the bytes of the plan: nobody can look at what they approve."""
    change = await (await stage.simulated()).approved()
    front = await stage.front()
    plan = f"/v1/payloads/{compute_fingerprint(change.plan)}"
    front.lies = [lambda path, body: None if path == plan else body]
    denied = await change.ask(EXECUTE, gate=front.gate())
    assert "PLAN_MISSING" in denied.codes
    assert denied.says(compute_fingerprint(change.plan))
    await change.carried_out(await change.ask(EXECUTE))
    pack = await collect_pack(stage.world, change.ticket, erased=[compute_fingerprint(change.plan)])
    await stage.leave(change, undecided("PLAN_MISSING"), pack=pack, like=denied)


async def test_receipts_missing(stage: Stage) -> None:
    """The receipt is in the log and its payload is not to be had."""
    change = await (await stage.simulated()).approved()
    front = await stage.front()
    receipts = {f"/v1/payloads/{one.payload_hash}" for one in change.receipts}
    front.lies = [lambda path, body: None if path in receipts else body]
    denied = await change.ask(EXECUTE, gate=front.gate())
    assert denied.denied_with("PAYLOAD_UNREADABLE", "RECEIPTS_MISSING")
    await change.carried_out(await change.ask(EXECUTE))
    pack = await collect_pack(stage.world, change.ticket, erased=[one.payload_hash for one in change.receipts])
    await stage.leave(change, fail("PAYLOAD_MISSING"), pack=pack)


async def test_roster_missing(stage: Stage) -> None:
    """Nobody has said who the people are: nobody can approve. With a roster the same job goes on."""
    world = await stage.log_of_its_own(roster=None)
    change = await stage.simulated(world)
    denied = await change.ask(EXECUTE)
    assert denied.denied_with("ROSTER_MISSING", "APPROVALS_INSUFFICIENT", "APPROVAL_ROLE_MISSING")
    with refuses("APPROVAL_NOT_PERMITTED"):
        await change.approved()
    await world.publish("roster", {"number": 1, "previous_b64u": None, **ROSTER}, "roster authority")
    await change.finished()
    await stage.leave(change, PASS)


async def test_identity_provider_unreachable(stage: Stage) -> None:
    """A policy wants step-up evidence, which no gate here can check yet: denied, never waved through."""
    step_up = {EXECUTE: {"step_up": {"acr": ["c1"], "max_age_s": 300}}}
    change = await stage.simulated(policy=await publish_policy(stage.world, stage.name, tools=step_up))
    await change.approved()
    denied = await change.ask(EXECUTE)
    assert denied.denied_with("STEP_UP_UNSUPPORTED")
    careless = await stage.simulated(policy=change.policy)
    await execute_anyway(careless, await careless.approve(EXECUTE, OWNER, SECURITY))
    await stage.leave(careless, fail("STEP_UP_UNSUPPORTED"), like=denied)
    corrected = change.another_job(policy="")
    await corrected.prepare()
    await corrected.finished()
