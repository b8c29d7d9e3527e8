"""A change judged by its pack with the log beside it, and the log read whole alone: they agree on what ran around a closure."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.verifier.changebuilder import SECURITY, STEPS, Change, Payload, default_policy, trust_toml
from tests.verifier.judging import setting
from tests.verifier.logbuilder import hash_of
from tests.verifier.test_used_again import closed_again
from verifier.cli import main

Step = Callable[[Change], object]


@dataclass
class Auditor:
    """A directory with a trust policy that takes absence only from the log."""

    folder: Path
    capsys: pytest.CaptureFixture[str]

    def run(self, *arguments: str) -> tuple[str, set[str]]:
        """Status of the verdict, and the codes of what failed."""
        main([*arguments, "--trust", str(self.folder / "trust.toml"), "--json"])
        report: Any = json.loads(self.capsys.readouterr().out)
        return report["status"], {check["reason_code"] for check in report["checks"] if check["status"] == "FAIL"}

    def judge(self, change: Change) -> tuple[tuple[str, set[str]], tuple[str, set[str]]]:
        """By its pack with the log beside it, and by the log alone."""
        log, pack = self.folder / "log", self.folder / "change.evidence.json"
        (self.folder / "trust.toml").write_bytes(trust_toml(absence="log"))
        change.log.export(log)
        pack.write_bytes(change.pack_bytes())
        by_pack = self.run("evidence", str(pack), "--log", str(log), "--at", "2026-03-01T10:20:00Z")
        return by_pack, self.run("log", str(log), "--deep")


@pytest.fixture
def auditor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Auditor:
    return Auditor(tmp_path, capsys)


def in_no_order() -> Payload:
    """A policy that lets a ticket be closed whatever was executed."""
    policy = default_policy()
    del policy["tools"]["change.execute"]["required_before"]
    return policy


def allow_again(change: Change) -> None:
    """A second round of executing, approved by two people, and not used yet."""
    change._approve("again 1", "change.execute")
    change._approve("again 2", "change.execute")
    approvals = [change.hashes["again 1"], change.hashes["again 2"]]
    change.put_decision("decide_again", change.decision("decide_again", "change.execute", approvals))


def begin_again(change: Change) -> None:
    change.hashes["decide_execute"] = change.hashes["decide_again"]
    change._begin("begin")


def run_again(change: Change) -> None:
    begin_again(change)
    change._end("end_2")


def run_again_and_tell_of_the_first(change: Change) -> None:
    first = dict(change.hashes)
    allow_again(change)
    run_again(change)
    change.hashes |= {step: first[step] for step in ("decide_execute", "begin", "end")}


def run_again_and_tell_of_it(change: Change) -> None:
    allow_again(change)
    run_again(change)
    change.hashes["end"] = change.hashes["end_2"]


def resolve(change: Change) -> None:
    payload = change.header("resolution", "resolve") | {"begin_b64u": change.hashes["begin"], "note": "lost"}
    change.put("resolve", "resolution", payload, SECURITY, lambda p: {"target": p["begin_b64u"]})


def resolve_and_run_again(change: Change) -> None:
    resolve(change)
    run_again_and_tell_of_it(change)


def resolve_beforehand(change: Change) -> None:
    """Of a begin whose payload is known before it is logged; it is lost then."""
    log = change.log.size
    change._begin("begin")
    del change.log.items[log:]
    resolve(change)


def bundle_again(change: Change) -> None:
    """Closed once more, with a bundle of its own."""
    closed_again(change)
    del change.hashes["bundle"]  # the pack's subject names neither


@pytest.mark.parametrize(
    "change",
    [
        Change(),
        Change(before={"bundle": allow_again}),
        Change(before={"bundle": run_again_and_tell_of_it}),
        Change(policy=in_no_order(), before={"bundle": resolve_and_run_again}, skip={"end"}),
    ],
    ids=["once", "an allow to spare", "executed twice", "lost, looked into, and executed again"],
)
def test_both_pass_an_honest_change(auditor: Auditor, change: Change) -> None:
    assert auditor.judge(change.build()) == (("PASS", set()), ("PASS", set()))


BROKEN: dict[str, tuple[str, Change]] = {
    "begun, and not ended, when it is closed": (
        "EXECUTION_OUTCOME_UNKNOWN",
        Change(before={"bundle": allow_again, "closure": begin_again}),
    ),
    "ended after it is closed": (
        "EXECUTION_OUTCOME_UNKNOWN",
        Change(before={"bundle": allow_again, "closure": begin_again, "after": lambda change: change._end("end_2")}),
    ),
    "looked into after it is closed": (
        "EXECUTION_OUTCOME_UNKNOWN",
        Change(before={"bundle": allow_again, "closure": begin_again, "after": resolve}),
    ),
    "run between decision and closure": ("CLOSURE_INVALID", Change(before={"bundle": allow_again, "closure": run_again})),
    "begun after the closure": ("JOB_ENDED", Change(before={"bundle": allow_again, "after": begin_again})),
    "run after the closure": ("JOB_ENDED", Change(before={"bundle": allow_again, "after": run_again})),
    "closed twice": ("JOB_ENDED", Change(before={"after": bundle_again})),
    "closed with the bundle of the first of two executions": (
        "BUNDLE_MISMATCH",
        Change(policy=in_no_order(), before={"bundle": run_again_and_tell_of_the_first}),
    ),
    "run again when the bundle was logged": (
        "BUNDLE_MISMATCH",
        Change(policy=in_no_order(), before={"bundle": allow_again, "approve_close_1": run_again}),
    ),
    "closed with the bundle of what failed": (
        "EXECUTION_FAILED",
        Change(policy=in_no_order(), edit={"end": setting(outcome="failure")}),
    ),
    "closed with the bundle of what somebody looked into": (
        "EXECUTION_FAILED",
        Change(policy=in_no_order(), before={"approve_close_1": resolve}),
    ),
    "a bundle that tells of a begin": (
        "BUNDLE_MISMATCH",
        Change(
            edit={
                "bundle": lambda p: p["metadata"]["change"].update(execution_b64u=p["metadata"]["change"]["decision_b64u"])
            }
        ),
    ),
    "a bundle that tells of no execution in the log": (
        "BUNDLE_MISMATCH",
        Change(edit={"bundle": lambda p: p["metadata"]["change"].update(execution_b64u=hash_of(b"none"))}),
    ),
    "a bundle that tells of no change": ("BUNDLE_MISMATCH", Change(edit={"bundle": lambda p: p.pop("metadata")})),
    "a bundle that is not logged": ("BUNDLE_NOT_LOGGED", Change(skip={"bundle"})),
}


@pytest.mark.parametrize(("code", "change"), BROKEN.values(), ids=list(BROKEN))
def test_both_fail_what_runs_around_a_closure(auditor: Auditor, code: str, change: Change) -> None:
    (status, by_pack), whole = auditor.judge(change.build())
    assert (status, whole) == ("FAIL", ("FAIL", {code}))
    assert code in by_pack


def test_neither_counts_a_resolution_from_before_the_begin(auditor: Auditor) -> None:
    change = Change(before={"begin": resolve_beforehand}, skip={"end"}).build()
    (status, by_pack), whole = auditor.judge(change)
    assert (status, whole[0]) == ("FAIL", "FAIL")
    assert "EXECUTION_OUTCOME_UNKNOWN" in by_pack & whole[1]


@pytest.mark.parametrize("step", [*(step for step in STEPS if step not in ("policy", "roster")), "again", "resolve"])
def test_of_a_payload_that_is_not_there_the_log_alone_says_that_and_accuses_nobody(auditor: Auditor, step: str) -> None:
    """No closure, end or begin is held to what nobody can read."""
    change = Change(policy=in_no_order(), before={"bundle": resolve_and_run_again}, skip={"end"}).build()
    steps = {"again": "decide_again", "end": "end_2"}
    change.log.items[change.log.index_of(change.hashes[steps.get(step, step)])].payload = None
    (status, _), whole = auditor.judge(change)
    assert status != "PASS"
    assert whole == ("UNDECIDED", set())


def test_jobs_do_not_meet(auditor: Auditor) -> None:
    """What runs in one is nothing to the closure of another, in between and around it."""
    other = Change(job="job-8", run="run-8", ticket="jira.example:CHG-8")

    def begin_other(change: Change) -> None:
        other.log, other.clock = change.log, change.clock
        other.skip = {"end", "bundle", "approve_close_1", "approve_close_2", "decide_close", "closure"}
        other.build()

    assert auditor.judge(Change(before={"closure": begin_other}).build()) == (("PASS", set()), ("PASS", set()))
