"""The decision: a pure function from a view of the log, a request and a time to allow or deny.

Everything missing, stale, unreadable or undecidable is a deny. The same function judges a request now and an allow that is
already logged, at its own index, when a later act relies on it.

Read top to bottom: the token, the policy, the tool, the plan and its simulation, the job, the steps before, the bundle, the
approvals. Each step adds its findings; a step is left out only where an earlier one left it nothing to look at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from trustlog.errors import Refused
from trustlog.formats.entry import ref_value
from trustlog.gate.approvals import Asked, count_approvals
from trustlog.gate.closing import (
    check_change,
    check_event_headers,
    check_events,
    check_receipts,
    check_tool_receipts,
    find_bundle,
    named_bundle,
)
from trustlog.gate.evidence import check_listed, collect_evidence
from trustlog.gate.execution import EXECUTE, Execution, executions, unfounded_records, unknown_outcomes
from trustlog.gate.job import Job
from trustlog.gate.question import Judged, Judgement, Question
from trustlog.gate.standing import policy_in_force, policy_standing
from trustlog.gate.view import Logged, LogView
from trustlog.policy import rules as policy_rules
from trustlog.policy.finding import Finding
from trustlog.records.fields import UnsetType
from trustlog.records.gate_decision import GateDecision
from trustlog.records.plan import Plan, parse_plan
from trustlog.records.scope import BUNDLE_MEMBER, compute_scope_hash
from trustlog.records.work_policy_contract import ChangeManagement, Tool

SIMULATE: Final = "change.simulate"
CLOSE: Final = "ticket.close"

__all__ = ["Judgement", "Question", "judge", "judge_logged_allow"]


def judge(question: Question) -> Judgement:
    """The judgement of one question."""
    return _Judging(question).judge()


class _Judging:
    """The steps, over what they have established so far."""

    def __init__(self, question: Question) -> None:
        self.q = question
        self.job = Job(question.view, question.size, question.issuance)
        self.findings: list[Finding] = []
        self.rules: ChangeManagement | None = None
        self.tool: Tool | None = None
        self.plan: Plan | None = None
        self.plan_hash = question.plan_hash
        self.simulation: Logged | None = None
        self.bundle: Logged | None = None
        self.execution: Execution | None = None
        self.scope: dict[str, str] = {}
        self.approvals: list[Logged] = []

    def judge(self) -> Judgement:
        self._log()
        self._policy()
        if self.tool is None or self.rules is None:
            return self._judgement(is_logged=True)
        self._token(self.rules)
        self._tool(self.rules, self.tool)
        if not self.tool.decision_is_logged:
            self._simple(self.rules, self.tool)
            return self._judgement(is_logged=False)
        self._simulation()
        self._plan(self.tool)
        self._run_and_receipts(self.rules)
        self._steps_before(self.rules)
        if self.tool.requires_proof_bundle_reference:
            self._bundle()
        self._approvals(self.tool)
        return self._judgement(is_logged=True)

    # The steps.

    def _log(self) -> None:
        for index, code in self.q.view.lies:
            if index < self.q.size:
                found = f"the entry at index {index}: {code}"
                self._find("LOG_LIES", "a log whose entries are what their payloads say", found)

    def _policy(self) -> None:
        policy_hash = self.job.terms.policy_hash_b64u
        self._establish("policy_hash_b64u", policy_hash)
        in_force = policy_in_force(self.q.view, policy_hash, self.q.size)
        if in_force is None:
            self._find("POLICY_NOT_FOUND", f"policy {policy_hash} in the log, in force, with rules for changes", "none")
            return
        self.rules = in_force.rules
        self._extend(policy_rules.policy_validity(self.rules, self.q.at_ns))
        self._extend(policy_standing(self.q.view, policy_hash, self.q.size))
        self._extend(policy_rules.tool_listed(self.rules, self.q.action))
        self.tool = self.rules.tools.get(self.q.action)

    def _token(self, rules: ChangeManagement) -> None:
        terms = self.job.terms
        self._extend(policy_rules.token_lifetime(rules, terms, self.q.at_ns))
        self._extend(policy_rules.token_scope(rules, terms))
        for name, value in (("job_id", terms.job_id), ("ticket", terms.ticket), ("requester", terms.requester)):
            self._establish(name, value)
        self._establish("agent_did", terms.agent_did)
        self._extend(self.job.unreadable())

    def _tool(self, rules: ChangeManagement, tool: Tool) -> None:
        self._establish("scope_version", "1")
        self._establish("origin", self.q.view.origin)
        self._establish("action", self.q.action)
        self._establish("round", self.job.next_round(self.q.action))
        self._extend(policy_rules.unsupported_demands(rules, tool))

    def _simple(self, rules: ChangeManagement, tool: Tool) -> None:
        """Tools without ceremony: a good token of the same ticket, change type and environment, a job that stands."""
        if policy_rules.steps_before(rules, self.q.action):
            self._simulation()
            self._steps_before(rules)
        if self.plan_hash is not None:
            self._read_plan(self.plan_hash)
        self._extend(policy_rules.change_type_and_environment(tool, self.plan))
        self._extend(self.job.ended(None, self.plan_hash))

    def _simulation(self) -> None:
        """Simulate first: a successful simulation of this plan, for this job, under a policy that allows simulating."""
        terms = self.job.terms
        if self.rules is not None:
            self._extend(policy_rules.tool_listed(self.rules, SIMULATE))
        every = self.q.view.valid("simulation", "job", terms.job_id, self.q.size)
        wanted = self._wanted_simulation()
        found = [
            one
            for one in every
            if wanted in (None, one.payload_hash) and self.plan_hash in (None, one.record.plan_hash_b64u)
        ]
        if every and self.plan_hash is not None and self.plan_hash not in {one.record.plan_hash_b64u for one in every}:
            simulated = ", ".join(one.record.plan_hash_b64u for one in every)
            self._find("PLAN_MISMATCH", f"a plan that was simulated for job {terms.job_id}: {simulated}", self.plan_hash)
            self.plan_hash = None
            return
        succeeded = [one for one in found if one.record.outcome == "success"]
        if not succeeded:
            code = "SIMULATION_FAILED" if found else "SIMULATION_MISSING"
            expected = f"a successful simulation of plan {self.plan_hash or '(none named)'} for job {terms.job_id}"
            self._find(code, expected, f"one that failed, at index {found[-1].index}" if found else "none in the log")
            return
        newest = succeeded[-1].payload_hash
        self.simulation = next(one for one in succeeded if one.payload_hash == newest)  # where it was first logged
        record = self.simulation.record
        pairs = (
            ("ticket", record.ticket, terms.ticket),
            ("policy_hash_b64u", record.policy_hash_b64u, terms.policy_hash_b64u),
            ("token_scope_hash_b64u", record.token_scope_hash_b64u, terms.token_scope_hash_b64u),
        )
        for name, found_value, expected_value in pairs:
            if found_value != expected_value:
                self._find("SIMULATION_MISSING", f"a simulation whose {name} is {expected_value}", found_value)
        self.plan_hash = record.plan_hash_b64u
        self._establish("simulation_b64u", self.simulation.payload_hash)

    def _wanted_simulation(self) -> str | None:
        """The simulation asked for; when closing, the one that the execution relied on."""
        if self.q.simulation is None and self._closes():
            done = [one for one in executions(self.job) if one.succeeded]
            return done[-1].decision.record.scope["simulation_b64u"] if done else None
        return self.q.simulation

    def _plan(self, tool: Tool) -> None:
        if self.plan_hash is None or self.simulation is None:
            return  # a plan that only the caller names is not established
        self._establish("plan_hash_b64u", self.plan_hash)
        self._read_plan(self.plan_hash)
        if self.plan is None:
            return  # the finding against it is enough
        self._establish("change_type", self.plan.change_type)
        self._establish("environment", self.plan.environment)
        self._extend(policy_rules.change_type_and_environment(tool, self.plan))

    def _read_plan(self, plan_hash: str) -> None:
        text = self.q.plans.get(plan_hash)
        if text is None:
            self._find("PLAN_MISSING", f"the bytes of plan {plan_hash}", "none in the log's payload store")
            return
        try:
            self.plan = parse_plan(text)
        except Refused as refused:
            self._find(refused.code, f"plan {plan_hash} to be a plan", refused.detail)
            return
        if self.plan.ticket != self.job.terms.ticket:
            self._find("PLAN_MISMATCH", f"a plan for ticket {self.job.terms.ticket}", self.plan.ticket)

    def _run_and_receipts(self, rules: ChangeManagement) -> None:
        """One run throughout the job; at least one model call of this job, run and policy below the simulation."""
        if self.simulation is None:
            return
        run_id = self.simulation.record.run_id
        self._extend(self.job.run_mismatches(run_id))
        if not rules.enforcement.require_gateway_receipts:
            return
        receipts = self.job.receipts(self.simulation.index)
        named = {"run": ref_value(run_id), "policy": self.scope["policy_hash_b64u"]}
        bound = [one for one in receipts if named.items() <= one.refs.items()]
        if not bound:
            expected = f"a gateway receipt of run {run_id} and this policy below the simulation"
            self._find("RECEIPTS_MISSING", expected, f"{len(receipts)} receipts of the job there")

    def _steps_before(self, rules: ChangeManagement) -> None:
        """``required_before``: what must have been done first, for the same plan and job."""
        if self.q.action in (EXECUTE, CLOSE) or self._closes():
            self._executions()
        for step in policy_rules.steps_before(rules, self.q.action):
            if step == SIMULATE:
                continue  # a simulation is demanded of every tool that comes here
            if not self._is_done(step):
                expected = f"{step} done, with success, for plan {self.plan_hash} and job {self.job.terms.job_id}"
                self._find("REQUIRED_STEP_MISSING", expected, "none in the log that counts")

    def _executions(self) -> None:
        """Every execution so far is over, and stood under an allow that carried it."""
        self._extend(unknown_outcomes(self.job))
        self._extend(unfounded_records(self.job))
        for execution in executions(self.job):
            for finding in self._against_allow(execution.decision):
                found = (
                    f"the one at index {execution.decision.index}, begun at index {execution.begin.index}: {finding.code}"
                )
                self._find("DECISION_INVALID", "every allow that was executed to hold at its own index", found)

    def _is_done(self, step: str) -> bool:
        if step == EXECUTE:
            return self._done_execution()
        if step == CLOSE:
            return any(self.q.view.valid("closure", "job", self.job.terms.job_id, self.q.size))
        return self._done_allow(step)

    def _closes(self) -> bool:
        """Whether the tool closes."""
        return self.tool is not None and self.tool.requires_proof_bundle_reference

    def _done_execution(self) -> bool:
        for execution in executions(self.job):
            if execution.end is None or execution.decision.record.scope["plan_hash_b64u"] != self.plan_hash:
                continue
            if execution.succeeded and not self._against_allow(execution.decision):
                self.execution = execution
        return self.execution is not None

    def _done_allow(self, step: str) -> bool:
        for allow in self.job.decisions(allow=True):
            scope = allow.record.scope
            same = scope["action"] == step and scope["plan_hash_b64u"] == self.plan_hash
            if same and self.job.withdrawal(allow, self.q.size) is None and not self._against_allow(allow):
                return True
        return False

    def _against_allow(self, allow: Logged) -> tuple[Finding, ...]:
        return judge_logged_allow(self.q.view, allow, self.q.plans, self.q.judged)

    def _bundle(self) -> None:
        """The closing reason names a logged bundle that is this change's, complete, and unused."""
        bundle_hash, findings = named_bundle(self.q.closing_reason)
        self.findings += findings
        if bundle_hash is None:
            return
        self.bundle, findings = find_bundle(self.job, bundle_hash)
        self.findings += findings
        if self.bundle is None:
            return
        self._establish(BUNDLE_MEMBER, bundle_hash)
        if self.simulation is None:
            return
        run_id = self.simulation.record.run_id
        self._done_execution()  # also where the policy does not demand it: the bundle names its end
        self._extend(check_change(self.bundle, self._change(run_id)))
        self._extend(check_receipts(self.job, self.bundle, run_id))
        self._extend(check_tool_receipts(self.job, self.bundle))
        self._extend(check_events(self.bundle, run_id))
        self._extend(check_event_headers(self.bundle))

    def _change(self, run_id: str) -> dict[str, str]:
        assert self.simulation is not None
        change = {
            "change_version": "1",
            "ticket": self.job.terms.ticket,
            "job_id": self.job.terms.job_id,
            "run_id": run_id,
            "policy_hash_b64u": self.job.terms.policy_hash_b64u,
            "plan_hash_b64u": self.simulation.record.plan_hash_b64u,
            "token_scope_hash_b64u": self.job.terms.token_scope_hash_b64u,
            "simulation_b64u": self.simulation.payload_hash,
        }
        if self.execution is None:
            self._find("REQUIRED_STEP_MISSING", "a successful execution for the bundle to name", "none that counts")
        elif self.execution.end is not None:
            change |= {
                "decision_b64u": self.execution.decision.payload_hash,
                "execution_b64u": self.execution.end.payload_hash,
            }
        return change

    def _approvals(self, tool: Tool) -> None:
        scope_hash = self._scope_hash()
        self._extend(self.job.ended(scope_hash, self.plan_hash))
        if self.q.view.rosters.at(self.q.size) is None:
            self._find("ROSTER_MISSING", "a roster in force", "none")
        if scope_hash is None or self.simulation is None:
            if tool.approvals_needed:
                expected = f"{tool.approvals_needed} approvals of a complete scope"
                self._find("APPROVALS_INSUFFICIENT", expected, "no complete scope to approve yet, for the reasons above")
            return
        above = self.bundle.index if self.bundle is not None else self.simulation.index
        run_id = self.simulation.record.run_id
        asked = Asked(self.job, tool, self.scope, scope_hash, run_id, above, self.q.at_ns)
        self.approvals, findings = count_approvals(asked, self.q.only_approvals)
        self.findings += findings

    # What the steps share.

    def _scope_hash(self) -> str | None:
        members = 13 + (1 if self._closes() else 0)
        return compute_scope_hash(self.scope) if len(self.scope) == members else None

    def _establish(self, name: str, value: str) -> None:
        """One member of the scope document, established from evidence."""
        self.scope[name] = value

    def _find(self, code: str, expected: str, found: str) -> None:
        self.findings.append(Finding(code, expected, found))

    def _extend(self, findings: Iterator[Finding]) -> None:
        self.findings.extend(findings)

    def _judgement(self, *, is_logged: bool) -> Judgement:
        run_id = self.simulation.record.run_id if self.simulation is not None else None
        roster = self.q.view.rosters.at(self.q.size)
        scope_hash = self._scope_hash()
        plan_hash = self.scope.get("plan_hash_b64u")
        evidence = collect_evidence(self.job, run_id=run_id, scope_hash=scope_hash, plan_hash=plan_hash)
        return Judgement(
            findings=tuple(dict.fromkeys(self.findings)),
            scope=dict(self.scope),
            run_id=run_id,
            roster_b64u=None if roster is None else roster.payload_hash_b64u,
            approvals=tuple(one.payload_hash for one in self.approvals),
            evidence=tuple(evidence),
            is_logged=is_logged,
        )


def judge_logged_allow(
    view: LogView, allow: Logged, plans: Mapping[str, bytes], judged: Judged | None = None
) -> tuple[Finding, ...]:
    """What stands against an allow that is in the log, judged at its own index: nothing, if it was well founded.

    What permits must stand below the view that the gate had read, what restricts counts below the decision's index: so it is
    judged at both. `judged` is where the answer is remembered.
    """
    judged = {} if judged is None else judged
    if allow.index not in judged:
        judged[allow.index] = tuple(dict.fromkeys(_against_logged_allow(view, allow, plans, judged)))
    return judged[allow.index]


def _against_logged_allow(view: LogView, allow: Logged, plans: Mapping[str, bytes], judged: Judged) -> Iterator[Finding]:
    record = allow.record
    if record.view.size > allow.index:
        yield Finding("VIEW_INVALID", f"a view of at most {allow.index} entries", f"{record.view.size} entries")
        return
    issued = view.valid("token_issued", "token", record.token_hash, record.view.size)
    if not issued:
        yield Finding("TOKEN_NOT_LOGGED", f"the issuance of token {record.token_hash}", "none below the decision's view")
        return
    for size in sorted({record.view.size, allow.index}):
        judgement = judge(_question_of(view, allow, plans, judged, issuance=issued[0], size=size))
        yield from judgement.findings
        if judgement.allow and not _says_the_same(record, judgement, issued[0]):
            expected = "an allow whose scope, run, roster, token scope and approvals are what the evidence says"
            yield Finding("DECISION_INVALID", expected, f"others in the decision at index {allow.index}")
        if size == record.view.size:
            yield from check_listed(view, allow, judgement.evidence)


def _question_of(
    view: LogView, allow: Logged, plans: Mapping[str, bytes], judged: Judged, *, issuance: Logged, size: int
) -> Question:
    """The question that a logged allow answered."""
    record = allow.record
    return Question(
        view=view,
        size=size,
        at_ns=record.decided_at.ns,
        issuance=issuance,
        action=record.scope["action"],
        plans=plans,
        plan_hash=record.scope["plan_hash_b64u"],
        simulation=record.scope["simulation_b64u"],
        closing_reason=None if isinstance(record.closing_reason, UnsetType) else record.closing_reason,
        only_approvals=frozenset(record.approvals),
        judged=judged,
    )


def _says_the_same(record: GateDecision, judgement: Judgement, issuance: Logged) -> bool:
    return (
        dict(judgement.scope) == record.scope
        and judgement.run_id == record.run_id
        and judgement.roster_b64u == record.roster_b64u
        and issuance.record.token_scope_hash_b64u == record.token_scope_hash_b64u
        and set(judgement.approvals) == set(record.approvals)
    )
