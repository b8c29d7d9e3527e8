"""Rules about what must have been done before: the simulation, its model calls, the steps that the policy orders, executions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trustlog.formats.entry import ref_value
from trustlog.policy.facts import ExecutionsFact, Missing, PolicyFact, ReceiptFact, SimulationFact
from trustlog.policy.finding import Finding
from trustlog.policy.rules.rule import (
    CLOSE,
    EXECUTE,
    SIMULATE,
    executes_or_closes,
    needs_receipts,
    needs_simulation,
    rule,
    steps_before,
)
from trustlog.records.token_issued import TokenIssued


@rule(
    "SIMULATION_MISSING",
    "SIMULATION_FAILED",
    "PLAN_MISMATCH",
    enforces=["tools.*.requires_plan_fingerprint_match", "simulation: of this job, plan and policy, with success"],
    applies=needs_simulation,
)
def plan_is_simulated(simulation: SimulationFact, token: TokenIssued) -> Iterator[Finding]:
    """This very plan was simulated for the job, under its policy, with success.

    “A tool that needs approvals needs a plan and a simulation”: a successful one, of this very plan, for this job.
    """
    record = simulation.record
    pairs = (
        ("ticket", record.ticket, token.ticket),
        ("policy_hash_b64u", record.policy_hash_b64u, token.policy_hash_b64u),
        ("token_scope_hash_b64u", record.token_scope_hash_b64u, token.token_scope_hash_b64u),
    )
    for name, found, expected in pairs:
        if found != expected:
            step = _simulate_again(token)
            yield Finding("SIMULATION_MISSING", f"a simulation whose {name} is {expected}", found, step)


@rule("RECEIPTS_MISSING", enforces=["enforcement.require_gateway_receipts"], applies=needs_receipts)
def model_calls_are_receipted(
    simulation: SimulationFact, receipts: Sequence[ReceiptFact], policy: PolicyFact, token: TokenIssued
) -> Iterator[Finding]:
    """A model call of the job's run has its receipt in the log, below the simulation.

    “At least one receipt with the job's token scope hash, run and policy below the simulation.”
    """
    run_id = simulation.record.run_id
    run_ref = ref_value(run_id)
    below = [one for one in receipts if one.index < simulation.index]
    if not any(one.run_ref == run_ref and one.policy == policy.policy_hash for one in below):
        expected = f"a gateway receipt of run {run_id} and this policy below the simulation"
        step = (
            f"Let the agent make its model calls for run {run_id} through the model proxy, with the job's token; the "
            f"proxy logs a receipt of each. Then {_simulate_again(token)}"
        )
        yield Finding("RECEIPTS_MISSING", expected, f"{len(below)} receipts of the job there", step)


@rule("REQUIRED_STEP_MISSING", enforces=["tools.*.required_before"])
def steps_before_are_done(
    policy: PolicyFact, action: str, steps_done: frozenset[str], token: TokenIssued
) -> Iterator[Finding]:
    """Every step that the policy orders before this one was done.

    “`required_before` on a tool lists the tools that may run only after this one was done, successfully and for the same
    plan and job.”
    """
    for step in steps_before(policy.rules, action):
        if step != SIMULATE and step not in steps_done:  # the simulation has a rule of its own
            expected = f"{step} done, with success, for this plan and job {token.job_id}"
            yield Finding("REQUIRED_STEP_MISSING", expected, "none in the log that counts", _do_first(step, token))


@rule(
    "EXECUTION_OUTCOME_UNKNOWN", enforces=["execution: every begin has its end, or a resolution"], applies=executes_or_closes
)
def outcomes_are_known(executions: ExecutionsFact, token: TokenIssued) -> Iterator[Finding]:
    """Every execution that began has ended, or was looked into.

    “`begin` without `end` is *outcome unknown*: it blocks closure and every further allow of `change.execute` of the job,
    until its `end`, or a `resolution`.”
    """
    for begin, index in executions.unknown:
        expected = "an end, or a resolution by a person of the roster, of every execution begun"
        step = (
            f"Find out what was applied; then a person of the roster other than the requester {token.requester} runs: "
            f"trustlog resolve --begin {begin} --note TEXT …"
        )
        yield Finding("EXECUTION_OUTCOME_UNKNOWN", expected, f"none of the begin {begin} at index {index}", step)


@rule("EXECUTION_MISMATCH", enforces=["execution: valid only under its allow"], applies=executes_or_closes)
def executions_are_founded(executions: ExecutionsFact) -> Iterator[Finding]:
    """Nothing was executed outside an allow that carries it.

    “A `begin` and a closure are valid only if their decision is an allow of that action at a lower index, no deny that
    withdraws it stands between, their members equal the scope's …”
    """
    for phase, index in executions.unfounded:
        expected = "every begin under an allow that carries it, every end under its begin"
        yield Finding("EXECUTION_MISMATCH", expected, f"the {phase} at index {index}")


@rule("DECISION_INVALID", enforces=["decision: judged are the allows that a begin names"], applies=executes_or_closes)
def executed_allows_hold(executions: ExecutionsFact) -> Iterator[Finding]:
    """Every allow that was executed holds at its own index.

    “Judged are the allows that a `begin` or closure of the job names or that `required_before` relies on.”
    """
    for decision, begin, code in executions.ill_founded:
        found = f"the one at index {decision}, begun at index {begin}: {code}"
        yield Finding("DECISION_INVALID", "every allow that was executed to hold at its own index", found)


def choose_simulation(
    simulations: Sequence[SimulationFact], token: TokenIssued, *, plan_hash: str | None, wanted: str | None
) -> SimulationFact | Missing:
    """The newest successful simulation of the job, in log order given; of the plan and with the payload hash asked for, if any."""
    plans = {one.record.plan_hash_b64u: one for one in simulations}
    if simulations and plan_hash is not None and plan_hash not in plans:
        expected = f"a plan that was simulated for job {token.job_id}: {', '.join(plans)}"
        step = f"Use a plan that was simulated, or simulate this one and have it approved: {_simulate(token)}"
        return Missing((Finding("PLAN_MISMATCH", expected, plan_hash, step),))
    found = [
        one for one in simulations if wanted in (None, one.payload_hash) and plan_hash in (None, one.record.plan_hash_b64u)
    ]
    succeeded = [one for one in found if one.record.outcome == "success"]
    if succeeded:
        newest = succeeded[-1].payload_hash
        return next(one for one in succeeded if one.payload_hash == newest)  # where it was first logged
    expected = f"a successful simulation of plan {plan_hash or '(none named)'} for job {token.job_id}"
    if found:
        step = f"Correct the plan, then {_simulate_again(token)}"
        return Missing((Finding("SIMULATION_FAILED", expected, f"one that failed, at index {found[-1].index}", step),))
    return Missing((Finding("SIMULATION_MISSING", expected, "none in the log", f"The runner runs: {_simulate(token)}"),))


def _simulate(token: TokenIssued) -> str:
    return f"trustlog simulate --job {token.job_id} --run RUN --plan FILE …"


def _simulate_again(token: TokenIssued) -> str:
    return f"the runner runs: {_simulate(token)}"


def _do_first(step: str, token: TokenIssued) -> str:
    commands = {EXECUTE: "execute", CLOSE: "close"}
    command = commands.get(step, f"gate check --action {step}")
    return f"Do {step} first: trustlog {command} --ticket {token.ticket} --token FILE …"
