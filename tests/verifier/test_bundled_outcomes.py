"""What is told of the execution that a bundle names: how it ended, and whether it ever began."""

from __future__ import annotations

from tests.verifier.adversary.test_after_closure import HELD_BACK, begin_again
from tests.verifier.adversary.test_bundles import BUNDLE, STRANGER, in_no_order
from tests.verifier.changebuilder import SECURITY, Change
from tests.verifier.judging import assert_passes, setting, verdict
from tests.verifier.logbuilder import hash_of


def said(change: Change) -> list[tuple[str | None, str | None]]:
    return [(check.code, check.found) for check in verdict(change.build()).checks if check.full_name == BUNDLE]


def test_one_that_failed_and_one_that_was_lost_are_told_apart() -> None:
    def resolve(change: Change) -> None:
        payload = change.header("resolution", "resolve") | {"begin_b64u": change.hashes["begin"], "note": "lost"}
        change.put("resolve", "resolution", payload, SECURITY, lambda p: {"target": p["begin_b64u"]})

    failed = Change(policy=in_no_order(), edit={"end": setting(outcome="failure")})
    assert said(failed) == [("EXECUTION_FAILED", "one with failure")]
    lost = Change(policy=in_no_order(), before={"end": resolve})
    assert said(lost) == [("EXECUTION_FAILED", "one whose outcome somebody had to look into")]


def test_an_end_of_what_never_began() -> None:
    """The bundle tells of it rightly; that it is no end is found where executions are judged."""
    report = verdict(Change(skip={"begin"}).build())
    told = {check.full_name: check.code for check in report.checks}
    assert told[BUNDLE] is None
    assert told["execution.last_execution[ticket.close]"] is None
    assert told["execution.end"] == "EXECUTION_MISMATCH"


def test_what_is_begun_after_closing_was_decided_is_no_matter_of_the_bundle() -> None:
    """It stands against the closure: there it is told."""

    def run(change: Change) -> None:
        begin_again(change)
        change._end("end_2")

    report = verdict(Change(before=HELD_BACK | {"closure": run}).build())
    told = {check.full_name: check.code for check in report.checks}
    assert told["execution.last_execution[ticket.close]"] is None
    assert told["execution.closure"] == "CLOSURE_INVALID"


def test_a_model_call_after_the_bundle_is_in_none() -> None:
    """A bundle holds what the log holds below it."""
    assert_passes(verdict(Change(before={"approve_close_1": lambda change: change._receipt("late")}).build()))


def test_an_end_that_is_void_is_no_end() -> None:
    assert [code for code, _ in said(Change(signer={"end": STRANGER}))] == ["BUNDLE_MISMATCH"]


def test_a_resolution_of_what_never_began_resolves_nothing() -> None:
    """It names what the end names, which no begin of the job is."""

    def resolve(change: Change) -> None:
        payload = change.header("resolution", "resolve") | {"begin_b64u": hash_of(b"none"), "note": "lost"}
        change.put("resolve", "resolution", payload, SECURITY, lambda p: {"target": p["begin_b64u"]})

    (told,) = said(Change(skip={"begin"}, before={"bundle": resolve}))
    assert told[0] is None
