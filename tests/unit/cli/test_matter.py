"""What a person is shown says every demand of the policy, and lets nothing through that a terminal would obey."""

from __future__ import annotations

import pytest

from trustlog.cli.answer import tell
from trustlog.cli.simulate import media_type_of
from trustlog.errors import printable
from trustlog.policy.sentences import duration, tool_sentences
from trustlog.records.fields import convert_record
from trustlog.records.work_policy_contract import ChangeManagement


def rules(tool: dict[str, object], **changes: object) -> ChangeManagement:
    value = {
        "wpc_version": "1",
        "policy_name": "p",
        "enforcement": {"fail_closed": True, "require_gateway_receipts": True, "require_proof_bundle": False},
        "token_requirements": {
            "require_cst": True,
            "optional_policy_hash_pinning": False,
            "job_scoped_binding": True,
            "max_ttl_s": 900,
        },
        "tools": {"t": tool, "first": {"allowed": True, "required_before": ["t"]}},
        **changes,
    }
    return convert_record(value, ChangeManagement)


@pytest.mark.parametrize(
    ("tool", "sentence"),
    [
        ({"allowed": False}, "t is not allowed."),
        ({"allowed": True}, "It needs nobody's approval."),
        ({"allowed": True}, "Done before it, with success, for the same plan and job: first."),
        ({"allowed": True, "step_up_approvals": 1}, "Approved by 1 person other than the requester."),
        ({"allowed": True, "two_person_rule": True}, "Approved by 2 different people, none of them the requester."),
        ({"allowed": True, "two_person_rule": True}, "Only the plan that was simulated, byte for byte."),
        (
            {"allowed": True, "two_person_rule": True},
            "At least one receipt of a model call of this job, logged before the simulation.",
        ),
        (
            {"allowed": True, "approver_constraints": ["owner", "owner", "security"]},
            "Approved by 3 different people, none of them the requester.",
        ),
        (
            {"allowed": True, "approver_constraints": ["owner", "owner"]},
            "Among them, each by somebody else: owner, owner.",
        ),
        ({"allowed": True, "step_up_approvals": 1, "approval_ttl_s": 90}, "An approval counts for 90 seconds."),
        ({"allowed": True, "change_types": ["a", "b"]}, "Only changes of type a or b."),
        ({"allowed": True, "environments": ["staging"]}, "Only in staging."),
        (
            {"allowed": True, "requires_proof_bundle_reference": True},
            "The reason must name the change's logged proof bundle.",
        ),
        (
            {"allowed": True, "step_up": {"acr": ["mfa"], "max_age_s": 300}},
            "Every approver has signed in again (mfa) within 5 minutes; no gate can check that yet, so it is denied.",
        ),
    ],
)
def test_each_demand_has_its_sentence(tool: dict[str, object], sentence: str) -> None:
    assert sentence in tool_sentences(rules(tool), "t")


def test_what_is_not_enforced_or_not_listed_is_said_to_be_denied() -> None:
    assert tool_sentences(rules({"allowed": True}), "other") == ["other is not listed, so it is denied."]
    limited = rules({"allowed": True}, budgets={"max_calls": 3})
    assert "It limits models or budgets, which nothing enforces yet, so it is denied." in tool_sentences(limited, "t")
    assert not [s for s in tool_sentences(rules({"allowed": True}), "t") if "denied" in s]


@pytest.mark.parametrize(
    ("seconds", "said"), [(1, "1 second"), (59, "59 seconds"), (60, "1 minute"), (7200, "2 hours"), (86400, "1 day")]
)
def test_durations_use_the_largest_unit_that_fits(seconds: int, said: str) -> None:
    assert duration(seconds) == said


def test_nothing_reaches_the_terminal_but_printable_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert printable("a\x1b[2J\u202eb\nc\u2028ä") == "a\\u001b[2J\\u202eb\\u000ac\\u2028ä"
    long = "x" * 10_000
    tell([long, "\r"])
    assert capsys.readouterr().err == f"{long}\n\\u000d\n"


def test_media_types_say_what_can_be_read() -> None:
    assert media_type_of("a.json", b"{}") == "application/json"
    assert media_type_of("a.diff", b"+a") == "text/plain; charset=utf-8"
    assert media_type_of("a.json", b"\xff") == "application/octet-stream"
