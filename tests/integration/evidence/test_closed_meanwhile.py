"""Executing and closing cross: a gate allows one of them at a time; where one allowed both, the runner and who closes stop."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.integration.evidence.stage import Stage, Verdict, judge, staged
from tests.integration.evidence.test_detours import approve_and_execute, opened
from trustlog.change.bundle import build_bundle
from trustlog.change.close import log_closure_of
from trustlog.change.desk import Desk, Published
from trustlog.change.execute import Ran, _members, execute
from trustlog.demo.cast import OWNER, SECURITY
from trustlog.demo.story import JobAtHand
from trustlog.errors import Refused
from trustlog.gate.decision import Decision, ViewOfLog
from trustlog.gate.identify import GateRequest
from trustlog.gate.job import Job
from trustlog.gate.logged import Logged
from trustlog.gate.sealing import Seals
from trustlog.tokens.scoped_token import parse_token


class Crossing:
    """A change that was executed once, approved to be executed again, and to be closed; its gate has allowed the first."""

    def __init__(self, stage: Stage, job: JobAtHand, reason: str, again: Decision) -> None:
        self.stage, self.job, self.reason, self.again = stage, job, reason, again
        self.applied: list[bytes] = []

    @classmethod
    async def staged(cls, stage: Stage) -> Crossing:
        job = await opened(stage)
        await approve_and_execute(stage, job)
        bundle = (await build_bundle(stage.desk, stage.cast.roles["agent"], job_id=job.job_id)).payload_hash
        await stage.story._approve(job, "ticket.close", (OWNER, SECURITY), bundle=bundle)
        await stage.story._approve(job, "change.execute", (OWNER, SECURITY))
        again = await stage.story._decide(job, "change.execute")
        assert again.allow, again.findings
        return cls(stage, job, f"bundle:{bundle}", again)

    async def allow_closing(self) -> str:
        """The allow of a gate that does not look at what else is alive; its payload hash."""
        desk = self.stage.desk
        at_hand = await desk.job(self.job.job_id)
        judgement = await desk.judgement(at_hand, "ticket.close", closing_reason=self.reason)
        assert {one.code for one in judgement.findings} <= {"DECISION_PENDING"}
        checkpoint = desk.reading.checkpoint
        assert checkpoint is not None
        seals = Seals(self.stage.cast.roles["gate"], desk.client.trust, desk.random_bytes)
        sealed = seals.seal(
            GateRequest("ticket.close", self.job.ticket, "", "desk", "n", closing_reason=self.reason),
            replace(judgement, findings=()),
            parse_token(self.job.token),
            view=ViewOfLog(checkpoint.checkpoint.size, checkpoint.checkpoint.root),
            at_ns=desk.clock(),
        )
        return (await desk.submit(sealed.envelope)).payload_hash

    async def close(self, decision: str, desk: Desk | None = None) -> Published:
        return await log_closure_of(desk or self.stage.desk, self.stage.cast.roles["gate"], decision)

    async def begin_again(self) -> Published:
        """A runner that looks at nothing begins under the second allow; its record."""
        desk = self.stage.desk
        await desk.reading.catch_up()
        allow = desk.reading.view.first(self.again.payload_hash or "", "gate_decision", desk.reading.view.size)
        assert allow is not None
        return await desk.publish_record("execution", _members(allow, "begin"), self.stage.cast.roles["runner"])

    async def withdraw(self, decision: str) -> Published:
        """The gate's deny that takes an allow back."""
        desk = self.stage.desk
        await desk.reading.catch_up()
        allow = desk.reading.view.first(decision, "gate_decision", desk.reading.view.size)
        assert allow is not None
        assert allow.candidate is not None
        kept = json.loads(allow.candidate.payload_text)
        for name in ("record", "origin", "issued_at", "salt", "closing_reason"):
            del kept[name]
        reasons = [{"code": "VIEW_STALE", "detail": "something came between"}]
        deny = {**kept, "decision": "deny", "reasons": reasons, "withdraws_b64u": decision}
        return await desk.publish_record("gate_decision", deny, self.stage.cast.roles["gate"])

    async def last_of(self, kind: str) -> Logged:
        await self.stage.desk.reading.catch_up()
        view = self.stage.desk.reading.view
        *_, last = view.of_kind(kind, view.size)
        return last

    async def verdict(self) -> Verdict:
        path = self.stage.place / "change.evidence.json"
        path.write_bytes(await self.stage.pack())
        return judge(path, self.stage.trust)

    async def execute_again(self, desk: Desk | None = None) -> None:
        assert self.again.payload_hash is not None

        def apply(plan: bytes) -> Ran:
            self.applied.append(plan)
            return Ran(0, b"")

        runner = self.stage.cast.roles["runner"]
        await execute(desk or self.stage.desk, runner, decision=self.again.payload_hash, run=apply)

    def overtaken_by(self, closing: Callable[[], Awaitable[object]]) -> Desk:
        """A desk from which something is submitted just after something else was logged."""
        stage = self.stage

        class Overtaken(Desk):
            async def submit(self, envelope: bytes, *, patience_s: float = 0) -> Published:
                await closing()
                self.submit = stage.desk.submit  # type: ignore[method-assign]  # once is enough
                return await stage.desk.submit(envelope, patience_s=patience_s)

        desk = Overtaken.__new__(Overtaken)
        vars(desk).update(vars(stage.desk))
        return desk

    async def last_execution(self) -> tuple[str, str]:
        record = (await self.last_of("execution")).record
        return record.phase, record.outcome


async def test_a_gate_does_not_allow_closing_while_executing_is_allowed(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        crossing = await Crossing.staged(stage)
        closing = await stage.story._decide(crossing.job, "ticket.close", closing_reason=crossing.reason)
        assert [one.code for one in closing.findings] == ["DECISION_PENDING"]
        await crossing.execute_again()


async def test_an_allow_from_before_the_closure_begins_nothing(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        crossing = await Crossing.staged(stage)
        closed = await crossing.close(await crossing.allow_closing())
        with pytest.raises(Refused, match="JOB_ENDED") as refused:
            await crossing.execute_again()
        assert refused.value.found == f"its closure at index {closed.index}"
        await stage.desk.reading.catch_up()
        assert stage.desk.reading.view.size == closed.index + 1, "no begin was logged"
        assert not crossing.applied


async def test_nothing_is_begun_while_closing_is_allowed(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        crossing = await Crossing.staged(stage)
        closing = await crossing.allow_closing()
        with pytest.raises(Refused, match="DECISION_PENDING"):
            await crossing.execute_again()
        assert not crossing.applied
        await crossing.close(closing)


async def test_a_closure_that_comes_just_before_the_begin_keeps_the_command_from_starting(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        crossing = await Crossing.staged(stage)

        async def close() -> None:
            await crossing.close(await crossing.allow_closing())

        with pytest.raises(Refused, match="JOB_ENDED"):
            await crossing.execute_again(crossing.overtaken_by(close))
        assert not crossing.applied
        assert await crossing.last_execution() == ("end", "failure")


async def test_an_allow_to_close_that_comes_just_before_the_begin_stops_both(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        crossing = await Crossing.staged(stage)
        allowed: list[str] = []

        async def allow() -> None:
            allowed.append(await crossing.allow_closing())

        with pytest.raises(Refused, match="DECISION_PENDING"):
            await crossing.execute_again(crossing.overtaken_by(allow))
        assert not crossing.applied
        assert await crossing.last_execution() == ("end", "failure")
        with pytest.raises(Refused, match="CLOSURE_INVALID"):
            await crossing.close(allowed[0])


async def test_a_begin_that_comes_just_before_the_closure_voids_it_and_whoever_closes_is_told(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        crossing = await Crossing.staged(stage)
        closing = await crossing.allow_closing()
        with pytest.raises(Refused, match="CLOSURE_INVALID") as refused:
            await crossing.close(closing, crossing.overtaken_by(crossing.begin_again))
        closure, begin = await crossing.last_of("closure"), await crossing.last_of("execution")
        assert begin.index < closure.index
        assert refused.value.detail.startswith(f"the closure is in the log, at index {closure.index}, and is void: ")
        assert refused.value.found == f"the begin at index {begin.index}"
        assert "start a new job" in refused.value.hint
        assert (await crossing.verdict()).reason_code == "EXECUTION_OUTCOME_UNKNOWN", "it did not end, which is said first"


async def test_a_withdrawal_that_comes_just_before_the_closure_voids_it_and_whoever_closes_is_told(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        crossing = await Crossing.staged(stage)
        closing = await crossing.allow_closing()
        with pytest.raises(Refused, match="DECISION_WITHDRAWN") as refused:
            await crossing.close(closing, crossing.overtaken_by(lambda: crossing.withdraw(closing)))
        closure = await crossing.last_of("closure")
        assert refused.value.detail.startswith(f"the closure is in the log, at index {closure.index}, and is void: ")
        assert (await crossing.verdict()).reason_code == "DECISION_WITHDRAWN"


async def test_whoever_closes_is_told_where_the_log_cannot_be_looked_at_again(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        crossing = await Crossing.staged(stage)
        closing = await crossing.allow_closing()

        async def unreadable(job_id: str) -> Job:
            raise Refused("LOG_RESPONSE_INVALID", f"the log answers nonsense about {job_id}")

        async def cut_off() -> None:
            desk.job = unreadable  # type: ignore[method-assign]  # the log is as it is; it is not read any more

        desk = crossing.overtaken_by(cut_off)
        with pytest.raises(Refused, match="LOG_RESPONSE_INVALID") as refused:
            await crossing.close(closing, desk)
        closure = await crossing.last_of("closure")
        assert refused.value.detail.startswith(
            f"the closure is in the log, at index {closure.index}; whether it holds is not known"
        )


async def test_whoever_closes_is_told_where_the_log_shows_an_older_tree(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        crossing = await Crossing.staged(stage)
        closing = await crossing.allow_closing()
        as_it_was = await stage.desk.job(crossing.job.job_id)

        async def stale(job_id: str) -> Job:
            assert job_id == crossing.job.job_id
            return as_it_was

        async def turn_stale() -> None:
            desk.job = stale  # type: ignore[method-assign]  # a log, or what stands before it, that answers from a cache

        desk = crossing.overtaken_by(turn_stale)
        with pytest.raises(Refused, match="CHECKPOINT_STALE") as refused:
            await crossing.close(closing, desk)
        assert "whether it holds is not known" in refused.value.detail
