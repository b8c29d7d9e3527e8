"""What a gate would hold against a token, whatever it is used for: what mint refuses and inspect says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from trustlog.change.desk import Desk
from trustlog.gate.identify import GateRequest, identify
from trustlog.gate.judge import Question, judge
from trustlog.gate.logged import Logged
from trustlog.gate.view import LogView
from trustlog.policy.finding import Finding
from trustlog.records.work_policy_contract import ChangeManagement
from trustlog.tokens.scoped_token import ScopedToken

OF_TOKENS: Final = ("TOKEN_", "POLICY_", "JOB_", "KEY_", "APPROVAL_REVOKED", "LOG_LIES", "PAYLOAD_UNREADABLE")


@dataclass(frozen=True, slots=True)
class LoggedToken:
    """A token as the log knows it: its issuance, None for one that is not to be believed, and what stands against it."""

    token: ScopedToken | None
    issuance: Logged | None
    against: tuple[Finding, ...]


async def look_up_token(desk: Desk, compact: str, token_hash: str) -> LoggedToken:
    """The issuance of a compact token with this hash, checked against the token, and everything that stands against it now."""
    await desk.reading.catch_up()
    view = desk.reading.view
    issued = view.valid("token_issued", "token", token_hash, view.size)
    ticket = issued[0].record.ticket if issued else ""
    request = GateRequest(action="", ticket=ticket, token=compact, audience="", nonce="")
    issuance, token, findings = identify(view, view.size, request)
    if issuance is not None:
        await desk.reading.read_job(issuance, view.size)
        findings = [*findings, *against_issuance(view, issuance, desk.clock())]
    return LoggedToken(token, issuance, tuple(dict.fromkeys(findings)))


def against_issuance(view: LogView, issuance: Logged, at_ns: int) -> list[Finding]:
    """What stands against every use of a token with this issuance at the time `at_ns`: its terms, its job, its policy.

    What the log has of the job must have been read (:meth:`~trustlog.gate.follow.Reading.read_job`).
    """
    rules = rules_of(view, issuance.record.policy_hash_b64u)
    tools = {} if rules is None else rules.tools
    action = min(tools, key=lambda name: tools[name].decision_is_logged, default="")  # best one that asks for little else
    question = Question(view=view, size=view.size, at_ns=at_ns, issuance=issuance, action=action, plans={})
    return [finding for finding in judge(question).findings if finding.code.startswith(OF_TOKENS)]


def rules_of(view: LogView, policy_hash: str) -> ChangeManagement | None:
    """The rules of a policy that is in the log; None without one."""
    policy = view.first(policy_hash, "work_policy_contract", view.size)
    rules: ChangeManagement | None = None if policy is None else policy.record.rules
    return rules
