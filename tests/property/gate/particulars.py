"""The rest of what an allow needs, from the raw records: the policy's particulars, the simulation's terms, what the bundle says."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tests.unit.gate.naive import Raw, seconds
from tests.unit.gate.story import CLOSE, EXECUTE, TICKET

if TYPE_CHECKING:
    from tests.property.gate.model import Model

Scope = dict[str, str]
NAMED = re.compile(r"trustlog:approval:v1:[A-Za-z0-9_-]{22}")


def policy_allows(model: Model, scope: Scope, below: int, now_s: float) -> Iterator[str]:
    """Dates, demands that nobody can check yet, the pinned token scope, the change type, simulating itself."""
    rules = model.policy(below)
    tool = rules["tools"].get(scope["action"], {})
    if "valid_from" in rules and now_s < seconds(rules["valid_from"]):
        yield "the policy begins later"
    if "valid_until" in rules and now_s >= seconds(rules["valid_until"]):
        yield "the policy has ended"
    terms = rules["token_requirements"]
    unsupported = ("models" in rules, "budgets" in rules, "step_up" in tool, terms.get("proof_of_possession"))
    if any(unsupported):
        yield "the policy demands what nobody can check yet"
    if terms.get("cst_scope_hash", _token_terms(model)) != _token_terms(model):
        yield "the token is of another scope than the pinned one"
    plan = model.plan_of(scope)
    if plan["change_type"] not in tool.get("change_types", [plan["change_type"]]):
        yield "another change type"
    if plan["ticket"] != TICKET:
        yield "the plan is of another ticket"
    if not rules["tools"].get("change.simulate", {}).get("allowed"):
        yield "simulating is not allowed"


def nothing_else_is_alive(model: Model, action: str, now_s: float) -> Iterator[str]:
    """No allow of the other of executing and closing may be used yet, and none was decided in the future."""
    begun = {one.payload["decision_b64u"] for one in model.of_job("execution")}
    withdrawn = {one.payload.get("withdraws_b64u") for one in model.good("gate_decision")}
    for one in model.allows(len(model.records)):
        if seconds(one.payload["decided_at"]) > now_s + 300:
            yield f"the allow at {one.index} is of a time to come"
        is_other = {action, one.payload["scope"]["action"]} == {EXECUTE, CLOSE}
        if is_other and seconds(one.payload["expires_at"]) >= now_s and one.hash not in begun | withdrawn:
            yield f"the allow at {one.index} may be used yet"


def _token_terms(model: Model) -> str:
    claims = model.story.scoped.claims
    aud = [claims.aud] if isinstance(claims.aud, str) else claims.aud
    text = json.dumps({"aud": sorted(set(aud)), "scope": sorted(set(claims.scope))}, separators=(",", ":"))
    return "b64u:" + base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


def steps_were_done(model: Model, scope: Scope, below: int) -> Iterator[str]:
    """What the policy orders before the action; the simulation is asked for elsewhere, and the execution when closing."""
    for step, tool in model.policy(below)["tools"].items():
        if scope["action"] not in tool.get("required_before", []) or step in ("change.simulate", EXECUTE):
            continue
        if step == CLOSE:
            if not model.of_job("closure", below):
                yield "closing comes first"
            continue
        done = [one for one in model.allows(below) if one.payload["scope"]["action"] == step]
        if not any(_carries(model, one, scope, below) for one in done):
            yield f"{step} comes first"


def _carries(model: Model, allow: Raw, scope: Scope, below: int) -> bool:
    """Whether an earlier allow is of the same plan, stands, and had its own conditions."""
    said = allow.payload["scope"]
    withdrawn = any(one.payload.get("withdraws_b64u") == allow.hash for one in model.records[allow.index : below])
    founded = not list(model.conditions(said, allow.index, seconds(allow.payload["decided_at"])))
    return said["plan_hash_b64u"] == scope["plan_hash_b64u"] and not withdrawn and founded


def simulation_is_of_the_job(model: Model, simulation: Raw) -> Iterator[str]:
    """Its ticket, policy and token scope are the job's."""
    said = simulation.payload
    terms = (said["ticket"], said["policy_hash_b64u"], said["token_scope_hash_b64u"])
    if terms != (TICKET, model.story.policy_hash, model.scope_hash):
        yield "the simulation is of another ticket, policy or token"


def job_is_readable(model: Model, below: int) -> Iterator[str]:
    """Every record of the job; an approval that cannot be read is a denial, which is told elsewhere."""
    for one in model.records[:below]:
        mine = one.payload.get("job_id") == model.story.job or (
            one.payload.get("binding", {}).get("token_scope_hash_b64u") == model.scope_hash
        )
        if mine and not one.readable and one.kind not in ("human_approval_receipt", "revocation"):
            yield f"the {one.kind} at {one.index} cannot be read"


def approval_is_in_form(approval: dict[str, Any], now_s: float) -> bool:
    """Of our maker, with a nonce, not from the future."""
    named = NAMED.fullmatch(approval["receipt_id"])
    return bool(named) and "nonce" in approval["binding"] and seconds(approval["timestamp"]) <= now_s + 300


def bundle_says_this(model: Model, bundle: Raw, scope: Scope) -> Iterator[str]:
    """Its statement names this change in all its members, and no more."""
    change = bundle.payload["metadata"].get("change", {})
    ends = {one.hash: one.payload["decision_b64u"] for one in model.of_job("execution", bundle.index)}
    expected = {
        "change_version": "1",
        "ticket": TICKET,
        "job_id": model.story.job,
        "run_id": model.story.run,
        "policy_hash_b64u": model.story.policy_hash,
        "plan_hash_b64u": scope["plan_hash_b64u"],
        "token_scope_hash_b64u": model.scope_hash,
        "simulation_b64u": scope["simulation_b64u"],
        "decision_b64u": ends.get(change.get("execution_b64u", ""), ""),
        "execution_b64u": change.get("execution_b64u", ""),
    }
    if change != expected:
        yield "the bundle is of another change"
    begun = [one for one in model.of_job("execution") if one.payload["phase"] == "begin"]
    ended = [one.payload for one in model.of_job("execution", bundle.index) if one.hash == change.get("execution_b64u")]
    if not begun or not ended or (ended[0]["begin_b64u"], ended[0]["outcome"]) != (begun[-1].hash, "success"):
        yield "the bundle is not of the last execution, or that failed"
    elif model.is_resolved(begun[-1], len(model.records)):
        yield "the last execution was looked into"
    if any(one.kind == "closure" and one.payload["bundle_b64u"] == bundle.hash for one in model.good("closure")):
        yield "the bundle closed something"


def bundle_holds_its_calls(model: Model, bundle: Raw) -> Iterator[str]:
    """Every call of the chain has its receipt, of the job's run and policy; tool receipts are logged below it."""
    receipts = [one["payload"] for one in bundle.payload.get("receipts", [])]
    events = bundle.payload["event_chain"]
    bound = {one["binding"].get("event_hash_b64u") for one in receipts}
    for one in receipts:
        if one["binding"].get("policy_hash") != model.story.policy_hash or one["binding"].get("run_id") != model.story.run:
            yield "a call of another policy or run"
        mine = [event for event in events if event["event_hash_b64u"] == one["binding"].get("event_hash_b64u")]
        if "event" in one.get("metadata", {}) and [one["request_hash_b64u"]] != [
            event["payload_hash_b64u"] for event in mine
        ]:
            yield "a call of another request than its event"
    for event in events:
        if event["run_id"] != model.story.run or (
            event["event_type"] == "llm_call" and event["event_hash_b64u"] not in bound
        ):
            yield "an event of another run, or without its receipt"
    calls = model.good("gateway_receipt", bundle.index)
    of_the_job = {one.hash for one in calls if one.payload["binding"].get("token_scope_hash_b64u") == model.scope_hash}
    if {one["payload_hash_b64u"] for one in bundle.payload.get("receipts", [])} != of_the_job:
        yield "the bundle holds other receipts than the log"
    logged = {one.hash for one in model.good("tool_receipt", bundle.index)}
    for tool in bundle.payload.get("tool_receipts", []):
        if tool["payload_hash_b64u"] not in logged:
            yield "a tool call that is not logged below"
