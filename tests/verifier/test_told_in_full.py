"""What a report says before it stops, how much of a long list it names, and which refs differ."""

from __future__ import annotations

from tests.verifier.changebuilder import ORIGIN, ROLE_KEYS, Change, Payload, trust_toml
from tests.verifier.judging import assert_fails, assert_passes, verdict
from tests.verifier.logbuilder import Key, LogBuilder
from verifier.errors import Refused
from verifier.ledger.history import History
from verifier.report import Report, Status
from verifier.trust import parse_trust_policy

STRANGER = Key("stranger")


def found(report: Report, full_name: str) -> str:
    (check,) = [check for check in report.checks if check.full_name == full_name]
    assert check.found is not None
    return check.found


def assert_ends_with_the_subject(pack: Payload, code: str) -> None:
    """Whose change this is comes first: of another's nothing is judged."""
    report = verdict(pack)
    assert_fails(report, code)
    assert report.checks[-1].full_name == "evidence.subject"
    assert [check.full_name for check in report.checks if check.status is Status.FAIL] == ["evidence.subject"]


def test_a_pack_of_a_job_that_has_no_token() -> None:
    assert_ends_with_the_subject(Change(skip={"token"}).build().pack(), "TOKEN_NOT_LOGGED")


def test_a_pack_of_another_ticket() -> None:
    pack = Change().build().pack()
    pack["subject"]["ticket"] = "jira.example:CHG-8"
    assert_ends_with_the_subject(pack, "EVIDENCE_FOREIGN")


def test_of_many_entries_without_effect_twenty_are_named() -> None:
    def strange(change: Change) -> None:
        other = Change(log=change.log, job="job-8", run="run-8")
        other.signer = {f"strange_{number}": STRANGER for number in range(25)}
        for step in other.signer:
            other._receipt(step)

    report = verdict(Change(before={"simulation": strange}).build())
    assert_passes(report)
    told = found(report, "evidence.void_entries")
    assert told.startswith("25 without effect: 6 SIGNER_NOT_TRUSTED, 7 SIGNER_NOT_TRUSTED, ")
    assert told.count("SIGNER_NOT_TRUSTED") == 20


def test_of_many_allows_that_nothing_relies_on_twenty_are_named() -> None:
    def allows(change: Change) -> None:
        for number in range(25):
            change.put_decision(f"unused_{number}", change.decision(f"unused_{number}", "change.execute", []))

    told = found(verdict(Change(before={"after": allows}).build()), "policy.unused_allows")
    assert told == "not judged, because nothing relies on them: entries " + ", ".join(str(17 + n) for n in range(20))


def refs_fault(**refs: str | None) -> Refused:
    """Why a receipt is void whose entry has other refs than its payload."""
    change = Change()
    change._receipt("receipt_1")
    item = change.log.items[0]
    assert item.payload is not None
    said = {name: value for name, value in (item.refs | refs).items() if value is not None}
    log = LogBuilder(ORIGIN)
    log.add("gateway_receipt", item.payload, refs=said, signer=ROLE_KEYS["gateways"])
    logged = History(parse_trust_policy(trust_toml()), ORIGIN).add(0, log.items[0].entry, item.payload)
    assert logged is not None
    assert logged.fault is not None
    assert logged.fault.code == "ENTRY_REFS_MISMATCH"
    return logged.fault


def test_the_refs_that_differ_are_named_and_no_others() -> None:
    fault = refs_fault(run="run-x")
    assert (fault.expected, fault.found) == ("run run-7", "run run-x")


def test_refs_that_are_missing_or_too_many_are_named() -> None:
    fault = refs_fault(run=None, job="job-7")
    assert (fault.expected, fault.found) == ("no job, run run-7", "job job-7, no run")
