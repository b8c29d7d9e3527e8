"""A decision's exit code and what is said of it."""

from __future__ import annotations

import pytest

from trustlog.cli.decision import answer, decision_lines, exit_code, show_decision
from trustlog.errors import REASONS
from trustlog.gate.decision import JOB_OVER, Decision
from trustlog.gate.identify import GateRequest
from trustlog.policy.finding import Finding

REQUEST = GateRequest(action="change.execute", ticket="t:1", token="a.b.c", audience="a", nonce="n")


def decision(*codes: str) -> Decision:
    findings = tuple(Finding(code, f"what {code} wants", "something else") for code in codes)
    return Decision(
        allow=not codes,
        findings=findings,
        request=REQUEST,
        scope={},
        decided_at="2026-01-01T00:00:00.000Z",
        expires_at="later",
    )


@pytest.mark.parametrize(
    ("codes", "code", "status"),
    [
        ((), 0, "PASS"),
        (("APPROVALS_INSUFFICIENT",), 1, "FAIL"),
        (("TOKEN_MALFORMED",), 1, "FAIL"),  # a deny, whatever was wrong with what was presented
        (("LOG_UNREACHABLE",), 3, "UNDECIDED"),
        (("CHECKPOINT_STALE",), 3, "UNDECIDED"),
        (("PAYLOAD_UNREADABLE",), 3, "UNDECIDED"),
        (("PLAN_MISSING", "APPROVALS_INSUFFICIENT"), 3, "UNDECIDED"),  # the second follows from the first
        (("POLICY_REVOKED", "PLAN_MISSING"), 1, "FAIL"),
    ],
)
def test_the_exit_code_and_the_status_agree(codes: tuple[str, ...], code: int, status: str) -> None:
    assert exit_code(decision(*codes)) == code
    assert answer(decision(*codes))["status"] == status
    assert answer(decision(*codes))["decision"] == ("deny" if codes else "allow")


def test_every_reason_is_said_with_what_to_do_next() -> None:
    lines = decision_lines(decision("APPROVALS_INSUFFICIENT", "TOOL_NOT_ALLOWED"))
    assert lines[0] == "DENY change.execute for t:1"
    assert lines[1:4] == [
        "APPROVALS_INSUFFICIENT",
        "  expected  what APPROVALS_INSUFFICIENT wants",
        "  found     something else",
    ]
    assert lines[4].startswith("  next      Ask the missing people")
    assert lines[5] == "TOOL_NOT_ALLOWED"


@pytest.mark.parametrize("over", JOB_OVER)
def test_of_a_job_that_is_over_nothing_is_asked_that_would_not_help(over: str) -> None:
    said = decision(
        over, "APPROVALS_INSUFFICIENT", "BUNDLE_REFERENCE_MISSING", "POLICY_REVOKED", "EXECUTION_OUTCOME_UNKNOWN"
    )
    hints = {reason["code"]: reason["hint"] for reason in said.answer()["reasons"]}
    assert {hints["APPROVALS_INSUFFICIENT"], hints["BUNDLE_REFERENCE_MISSING"]} == {
        f"Nothing mends this any more: the job is over for ever, see {over}."
    }
    assert hints[over] == REASONS[over].next_step
    assert hints["POLICY_REVOKED"] == REASONS["POLICY_REVOKED"].next_step  # a new job would meet it, too
    assert "trustlog resolve" in hints["EXECUTION_OUTCOME_UNKNOWN"]  # somebody must look all the same


def test_no_reason_obeys_the_terminal_and_the_token_is_nowhere(capsys: pytest.CaptureFixture[str]) -> None:
    bad = Decision(
        allow=False,
        findings=(Finding("TOKEN_TICKET_MISMATCH", "\x1b[2J\nALLOW", "\u202e"),),
        request=REQUEST,
        scope={},
        decided_at="now",
        expires_at="later",
    )
    for as_json in (False, True):
        assert show_decision(bad, as_json=as_json) == 1
        out, err = capsys.readouterr()
        assert not {"\x1b", "\u202e"} & set(out + err)
        assert "\nALLOW" not in out + err
        assert REQUEST.token not in out + err
        assert [line.split(":")[0] for line in err.splitlines()] == ["error", "hint"]
