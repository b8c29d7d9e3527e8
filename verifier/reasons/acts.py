"""Reasons about acts: approvals, decisions, execution, receipts, bundle, closure."""

from __future__ import annotations

from verifier.reasons.reason import Reason

ACT_REASONS = (
    Reason("ROSTER_MISSING", "No roster was in force.", "No roster was published by a quorum.", "Ask the roster authority."),
    Reason(
        "APPROVALS_INSUFFICIENT",
        "Too few people approved.",
        "The gate accepted fewer approvals than the policy demands.",
        "Treat the decision as void.",
    ),
    Reason(
        "APPROVAL_SAME_PERSON",
        "One person approved twice.",
        "Two approvals or two keys of one person.",
        "Treat the decision as void.",
    ),
    Reason(
        "APPROVAL_ROLE_MISSING",
        "The approvers do not have the demanded roles, each for a different person.",
        "A role is missing or held by one person for two.",
        "Treat the decision as void.",
    ),
    Reason(
        "APPROVAL_BY_REQUESTER",
        "The requester approved the request.",
        "Nobody approves their own change.",
        "Treat the decision as void.",
    ),
    Reason(
        "APPROVAL_EXPIRED",
        "An approval was too old at the decision.",
        "The gate used an old approval.",
        "Treat the decision as void.",
    ),
    Reason(
        "APPROVAL_REVOKED",
        "An approval was revoked before the decision.",
        "The gate missed it or ignored it.",
        "Treat the decision as void.",
    ),
    Reason(
        "APPROVAL_MISMATCH",
        "An approval is not of this scope, or stands at the wrong place in the log.",
        "An approval of another change was reused, or logged too early or late.",
        "Treat the decision as void.",
    ),
    Reason(
        "APPROVAL_NOT_PERMITTED",
        "An approval does not count: not explicit, or not by the person that it names.",
        "An automatic approval, a borrowed key, or a person who has left.",
        "Treat the decision as void.",
    ),
    Reason(
        "APPROVAL_ALREADY_USED",
        "An approval was used up by an earlier decision.",
        "The gate counted it twice.",
        "Treat the decision as void.",
    ),
    Reason(
        "REQUESTER_UNKNOWN",
        "The requester is not a person of the roster, so two people cannot be told apart from them.",
        "An opaque id that the roster does not know.",
        "Ask who requested the change.",
    ),
    Reason(
        "JOB_DENIED",
        "The job was denied before the decision; that ends it.",
        "The gate missed it or ignored it.",
        "Treat the decision as void.",
    ),
    Reason(
        "JOB_REVOKED",
        "The job was revoked before the decision.",
        "The gate missed it or ignored it.",
        "Treat the decision as void.",
    ),
    Reason("RUN_MISMATCH", "Records of one job name two runs.", "Two runs were mixed.", "Ask which run made the change."),
    Reason(
        "ROUND_MISMATCH",
        "The scope's round is not one more than the allows so far.",
        "An allow was left out, or a scope was reused.",
        "Look at the allows of the job.",
    ),
    Reason(
        "DECISION_INVALID",
        "A decision lacks what it needs, or is not the one that its place demands.",
        "A gate that does not keep the format.",
        "Treat the decision as void.",
    ),
    Reason(
        "DECISION_NOT_LOGGED",
        "The decision is not in the evidence.",
        "It was never logged, or left out of the pack.",
        "Ask for the complete pack.",
    ),
    Reason(
        "DECISION_EXPIRED",
        "Something was done outside the decision's lifetime.",
        "The runner or gate acted too late or too early.",
        "Ask what happened in between.",
    ),
    Reason(
        "DECISION_WITHDRAWN",
        "The decision was withdrawn before it was used.",
        "The runner or gate did not wait.",
        "Treat what followed as unauthorised.",
    ),
    Reason(
        "DECISION_IN_FUTURE",
        "A decision is later than the time of judging.",
        "A clock that runs ahead, or an --at in the past.",
        "Judge at a later time.",
    ),
    Reason(
        "EXECUTION_MISMATCH",
        "An execution is not that of its decision.",
        "Another plan, environment or job was executed.",
        "Compare the execution with the decision's scope.",
    ),
    Reason(
        "EXECUTION_FAILED",
        "The execution that had to succeed failed.",
        "The change could not be applied.",
        "Simulate, approve and execute again.",
    ),
    Reason(
        "EXECUTION_OUTCOME_UNKNOWN",
        "An execution began and nobody knows how it ended.",
        "The runner stopped before it published the end.",
        "Ask for the end or a resolution.",
    ),
    Reason(
        "RECEIPTS_MISSING",
        "Model calls have no receipt.",
        "Calls outside the model proxy, or receipts left out.",
        "Ask for the missing receipts.",
    ),
    Reason(
        "RECEIPT_BINDING_MISMATCH",
        "A receipt is bound to another run or to no event of the chain.",
        "A stolen receipt, or a truncated event chain.",
        "Do not rely on the bundle.",
    ),
    Reason(
        "RECEIPT_SET_INCOMPLETE",
        "The bundle does not hold exactly the job's logged receipts.",
        "A receipt was left out, added, or belongs to another job.",
        "Compare the bundle with the log.",
    ),
    Reason(
        "RECEIPT_VERIFICATION_FAILED",
        "A bundle holds the same receipt twice.",
        "A receipt was copied to make up the number.",
        "Do not rely on the bundle.",
    ),
    Reason(
        "EVENT_CHAIN_INVALID",
        "The event chain is broken.",
        "A changed event, a wrong link, or a time that runs backwards.",
        "Do not rely on the bundle.",
    ),
    Reason(
        "PROOF_BUNDLE_AGENT_MISMATCH",
        "The bundle or something in it is another agent's.",
        "Receipts of another agent were re-signed.",
        "Do not rely on the bundle.",
    ),
    Reason(
        "BUNDLE_REFERENCE_MISSING",
        "The closing reason does not name exactly this bundle.",
        "No reference, another one, or several.",
        "Treat the closure as void.",
    ),
    Reason(
        "BUNDLE_NOT_LOGGED",
        "The bundle was not logged before the decision.",
        "The gate did not look.",
        "Treat the closure as void.",
    ),
    Reason("BUNDLE_MISMATCH", "The bundle is about another change.", "A bundle was reused.", "Treat the closure as void."),
    Reason(
        "BUNDLE_ALREADY_USED",
        "The bundle closed another ticket before.",
        "A bundle was reused.",
        "Treat the closure as void.",
    ),
    Reason(
        "CLOSURE_INVALID",
        "The closure is not that of its decision.",
        "Another ticket, bundle or reason.",
        "Treat the ticket as not closed.",
    ),
    Reason(
        "CLOSURE_MISSING",
        "The change is not closed, so it cannot pass yet.",
        "It is still under way, or was closed without a record.",
        "Ask for the pack after the closure.",
    ),
)
