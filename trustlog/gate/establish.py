"""From a question to its facts: what the log, as it was read, says about it. Nothing is judged here.

A fact that cannot be had is a :class:`~trustlog.policy.facts.Missing` with the finding that says why; one that no rule asks for is
missing too, with a finding that would be a defect's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from trustlog.gate.counting import Counting
from trustlog.gate.done import AgainstAllow, Done
from trustlog.gate.execution import Execution, executions
from trustlog.gate.job import Job, JobEntries, job_fact
from trustlog.gate.logged import Logged
from trustlog.gate.question import Question
from trustlog.gate.standing import policy_fact
from trustlog.policy.facts import (
    BundleFact,
    Facts,
    Missing,
    ReceiptFact,
    ScopeFact,
    SimulationFact,
)
from trustlog.policy.finding import Finding
from trustlog.policy.rules import steps_before
from trustlog.policy.rules.closing import bundle_not_logged, read_reference
from trustlog.policy.rules.rule import EXECUTE, Demand, closes, executes_or_closes, needs_simulation
from trustlog.policy.rules.steps import choose_simulation
from trustlog.policy.rules.tool import find_tool, read_plan
from trustlog.records.plan import Plan
from trustlog.records.scope import BUNDLE_MEMBER, SCOPE_MEMBERS, compute_scope_hash

NOT_ASKED: Final = Missing((Finding("INTERNAL_ERROR", "a rule that asks for facts of its own action", "one that does not"),))


@dataclass(frozen=True, slots=True)
class Established:
    """The facts, and what of the scope document they give: all of it, or as much as could be established."""

    facts: Facts
    scope: Mapping[str, str]
    job: Job
    entries: JobEntries

    @property
    def run_id(self) -> str | None:
        """The job's run, as the simulation names it."""
        simulation = self.facts.simulation
        return None if isinstance(simulation, Missing) else simulation.record.run_id

    @property
    def is_logged(self) -> bool:
        """Whether a decision of this is logged: all but the allows of tools that need no ceremony."""
        return isinstance(self.facts.tool, Missing) or self.facts.tool.decision_is_logged


def establish(question: Question, against_allow: AgainstAllow) -> Established:
    """The facts of a question. `against_allow` judges an earlier allow that the question relies on."""
    return _Establishing(question, against_allow).establish()


class _Establishing:
    """One question's facts, from the policy to the approvals: the later are looked for with what the earlier say."""

    def __init__(self, question: Question, against_allow: AgainstAllow) -> None:
        self.q = question
        self.view, self.size = question.view, question.size
        self.job = Job(question.view, question.size, question.issuance)
        self.token = self.job.terms
        self.entries: JobEntries = self.job.entries()
        self.against_allow = against_allow
        self.unasked = NOT_ASKED

    def establish(self) -> Established:
        policy = policy_fact(self.view, self.token, self.size)
        tool = policy if isinstance(policy, Missing) else find_tool(policy, self.q.action)
        demand = None
        if not (isinstance(policy, Missing) or isinstance(tool, Missing)):
            demand = Demand(self.q.action, policy.rules, tool)
        self.unasked = tool if isinstance(tool, Missing) else NOT_ASKED
        needs_executions = demand is not None and (executes_or_closes(demand) or EXECUTE in self._steps(demand))
        known = executions(self.job, self.entries) if needs_executions else []
        simulation = self._simulation(demand, known)
        plan = self._plan(demand, simulation)
        bundle = self._bundle() if demand is not None and closes(demand) else self.unasked
        members = self._scope(demand, simulation, plan, bundle)
        scope = self._complete_scope(demand, members, (tool, simulation, plan, bundle))
        done = Done(self.job, self.entries, known, self.against_allow)
        counting = Counting(self.q, self.token)
        roster = counting.roster()
        named_plan = self.q.plan_hash if isinstance(simulation, Missing) else simulation.record.plan_hash_b64u
        facts = Facts(
            at_ns=self.q.at_ns,
            action=self.q.action,
            lies=tuple(lie for lie in self.view.lies if lie.index < self.size),
            token=self.token,
            policy=policy,
            tool=tool,
            job=job_fact(
                self.job,
                self.entries,
                scope_hash=None if isinstance(scope, Missing) else scope.scope_hash,
                plan_hash=named_plan,
                now_ns=self.q.at_ns if self.q.answered is None else None,
            ),
            simulation=simulation,
            plan=plan,
            receipts=self._receipts(),
            steps_done=self._steps_done(demand, simulation, done),
            executions=done.executions() if needs_executions else self.unasked,
            executed=done.executed() if needs_executions else self.unasked,
            bundle=bundle,
            roster=roster,
            scope=scope,
            counted=counting.count(tool, simulation, scope, bundle, roster),
            decision=NOT_ASKED,
        )
        return Established(facts, members, self.job, self.entries)

    def _steps(self, demand: Demand) -> list[str]:
        return steps_before(demand.rules, demand.action)

    def _simulation(self, demand: Demand | None, known: list[Execution]) -> SimulationFact | Missing:
        """The one asked for; when closing, the one that the execution relied on; else the newest that succeeded."""
        if demand is None or not needs_simulation(demand):
            return self.unasked
        wanted = self.q.simulation
        if wanted is None and closes(demand):
            done = [one for one in known if one.succeeded]
            wanted = done[-1].decision.record.scope["simulation_b64u"] if done else None
        every = [SimulationFact(one.index, one.payload_hash, one.record) for one in self.entries.valid("simulation")]
        return choose_simulation(every, self.token, plan_hash=self.q.plan_hash, wanted=wanted)

    def _plan(self, demand: Demand | None, simulation: SimulationFact | Missing) -> Plan | Missing | None:
        """The simulated plan; where no simulation is needed, the one that the caller names, if any."""
        if demand is None:
            return self.unasked
        if not needs_simulation(demand):
            named = self.q.plan_hash
            return None if named is None else read_plan(named, self.q.plans.get(named), self.token)
        if isinstance(simulation, Missing):
            return simulation  # a plan that only the caller names is not established
        plan_hash = simulation.record.plan_hash_b64u
        return read_plan(plan_hash, self.q.plans.get(plan_hash), self.token)

    def _bundle(self) -> BundleFact | Missing:
        named = read_reference(self.q.closing_reason, self.token)
        if isinstance(named, Missing):
            return named
        found = self.view.by_payload(named, "proof_bundle", self.size)
        mine = next((one for one in found if one.entry.signer_did == self.token.agent_did), None)
        if mine is None:
            return bundle_not_logged(named, self.token, by_others=len(found))
        closures = self.view.valid("closure", "bundle", named, self.size)
        return BundleFact(
            mine.index,
            named,
            mine.record,
            closed_at=tuple(one.index for one in closures),
            unlogged_tool_receipts=tuple(self._unlogged_tool_receipts(mine)),
        )

    def _unlogged_tool_receipts(self, bundle: Logged) -> Iterator[str]:
        for receipt in bundle.record.tool_receipts:
            if receipt.envelope is None or receipt.record.receipt_version != "1":
                continue
            logged = self.view.named(receipt.envelope.payload_hash_b64u, receipt.kind, bundle.index)
            if not any(one.candidate is not None and one.entry.signer_did == receipt.envelope.signer_did for one in logged):
                yield receipt.record.receipt_id

    def _scope(
        self,
        demand: Demand | None,
        simulation: SimulationFact | Missing,
        plan: Plan | Missing | None,
        bundle: BundleFact | Missing,
    ) -> dict[str, str]:
        """The members of the scope document that evidence gives."""
        scope = {"policy_hash_b64u": self.token.policy_hash_b64u}
        if demand is None:
            return scope
        scope |= {
            "scope_version": "1",
            "origin": self.view.origin,
            "job_id": self.token.job_id,
            "agent_did": self.token.agent_did,
            "requester": self.token.requester,
            "ticket": self.token.ticket,
            "action": demand.action,
            "round": self._round(demand.action),
        }
        if not isinstance(simulation, Missing):
            scope["simulation_b64u"] = simulation.payload_hash
            scope["plan_hash_b64u"] = simulation.record.plan_hash_b64u
            if isinstance(plan, Plan):
                scope |= {"change_type": plan.change_type, "environment": plan.environment}
        if not isinstance(bundle, Missing):
            scope[BUNDLE_MEMBER] = bundle.payload_hash
        return scope

    def _round(self, action: str) -> str:
        """That of now; of a logged allow that of its own index, whatever its gate had read of the allows below."""
        answered = self.q.answered
        if answered is None or answered.index == self.size:
            return self.entries.next_round(action)
        return Job(self.view, answered.index, self.q.issuance).entries().next_round(action)

    def _complete_scope(
        self, demand: Demand | None, members: dict[str, str], parts: tuple[object, ...]
    ) -> ScopeFact | Missing:
        needed = len(SCOPE_MEMBERS) + (1 if demand is not None and closes(demand) else 0)
        if len(members) == needed:
            return ScopeFact(members, compute_scope_hash(members))
        lacking = (part for part in parts if isinstance(part, Missing) and part is not NOT_ASKED)
        why = dict.fromkeys(finding for part in lacking for finding in part.why)
        return Missing(tuple(why)) if why else NOT_ASKED

    def _receipts(self) -> tuple[ReceiptFact, ...]:
        return tuple(
            ReceiptFact(one.index, one.entry.signer_did, one.payload_hash, one.refs.get("run"), one.refs.get("policy"))
            for one in self.entries.receipts
        )

    def _steps_done(self, demand: Demand | None, simulation: SimulationFact | Missing, done: Done) -> frozenset[str]:
        """The steps before the action that were done, with success, for the same plan and job."""
        if demand is None or isinstance(simulation, Missing):
            return frozenset()
        return done.steps(self._steps(demand), simulation.record.plan_hash_b64u)
