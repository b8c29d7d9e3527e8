"""What a verdict tells besides its reason: every check that was made, how far each absence carries, and what is not proven."""

from __future__ import annotations

import pytest

from tests.verifier.adversary.test_approvals import NOT_CLOSED
from tests.verifier.changebuilder import (
    ROLE_KEYS,
    SECURITY,
    START,
    Change,
    Payload,
    trust_toml,
)
from tests.verifier.judging import assert_fails, assert_passes, assert_undecided, verdict
from tests.verifier.logbuilder import Key, LogBuilder, b64, b64u, hash_of, proof, sha
from verifier.report import Report, Status

GATE = ROLE_KEYS["gates"].did
WITNESS = Key("witness")
WITNESSED = trust_toml(witnesses=(("w.example", WITNESS),), quorum="w.example")
NOW_S = int(START.timestamp()) + 1000

OF_ANY_ALLOW = """
PASS evidence.listed
PASS evidence.nothing_omitted
PASS policy.decision
PASS policy.in_force
ABSENT policy.not_revoked
ABSENT policy.not_superseded
PASS policy.token
PASS policy.plan
PASS policy.simulation
PASS policy.receipts_present
ABSENT policy.one_run
ABSENT policy.round
ABSENT policy.job_not_revoked
ABSENT policy.outcome_known
PASS policy.tool
PASS policy.required_steps
ABSENT approvals.not_denied
ABSENT approvals.latest_roster
PASS approvals.counts
PASS approvals.counts
PASS approvals.enough
ABSENT execution.not_withdrawn
"""
OF_A_CLOSING = """
PASS execution.closing_reason
PASS execution.bundle
ABSENT execution.last_execution
ABSENT execution.receipts_complete
ABSENT execution.bundle_not_used
"""
OF_THE_CHANGE = [
    "PASS log.checkpoint",
    "PASS log.views",
    "PASS evidence.inclusion",
    "PASS evidence.subject",
    "PASS execution.begin",
    "PASS execution.end",
    "PASS execution.closure",
]


def lines(text: str, action: str, absent: Status) -> list[str]:
    return [f"{line}[{action}]".replace("ABSENT", absent.value) for line in text.split("\n") if line]


def told(report: Report) -> list[str]:
    return sorted(f"{check.status.value} {check.full_name}" for check in report.checks)


def all_checks(executing: Status, closing: Status) -> list[str]:
    """Every check of an honest change, when its absences carry so far."""
    of_executing = lines(OF_ANY_ALLOW, "change.execute", executing)
    of_closing = lines(OF_ANY_ALLOW + OF_A_CLOSING, "ticket.close", closing)
    return sorted([*OF_THE_CHANGE, *of_executing, *of_closing])


def test_every_check_of_an_honest_change() -> None:
    report = verdict(Change().build())
    assert told(report) == all_checks(Status.ATTESTED, Status.ATTESTED)
    assert all(check.found for check in report.checks)
    attested = [check for check in report.checks if check.status is Status.ATTESTED]
    assert {check.found for check in attested} == {f"attested by {GATE}, entries {one}" for one in ("9 and 15", "15 and 16")}
    listed = [line for line in report.not_proven if "not proven from the whole log" in line]
    assert listed == [f"{check.expected}: {check.found}, not proven from the whole log" for check in attested]
    assert {check.code for check in report.checks} == {None}


def test_every_gate_whose_word_is_taken_is_named() -> None:
    """One gate decided, another closed: what did not happen in between rests on both."""
    other = Key("another gate")
    trust = trust_toml(roles={"gates": [f'"{GATE}"', f'"{other.did}"']})
    report = verdict(Change(signer={"closure": other}).build(), trust=trust)
    attested = {check.found for check in report.checks if check.status is Status.ATTESTED}
    assert attested == {
        f"attested by {GATE}, entries 9 and 15",
        f"attested by {' and '.join(sorted([GATE, other.did]))}, entries 15 and 16",
    }


def test_where_the_auditor_wants_the_log_no_gate_attests_anything() -> None:
    report = verdict(Change().build(), trust=trust_toml(absence="log"))
    assert told(report) == all_checks(Status.UNDECIDED, Status.UNDECIDED)
    open_points = [check for check in report.checks if check.status is Status.UNDECIDED]
    assert {(check.code, check.found) for check in open_points} == {
        ("ABSENCE_NOT_PROVEN", "only the whole log would prove it (--log)")
    }
    assert not any("attested" in line for line in report.not_proven)


def test_without_a_closure_the_decision_to_close_is_not_judged() -> None:
    """Nothing relies on it yet; it attests what the decision to execute rests on all the same."""
    report = verdict(Change(skip={"closure"}).build())
    of_executing = lines(OF_ANY_ALLOW, "change.execute", Status.ATTESTED)
    besides = ["PASS evidence.listed[ticket.close]", "PASS policy.unused_allows", "UNDECIDED execution.closure"]
    expected = [line for line in OF_THE_CHANGE if line != "PASS execution.closure"]
    assert told(report) == sorted([*expected, *of_executing, *besides])


@pytest.mark.parametrize("of", ["index", "leaf"])
def test_a_later_allow_attests_only_what_it_lists(of: str) -> None:
    """One that lists another index, or another leaf at it, lies, and attests nothing."""
    change = Change(skip={"closure"})

    def swap(payload: Payload) -> None:
        seen = next(seen for seen in payload["evidence"] if seen["index"] == 9)
        seen.update({"index": 8} if of == "index" else {"leaf_hash_b64u": hash_of(b"x")})

    change.edit["decide_close"] = swap
    report = verdict(change.build())
    assert report.status is Status.FAIL
    absences = {check.full_name: check.status for check in report.checks if check.full_name.startswith("policy.not_revoked")}
    assert absences["policy.not_revoked[change.execute]"] is Status.UNDECIDED


def test_an_earlier_allow_attests_nothing() -> None:
    """The allow of the first round is listed by the second; nobody lists the second."""

    def again(change: Change) -> None:
        change._approve("again 1", "change.execute")
        change._approve("again 2", "change.execute")
        change.put_decision(
            "again", change.decision("again", "change.execute", [change.hashes["again 1"], change.hashes["again 2"]])
        )
        change.hashes["decide_execute"] = change.hashes["again"]
        change._begin("begin_2")

    change = Change(skip=set(NOT_CLOSED), before={"after": again})
    report = verdict(change.build())
    absent = [check.status for check in report.checks if check.full_name == "policy.round[change.execute]"]
    assert absent == [Status.ATTESTED, Status.UNDECIDED]


def test_a_closure_of_another_job_attests_nothing() -> None:
    first = Change(skip=set(NOT_CLOSED)).build()
    Change(log=first.log, job="job-8", run="run-8", ticket="jira.example:CHG-8", clock=100).build()
    report = verdict(first)
    assert_undecided(report, "ABSENCE_NOT_PROVEN", "policy.not_revoked[change.execute] ABSENCE_NOT_PROVEN")
    assert Status.ATTESTED not in {check.status for check in report.checks}


def test_void_entries_and_allows_that_nothing_relies_on_are_told() -> None:
    """They change no verdict."""

    def besides(change: Change) -> None:
        change.deny("void", "p-sec", Key("stranger"))
        change.put_decision("unused", change.decision("unused", "change.execute", []))

    change = Change(before={"after": besides}).build()
    report = verdict(change)
    assert_passes(report)
    found = {check.full_name: (check.status, check.found) for check in report.checks}
    assert found["evidence.void_entries"] == (Status.PASS, "1 without effect: 17 SIGNER_NOT_TRUSTED")
    assert found["policy.unused_allows"] == (Status.PASS, "not judged, because nothing relies on them: entries 18")


def test_a_violation_of_the_job_is_told() -> None:
    def violation(change: Change, job: str) -> None:
        payload = change.header("violation", "violation " + job) | {
            "code": "BUNDLE_MISMATCH",
            "job_id": job,
            "seen": [],
            "expected": "a bundle",
            "found": "none",
            "done": "reopened",
        }
        change.put("violation", "violation", payload, ROLE_KEYS["gates"], lambda p: {"job": p["job_id"]})

    ours = verdict(Change(before={"after": lambda c: violation(c, c.job)}).build())
    other = verdict(Change(before={"after": lambda c: violation(c, "job-8")}).build())
    assert_passes(ours)
    assert [check.index for check in ours.checks if check.full_name == "execution.violation"] == [17]
    assert [check.index for check in other.checks if check.full_name == "execution.violation"] == []


# --- the checkpoint: origin, age, witnesses, anchors


def test_a_demo_log_is_told_and_refused_unless_it_is_asked_for() -> None:
    demo = "log.example/demo"
    change = Change(log=LogBuilder(demo)).build()
    trust = trust_toml(origin=demo)
    report = verdict(change, trust=trust)
    assert_fails(report, "DEMO_ORIGIN_REFUSED", "log.origin DEMO_ORIGIN_REFUSED")
    allowed = verdict(change, trust=trust, allow_demo=True)
    assert_passes(allowed)
    said = "anything about a real system: this is a demo log, with throw-away keys"
    assert said in allowed.not_proven
    assert said not in verdict(Change().build(), allow_demo=True).not_proven


@pytest.mark.parametrize(("age_s", "status"), [(299, "PASS"), (300, "PASS"), (301, "FAIL")])
def test_a_checkpoint_of_an_age(age_s: int, status: str) -> None:
    change = Change(cosigners=(("w.example", WITNESS, NOW_S - age_s),)).build()
    report = verdict(change, trust=WITNESSED, max_age_s=300)
    found = {check.full_name: (check.status.value, check.code) for check in report.checks}
    assert found["log.age"] == (status, "CHECKPOINT_STALE" if status == "FAIL" else None)
    assert (report.status.value, report.exit_code) == (("FAIL", 1) if status == "FAIL" else ("PASS", 0))


def test_a_checkpoint_whose_age_nobody_knows() -> None:
    report = verdict(Change().build(), max_age_s=300)
    assert_undecided(report, "CHECKPOINT_STALE", "log.age CHECKPOINT_STALE")
    assert "log.age" not in {check.full_name for check in verdict(Change().build()).checks}


def test_witnesses_are_missed_only_where_there_are_none() -> None:
    witnessed = verdict(Change(cosigners=(("w.example", WITNESS, NOW_S - 9),)).build(), trust=WITNESSED)
    assert_passes(witnessed)
    assert not any("demands no witnesses" in line for line in witnessed.not_proven)
    assert any("demands no witnesses" in line for line in verdict(Change().build()).not_proven)


def anchored(size: int, time_s: int) -> tuple[Payload, Change]:
    """A witnessed change with an anchor of an earlier size, cosigned at a time."""
    change = Change(cosigners=(("w.example", WITNESS, NOW_S),)).build()
    pack = change.pack()
    note = change.log.note(size, cosigners=(("w.example", WITNESS, time_s),))
    hashes = [b64(node) for node in proof(size, change.log.leaves())]
    pack["anchors"] = [{"checkpoint": note, "consistency_proof": hashes}]
    return pack, change


LONG_AGO_S = int(START.timestamp()) - 4000


@pytest.mark.parametrize(("size", "code"), [(7, None), (8, "APPROVAL_EXPIRED"), (9, "APPROVAL_EXPIRED"), (13, "CLOCK_SKEW")])
def test_an_anchor_tells_the_age_of_the_entries_below_its_size(size: int, code: str | None) -> None:
    """The first approval stands at index 7: a tree of eight entries holds it. One of thirteen holds the decision as well."""
    pack, _ = anchored(size, LONG_AGO_S)
    report = verdict(pack, trust=WITNESSED)
    if code is not None:
        assert_fails(report, code, "approvals.counts[change.execute] APPROVAL_EXPIRED")
    else:
        assert_passes(report)
    assert "PASS log.anchors" in told(report)


def test_of_several_times_the_earliest_counts() -> None:
    pack, change = anchored(9, LONG_AGO_S)
    note = change.log.note(12, cosigners=(("w.example", WITNESS, NOW_S - 5),))
    hashes = [b64(node) for node in proof(12, change.log.leaves())]
    pack["anchors"].append({"checkpoint": note, "consistency_proof": hashes})
    assert_fails(verdict(pack, trust=WITNESSED), "APPROVAL_EXPIRED")


def test_the_packs_own_checkpoint_tells_an_age_too() -> None:
    change = Change(cosigners=(("w.example", WITNESS, LONG_AGO_S),)).build()
    assert_fails(verdict(change, trust=WITNESSED), "CLOCK_SKEW", "APPROVAL_EXPIRED")


def test_an_anchor_that_no_quorum_cosigned_tells_no_time() -> None:
    pack, change = anchored(9, LONG_AGO_S)
    pack["anchors"][0]["checkpoint"] = change.log.note(9)
    report = verdict(pack, trust=WITNESSED)
    assert_passes(report)
    found = {check.full_name: check.found for check in report.checks}
    assert found["log.anchors"] == "1 anchors, 1 times by a quorum"


def test_an_anchor_of_the_empty_tree() -> None:
    pack, _ = anchored(0, LONG_AGO_S)
    assert_passes(verdict(pack, trust=WITNESSED))


# --- what stands in the pack


def test_every_bad_proof_and_every_bad_payload_is_told() -> None:
    pack = Change().build().pack()
    for index in (3, 5):
        pack["entries"][index]["inclusion_proof"] = []
    pack["entries"][7]["payload"] += " "
    report = verdict(pack)
    assert_fails(report, "INCLUSION_PROOF_INVALID")
    failed = [(check.full_name, check.index) for check in report.checks if check.status is Status.FAIL]
    assert failed == [("evidence.inclusion", 3), ("evidence.inclusion", 5), ("evidence.payload_hash", 7)]


def test_every_payload_under_a_wrong_name_is_told() -> None:
    pack = Change().build().pack()
    pack["payloads"] = [{"sha256_b64u": hash_of(name), "text": "lie"} for name in (b"a", b"b")]
    pack["payloads"].sort(key=lambda one: str(one["sha256_b64u"]).encode())
    report = verdict(pack)
    assert_fails(report, "HASH_MISMATCH")
    assert [check.code for check in report.checks if check.full_name == "evidence.payloads"] == ["HASH_MISMATCH"] * 2


def test_a_view_of_the_empty_tree_is_a_prefix_of_every_log() -> None:
    """A gate that had read nothing: what it decided fails, but not for its view."""
    change = Change(skip=set(NOT_CLOSED))

    def empty(payload: Payload) -> None:
        payload["view"] = {"size": 0, "root_b64u": b64u(sha(b""))}
        payload["evidence"] = []

    change.edit["decide_execute"] = empty
    report = verdict(change.build())
    assert report.status is Status.FAIL
    assert "VIEW_INVALID" not in {check.code for check in report.checks}
    assert "PASS log.views" in told(report)


def test_a_job_whose_token_is_void() -> None:
    change = Change(skip=set(NOT_CLOSED), signer={"token": SECURITY}).build()
    assert_fails(verdict(change), "SIGNER_NOT_TRUSTED", "evidence.subject SIGNER_NOT_TRUSTED")


def test_a_pack_about_another_bundle_or_run_than_its_closure() -> None:
    for name, value in (("run", "run-x"), ("bundle", hash_of(b"x"))):
        pack = Change().build().pack()
        pack["subject"][name] = value
        report = verdict(pack)
        assert_fails(report, "EVIDENCE_FOREIGN", "evidence.subject EVIDENCE_FOREIGN")
        assert {check.group for check in report.checks} == {"log", "evidence"}


def test_another_jobs_closure_says_nothing_of_the_packs_run() -> None:
    other = Change(job="job-8", run="run-8").build()
    assert_passes(verdict(Change(log=other.log, clock=100).build()))
