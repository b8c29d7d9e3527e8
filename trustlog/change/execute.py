"""Execute: publish ``begin``, run the command on exactly the stored plan bytes, publish ``end``. Done by the runner.

The runner does not take a gate's word: it judges the logged allow again, at its own index, from its own reading of the log.
``begin`` is published before the command starts, and the command starts only if the log had no ``begin`` of this decision, so one
allow never starts a second execution. A crash in between leaves *outcome unknown*, which blocks closing until a person of the
roster resolves it.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trustlog.change.desk import Desk, Published
from trustlog.errors import Refused
from trustlog.formats.envelope import Signer
from trustlog.formats.timestamp import format_timestamp
from trustlog.gate.execution import EXECUTE
from trustlog.gate.judge import judge_logged_allow
from trustlog.gate.view import Logged
from trustlog.records.plan import compute_fingerprint

MAX_DIFF_BYTES = 8 * 1024 * 1024
END_PATIENCE_S = 120  # how long the log may be away before the outcome counts as unknown


@dataclass(frozen=True, slots=True)
class Ran:
    """What the command did: exit code 0 is success; `output` is stored as the diff produced."""

    exit_code: int
    output: bytes


@dataclass(frozen=True, slots=True)
class Executed:
    """Both records of an execution, and what the command did."""

    begin: Published
    end: Published
    ran: Ran


def run_command(command: Sequence[str], plan: bytes, environment: Mapping[str, str]) -> Ran:
    """Run a command with the plan on its standard input; its standard output is what it changed.

    ``TRUSTLOG_PLAN_FINGERPRINT`` in its environment names the plan. Standard error is passed through.
    """
    env = {**environment, "TRUSTLOG_PLAN_FINGERPRINT": compute_fingerprint(plan)}
    try:
        done = subprocess.run(list(command), input=plan, stdout=subprocess.PIPE, env=env, check=False)  # noqa: S603
    except OSError as error:
        return Ran(127, f"{command[0]}: {error.strerror}\n".encode())
    return Ran(done.returncode, done.stdout[:MAX_DIFF_BYTES])


async def execute(
    desk: Desk,
    signer: Signer,
    *,
    decision: str,
    run: Callable[[bytes], Ran],
    plan: bytes | None = None,
    begun: Callable[[Published], None] = lambda _begin: None,
) -> Executed:
    """Apply the plan of one logged allow (`decision` is its payload hash) by `run`, which gets the stored bytes.

    `plan`, if given, must be the approved plan byte for byte. `begun` hears of the ``begin`` before `run` starts.

    Raises :class:`Refused`: ``DECISION_NOT_LOGGED``, ``DECISION_EXPIRED``, ``DECISION_WITHDRAWN``, the code of whatever stands
    against the allow, ``PLAN_MISMATCH``, ``EXECUTION_ALREADY_BEGUN``; nothing ran then. A refusal after `run` names its exit
    code, and how to resolve the execution.
    """
    await desk.reading.catch_up()
    allow = await _find_allow(desk, decision)
    await _check_allow(desk, allow)
    scope = allow.record.scope
    stored = await desk.reading.plan(scope["plan_hash_b64u"])
    if stored is None:
        raise Refused("PLAN_MISSING", "the log does not have the plan's bytes", param="plan", found=scope["plan_hash_b64u"])
    if plan is not None and plan != stored:
        detail = "this is not the plan that was approved"
        expected, found = scope["plan_hash_b64u"], compute_fingerprint(plan)
        raise Refused("PLAN_MISMATCH", detail, param="plan", expected=expected, found=found)
    begin = await _begin(desk, signer, allow)
    begun(begin)
    ran = run(stored)
    try:
        return Executed(begin, await _end(desk, signer, allow, begin, ran), ran)
    except Refused as refused:
        detail = f"the command ended with exit code {ran.exit_code}, but its end is not in the log: {refused.detail}"
        hint = f"the outcome is unknown to the log; a person of the roster: trustlog resolve --begin {begin.payload_hash}"
        raise Refused(
            refused.code, detail, param=refused.param, expected=refused.expected, found=refused.found, hint=hint
        ) from None


async def _find_allow(desk: Desk, decision: str) -> Logged:
    view = desk.reading.view
    found = view.first(decision, "gate_decision", view.size)
    if found is None or found.record.decision != "allow" or found.record.scope["action"] != EXECUTE:
        expected = f"a logged allow of {EXECUTE}"
        raise Refused(
            "DECISION_NOT_LOGGED", "there is no such decision", param="decision", expected=expected, found=decision
        )
    return found


async def _check_allow(desk: Desk, allow: Logged) -> None:
    """Check that an allow is alive, stands, and was well founded."""
    record, view = allow.record, desk.reading.view
    now_ns = desk.clock()
    if not record.decided_at.ns <= now_ns <= record.expires_at.ns:
        life = f"a time from {record.decided_at.text} to {record.expires_at.text}"
        found = format_timestamp(now_ns)
        raise Refused("DECISION_EXPIRED", "the decision is not alive now", param="decision", expected=life, found=found)
    job = await desk.job(record.scope["job_id"])
    withdrawal = job.withdrawal(allow, view.size)
    if withdrawal is not None:
        found = f"the deny at index {withdrawal.index}"
        raise Refused("DECISION_WITHDRAWN", "the gate withdrew this allow", param="decision", expected="none", found=found)
    plans = await desk.reading.read_job(job.issuance, view.size)
    for finding in judge_logged_allow(view, allow, plans):
        detail = f"the allow at index {allow.index} does not hold: {finding.detail}"
        raise Refused(finding.code, detail, param="decision", expected=finding.expected, found=finding.found)


async def _begin(desk: Desk, signer: Signer, allow: Logged) -> Published:
    """Publish ``begin``, and go on only if it is the first of this decision and the decision still stands below it."""
    try:
        begin = await desk.publish_record("execution", _members(allow, "begin"), signer)
    except Refused as refused:
        if refused.code == "CONFLICT":
            detail = "an execution of this decision was begun before"
            expected = "a decision that started nothing yet"
            raise Refused(
                "EXECUTION_ALREADY_BEGUN", detail, param="decision", expected=expected, found=refused.found
            ) from None
        raise
    if begin.already_logged:
        raise Refused(
            "EXECUTION_ALREADY_BEGUN", "this very begin was logged before", param="decision", found=f"index {begin.index}"
        )
    job = await desk.job(allow.record.scope["job_id"])
    if job.withdrawal(allow, begin.index) is not None:
        raise Refused("DECISION_WITHDRAWN", "the gate withdrew this allow before the begin", param="decision")
    return begin


async def _end(desk: Desk, signer: Signer, allow: Logged, begin: Published, ran: Ran) -> Published:
    """Publish ``end``. It insists: a lost end would leave *outcome unknown*."""
    diff = await desk.store(ran.output, patience_s=END_PATIENCE_S)
    members = {
        **_members(allow, "end"),
        "begin_b64u": begin.payload_hash,
        "outcome": "success" if ran.exit_code == 0 else "failure",
        "diff_b64u": diff,
    }
    return await desk.publish_record("execution", members, signer, patience_s=END_PATIENCE_S)


def _members(allow: Logged, phase: str) -> dict[str, Any]:
    scope = allow.record.scope
    return {
        "phase": phase,
        "decision_b64u": allow.payload_hash,
        "job_id": scope["job_id"],
        "run_id": allow.record.run_id,
        "ticket": scope["ticket"],
        "plan_hash_b64u": scope["plan_hash_b64u"],
        "policy_hash_b64u": scope["policy_hash_b64u"],
        "token_scope_hash_b64u": allow.record.token_scope_hash_b64u,
        "environment": scope["environment"],
    }
