"""Changes that are complete but for exactly one condition of an allow, each with the rules of the gate that ask for it.

What is wrong is said in the words of what happened, and nothing of the gate is asked: every one of these must be denied, and an
allow of it that is in the log all the same must not hold.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from tests.property.gate import odd_steps as odd
from tests.property.gate.course import Broken, Misstated, Step, bundle, decide, execute, govern
from tests.property.gate.jobs import Jobs, nonsense
from tests.property.gate.odd_steps import approve_as, each_of, forge, one_is, passes, roster, with_change
from tests.support import keys
from tests.support.payloads import hash_of, person
from tests.unit.gate.story import CLOSE, DORA, EXECUTE, policy
from trustlog.gate.judge import Judgement
from trustlog.gate.logged import Logged

STRANGER: Final = keys.fixture_key("a stranger")
TOKEN_TERMS: Final = {
    "require_cst": True,
    "optional_policy_hash_pinning": False,
    "job_scoped_binding": True,
    "max_ttl_s": 900,
}
WITHOUT_RECEIPTS: Final = {"fail_closed": True, "require_gateway_receipts": False, "require_proof_bundle": True}


def _under(**members: Any) -> Step:
    return lambda story: govern(story, policy(**members))


def _tool(action: str, **members: Any) -> Step:
    return _under(tools={action: members})


def _requester(subject: str) -> Step:
    def issue(story: Jobs) -> None:
        story.requester = subject
        story.issue()

    return issue


def _nothing(_story: Jobs) -> None:
    """The step is left out."""


def _approved_before_they_came(story: Jobs) -> None:
    """Somebody whom no roster knew yet approves, and comes into the roster afterwards."""
    story.approve(EXECUTE, "p-alice")
    name = f"erin {len(story.envelopes)}"
    subject, erin = f"p-{name.replace(' ', '-')}", keys.fixture_key(name)
    story.log("human_approval_receipt", {**story.approval("p-bob", EXECUTE), "approver_subject": subject}, erin)
    roster(person(subject, erin, roles=("platform_security",)))(story)


def _with_two_keys(story: Jobs) -> None:
    """Alice approves with both of her keys, and has both roles."""
    second = keys.fixture_key("alice's second")
    roster(person("p-alice", keys.ALICE, second, roles=("service_owner", "platform_security")))(story)
    story.approve(EXECUTE, "p-alice")
    story.log("human_approval_receipt", story.approval("p-alice", EXECUTE), second)


def _policy_that_nobody_published(story: Jobs) -> None:
    govern(story)
    story.policy_hash = hash_of(f"a policy that nobody published {len(story.envelopes)}")


def _superseded(story: Jobs) -> None:
    story.publish(policy(policy_name="the next", supersedes=f"b64u:{story.policy_hash}"))


def _approve_after(*steps: Step) -> Step:
    return each_of(*steps, lambda story: story.approve(EXECUTE))


def _after_approve(*, of_another_plan: bool = False, withdrawn: bool = False, forged: bool = False) -> Step:
    """``ticket.approve`` is decided, in some way that does not count, before the change is to be executed."""

    def act(story: Jobs) -> None:
        if not forged:
            story.approve("ticket.approve", "p-alice")
        allow = forge(story, "ticket.approve")
        if withdrawn:
            story.withdraw(allow)
        if of_another_plan:
            story.plan = odd.OTHER_PLAN
            story.simulate()
        story.approve(EXECUTE)

    return act


APPROVE_FIRST: Final = _under(
    tools={
        "ticket.approve": {"allowed": True, "step_up_approvals": 1, "required_before": [EXECUTE]},
        "change.simulate": {"required_before": [EXECUTE, "ticket.approve"]},
    }
)


# About the log, the policy, the token.

_GROUNDS: Final = (
    Broken("an entry that lies", ("log_is_what_it_says",), steps={"last": odd.lie}, governed=False),
    Broken(
        "policy not published",
        ("policy_is_valid_now",),
        steps={"govern": _policy_that_nobody_published, "approve": _nothing},
    ),
    Broken("policy begins later", ("policy_is_valid_now",), steps={"govern": odd.valid(valid_from=400)}),
    Broken(
        "policy ends this very second",
        ("policy_is_valid_now",),
        steps={"govern": odd.valid(valid_until=300), "last": odd.until_the_policy_ends},
    ),
    Broken("policy revoked", ("policy_stands",), steps={"last": lambda one: one.revoke(f"policy:{one.policy_hash}")}),
    Broken("policy superseded", ("policy_stands",), steps={"last": _superseded}),
    Broken(
        "step-up",
        ("policy_demands_nothing_unsupported",),
        steps={"govern": _tool(EXECUTE, step_up={"acr": ["c1"], "max_age_s": 300})},
    ),
    Broken(
        "proof of possession",
        ("policy_demands_nothing_unsupported",),
        steps={"govern": _under(token_requirements={**TOKEN_TERMS, "proof_of_possession": True})},
    ),
    Broken(
        "models",
        ("policy_demands_nothing_unsupported",),
        steps={"govern": _under(models={"providers": ["*"], "models": ["*"]})},
    ),
    Broken("budgets", ("policy_demands_nothing_unsupported",), steps={"govern": _under(budgets={"max_calls": 100})}),
    Broken("token not logged", ("token_is_logged_and_signed",), steps={"last": lambda one: one.issue(log=False)}),
    Broken("token signed by another", ("token_is_logged_and_signed",), steps={"last": odd.mint_by_another}),
    Broken(
        "token says another end than its issuance",
        ("token_says_what_its_issuance_says",),
        steps={"last": lambda one: one.issue(exp=one.now_ns // 10**9 + 601)},
    ),
    Broken("token of another ticket", ("token_is_of_the_ticket",), asked={"ticket": "tickets.test:ANOTHER"}),
    Broken("token ends this very second", ("token_is_alive",), steps={"last": odd.until_the_token_ends}),
    Broken("token begins later", ("token_is_alive",), steps={"last": passes(-60)}),
    Broken("token lives a second too long", ("token_is_short_lived",), steps={"issue": lambda one: one.issue(ttl_s=901)}),
    Broken(
        "token of another scope than the pinned one",
        ("token_has_the_pinned_scope",),
        steps={"govern": _under(token_requirements={**TOKEN_TERMS, "cst_scope_hash": f"b64u:{nonsense()}"})},
    ),
)

# About the job.

_JOB: Final = (
    Broken("unreadable simulation", ("job_is_readable",), steps={"last": odd.withheld_simulation}),
    Broken("unreadable roster", ("job_is_readable",), steps={"last": odd.withheld_roster}, governed=False),
    Broken("a deny made on another tree", ("decisions_say_what_the_log_has",), steps={"last": odd.deny_on_another_tree}),
    Broken(
        "a deny that lists another entry", ("decisions_say_what_the_log_has",), steps={"last": odd.deny_of_another_entry}
    ),
    Broken("an allow of a time to come", ("allows_are_not_ahead",), steps={"last": odd.decided_ahead}),
    Broken("job revoked", ("job_is_not_revoked",), steps={"last": lambda one: one.revoke(f"job:{one.job}")}),
    Broken(
        "an earlier token revoked",
        ("job_is_not_revoked",),
        steps={"last": lambda one: (one.revoke(f"token:{one.scoped.token_hash}"), one.issue())},
    ),
    Broken("a used approval revoked", ("job_is_not_revoked",), steps={"last": odd.used_then_revoked}),
    Broken("denied", ("job_is_not_denied",), steps={"last": lambda one: one.deny(plan_hash_b64u=nonsense())}),
    Broken(
        "denied by silence",
        ("job_is_not_denied",),
        steps={"last": lambda one: one.deny(approval_type="timeout_deny", plan_hash_b64u=nonsense())},
    ),
    Broken(
        "denied, tied by its token",
        ("job_is_not_denied",),
        steps={"last": lambda one: one.deny(scope_hash_b64u=nonsense(), plan_hash_b64u=nonsense())},
    ),
    Broken(
        "denied, tied by the scope of a decision", ("job_is_not_denied",), steps={"last": odd.decided_then_denied_by_scope}
    ),
    Broken("denied, tied by the scope asked for", ("job_is_not_denied",), steps={"last": odd.denied_by_this_scope}),
    Broken("an unreadable approval", ("job_is_not_denied", "plan_is_not_denied"), steps={"last": odd.denied_unreadably}),
    Broken("closed before", ("job_is_open",), CLOSE, {"last": odd.closed_then_again}, asks=EXECUTE),
    Broken(
        "a call of another run",
        ("job_names_one_run",),
        steps={"last": lambda one: one.log("gateway_receipt", odd.new_call(one, run_id="run-elsewhere"))},
    ),
    Broken(
        "a call of no run",
        ("job_names_one_run",),
        steps={"last": lambda one: one.log("gateway_receipt", odd.new_call(one, run_id=None))},
    ),
)

# About the tool, the plan, and what was done before.

_STEPS: Final = (
    Broken("tool not listed", ("tool_is_listed_and_allowed",), "ticket.delete", {"approve": _nothing}),
    Broken("tool not allowed", ("tool_is_listed_and_allowed",), steps={"govern": _tool(EXECUTE, allowed=False)}),
    Broken("simulating not allowed", ("simulating_is_allowed",), steps={"govern": _tool("change.simulate", allowed=False)}),
    Broken("simulating not listed", ("simulating_is_allowed",), steps={"govern": _under(tools={"change.simulate": None})}),
    Broken("never simulated", ("plan_is_simulated",), steps={"simulate": _nothing, "approve": _nothing}),
    Broken(
        "simulated in vain",
        ("plan_is_simulated",),
        steps={"simulate": lambda one: one.simulate(outcome="failure"), "approve": odd.approve_the_failed},
    ),
    Broken(
        "simulated for another ticket",
        ("plan_is_simulated",),
        steps={"simulate": lambda one: one.simulate(ticket="t.test:9")},
    ),
    Broken(
        "simulated under another policy",
        ("plan_is_simulated",),
        steps={"simulate": lambda one: one.simulate(policy_hash_b64u=nonsense())},
    ),
    Broken(
        "simulated with another token scope",
        ("plan_is_simulated",),
        steps={"simulate": lambda one: one.simulate(token_scope_hash_b64u=nonsense())},
    ),
    Broken("no call", ("model_calls_are_receipted",), steps={"call": _nothing}),
    Broken(
        "calls that no gateway signed",
        ("model_calls_are_receipted",),
        steps={"call": lambda one: one.log("gateway_receipt", odd.first_call(one), STRANGER)},
    ),
    Broken(
        "calls after the simulation",
        ("model_calls_are_receipted",),
        steps={"call": _nothing, "approve": _approve_after(lambda one: one.call_model())},
    ),
    Broken(
        "calls under another policy",
        ("model_calls_are_receipted",),
        steps={"call": lambda one: one.call_model(binding=one.bound(policy_hash=nonsense()))},
    ),
    Broken("plan not at hand", ("plan_is_the_stored_one",), steps={"last": odd.without_its_plan}),
    Broken("another plan's bytes", ("plan_is_the_stored_one",), steps={"last": odd.with_another_plans_bytes}),
    Broken("plan of another ticket", ("plan_is_the_stored_one",), steps={"simulate": odd.plan_of_another_ticket}),
    Broken("plan denied in another job", ("plan_is_not_denied",), steps={"last": odd.another_job_denied}),
    Broken("another change type", ("change_type_is_allowed",), steps={"govern": _tool(EXECUTE, change_types=["schema"])}),
    Broken("another environment", ("environment_is_allowed",), steps={"govern": _tool(EXECUTE, environments=["staging"])}),
    Broken("not executed", ("steps_before_are_done",), CLOSE, {"execute": odd.executed_in_vain}),
    Broken(
        "executed another plan",
        ("steps_before_are_done", "bundle_is_of_this_change"),
        CLOSE,
        {"execute": odd.executed_another_plan},
    ),
    Broken("not approved before", ("steps_before_are_done",), steps={"govern": APPROVE_FIRST}),
    Broken(
        "another plan approved before",
        ("steps_before_are_done",),
        steps={"govern": APPROVE_FIRST, "approve": _after_approve(of_another_plan=True)},
    ),
    Broken(
        "approved before, and withdrawn",
        ("steps_before_are_done",),
        steps={"govern": APPROVE_FIRST, "approve": _after_approve(withdrawn=True)},
    ),
    Broken(
        "approved before by nobody",
        ("steps_before_are_done",),
        steps={"govern": APPROVE_FIRST, "approve": _after_approve(forged=True)},
    ),
    Broken(
        "closing is required before, and not done",
        ("steps_before_are_done",),
        steps={"govern": _under(tools={CLOSE: {"required_before": [EXECUTE]}, EXECUTE: {"required_before": None}})},
    ),
    Broken(
        "an allow to execute that may be used yet",
        (),
        CLOSE,
        {"last": lambda one: (one.approve(EXECUTE), decide(one, EXECUTE))},
    ),
    Broken(
        "an allow to close that may be used yet",
        (),
        CLOSE,
        {"last": lambda one: (one.approve(EXECUTE), decide(one, CLOSE))},
        asks=EXECUTE,
    ),
    Broken("an execution that nobody heard of again", ("outcomes_are_known",), steps={"last": odd.begun_and_lost}),
    Broken(
        "another plan was executed",
        ("executions_are_founded",),
        steps={"last": lambda one: odd.begun(one, plan_hash_b64u=nonsense())},
    ),
    Broken(
        "executed in another environment",
        ("executions_are_founded",),
        steps={"last": lambda one: odd.begun(one, environment="staging")},
    ),
    Broken(
        "another plan was executed, and somebody looked into it",
        ("executions_are_founded",),
        steps={"last": odd.begun_and_looked_into},
    ),
    Broken("executed after the withdrawal", ("executions_are_founded",), steps={"last": odd.begun_after_withdrawal}),
    Broken("executed too late", ("executions_are_founded",), steps={"last": odd.begun_too_late}),
    Broken(
        "executed what one person had approved",
        ("executed_allows_hold",),
        steps={"approve": lambda one: one.approve(EXECUTE, "p-alice"), "last": odd.begun_under_a_forged_allow},
    ),
)

# About the bundle.

_OF_ANOTHER: Final = (
    "ticket", "job_id", "run_id", "policy_hash_b64u", "plan_hash_b64u",
    "token_scope_hash_b64u", "simulation_b64u", "decision_b64u", "execution_b64u",
)  # fmt: skip

_BUNDLE: Final = (
    Broken("a reason without a bundle", ("bundle_is_logged_and_unused",), CLOSE, asked={"closing_reason": "done"}),
    Broken(
        "a reason with two bundles",
        ("bundle_is_logged_and_unused",),
        CLOSE,
        asked={"closing_reason": lambda one: f"bundle:{one.bundle_hash}, bundle:{nonsense()}"},
    ),
    Broken(
        "a reason whose bundle touches another letter",
        ("bundle_is_logged_and_unused",),
        CLOSE,
        asked={"closing_reason": lambda one: f"see-bundle:{one.bundle_hash}"},
    ),
    Broken(
        "a bundle that is not logged",
        ("bundle_is_logged_and_unused",),
        CLOSE,
        {"last": lambda one: setattr(one, "bundle_hash", nonsense())},
    ),
    Broken("a bundle that closed something", ("bundle_is_logged_and_unused",), CLOSE, {"last": odd.bundle_closed_elsewhere}),
    *(
        Broken(
            f"a bundle of another {name}",
            ("bundle_is_of_this_change",),
            CLOSE,
            {"bundle": with_change(**{name: "t.test:9" if name == "ticket" else nonsense()})},
        )
        for name in _OF_ANOTHER
    ),
    *(
        Broken(f"a bundle without {name}", ("bundle_is_of_this_change",), CLOSE, {"bundle": with_change(**{name: None})})
        for name in ("change_version", *_OF_ANOTHER)
    ),
    Broken(
        "a bundle from before it was executed again",
        ("bundle_is_of_this_change",),
        CLOSE,
        {"last": odd.executed_again("success")},
    ),
    Broken(
        "a bundle from before it was executed in vain",
        ("bundle_is_of_this_change",),
        CLOSE,
        {"last": odd.executed_again("failure")},
    ),
    Broken(
        "a bundle from before another plan was executed in vain",
        ("bundle_is_of_this_change",),
        CLOSE,
        {"last": odd.executed_again("failure", odd.OTHER_PLAN)},
    ),
    Broken(
        "a bundle from before its execution was looked into",
        ("bundle_is_of_this_change", "steps_before_are_done"),
        CLOSE,
        {"last": odd.looked_into},
    ),
    Broken("a bundle that says more", ("bundle_is_of_this_change",), CLOSE, {"bundle": with_change(more="x")}),
    Broken(
        "a bundle without a statement",
        ("bundle_is_of_this_change",),
        CLOSE,
        {"bundle": lambda one: bundle(one, metadata={})},
    ),
    Broken("a call left out", ("bundle_holds_every_receipt",), CLOSE, {"bundle": odd.without_the_last_call}),
    Broken("a call that is not logged", ("bundle_holds_every_receipt",), CLOSE, {"bundle": odd.with_an_unlogged_call}),
    Broken(
        "a call logged above the bundle", ("bundle_holds_every_receipt",), CLOSE, {"bundle": odd.with_a_call_logged_late}
    ),
    Broken(
        "a call of the bundle under another policy",
        ("bundle_holds_every_receipt",),
        CLOSE,
        {"bundle": odd.with_a_call_under_another_policy},
    ),
    Broken(
        "a tool call that is not logged",
        ("bundle_holds_logged_tool_receipts",),
        CLOSE,
        {"bundle": odd.with_an_unlogged_tool_receipt},
    ),
    Broken(
        "a tool call logged above the bundle",
        ("bundle_holds_logged_tool_receipts",),
        CLOSE,
        {"bundle": odd.with_a_tool_receipt_logged_late},
    ),
    Broken("an event without its receipt", ("events_are_receipted",), CLOSE, {"bundle": odd.with_an_event_without_receipt}),
    Broken(
        "the events of another run",
        ("events_are_receipted",),
        CLOSE,
        {"govern": _under(enforcement=WITHOUT_RECEIPTS), "call": _nothing, "bundle": odd.with_another_runs_events},
    ),
    Broken(
        "a call of another request than its event",
        ("receipts_carry_their_event",),
        CLOSE,
        {"call": lambda one: one.call_model(request_hash_b64u=nonsense())},
    ),
)

# About approvals.

_APPROVALS: Final = (
    Broken("an automatic approval", ("approval_is_explicit",), steps={"approve": one_is(approval_type="auto_approve")}),
    Broken("an approval of another maker", ("approval_is_explicit",), steps={"approve": one_is(receipt_id="mine")}),
    *(
        Broken(
            f"an approval with another {name}", ("approval_is_of_this_change",), steps={"approve": one_is(**{name: value})}
        )
        for name, value in {
            "scope_hash_b64u": nonsense(),
            "plan_hash_b64u": nonsense(),
            "agent_did": STRANGER.did,
        }.items()
    ),
    Broken(
        "an approval under another policy",
        ("approval_is_of_this_change",),
        steps={"approve": one_is(policy_hash_b64u=nonsense(), binding={"policy_hash": nonsense()})},
    ),
    *(
        Broken(
            f"an approval bound to another {name}",
            ("approval_is_of_this_change",),
            steps={"approve": one_is(binding={name: value})},
        )
        for name, value in {"run_id": "run-elsewhere", "token_scope_hash_b64u": nonsense(), "nonce": None}.items()
    ),
    Broken(
        "an approval signed by another person",
        ("approval_is_by_a_person",),
        steps={"approve": each_of(approve_as("p-alice", keys.ALICE), approve_as("p-bob", keys.CAROL))},
    ),
    Broken("an approver who came later", ("approval_is_by_a_person",), steps={"approve": _approved_before_they_came}),
    Broken("an approver who left", ("approval_is_by_a_person",), steps={"last": roster(without=["p-bob"])}),
    Broken(
        "an approver who left, where no role is wanted",
        ("approval_is_by_a_person",),
        steps={"govern": _tool(EXECUTE, approver_constraints=None), "last": roster(without=["p-bob"])},
    ),
    Broken(
        "an approver whose time is over",
        ("approval_is_by_a_person",),
        steps={"last": roster(person("p-bob", keys.BOB, roles=("platform_security",), valid_until="2020-01-01T00:00:00Z"))},
    ),
    Broken(
        "the requester approves",
        ("approval_is_by_another",),
        steps={"issue": _requester("p-alice")},
    ),
    Broken(
        "approved before the bundle",
        ("approval_is_in_order",),
        CLOSE,
        {"bundle": odd.approved_before_the_bundle, "approve closing": _nothing},
    ),
    Broken(
        "approvals a second too old",
        ("approval_is_in_time",),
        steps={"govern": _tool(EXECUTE, approval_ttl_s=30), "last": passes(29)},
    ),
    Broken(
        "an approval from the future",
        ("approval_is_in_time",),
        steps={"approve": each_of(passes(310), lambda one: one.approve(EXECUTE), passes(-313))},
    ),
    Broken("approvals that witnesses saw long ago", ("approval_is_in_time",), steps={"last": odd.seen_long_ago}),
    Broken("an approval revoked", ("approval_stands",), steps={"last": odd.revoke_an_approval}),
    Broken(
        "an approver's key revoked",
        ("approval_stands",),
        steps={"last": lambda one: one.revoke(f"key:{keys.BOB.did}")},
        governed=False,
    ),
    Broken(
        "no roster, where nobody has to approve",
        ("roster_is_in_force",),
        steps={"govern": odd.without_a_roster, "approve": _nothing},
        governed=False,
    ),
    Broken(
        "one person",
        ("people_are_enough",),
        steps={
            "govern": _tool(EXECUTE, approver_constraints=["service_owner"]),
            "approve": lambda one: one.approve(EXECUTE, "p-alice"),
        },
    ),
    Broken("approvals that an allow used up", ("people_are_enough", "roles_are_filled"), steps={"last": execute}),
    Broken("one person with two keys", ("people_are_enough", "roles_are_filled"), steps={"approve": _with_two_keys}),
    Broken(
        "a role that nobody fills",
        ("roles_are_filled",),
        steps={"approve": each_of(roster(person("p-bob", keys.BOB)), lambda one: one.approve(EXECUTE))},
    ),
    Broken(
        "one person for both roles",
        ("roles_are_filled",),
        steps={
            "approve": each_of(
                roster(person("p-bob", keys.BOB, roles=())), lambda one: one.approve(EXECUTE, "p-carol", "p-bob")
            )
        },
    ),
    Broken("a requester whom nobody knows", ("requester_is_a_person",), steps={"issue": _requester("p-nobody")}),
    Broken(
        "a requester whose time is over",
        ("requester_is_a_person",),
        steps={"last": roster(person("p-dora", DORA, valid_until="2020-01-01T00:00:00Z"))},
    ),
)

BROKEN: Final = (*_GROUNDS, *_JOB, *_STEPS, *_BUNDLE, *_APPROVALS)


# Allows in the log.


def _log(**changes: Any) -> Any:
    return lambda story, judgement: story.log_decision(EXECUTE, judgement, **changes)


def _log_to_close(**changes: Any) -> Any:
    return lambda story, judgement: story.log_decision(CLOSE, judgement, **changes)


def _of_a_view_above_it(story: Jobs, judgement: Judgement) -> Logged:
    return story.log_decision(EXECUTE, judgement, view={"size": story.view.size + 5, "root_b64u": hash_of("root")})


def _of_another_log(story: Jobs, judgement: Judgement) -> Logged:
    return story.log_decision(EXECUTE, judgement, view={**story.tree(), "root_b64u": hash_of("root")})


def _of_an_older_tree(story: Jobs, judgement: Judgement) -> Logged:
    return story.log_decision(EXECUTE, judgement, view={**story.tree(story.view.size - 1), "size": story.view.size})


def _of_a_view_below_the_approvals(story: Jobs, judgement: Judgement) -> Logged:
    """The approvals came after what the gate had read."""
    first = min(
        one.index
        for one in story.view.of_kind("human_approval_receipt", story.view.size)
        if one.record.binding.run_id == story.run
    )
    judgement = replace(judgement, evidence=tuple(one for one in judgement.evidence if one.index < first))
    return story.log_decision(EXECUTE, judgement, view=story.tree(first))


def _revoked_between(story: Jobs, judgement: Judgement) -> Logged:
    """The job is revoked after the gate had read, before its allow is logged."""
    size = story.view.size
    story.revoke(f"job:{story.job}")
    return story.log_decision(EXECUTE, judgement, view=story.tree(size))


def _without_one_entry(story: Jobs, judgement: Judgement) -> Logged:
    return story.log_decision(EXECUTE, replace(judgement, evidence=judgement.evidence[1:]))


def _with_another_leaf(story: Jobs, judgement: Judgement) -> Logged:
    evidence = [{"index": one.index, "leaf_hash_b64u": nonsense()} for one in judgement.evidence[:1]]
    payload = story.log_decision(EXECUTE, judgement).record
    rest = [{"index": one.index, "leaf_hash_b64u": one.leaf_hash_b64u} for one in payload.evidence[1:]]
    scope = {**judgement.scope, "round": "2"}  # a second allow of the same scope would be void
    return story.log_decision(EXECUTE, replace(judgement, scope=scope), evidence=[*evidence, *rest])


def _whose_plan_is_lost(story: Jobs, judgement: Judgement) -> Logged:
    """It held when it was judged first; then the plan's bytes are gone."""
    allow = story.log_decision(EXECUTE, judgement)
    assert story.rejudge(allow) == set()
    story.plans = {}
    return allow


def _decided_too_late(story: Jobs, judgement: Judgement) -> Logged:
    story.pass_time(4000)
    return story.log_decision(EXECUTE, judgement)


MISSTATED: Final = (
    Misstated("a view above its index", ("decision_says_what_the_log_has",), _of_a_view_above_it),
    Misstated("a view of another log", ("decision_says_what_the_log_has",), _of_another_log),
    Misstated("another view than that of its size", ("decision_says_what_the_log_has",), _of_an_older_tree),
    Misstated("a view below the approvals", ("decision_says_what_the_evidence_says",), _of_a_view_below_the_approvals),
    Misstated("a revocation between view and index", ("job_is_not_revoked",), _revoked_between),
    Misstated("another run", ("decision_says_what_the_evidence_says",), _log(run_id="run-elsewhere")),
    Misstated("another roster", ("decision_says_what_the_evidence_says",), _log(roster_b64u=nonsense())),
    Misstated("another token scope", ("decision_says_what_the_evidence_says",), _log(token_scope_hash_b64u=nonsense())),
    Misstated("another token", ("token_is_logged_and_signed",), _log(token_hash="0" * 64)),
    Misstated("no approvals", ("people_are_enough",), _log(approvals=[])),
    Misstated(
        "approvals that there are not",
        ("decision_says_what_the_evidence_says",),
        lambda one, judgement: one.log_decision(EXECUTE, replace(judgement, approvals=(*judgement.approvals, nonsense()))),
    ),
    Misstated(
        "another round",
        ("decision_says_what_the_evidence_says",),
        lambda one, judgement: one.log_decision(EXECUTE, replace(judgement, scope={**judgement.scope, "round": "2"})),
    ),
    Misstated("an entry left out", ("decision_lists_its_evidence",), _without_one_entry),
    Misstated("another entry", ("decision_says_what_the_log_has",), _with_another_leaf),
    Misstated("its plan lost since", ("plan_is_the_stored_one",), _whose_plan_is_lost),
    Misstated("decided after everything had run out", ("token_is_alive", "approval_is_in_time"), _decided_too_late),
    Misstated(
        "a closing reason without a bundle", ("bundle_is_logged_and_unused",), _log_to_close(closing_reason="done"), CLOSE
    ),
)
