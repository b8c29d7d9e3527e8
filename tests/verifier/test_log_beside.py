"""A pack judged with a whole log beside it: the same log, another, an older one, and one whose payloads are withheld."""

from __future__ import annotations

import dataclasses

from tests.verifier.changebuilder import ORIGIN, Change, trust_toml
from tests.verifier.judging import assert_fails, assert_passes, assert_undecided, verdict
from tests.verifier.logbuilder import LogBuilder, mth, sha
from verifier.change.judge import WholeLog
from verifier.errors import Refused, Unavailable
from verifier.ledger.history import History
from verifier.report import Check, Report, Status
from verifier.trust import parse_trust_policy

TRUST = trust_toml(absence="log")


def beside(log: LogBuilder, *, origin: str = ORIGIN) -> WholeLog:
    """A log that was read whole."""
    history = History(parse_trust_policy(TRUST), origin)
    for index, item in enumerate(log.items):
        history.add(index, item.entry, item.payload)
    history.complete_to = log.size
    leaves = log.leaves()
    roots = {size: mth(leaves[:size]) for size in range(1, log.size + 1)}
    hashes = {index: sha(b"\x00" + leaf) for index, leaf in enumerate(leaves)}
    return WholeLog(history, log.size, roots, hashes, "every entry was read")


def judged(change: Change, whole: WholeLog) -> Report:
    return verdict(change, trust=TRUST, whole_log=whole)


def whole_log(report: Report) -> Check:
    """What was found of the log itself."""
    return next(check for check in report.checks if check.full_name == "log.whole_log")


def test_the_same_log_proves_every_absence() -> None:
    change = Change().build()
    report = judged(change, beside(change.log))
    assert_passes(report)
    assert whole_log(report) == Check("log", "whole_log", Status.PASS, None, None, "every entry was read")
    assert {check.status for check in report.checks} == {Status.PASS, Status.PROVEN}


def test_a_log_that_went_on() -> None:
    change = Change().build()
    pack = change.pack()
    Change(log=change.log, job="job-8", run="run-8", ticket="jira.example:CHG-8", clock=100).build()
    assert_passes(verdict(pack, trust=TRUST, whole_log=beside(change.log)))


def test_a_log_that_is_one_entry_older() -> None:
    change = Change().build()
    older = LogBuilder(ORIGIN)
    older.items = change.log.items[:-1]
    report = judged(change, beside(older))
    assert_undecided(report, "CHECKPOINT_STALE")
    assert Status.PROVEN not in {check.status for check in report.checks}


def test_a_log_with_another_entry_of_the_pack() -> None:
    change = Change().build()
    whole = beside(change.log)
    other = dataclasses.replace(whole, leaf_hashes={**whole.leaf_hashes, 5: bytes(32)})
    report = judged(change, other)
    assert_fails(report, "CHECKPOINT_INCONSISTENT", "log.whole_log CHECKPOINT_INCONSISTENT")
    assert whole_log(report).index == 5


def test_a_log_that_does_not_say_what_stood_at_some_index() -> None:
    """Not every leaf need be at hand: the root stands for them."""
    change = Change().build()
    whole = beside(change.log)
    assert_passes(judged(change, dataclasses.replace(whole, leaf_hashes={})))


def test_a_log_of_another_origin() -> None:
    """All its entries are alike, and so is its root: it says that it is another log."""
    change = Change().build()
    whole = dataclasses.replace(beside(change.log), history=History(parse_trust_policy(TRUST), "log.example/other"))
    assert_fails(judged(change, whole), "ORIGIN_MISMATCH", "log.whole_log ORIGIN_MISMATCH")


def test_a_log_of_another_root() -> None:
    change = Change().build()
    whole = beside(change.log)
    for roots in ({**whole.roots, change.log.size: bytes(32)}, {}):
        report = judged(change, dataclasses.replace(whole, roots=roots))
        assert_fails(report, "CHECKPOINT_INCONSISTENT", "log.whole_log CHECKPOINT_INCONSISTENT")


def test_an_empty_log_is_the_pack_of_an_empty_log() -> None:
    """Nothing is shown of any change; the two trees are the same."""
    change = Change()
    report = judged(change, beside(change.log))
    assert_fails(report, "TOKEN_NOT_LOGGED")
    assert whole_log(report).status is Status.PASS


def test_a_log_whose_payloads_lie() -> None:
    change = Change().build()
    flaw = Refused("HASH_MISMATCH", "payload of entry 5", expected="a", found="b")
    report = judged(change, dataclasses.replace(beside(change.log), flaw=flaw))
    assert_fails(report, "HASH_MISMATCH", "log.read HASH_MISMATCH")


def test_a_log_whose_payloads_are_withheld() -> None:
    """Its tree can be compared; no absence is proven by what nobody could read."""
    change = Change().build()
    flaw = Unavailable("NOT_FOUND", "payload of entry 5", expected="a", found="b")
    report = judged(change, dataclasses.replace(beside(change.log), flaw=flaw))
    assert_undecided(report, "NOT_FOUND")
    read = next(check for check in report.checks if check.full_name == "log.read")
    assert (read.expected, read.found) == ("a", "payload of entry 5: b")
    assert Status.PROVEN not in {check.status for check in report.checks}


UNREACHABLE = Unavailable("LOG_UNREACHABLE", "checkpoint", expected="an answer", found="none")


def test_a_log_that_cannot_be_had() -> None:
    """The pack is judged alone, and does not pass."""
    report = verdict(Change().build(), whole_log=UNREACHABLE)
    assert_undecided(report, "LOG_UNREACHABLE", "log.read LOG_UNREACHABLE")
    assert any(check.group == "approvals" for check in report.checks)
    assert Status.PROVEN not in {check.status for check in report.checks}


def test_what_fails_alone_fails_beside_a_log_that_cannot_be_had() -> None:
    """Who ends the log's service must not turn a FAIL into something less."""
    change = Change(skip={"approve_execute_2"}).build()
    alone = verdict(change)
    assert alone.status is Status.FAIL
    assert_fails(verdict(change, whole_log=UNREACHABLE), alone.reason_code)


def test_a_log_that_lies_before_it_can_be_read() -> None:
    lie = Refused("TILE_INVALID", "tile/0/000", expected="a", found="b")
    assert_fails(verdict(Change().build(), whole_log=lie), "TILE_INVALID", "log.read TILE_INVALID")
