"""One run for all receipts and records of a job: what names another, what names none, and what need not."""

from __future__ import annotations

import pytest

from tests.verifier.changebuilder import OWNER, ROLE_KEYS, Change, Payload, approval_refs, at, receipt_refs, shared_refs
from tests.verifier.judging import assert_fails, assert_passes, verdict
from tests.verifier.logbuilder import hash_of

ONE_RUN = "policy.one_run[change.execute] RUN_MISMATCH"
LONGEST = "run-" + "y" * 124


def receipt(change: Change, kind: str, **binding: str) -> None:
    """The agent's receipt of an act, bound to the job's token scope."""
    payload: Payload = {
        "receipt_version": "1",
        "receipt_id": "act-1",
        "hash_algorithm": "SHA-256",
        "agent_did": ROLE_KEYS["agents"].did,
        "timestamp": at(change.clock),
        "latency_ms": 1,
        "binding": {"token_scope_hash_b64u": change.token_scope} | binding,
    }
    if kind == "tool_receipt":
        payload |= {"tool_name": "ls", "args_hash_b64u": hash_of(b"a"), "result_hash_b64u": hash_of(b"r")}
    else:
        payload |= {
            "effect_class": "network_egress",
            "target_hash_b64u": hash_of(b"t"),
            "request_hash_b64u": hash_of(b"a"),
            "response_hash_b64u": hash_of(b"r"),
        }
    change.put("act", kind, payload, ROLE_KEYS["agents"], receipt_refs)


def violation(change: Change, run: str) -> None:
    payload = change.header("violation", "violation") | {
        "code": "RUN_MISMATCH",
        "ticket": change.ticket,
        "job_id": change.job,
        "run_id": run,
        "seen": [],
        "expected": "one run",
        "found": run,
        "done": "reopened",
    }
    change.put(
        "violation",
        "violation",
        payload,
        ROLE_KEYS["gates"],
        lambda p: {"ticket": p["ticket"], "job": p["job_id"], "run": p["run_id"]},
    )


@pytest.mark.parametrize("kind", ["tool_receipt", "side_effect_receipt"])
def test_an_act_that_names_no_run(kind: str) -> None:
    change = Change(before={"approve_execute_1": lambda c: receipt(c, kind)}).build()
    assert_fails(verdict(change), "RUN_MISMATCH", ONE_RUN, "policy.one_run[ticket.close] RUN_MISMATCH")


@pytest.mark.parametrize("kind", ["tool_receipt", "side_effect_receipt"])
def test_an_act_of_another_run(kind: str) -> None:
    change = Change(before={"approve_execute_1": lambda c: receipt(c, kind, run_id="run-9")}).build()
    assert_fails(verdict(change), "RUN_MISMATCH", ONE_RUN)


@pytest.mark.parametrize("kind", ["tool_receipt", "side_effect_receipt"])
def test_an_act_of_the_run_passes(kind: str) -> None:
    change = Change(before={"approve_execute_1": lambda c: receipt(c, kind, run_id=c.run)}).build()
    assert_passes(verdict(change))


def test_an_approval_that_names_no_run_is_of_no_other() -> None:
    """It counts for nothing, and ends nothing."""

    def approve(change: Change) -> None:
        payload = change.approval("more", "change.execute", "p-owner")
        del payload["binding"]["run_id"]
        change.put("more", "human_approval_receipt", payload, OWNER, approval_refs)

    assert_passes(verdict(Change(before={"approve_execute_1": approve}).build()))


@pytest.mark.parametrize("step", ["approve_execute_1", "decide_close", "after"])
def test_a_violation_of_another_run_changes_no_verdict(step: str) -> None:
    change = Change(before={step: lambda c: violation(c, "run-9")}).build()
    report = verdict(change)
    assert_passes(report)
    assert "execution.violation" in {check.full_name for check in report.checks}


def test_another_run_with_a_long_name() -> None:
    def simulate(change: Change) -> None:
        payload = change.header("simulation", "more") | change.shared() | {"artefacts": [], "outcome": "success"}
        change.put("more", "simulation", payload | {"run_id": LONGEST[:-1] + "z"}, ROLE_KEYS["runners"], shared_refs)

    assert_fails(verdict(Change(run=LONGEST, before={"approve_execute_1": simulate}).build()), "RUN_MISMATCH", ONE_RUN)
