"""A change as a story tells it, and the people who look at it. The acts are those of everybody; see ``fixtures/making``."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from making import change as making
from making.change import CLOSE, EXECUTE, closing_reason
from making.inputs import OWNER, REQUESTER, SECOND_OWNER, SECURITY

from tests.scenarios.answer import Answer
from trustlog.change.close import log_closure
from trustlog.change.desk import Desk, Published
from trustlog.change.execute import Executed, Ran, execute
from trustlog.gate.gate import Gate
from trustlog.gate.identify import GateRequest
from trustlog.tokens.scoped_token import parse_token

__all__ = ["CLOSE", "EXECUTE", "Change", "Person", "closing_reason"]


@dataclass(slots=True)
class Change(making.Change):
    """One job of one ticket. Acts are told in the order in which they take place."""

    bundle: str = ""
    applied: list[bytes] = field(default_factory=list)  # what reached the target, in order
    executions: list[str] = field(default_factory=list)  # the decisions that were executed

    async def ask(
        self,
        action: str,
        *,
        reason: str | None = None,
        plan_hash: str | None = None,
        gate: Gate | None = None,
        **claims: str,
    ) -> Answer:
        """Ask the gate, or another one. `claims` are words of the caller in place of the truth: ``ticket``, ``token``."""
        self.world.clock.step()
        if reason is None and action == CLOSE and self.bundle:
            reason = closing_reason(self.bundle)
        request = self.request(action, reason=reason, plan_hash=plan_hash)
        asked: GateRequest = replace(request, **claims)
        return Answer(await (gate or self.world.gate).decide(asked))

    async def approved(self, action: str = EXECUTE) -> Change:
        """The owner and platform security look at it and approve."""
        await Person(OWNER).approve(self, action)
        await Person(SECURITY).approve(self, action)
        return self

    async def run(self, decision: Answer, plan: bytes | None = None, *, desk: Desk | None = None) -> Executed:
        """The runner executes what a decision allows. `plan` is the file that the operator believes was approved."""
        self.world.clock.step()
        runner = self.world.signer("runner")
        self.executions.append(decision.payload_hash)
        return await execute(desk or self.world.desk, runner, decision=decision.payload_hash, run=self._touch, plan=plan)

    def _touch(self, plan: bytes) -> Ran:
        self.applied.append(plan)
        return self._apply(plan)

    async def executed(self) -> Change:
        """Approved, allowed, executed with success."""
        await self.approved()
        return await self.executed_as_approved()

    async def executed_as_approved(self) -> Change:
        """Allowed, and executed with success."""
        decision = await self.ask(EXECUTE)
        assert decision.allowed
        await self.run(decision)
        return self

    async def bundled(self) -> Change:
        """The agent's bundle of it is logged."""
        self.bundle = await self.log_bundle()
        return self

    async def closed(self) -> Change:
        """From the bundle to the closure."""
        await self.bundled()
        await self.approved(CLOSE)
        return await self.closed_as_approved()

    async def closed_as_approved(self) -> Change:
        """Allowed, and closed."""
        decision = await self.ask(CLOSE)
        assert decision.allowed
        self.world.clock.step()
        await log_closure(self.world.desk, self.world.signer("gate"), decision.decision)
        return self

    async def carried_out(self, decision: Answer) -> Change:
        """All that is left to do after a decision to execute."""
        await self.run(decision)
        return await self.closed()

    async def finished(self) -> Change:
        """All that is left to do after the simulation."""
        await self.executed()
        return await self.closed()

    async def revoke(self, target: str, label: str = "token issuer", *, why: str = "stop") -> Published:
        """Somebody who may revokes ``token:…``, ``job:…``, ``policy:…``, ``approval:…`` or ``key:…``."""
        return await self.world.publish("revocation", {"target": target, "reason": why}, label)

    async def revoke_token(self) -> Published:
        """The token at hand."""
        return await self.revoke(f"token:{parse_token(self.token).token_hash}")

    def another_job(self, **terms: Any) -> Change:
        """A new job for the same ticket; it has no token yet."""
        kept = {"policy": self.policy, "agent": self.agent, "environment": self.environment, "replicas": self.replicas}
        return Change(self.world, self.number, cycle=self.cycle + 1, **{**kept, **terms})


@dataclass(frozen=True)
class Person:
    """A person of the roster; `key` is the label of the key that they sign with."""

    key: str

    async def approve(self, change: Change, action: str = EXECUTE, *, plan_hash: str | None = None) -> str:
        """Look at what the log says of the action, and approve it; the approval's payload hash."""
        bundle = change.bundle if action == CLOSE else None
        return (await change.answer(action, self.key, bundle=bundle, plan_hash=plan_hash)).payload_hash

    async def deny(self, change: Change, action: str = EXECUTE) -> str:
        """Look at it, and deny it; the denial's payload hash."""
        return (await change.answer(action, self.key, deny=True)).payload_hash


owner, second_owner = Person(OWNER), Person(SECOND_OWNER)
security, requester = Person(SECURITY), Person(REQUESTER)
