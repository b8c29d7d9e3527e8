"""Changes that took a detour and were put right: gate and verifier agree that they pass."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.integration.evidence.stage import Stage, judge, staged
from tests.support.payloads import tool_receipt
from trustlog.change.approve import answer, put_before
from trustlog.change.bundle import build_bundle
from trustlog.change.close import log_closure
from trustlog.change.desk import Published
from trustlog.change.execute import Ran, execute
from trustlog.demo.cast import AUDIENCE, OWNER, POLICY, REQUESTER, SECURITY, TICKET, TOKEN_SCOPE
from trustlog.demo.story import JobAtHand
from trustlog.formats.timestamp import NS, format_timestamp
from trustlog.log.directory import LogDirectory
from trustlog.log.export import export
from trustlog.tokens.scoped_token import issuance_members, mint_token


async def opened(stage: Stage) -> JobAtHand:
    """Policy, roster, token, receipts, simulation."""
    await stage.story._rules()
    job = await stage.story._open(TICKET, "job-1", "run-1", replicas=4)
    await stage.story._simulate(job)
    return job


async def approve_and_execute(stage: Stage, job: JobAtHand) -> None:
    await stage.story._approve(job, "change.execute", (OWNER, SECURITY))
    await stage.story._execute(job)


async def close(stage: Stage, job: JobAtHand, *, bundle: Published | None = None) -> None:
    bundle = bundle or await build_bundle(stage.desk, stage.cast.roles["agent"], job_id=job.job_id)
    await stage.story._approve(job, "ticket.close", (OWNER, SECURITY), bundle=bundle.payload_hash)
    decision = await stage.story._decide(job, "ticket.close", closing_reason=f"bundle:{bundle.payload_hash}")
    assert decision.allow, decision.findings
    await log_closure(stage.desk, stage.cast.roles["gate"], decision)


async def check_passes(stage: Stage) -> Any:
    """The pack alone passes, and so it does with the whole log, where everything absent is proven. The pack as JSON."""
    body = await stage.pack()
    path = stage.place / "change.evidence.json"
    path.write_bytes(body)
    verdict = judge(path, stage.trust)
    assert (verdict.code, verdict.status) == (0, "PASS"), verdict.document["reason"]
    exported = stage.place / "exported"
    export(LogDirectory(stage.place / "log"), exported)
    strict = stage.place / "strict.toml"
    strict.write_text(stage.trust.read_text().replace('absence = "gate"', 'absence = "log"'))
    verdict = judge(path, strict, "--log", str(exported))
    assert (verdict.code, verdict.status) == (0, "PASS"), verdict.document["reason"]
    return json.loads(body)


def kinds(pack: Any) -> list[str]:
    return [json.loads(entry["entry"])["kind"] for entry in pack["entries"]]


async def test_denied_for_want_of_approvals_then_approved(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        job = await opened(stage)
        assert not (await stage.story._decide(job, "change.execute")).allow
        await stage.story._approve(job, "change.execute", (OWNER, OWNER))
        assert not (await stage.story._decide(job, "change.execute")).allow
        await stage.story._approve(job, "change.execute", (SECURITY,))
        await stage.story._execute(job)
        assert not (await stage.story._decide(job, "ticket.close", closing_reason="no bundle")).allow
        await close(stage, job)
        pack = await check_passes(stage)
        assert kinds(pack).count("gate_decision") == 5
        assert len(pack["views"]) == 5


async def test_a_renewed_token_continues_the_job(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        job = await opened(stage)
        await approve_and_execute(stage, job)
        now_s = stage.desk.clock() // NS
        issuer = stage.cast.roles["token_issuer"]
        renewed = mint_token(
            issuer,
            agent_did=stage.cast.roles["agent"].did,
            aud=AUDIENCE,
            scope=TOKEN_SCOPE,
            job_id=job.job_id,
            policy_hash_b64u=stage.story._policy_hash,
            iat=now_s,
            exp=now_s + 600,
            jti="renewed",
        )
        members = issuance_members(renewed, ticket=TICKET, requester=REQUESTER)
        await stage.desk.publish_record("token_issued", members, issuer)
        job.token = renewed
        await stage.story._model_call(job, "write the summary")
        await close(stage, job)
        assert kinds(await check_passes(stage)).count("token_issued") == 2


async def test_a_failed_execution_is_repeated_in_a_second_round(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        job = await opened(stage)
        await stage.story._approve(job, "change.execute", (OWNER, SECURITY))
        decision = await stage.story._decide(job, "change.execute")
        assert decision.payload_hash is not None
        runner = stage.cast.roles["runner"]
        await execute(stage.desk, runner, decision=decision.payload_hash, run=lambda _plan: Ran(1, b"no quota"))
        await approve_and_execute(stage, job)
        await close(stage, job)
        assert kinds(await check_passes(stage)).count("execution") == 4


async def test_a_tool_receipt_that_names_neither_run_nor_token_scope_comes_with_its_bundle(tmp_path: Path) -> None:
    """Nothing else in the pack leads to it, and without it the bundle would hold what nobody logged."""
    async with staged(tmp_path) as stage:
        job = await opened(stage)
        await approve_and_execute(stage, job)
        agent = stage.cast.roles["agent"]
        receipt = tool_receipt(agent_did=agent.did, timestamp=format_timestamp(stage.desk.clock()))
        del receipt["binding"]
        envelope = stage.desk.seal("tool_receipt", receipt, agent)
        await stage.desk.submit(envelope)
        first = await build_bundle(stage.desk, agent, job_id=job.job_id)
        bundle = {**first.payload, "bundle_id": "with-a-tool", "tool_receipts": [json.loads(envelope)]}
        await close(stage, job, bundle=await stage.desk.publish("proof_bundle", bundle, agent))
        assert kinds(await check_passes(stage)).count("tool_receipt") == 1


async def test_the_roster_and_another_policy_change_in_mid_flow(tmp_path: Path) -> None:
    """A second roster with the same people, a policy that concerns others, and a revocation of an unused approval."""
    async with staged(tmp_path) as stage:
        job = await opened(stage)
        matter = await put_before(stage.desk, job.job_id, "change.execute", plan_hash=None, bundle=None)
        owner = stage.cast.people[OWNER]
        unused = await answer(stage.desk, owner, matter, verdict="explicit_approve")
        members = {"target": f"approval:{unused.payload_hash}", "reason": "too fast"}
        await stage.desk.publish_record("revocation", members, owner)
        issuer = stage.cast.roles["policy_issuer"]
        await stage.desk.publish("work_policy_contract", {**POLICY, "policy_name": "another"}, issuer)
        first = stage.desk.reading.view.rosters.at(stage.desk.reading.view.size)
        assert first is not None
        roster = {**stage.cast.roster(), "number": 2, "previous_b64u": first.payload_hash_b64u}
        await stage.desk.publish_record("roster", roster, stage.cast.roles["roster_authority"])
        await approve_and_execute(stage, job)
        await close(stage, job)
        found = kinds(await check_passes(stage))
        assert (found.count("roster"), found.count("revocation"), found.count("work_policy_contract")) == (2, 1, 1)


async def test_the_same_ticket_by_a_second_job_after_the_first_was_revoked(tmp_path: Path) -> None:
    """Both jobs simulate the same plan, so the second's decisions rest on the first's records too."""
    async with staged(tmp_path) as stage:
        first = await opened(stage)
        await stage.story._approve(first, "change.execute", (OWNER, SECURITY))
        issuer = stage.cast.roles["token_issuer"]
        await stage.desk.publish_record("revocation", {"target": "job:job-1", "reason": "start again"}, issuer)
        assert not (await stage.story._decide(first, "change.execute")).allow
        second = await stage.story._open(TICKET, "job-2", "run-2", replicas=4)
        await stage.story._simulate(second)
        await approve_and_execute(stage, second)
        await close(stage, second)
        pack = await check_passes(stage)
        assert pack["subject"]["job"] == "job-2"
