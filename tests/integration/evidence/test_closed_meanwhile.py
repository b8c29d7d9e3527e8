"""Two allows of one job, to execute again and to close, are alive at once: after the closure nothing is executed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.evidence.stage import Stage, staged
from tests.integration.evidence.test_detours import approve_and_execute, opened
from trustlog.change.bundle import build_bundle
from trustlog.change.close import log_closure
from trustlog.change.desk import Desk, Published
from trustlog.change.execute import Ran, execute
from trustlog.demo.cast import OWNER, SECURITY
from trustlog.errors import Refused
from trustlog.gate.decision import Decision


async def two_allows(stage: Stage) -> tuple[Decision, Decision]:
    """Of a change that was executed once: to execute it again, and to close it."""
    job = await opened(stage)
    await approve_and_execute(stage, job)
    bundle = (await build_bundle(stage.desk, stage.cast.roles["agent"], job_id=job.job_id)).payload_hash
    await stage.story._approve(job, "ticket.close", (OWNER, SECURITY), bundle=bundle)
    await stage.story._approve(job, "change.execute", (OWNER, SECURITY))
    again = await stage.story._decide(job, "change.execute")
    closing = await stage.story._decide(job, "ticket.close", closing_reason=f"bundle:{bundle}")
    assert again.allow, again.findings
    assert closing.allow, closing.findings
    return again, closing


async def test_an_allow_from_before_the_closure_begins_nothing(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        again, closing = await two_allows(stage)
        closed = await log_closure(stage.desk, stage.cast.roles["gate"], closing)
        applied: list[bytes] = []
        with pytest.raises(Refused, match="JOB_ENDED") as refused:
            await run(stage, stage.desk, again, applied)
        assert refused.value.found == f"its closure at index {closed.index}"
        await stage.desk.reading.catch_up()
        assert stage.desk.reading.view.size == closed.index + 1, "no begin was logged"
        assert not applied


async def test_a_closure_that_comes_just_before_the_begin_keeps_the_command_from_starting(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        again, closing = await two_allows(stage)

        class Overtaken(Desk):
            async def submit(self, envelope: bytes, *, patience_s: float = 0) -> Published:
                await log_closure(stage.desk, stage.cast.roles["gate"], closing)
                self.submit = stage.desk.submit  # type: ignore[method-assign]  # once is enough
                return await stage.desk.submit(envelope, patience_s=patience_s)

        desk = Overtaken.__new__(Overtaken)
        vars(desk).update(vars(stage.desk))
        applied: list[bytes] = []
        with pytest.raises(Refused, match="JOB_ENDED"):
            await run(stage, desk, again, applied)
        assert not applied
        await stage.desk.reading.catch_up()
        view = stage.desk.reading.view
        *_, end = view.of_kind("execution", view.size)
        assert (end.record.phase, end.record.outcome) == ("end", "failure")


async def run(stage: Stage, desk: Desk, decision: Decision, applied: list[bytes]) -> None:
    assert decision.payload_hash is not None

    def apply(plan: bytes) -> Ran:
        applied.append(plan)
        return Ran(0, b"")

    await execute(desk, stage.cast.roles["runner"], decision=decision.payload_hash, run=apply)
