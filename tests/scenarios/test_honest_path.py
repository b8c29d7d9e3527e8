"""The honest path: one change from policy to closure, and what an auditor is told of it months later."""

from __future__ import annotations

import json

import pytest
from making.case import PASS
from making.change import PROMPTS
from making.scenes import collect_pack

from tests.scenarios.change import CLOSE, EXECUTE, closing_reason, owner, security
from tests.scenarios.stage import Stage
from trustlog.change.close import log_closure

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_from_policy_to_closure(stage: Stage) -> None:
    """An agent drafts a change, two people approve it, the runner executes it, and the ticket closes.

    At every step the gate is asked too early as well, and says no. Months later an auditor gets PASS, with the whole log at hand,
    and a list of what is not proven.
    """
    world = await stage.log_of_its_own()
    change = stage.change(world)

    await change.issue_token()
    assert (await change.ask("ticket.read")).allowed
    assert (await change.ask("ticket.comment")).allowed
    assert (await change.ask("change.simulate")).allowed
    early = await change.ask(EXECUTE)
    assert early.denied_with("SIMULATION_MISSING", "APPROVALS_INSUFFICIENT")

    for prompt in PROMPTS:
        await change.call_model(prompt)
    await change.simulate()
    assert (await change.ask(EXECUTE)).denied_with("APPROVALS_INSUFFICIENT", "APPROVAL_ROLE_MISSING")
    await owner.approve(change)
    assert (await change.ask(EXECUTE)).denied_with("APPROVALS_INSUFFICIENT", "APPROVAL_ROLE_MISSING")
    await security.approve(change)
    decision = await change.ask(EXECUTE)
    assert decision.allowed

    await change.run(decision)
    assert change.applied == [change.plan]

    await change.bundled()
    assert (await change.ask(CLOSE)).denied_with("APPROVALS_INSUFFICIENT", "APPROVAL_ROLE_MISSING")
    await owner.approve(change, CLOSE)
    await security.approve(change, CLOSE)
    assert (await change.ask(CLOSE, reason="Replicas raised as planned.")).denied_with(
        "BUNDLE_REFERENCE_MISSING", "APPROVALS_INSUFFICIENT"
    )
    decision = await change.ask(CLOSE)
    assert decision.allowed
    closure = await log_closure(world.desk, world.signer("gate"), decision.decision)
    assert closure.payload["closing_reason"] == closing_reason(change.bundle)

    await stage.leave(change, PASS)
    told = await stage.verdict(change, PASS, with_log=True)
    for words in ("in one hand", "model calls outside", "before"):
        assert any(words in line for line in told["not_proven"]), told["not_proven"]
    attested = await stage.verdict(change, PASS)
    assert len(attested["not_proven"]) > len(told["not_proven"])


async def test_everything_in_the_pack_is_in_order(stage: Stage) -> None:
    """The order in the log is the order of evidence: nothing that an act rests on comes after it."""
    change = await (await stage.simulated()).finished()
    await stage.leave(change, PASS)
    pack = json.loads(await collect_pack(stage.world, change.ticket))
    kinds = [json.loads(entry["entry"])["kind"] for entry in pack["entries"]]
    assert kinds == [
        "work_policy_contract",
        "roster",
        "token_issued",
        "gateway_receipt",
        "gateway_receipt",
        "simulation",
        "human_approval_receipt",
        "human_approval_receipt",
        "gate_decision",
        "execution",
        "execution",
        "proof_bundle",
        "human_approval_receipt",
        "human_approval_receipt",
        "gate_decision",
        "closure",
    ]
