"""The steps of a change that are other ones than the honest ones: each breaks one condition of an allow."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from tests.property.gate.course import Step, bundle, decide, end_of, execute, govern
from tests.property.gate.jobs import Jobs, nonsense
from tests.support import keys, payloads
from tests.support.payloads import Payload, hash_of
from tests.unit.gate.story import CLOSE, EXECUTE, PEOPLE, fingerprint, people, plan_bytes, policy
from trustlog.formats.timestamp import NS, format_timestamp, parse_timestamp
from trustlog.gate.logged import Logged
from trustlog.records.scope import compute_scope_hash
from trustlog.tokens.scoped_token import issuance_members

OTHER_PLAN: Final = plan_bytes(body={"limit": -1})


def under(document: Payload) -> Step:
    return lambda story: govern(story, document)


def again(story: Jobs, action: str = EXECUTE) -> None:
    """Two people approve the next round."""
    story.approve(action)


def forge(story: Jobs, action: str, **changes: Any) -> Logged:
    """An allow that says what the evidence gives, whatever stands against it."""
    return story.log_decision(action, replace(story.ask(action), findings=()), **changes)


def approve_as(subject: str, signer: Any, action: str = EXECUTE, **changes: Any) -> Step:
    return lambda story: story.log("human_approval_receipt", story.approval(subject, action, **changes), signer)


def one_is(**changes: Any) -> Step:
    """Alice approves as she should, Bob with these members changed."""

    def approve(story: Jobs) -> None:
        story.approve(EXECUTE, "p-alice")
        binding = {**story.bound(), **changes.get("binding", {})}
        more = {**changes, "binding": {name: value for name, value in binding.items() if value is not None}}
        story.approve(EXECUTE, "p-bob", **more)

    return approve


def each_of(*steps: Step) -> Step:
    def act(story: Jobs) -> None:
        for step in steps:
            step(story)

    return act


def roster(*changed: Payload, without: Sequence[str] = ()) -> Step:
    """The next roster: the usual one, with these people in place of those with their subjects."""

    def act(story: Jobs) -> None:
        kept = {one["subject"]: one for one in [*people(), *changed] if one["subject"] not in without}
        story.next_roster(list(kept.values()))

    return act


def passes(seconds: float) -> Step:
    return lambda story: story.pass_time(seconds)


def until_the_token_ends(story: Jobs) -> None:
    story.now_ns = (story.scoped.claims.exp or 0) * NS


def another_job_denied(story: Jobs) -> None:
    """The same plan, denied in another job."""
    job, plan, policy_hash = story.job, story.plan, story.policy_hash
    story.begin_job(policy_hash, "p-dora")
    story.plan = plan
    story.call_model()
    story.simulate()
    story.deny()
    story.turn_to(job)


def lie(story: Jobs) -> None:
    """An entry whose refs are not those of its payload."""
    mine = [one for one in story.view.of_kind("simulation", story.view.size) if one.record.job_id == story.job]
    assert mine[-1].candidate is not None
    story.append_bytes(mine[-1].data.replace(b'"run":"', b'"run":"x'), mine[-1].candidate.payload_text)


def mint_by_another(story: Jobs) -> None:
    """The issuance is logged by the issuer; the token is signed by somebody else."""
    story.issue(log=False)
    head, _, _ = story.token.rpartition(".")
    story.issue(log=False)
    _, _, signature = story.token.rpartition(".")
    story.token = f"{head}.{signature}"
    members = issuance_members(story.token, ticket=payloads.TICKET, requester=story.requester)
    story.own_log_raw("token_issued", dict(members))


def withheld_simulation(story: Jobs) -> None:
    story.withhold("simulation", story.own("simulation", **story.about()), keys.RUNNER)


def withheld_roster(story: Jobs) -> None:
    story.withhold(
        "roster", story.own("roster", number=99, previous_b64u=hash_of("x"), people=people()), keys.ROSTER_AUTHORITY
    )


def used_then_revoked(story: Jobs) -> None:
    """An allow uses the approvals, one of them is revoked, and two people approve the next round."""
    story.execute(used := decide(story, EXECUTE))
    story.revoke(f"approval:{min(used.record.approvals)}")
    again(story)


def decided_then_denied_by_scope(story: Jobs) -> None:
    """A denial that only its scope ties to the job: that of a decision made before, of another plan than the one asked for."""
    story.execute(decided := decide(story, EXECUTE))
    story.plan = OTHER_PLAN
    story.simulate()
    scope_hash = compute_scope_hash(dict(decided.record.scope))
    denial = story.approval("p-carol", EXECUTE, approval_type="explicit_deny", scope_hash_b64u=scope_hash)
    binding = {**denial["binding"], "token_scope_hash_b64u": nonsense()}
    story.log("human_approval_receipt", {**denial, "plan_hash_b64u": nonsense(), "binding": binding}, keys.CAROL)
    again(story)


def denied_by_this_scope(story: Jobs) -> None:
    """A denial that only its scope ties to the job: the one that is asked for."""
    denial = story.approval("p-carol", EXECUTE, approval_type="explicit_deny", plan_hash_b64u=nonsense())
    binding = {**denial["binding"], "token_scope_hash_b64u": nonsense()}
    story.log("human_approval_receipt", {**denial, "binding": binding}, keys.CAROL)


def denied_unreadably(story: Jobs) -> None:
    story.withhold("human_approval_receipt", story.approval("p-carol", EXECUTE), keys.CAROL)


def closed_then_again(story: Jobs) -> None:
    """The job is closed; then people approve to execute once more."""
    story.close(decide(story, CLOSE))
    again(story)


def decided_ahead(story: Jobs) -> None:
    """A gate whose clock is far ahead allows it; two people approve the next round."""
    story.pass_time(400)
    execute(story)
    story.pass_time(-400)
    again(story)


def begun(story: Jobs, **changes: Any) -> None:
    """An execution begins, ends with success, and two people approve the next round."""
    begin = story.begin(decide(story, EXECUTE), **changes)
    story.end(begin, **changes)
    again(story)


def begun_and_looked_into(story: Jobs) -> None:
    """Another plan was begun than the one decided on; a person resolved it, and two people approve the next round."""
    begin = story.begin(decide(story, EXECUTE), plan_hash_b64u=nonsense())
    story.own_log("resolution", keys.ALICE, begin_b64u=begin.payload_hash)
    again(story)


def begun_and_lost(story: Jobs) -> None:
    story.begin(decide(story, EXECUTE))
    again(story)


def begun_after_withdrawal(story: Jobs) -> None:
    allow = decide(story, EXECUTE)
    story.withdraw(allow)
    story.execute(allow)
    again(story)


def begun_too_late(story: Jobs) -> None:
    allow = decide(story, EXECUTE)
    story.pass_time(61)
    story.execute(allow)
    again(story)


def begun_under_a_forged_allow(story: Jobs) -> None:
    """Only Alice had approved what was executed; the next round is approved as it should be."""
    story.execute(forge(story, EXECUTE))
    again(story)


def executed_in_vain(story: Jobs) -> None:
    story.end(story.begin(decide(story, EXECUTE)), outcome="failure")


def executed_again(outcome: str, plan: bytes | None = None) -> Step:
    """After the bundle was built and approved: the same plan once more, or another."""

    def act(story: Jobs) -> None:
        before, story.plan = story.plan, plan or story.plan
        if plan is not None:
            story.simulate()
        story.approve(EXECUTE, plan_hash_b64u=fingerprint(story.plan))
        story.end(story.begin(decide(story, EXECUTE)), outcome=outcome)
        story.plan = before

    return act


def looked_into(story: Jobs) -> None:
    """A person doubts the execution that the bundle names."""
    begin = next(
        one for one in story.view.valid("execution", "job", story.job, story.view.size) if one.record.phase == "begin"
    )
    story.own_log("resolution", keys.ALICE, begin_b64u=begin.payload_hash)


def executed_another_plan(story: Jobs) -> None:
    """What was executed is one plan; simulated last is another."""
    execute(story)
    story.plan = OTHER_PLAN
    story.simulate()


def with_change(**members: Any) -> Step:
    """The bundle's statement with these members changed; None leaves one out."""

    def log(story: Jobs) -> None:
        change = {**story.change(end_of(story)), **members}
        bundle(story, change={name: value for name, value in change.items() if value is not None})

    return log


def without_the_last_call(story: Jobs) -> None:
    receipts, events = story.receipts, story.events
    story.receipts, story.events = receipts[:-1], events[:-1]
    bundle(story)
    story.receipts, story.events = receipts, events


def with_an_unlogged_call(story: Jobs) -> None:
    """A receipt that the gateway signed, and that no log holds."""
    new_call(story)
    bundle(story)


def with_a_call_logged_late(story: Jobs) -> None:
    """A receipt that is in the bundle, and was logged above it."""
    receipt = new_call(story)
    bundle(story)
    story.log("gateway_receipt", receipt)


def new_call(story: Jobs, **bound: Any) -> Payload:
    event = payloads.event(story.run, len(story.events), story.events[-1]["event_hash_b64u"], timestamp=story.time)
    story.events.append(event)
    receipt = payloads.gateway_receipt(
        receipt_id=f"{story.job}-receipt-{len(story.events)}",
        request_hash_b64u=event["payload_hash_b64u"],
        timestamp=story.time,
        binding=story.bound(event_hash_b64u=event["event_hash_b64u"], **bound),
        metadata={"event": event},
    )
    story.receipts.append(receipt)
    return receipt


def first_call(story: Jobs) -> Payload:
    """The receipt of a call that nothing came before."""
    return payloads.gateway_receipt(receipt_id=f"{story.job}-first", timestamp=story.time, binding=story.bound())


def with_a_call_under_another_policy(story: Jobs) -> None:
    """A call of the job whose receipt names another policy: logged, and in the bundle."""
    story.log("gateway_receipt", new_call(story, policy_hash=nonsense()))
    bundle(story)


def with_an_event_without_receipt(story: Jobs) -> None:
    story.events.append(
        payloads.event(story.run, len(story.events), story.events[-1]["event_hash_b64u"], timestamp=story.time)
    )
    bundle(story)


def with_another_runs_events(story: Jobs) -> None:
    """The whole chain is of another run; there is no call in it, and no receipt."""
    document = payloads.proof_bundle(
        bundle_id=f"{story.job}-of-another-run",
        event_chain=[payloads.event("run-elsewhere", 0, None, "tool_call", timestamp=story.time)],
        metadata={"change": story.change(end_of(story))},
    )
    del document["receipts"]
    story.bundle_hash = story.log("proof_bundle", document).payload_hash


def with_an_unlogged_tool_receipt(story: Jobs) -> None:
    receipt = payloads.tool_receipt(binding=story.bound(event_hash_b64u=story.events[0]["event_hash_b64u"]))
    bundle(story, tool_receipts=[payloads.envelope("tool_receipt", receipt, keys.AGENT)])


def with_a_tool_receipt_logged_late(story: Jobs) -> None:
    receipt = payloads.tool_receipt(binding=story.bound(event_hash_b64u=story.events[0]["event_hash_b64u"]))
    bundle(story, tool_receipts=[payloads.envelope("tool_receipt", receipt, keys.AGENT)])
    story.log("tool_receipt", receipt)


def approved_before_the_bundle(story: Jobs) -> None:
    """People approve closing with a bundle that they are told of; it is logged after they did."""
    story._count += 10
    when_ns, count = story.now_ns, story._count
    twin = Jobs()
    for envelope in story.envelopes:
        twin.append(envelope)
    for name in ("job", "run", "plan", "token", "requester", "policy_hash", "receipts", "events", "plans", "_count"):
        setattr(twin, name, getattr(story, name))
    twin.now_ns = when_ns
    bundle(twin)
    for subject in ("p-alice", "p-bob"):
        story.log("human_approval_receipt", {**twin.approval(subject, CLOSE), "timestamp": story.time}, PEOPLE[subject][0])
    story.now_ns, story._count = when_ns, count
    bundle(story)
    assert story.bundle_hash == twin.bundle_hash


def bundle_closed_elsewhere(story: Jobs) -> None:
    """Another job's closure names this bundle."""
    members: Payload = {
        "job_id": "job-elsewhere",
        "run_id": "run-elsewhere",
        "ticket": payloads.TICKET,
        "decision_b64u": hash_of("a decision elsewhere"),
        "bundle_b64u": story.bundle_hash,
        "closing_reason": f"done, bundle:{story.bundle_hash}",
        "closed_at": story.time,
    }
    story.own_log("closure", **members)


def seen_long_ago(story: Jobs) -> None:
    """Witnesses saw the approvals longer ago than their own dates say."""
    story.view.note_sighting(story.view.size, story.now_ns - 4000 * NS)


def without_its_plan(story: Jobs) -> None:
    story.plans = {}


def with_another_plans_bytes(story: Jobs) -> None:
    story.plans = dict.fromkeys(story.plans, OTHER_PLAN)


def plan_of_another_ticket(story: Jobs) -> None:
    story.plan = plan_bytes(ticket="tickets.test:ANOTHER")
    story.simulate()


def valid(**members: int) -> Step:
    """A policy with these dates, in seconds from now."""

    def act(story: Jobs) -> None:
        dates: Payload = {name: format_timestamp(story.now_ns + seconds * NS) for name, seconds in members.items()}
        govern(story, policy(**dates))

    return act


def until_the_policy_ends(story: Jobs) -> None:
    published = [json.loads(one)["payload"] for one in story.envelopes if b"valid_until" in one]
    story.now_ns = parse_timestamp(published[-1]["valid_until"], "valid_until")


def approve_the_failed(story: Jobs) -> None:
    """People approve the scope of the simulation that failed."""
    failed = [one for one in story.view.of_kind("simulation", story.view.size) if one.record.job_id == story.job][-1]
    about = {"simulation_b64u": failed.payload_hash, "plan_hash_b64u": failed.record.plan_hash_b64u}
    scope = {**story.scope(EXECUTE), **about, "change_type": "config", "environment": "production"}
    for subject in ("p-alice", "p-bob"):
        approval = payloads.human_approval_receipt(
            receipt_id="trustlog:approval:v1:" + payloads.salt_of(f"{story.job} {subject}"),
            approver_subject=subject,
            scope_hash_b64u=compute_scope_hash(scope),
            policy_hash_b64u=story.policy_hash,
            plan_hash_b64u=scope["plan_hash_b64u"],
            timestamp=story.time,
            binding=story.bound(),
        )
        story.log("human_approval_receipt", approval, PEOPLE[subject][0])


def revoke_an_approval(story: Jobs) -> None:
    """The last approval of the log."""
    approvals = list(story.view.of_kind("human_approval_receipt", story.view.size))
    story.revoke(f"approval:{approvals[-1].payload_hash}")


def without_a_roster(story: Jobs) -> None:
    """A policy that wants nobody's approval, and no roster."""
    nobody = {"step_up_approvals": None, "two_person_rule": None, "approver_constraints": None}
    story.publish_policy(policy(tools={EXECUTE: nobody}))


def deny_on_another_tree(story: Jobs) -> None:
    """A gate's deny of closing, which nobody could give by then, and which says another root than this log's."""
    story.log_decision(CLOSE, story.ask(CLOSE), view={**story.tree(), "root_b64u": hash_of("another root")})


def deny_of_another_entry(story: Jobs) -> None:
    """The same with an entry in its evidence that the log has otherwise."""
    story.log_decision(CLOSE, story.ask(CLOSE), evidence=[{"index": 0, "leaf_hash_b64u": hash_of("another entry")}])
