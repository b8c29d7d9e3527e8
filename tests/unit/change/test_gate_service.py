"""An answer of a gate's service is one to what was asked, or it is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from trustlog.change.gate_service import read_answer
from trustlog.errors import Refused
from trustlog.gate.identify import GateRequest

REQUEST = GateRequest(action="a", ticket="s:t", token="x", audience="me", nonce="n")
REASON = {"code": "APPROVALS_INSUFFICIENT", "detail": "d", "hint": "h"}
ALLOW: dict[str, Any] = {
    "decision": "allow",
    "action": "a",
    "ticket": "s:t",
    "audience": "me",
    "nonce": "n",
    "reasons": [],
    "decision_b64u": "A" * 43,
}
DENY = {**ALLOW, "decision": "deny", "reasons": [REASON]}


def test_an_allow_and_a_deny_are_read_whatever_else_is_said() -> None:
    allowed = read_answer(json.dumps({**ALLOW, "envelope": "…"}).encode(), REQUEST)
    assert (allowed.allow, allowed.decision_b64u, allowed.reasons) == (True, "A" * 43, ())
    deny = read_answer(json.dumps({**DENY, "decision_b64u": None}).encode(), REQUEST)
    assert (deny.allow, deny.decision_b64u, deny.reasons[0].code) == (False, None, "APPROVALS_INSUFFICIENT")


@pytest.mark.parametrize(
    "changes",
    [
        {"decision": "maybe"},
        {"decision": True},
        {"action": "b"},
        {"ticket": "s:u"},
        {"audience": "you"},
        {"nonce": "m"},
        {"nonce": None},
        {"reasons": [REASON]},
        {"reasons": None},
        {"decision": "deny"},
        {"decision": "deny", "reasons": [{"code": "X"}]},
        {"decision": "deny", "reasons": ["no"]},
        {"decision": "deny", "reasons": [REASON] * 65},
        {"decision_b64u": "short"},
        {"decision_b64u": 7},
    ],
)
def test_another_answer_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        read_answer(json.dumps({**ALLOW, **changes}).encode(), REQUEST)


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'{"decision":"allow","decision":"deny"}'])
def test_what_is_no_decision_is_refused(body: bytes) -> None:
    with pytest.raises(Refused):
        read_answer(body, REQUEST)
