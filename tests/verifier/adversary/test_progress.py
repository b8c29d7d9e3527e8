"""Simulation, receipts, runs and outcomes: each condition on how far a change has come, broken by itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.verifier.adversary.test_approvals import assert_only_waits, executed
from tests.verifier.adversary.test_steps import allow_again, view_of
from tests.verifier.changebuilder import OWNER, SECURITY, Change, Payload, approval_refs, default_policy
from tests.verifier.judging import assert_fails, assert_passes, assert_undecided, binding, setting, verdict
from tests.verifier.logbuilder import Key, hash_of

SIMULATED, NOT_DONE = "policy.simulation[change.execute]", "policy.required_steps[change.execute] REQUIRED_STEP_MISSING"
RECEIPTS = ("receipt_1", "receipt_2", "receipt_3")
STRANGER = Key("stranger")


# --- the simulation


@pytest.mark.parametrize(
    ("edit", "first", "also"),
    [
        (setting(outcome="failure"), "SIMULATION_FAILED", (f"{SIMULATED} SIMULATION_FAILED", NOT_DONE)),
        (setting(plan_hash_b64u=hash_of(b"x")), "PLAN_MISMATCH", (f"{SIMULATED} PLAN_MISMATCH", NOT_DONE)),
        (setting(job_id="job-8"), "SIMULATION_MISSING", (f"{SIMULATED} SIMULATION_MISSING", NOT_DONE)),
        (setting(ticket="jira.example:CHG-8"), "SIMULATION_MISSING", (f"{SIMULATED} SIMULATION_MISSING",)),
        (setting(run_id="run-x"), "RUN_MISMATCH", (f"{SIMULATED} RUN_MISMATCH",)),
        (setting(policy_hash_b64u=hash_of(b"x")), "POLICY_MISMATCH", (f"{SIMULATED} POLICY_MISMATCH",)),
        (setting(token_scope_hash_b64u=hash_of(b"x")), "TOKEN_SCOPE_MISMATCH", (f"{SIMULATED} TOKEN_SCOPE_MISMATCH",)),
    ],
    ids=["failure", "plan", "job", "ticket", "run", "policy", "token scope"],
)
def test_a_simulation_of_another(edit: Callable[[Payload], object], first: str, also: tuple[str, ...]) -> None:
    assert_fails(verdict(executed(edit={"simulation": edit})), first, *also)


def test_a_simulation_that_is_logged_at_the_view() -> None:
    """It is the first entry that the gate had not read."""

    def late(change: Change) -> None:
        change.edit["decide_execute"] = view_of(change, change.log.index_of(change.hashes["simulation"]))

    change = executed(before={"decide_execute": late})
    assert_fails(verdict(change), "SIMULATION_MISSING", f"{SIMULATED} SIMULATION_MISSING", NOT_DONE)


def test_a_simulation_whose_payload_is_withheld() -> None:
    change = executed()
    change.log.items[change.log.index_of(change.hashes["simulation"])].payload = None
    assert_fails(verdict(change), "PAYLOAD_MISSING", f"{SIMULATED} PAYLOAD_UNREADABLE")


def test_a_policy_that_wants_the_ticket_closed_before_executing() -> None:
    """No policy that says so can be kept: closing needs the bundle of an execution. Another job's closure is not this one's."""
    policy = default_policy()
    policy["tools"]["ticket.close"]["required_before"] = ["change.execute"]
    assert_fails(verdict(executed(policy=policy)), "REQUIRED_STEP_MISSING", NOT_DONE)
    first = Change(policy=policy).build()
    second = executed(policy=policy, log=first.log, job="job-8", run="run-8", clock=100)
    assert_fails(verdict(second), "REQUIRED_STEP_MISSING", NOT_DONE)


# --- receipts


def test_where_the_policy_asks_for_no_receipts_none_is_missed() -> None:
    policy = default_policy()
    policy["enforcement"]["require_gateway_receipts"] = False
    assert_only_waits(executed(policy=policy, skip=frozenset(RECEIPTS)))


def test_where_nobody_need_approve_no_receipt_is_missed() -> None:
    policy = default_policy()
    policy["tools"]["change.execute"] = {
        "allowed": True,
        "requires_plan_fingerprint_match": True,
        "required_before": ["ticket.close"],
    }
    assert_only_waits(executed(policy=policy, skip=frozenset({*RECEIPTS, "approve_execute_1", "approve_execute_2"})))


def test_a_receipt_that_is_bound_to_nothing_does_not_hide_the_others() -> None:
    assert_only_waits(executed(edit={"receipt_1": lambda p: p.pop("binding")}))


@pytest.mark.parametrize(
    "members",
    [{"policy_hash": hash_of(b"x")}, {"token_scope_hash_b64u": hash_of(b"x")}, {"run_id": "run-x"}],
    ids=["policy", "token scope", "run"],
)
def test_receipts_that_are_all_of_another(members: dict[str, str]) -> None:
    change = executed(edit={name: binding(**members) for name in RECEIPTS})
    assert_fails(verdict(change), "RECEIPTS_MISSING", "policy.receipts_present[change.execute] RECEIPTS_MISSING")


# --- runs


def test_another_run_after_everything_was_done() -> None:
    """A later record cannot make an earlier decision wrong."""

    def another(change: Change) -> None:
        change.edit["late"] = binding(run_id="run-x")
        change._receipt("late")

    assert_passes(verdict(Change(before={"after": another}).build()))


def test_a_receipt_of_the_job_that_names_no_run() -> None:
    """All receipts of a job name its run; this one could be of any."""

    def unnamed(change: Change) -> None:
        change.edit["extra"] = lambda payload: payload["binding"].pop("run_id")
        change._receipt("extra")

    assert_fails(verdict(Change(before={"begin": unnamed}).build()), "RUN_MISMATCH")


def test_another_run_in_a_void_record() -> None:
    """A stranger's receipt ties nothing to the job."""

    def another(change: Change) -> None:
        change.signer["void"] = STRANGER
        change.edit["void"] = binding(run_id="run-x")
        change._receipt("void")
        change.receipts.pop()
        change.events.pop()

    assert_passes(verdict(Change(before={"simulation": another}).build()))


def test_another_run_in_a_record_of_another_job() -> None:
    first = Change(job="job-8", run="run-8").build()
    assert_passes(verdict(Change(log=first.log, clock=100).build()))


# --- outcomes and ends


def test_executing_again_while_the_first_outcome_is_unknown() -> None:
    def again(change: Change) -> None:
        allow_again(change)
        change.hashes["decide_execute"] = change.hashes["decide_again"]
        change._begin("begin_2")

    change = executed(skip=frozenset({"end"}), before={"end": again})
    assert_fails(
        verdict(change), "EXECUTION_OUTCOME_UNKNOWN", "policy.outcome_known[change.execute] EXECUTION_OUTCOME_UNKNOWN"
    )


def test_executing_again_once_the_first_outcome_is_known() -> None:
    def again(change: Change) -> None:
        allow_again(change)
        change.hashes["decide_execute"] = change.hashes["decide_again"]
        change._begin("begin")
        change._end("end")

    change = Change(before={"bundle": again})
    change.edit["end"] = lambda p: p.update(outcome="failure") if "decide_again" not in change.hashes else None
    assert_passes(verdict(change.build()))


def test_what_is_neither_executing_nor_closing_may_be_allowed_while_an_outcome_is_unknown() -> None:
    policy = default_policy()
    policy["tools"]["ticket.resolve"] = {"allowed": True, "step_up_approvals": 1, "required_before": ["ticket.close"]}

    def resolve(change: Change) -> None:
        change._approve("resolve 1", "ticket.resolve")
        change.put_decision("resolve", change.decision("resolve", "ticket.resolve", [change.hashes["resolve 1"]]))

    assert_passes(verdict(Change(policy=policy, before={"end": resolve}).build()))


@pytest.mark.parametrize("step", ["end", "resolve"])
def test_an_outcome_that_becomes_known_only_after_the_closing_was_decided(step: str) -> None:
    def resolve(change: Change) -> None:
        payload = change.header("resolution", "resolve") | {"begin_b64u": change.hashes["begin"], "note": "lost"}
        change.put("resolve", "resolution", payload, SECURITY, lambda p: {"target": p["begin_b64u"]})

    late = resolve if step == "resolve" else lambda c: c._end("end")
    change = Change(skip={"end"}, before={"closure": late})
    assert_fails(verdict(change.build()), "EXECUTION_OUTCOME_UNKNOWN")


def test_an_end_or_a_resolution_of_another_begin_ends_nothing() -> None:
    def resolve(change: Change) -> None:
        payload = change.header("resolution", "resolve") | {"begin_b64u": hash_of(b"another begin"), "note": "lost"}
        change.put("resolve", "resolution", payload, SECURITY, lambda p: {"target": p["begin_b64u"]})

    change = Change(skip={"end"}, before={"bundle": resolve})
    assert_fails(verdict(change.build()), "EXECUTION_OUTCOME_UNKNOWN")
    assert_passes(verdict(Change(before={"bundle": resolve}).build()))


def test_an_approval_that_is_revoked_before_a_later_round_uses_it() -> None:
    """The first round never used it: the job goes on, until the second does."""

    def unused(change: Change) -> None:
        second = change.approval("second 1", "change.execute", "p-owner")
        second["scope_hash_b64u"] = hash_of(change.scope("change.execute") | {"round": "2"})
        change.put("second 1", "human_approval_receipt", second, OWNER, approval_refs)
        change.revoke("revoke", f"approval:{change.hashes['second 1']}", OWNER)

    def later(change: Change) -> None:
        change.put_decision("decide_2", change.decision("decide_2", "change.execute", [change.hashes["second 1"]]))

    assert_undecided(verdict(executed(before={"decide_execute": unused, "after": later})), "CLOSURE_MISSING")
