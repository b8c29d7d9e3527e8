"""What a decision record says, what an answer says, and which denies are logged."""

from __future__ import annotations

import itertools
import json

import pytest

from tests.support.envelopes import candidate
from tests.support.payloads import deny, gate_decision, hash_of
from tests.unit.gate.story import CLOSE, EXECUTE, Story
from trustlog.errors import Refused
from trustlog.formats.timestamp import NS
from trustlog.gate.decision import Decision
from trustlog.gate.denies import MOST_REMEMBERED, DenyMemory
from trustlog.gate.judge import Judgement
from trustlog.limits import STRANGER_DENIES_A_MINUTE, TOKEN_DENIES_A_MINUTE
from trustlog.policy.finding import Finding


def test_an_allow_has_every_member_and_a_closing_reason_only_to_close() -> None:
    story = Story().up_to_approvals()
    record = story.decide(EXECUTE).record
    assert record.scope["action"] == record.requested.action == EXECUTE
    assert len(record.approvals) == 2
    assert record.expires_at.ns - record.decided_at.ns == 60 * NS
    assert "closing_reason" not in json.loads(text_of(story))
    story.bundle(story.execute(list(story.view.of_kind("gate_decision", story.view.size))[-1]))
    story.approve(CLOSE)
    story.decide(CLOSE)
    assert json.loads(text_of(story))["closing_reason"] == f"done, bundle:{story.bundle_hash}"


def text_of(story: Story) -> bytes:
    one = list(story.view.of_kind("gate_decision", story.view.size))[-1]
    assert one.candidate is not None
    return one.candidate.payload_text


def test_a_deny_says_what_was_established_and_what_was_asked() -> None:
    story = Story().up_to_simulation()
    deny = story.log_decision(EXECUTE, story.ask(EXECUTE))
    assert deny.record.decision == "deny"
    assert {reason.code for reason in deny.record.reasons} >= {"APPROVALS_INSUFFICIENT"}
    assert deny.record.approvals == []
    assert deny.refs["job"] == story.job


@pytest.mark.parametrize(
    "changes",
    [
        {"withdraws_b64u": hash_of("x")},
        {"count": 1},
        {"closing_reason": "bundle"},
        {"scope": {}},
        {"requested": {"action": "ticket.close", "ticket": "servicedesk.test:CHG-1"}},
        {"requested": {"action": "change.execute", "ticket": "servicedesk.test:CHG-2"}},
        {"expires_at": "2026-03-02T09:01:00.001Z"},
        {"expires_at": "2026-03-02T08:59:59.999Z"},
    ],
    ids=str,
)
def test_an_allow_that_says_too_much_or_too_little_is_void(changes: dict[str, object]) -> None:
    with pytest.raises(Refused) as refused:
        candidate("gate_decision", gate_decision(**changes))
    assert refused.value.code == "DECISION_INVALID"


@pytest.mark.parametrize("member", ["token_hash", "token_scope_hash_b64u", "run_id", "roster_b64u"])
def test_only_a_deny_may_lack_what_was_not_established(member: str) -> None:
    allow = gate_decision()
    del allow[member]
    with pytest.raises(Refused):
        candidate("gate_decision", allow)
    candidate("gate_decision", deny())


def test_an_answer_names_each_unmet_condition_and_the_next_step() -> None:
    story = Story().up_to_simulation()
    findings = story.ask(EXECUTE).findings
    assert findings
    decision = Decision(
        allow=False, findings=findings, request=story.request(EXECUTE), scope={}, decided_at="", expires_at=""
    )
    answer = decision.answer()
    assert (answer["decision"], answer["status"], answer["reason_code"]) == ("deny", "FAIL", findings[0].code)
    for reason in answer["reasons"]:
        assert "trustlog approve --job job-1 --action change.execute --plan FILE" in reason["hint"]
        assert reason["detail"].startswith("expected ")
        assert "; found " in reason["detail"]


def test_no_answer_and_no_record_holds_the_token() -> None:
    story = Story().up_to_simulation()
    judgement = story.ask(EXECUTE)
    assert story.token not in "".join(finding.detail for finding in judgement.findings)
    story.log_decision(EXECUTE, judgement)
    assert story.token.encode() not in text_of(story)


# Equal denies.

AT_NS = 1_000_000 * NS
NO = Judgement((Finding("TOKEN_EXPIRED", "a", "b"),))


def test_equal_denies_are_logged_once_a_minute_with_a_count() -> None:
    story, memory = Story().govern().issue(), DenyMemory()
    request = story.request(EXECUTE)
    counts = [memory.count(request, NO, AT_NS + second * NS) for second in (0, 1, 59, 60, 61, 300)]
    assert counts == [1, None, None, 3, None, 2]


def test_denies_that_differ_are_logged_each() -> None:
    story, memory = Story().govern().issue(), DenyMemory()
    other = Judgement((Finding("TOKEN_REVOKED", "a", "b"),))
    assert memory.count(story.request(EXECUTE), NO, AT_NS) == 1
    assert memory.count(story.request(CLOSE), NO, AT_NS) == 1
    assert memory.count(story.request(EXECUTE), other, AT_NS) == 1
    assert memory.count(story.request(EXECUTE, ticket="a:b"), NO, AT_NS) == 1
    assert memory.count(story.request(EXECUTE), NO, AT_NS) is None


def test_nonces_audiences_and_tokens_that_nobody_issued_make_no_difference() -> None:
    story, memory = Story().govern().issue(), DenyMemory()
    assert memory.count(story.request(EXECUTE), NO, AT_NS) == 1
    for number in range(5):
        garbage = story.request(EXECUTE, token=f"garbage {number}", nonce=str(number), audience=str(number))
        assert memory.count(garbage, NO, AT_NS) is None


def test_a_deny_that_could_not_be_logged_is_counted_with_the_next() -> None:
    story, memory = Story().govern().issue(), DenyMemory()
    request = story.request(EXECUTE)
    count = memory.count(request, NO, AT_NS)
    assert count == 1
    memory.put_back(request, NO, count)
    assert memory.count(request, NO, AT_NS + NS) == 2


ESTABLISHED = Judgement((Finding("TOOL_NOT_LISTED", "a", "b"),), scope={"policy_hash_b64u": "p"})


@pytest.mark.parametrize(
    ("judgement", "most"),
    [(NO, STRANGER_DENIES_A_MINUTE), (ESTABLISHED, TOKEN_DENIES_A_MINUTE)],
    ids=["nobody's", "a token"],
)
def test_whoever_never_asks_the_same_twice_has_so_many_denies_logged_and_then_one_a_minute(
    judgement: Judgement, most: int
) -> None:
    story, memory = Story().govern().issue(), DenyMemory()
    invented = (story.request(f"action{number}", ticket=f"a:{number}") for number in itertools.count())
    first = [memory.count(next(invented), judgement, AT_NS + number) for number in range(1000)]
    assert first == [1] * (most + 1) + [None] * (999 - most)
    later = [memory.count(next(invented), judgement, AT_NS + 60 * NS + 1000 + number) for number in range(1000)]
    assert later == [1] * most + [1000 - most] + [None] * (
        999 - most
    )  # the record of those with no room stands for all of them


def test_a_flood_of_strangers_takes_no_room_of_a_jobs_and_one_job_none_of_anothers() -> None:
    story, memory = Story().govern().issue(), DenyMemory()
    for number in range(100):
        memory.count(story.request(f"action{number}"), NO, AT_NS)
        memory.count(story.request(f"action{number}"), ESTABLISHED, AT_NS)
    assert memory.count(story.request(EXECUTE, token="another"), ESTABLISHED, AT_NS) == 1
    other_reason = Judgement((Finding("TOKEN_MALFORMED", "a", "b"),))
    assert memory.count(story.request(EXECUTE), other_reason, AT_NS) == 1


def test_denies_beyond_the_room_that_could_not_be_logged_are_counted_with_the_next() -> None:
    story, memory = Story().govern().issue(), DenyMemory()
    for number in range(STRANGER_DENIES_A_MINUTE):
        memory.count(story.request(f"action{number}"), NO, AT_NS)
    request = story.request("one more")
    assert memory.count(request, NO, AT_NS + NS) == 1
    memory.put_back(request, NO, 1)
    assert memory.count(story.request("and another"), NO, AT_NS + 2 * NS) == 2


def test_a_clock_that_was_set_back_silences_nothing() -> None:
    story, memory = Story().govern().issue(), DenyMemory()
    assert memory.count(story.request(EXECUTE), NO, AT_NS) == 1
    assert memory.count(story.request(EXECUTE), NO, AT_NS - 3600 * NS) == 1


def test_the_memory_of_denies_is_bounded() -> None:
    story, memory = Story().govern().issue(), DenyMemory()
    for number in range(MOST_REMEMBERED + 5):
        memory.count(story.request(f"a{number}", token=f"t{number}"), ESTABLISHED, AT_NS)
    assert len(memory._seen) == MOST_REMEMBERED
