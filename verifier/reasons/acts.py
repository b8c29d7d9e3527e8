"""Reasons about acts: approvals, decisions, execution, receipts, bundle, closure."""

from __future__ import annotations

from verifier.reasons.reason import Reason

ACT_REASONS = (
    Reason(
        "ROSTER_MISSING",
        "No roster is in force, so nobody can approve.",
        "No roster was published by a quorum.",
        "Ask the roster authority.",
    ),
    Reason(
        "APPROVALS_INSUFFICIENT",
        "Fewer approvals count than the policy demands.",
        "The gate accepted fewer approvals than the policy demands.",
        "Treat the decision as void.",
    ),
    Reason(
        "APPROVAL_SAME_PERSON",
        "Two approvals come from one person or one key.",
        "Two approvals or two keys of one person.",
        "Treat the decision as void.",
    ),
    Reason(
        "APPROVAL_ROLE_MISSING",
        "The approvers do not fill every role that the policy demands.",
        "A role is missing or held by one person for two.",
        "Treat the decision as void.",
    ),
    Reason(
        "APPROVAL_BY_REQUESTER",
        "The approval comes from whoever asked for the change, or from its agent.",
        "Nobody approves their own change.",
        "Treat the decision as void.",
    ),
    Reason(
        "APPROVAL_EXPIRED",
        "The approval is older than the policy allows.",
        "The gate used an old approval.",
        "Treat the decision as void.",
    ),
    Reason(
        "APPROVAL_REVOKED",
        "The approval was revoked, which ends the job if it was used.",
        "The gate missed it or ignored it.",
        "Treat the decision as void.",
    ),
    Reason(
        "APPROVAL_MISMATCH",
        "The approval is for another plan, policy, job, ticket, action or round.",
        "An approval of another change was reused, or logged too early or late.",
        "Treat the decision as void.",
    ),
    Reason(
        "APPROVAL_NOT_PERMITTED",
        "The signer of the approval is not a person who may approve.",
        "An automatic approval, a borrowed key, or a person who has left.",
        "Treat the decision as void.",
    ),
    Reason(
        "APPROVAL_ALREADY_USED",
        "The approval has served a decision already.",
        "The gate counted it twice.",
        "Treat the decision as void.",
    ),
    Reason(
        "REQUESTER_UNKNOWN",
        "The requester is not a person of the roster, so two different people cannot be told apart.",
        "An opaque id that the roster does not know.",
        "Ask who requested the change.",
    ),
    Reason(
        "JOB_DENIED",
        "A person has denied this job, which ends it.",
        "The gate missed it or ignored it.",
        "Treat the decision as void.",
    ),
    Reason(
        "JOB_ENDED",
        "The job has ended for ever.",
        "Something was executed or closed after its ticket was closed.",
        "Ask the runner's owner what ran, and who allowed it.",
    ),
    Reason(
        "JOB_REVOKED",
        "The job was revoked, which ends it.",
        "The gate missed it or ignored it.",
        "Treat the decision as void.",
    ),
    Reason(
        "RUN_MISMATCH", "Records of this job name different runs.", "Two runs were mixed.", "Ask which run made the change."
    ),
    Reason(
        "ROUND_MISMATCH",
        "The scope is not that of the next round of this action.",
        "An allow was left out, or a scope was reused.",
        "Look at the allows of the job.",
    ),
    Reason(
        "DECISION_INVALID",
        "The decision breaks the rules for decisions, so it has no effect.",
        "A gate that does not keep the format.",
        "Treat the decision as void.",
    ),
    Reason(
        "DECISION_NOT_LOGGED",
        "The decision is not proven to be in the log, so nothing may rely on it.",
        "It was never logged, or left out of the pack.",
        "Ask for the complete pack.",
    ),
    Reason(
        "DECISION_EXPIRED",
        "The decision was used outside its lifetime.",
        "The runner or gate acted too late or too early.",
        "Ask what happened in between.",
    ),
    Reason(
        "DECISION_WITHDRAWN",
        "The gate has withdrawn its decision.",
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
        "What was executed is not what was decided.",
        "Another plan, environment or job was executed.",
        "Compare the execution with the decision's scope.",
    ),
    Reason(
        "EXECUTION_FAILED",
        "The execution ended with a failure.",
        "The change could not be applied.",
        "Simulate, approve and execute again.",
    ),
    Reason(
        "EXECUTION_OUTCOME_UNKNOWN",
        "An execution began, and no end of it is in the log.",
        "The runner stopped before it published the end.",
        "Ask for the end or a resolution.",
    ),
    Reason(
        "RECEIPTS_MISSING",
        "A model call has no gateway receipt, or none is in the log before the simulation.",
        "Calls outside the model proxy, or receipts left out.",
        "Ask for the missing receipts.",
    ),
    Reason(
        "RECEIPT_BINDING_MISMATCH",
        "A receipt is bound to another run or event than the bundle that holds it.",
        "A stolen receipt, or a truncated event chain.",
        "Do not rely on the bundle.",
    ),
    Reason(
        "RECEIPT_SET_INCOMPLETE",
        "The bundle does not hold exactly the gateway receipts of the job.",
        "A receipt was left out, added, or belongs to another job.",
        "Compare the bundle with the log.",
    ),
    Reason(
        "RECEIPT_VERIFICATION_FAILED",
        "A receipt inside the bundle is not valid by itself.",
        "A receipt was copied to make up the number.",
        "Do not rely on the bundle.",
    ),
    Reason(
        "EVENT_CHAIN_INVALID",
        "The event chain is broken: a hash, a link, a duplicate id, or a time that runs backwards.",
        "A changed event, a wrong link, or a time that runs backwards.",
        "Do not rely on the bundle.",
    ),
    Reason(
        "PROOF_BUNDLE_AGENT_MISMATCH",
        "The bundle, or an item in it, was made by or for another agent.",
        "Receipts of another agent were re-signed.",
        "Do not rely on the bundle.",
    ),
    Reason(
        "BUNDLE_REFERENCE_MISSING",
        "The closing reason does not name exactly one proof bundle.",
        "No reference, another one, or several.",
        "Treat the closure as void.",
    ),
    Reason(
        "BUNDLE_NOT_LOGGED",
        "The proof bundle is not in the log below the decision.",
        "The gate did not look.",
        "Treat the closure as void.",
    ),
    Reason(
        "BUNDLE_MISMATCH",
        "The proof bundle is that of another change.",
        "A bundle was reused.",
        "Treat the closure as void.",
    ),
    Reason(
        "BUNDLE_ALREADY_USED",
        "The proof bundle has closed another ticket already.",
        "A bundle was reused.",
        "Treat the closure as void.",
    ),
    Reason(
        "CLOSURE_INVALID",
        "The closure does not agree with its decision.",
        "Another ticket, bundle or reason.",
        "Treat the ticket as not closed.",
    ),
    Reason(
        "CLOSURE_MISSING",
        "No valid closure of the change is in the log.",
        "It is still under way, or was closed without a record.",
        "Ask for the pack after the closure.",
    ),
)
