"""What an allow needs, from the raw records, the slow and obvious way. Nothing of the gate or of its readers is used.

It says what is missing. It knows every policy and roster of :mod:`tests.property.gate.jobs`; where it cannot tell, it says nothing,
so that it may be too kind to an allow, and never too hard.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.property.gate import particulars
from tests.property.gate.jobs import Jobs
from tests.support import keys
from tests.unit.gate.naive import Naive, Raw, hash_scope, seconds
from tests.unit.gate.story import CLOSE

MACHINES = {
    signer.did
    for signer in (
        keys.GATEWAY,
        keys.POLICY_ISSUER,
        keys.TOKEN_ISSUER,
        keys.ROSTER_AUTHORITY,
        keys.AGENT,
        keys.RUNNER,
        keys.GATE,
    )
}
Keys = dict[tuple[str, ...], str]
SCOPE_SIZE = 13
FOR_EVER = "9999-01-01T00:00:00Z"
DENIALS = ("explicit_deny", "timeout_deny")


def _allow_key(one: Raw) -> Keys:
    return {("allow", hash_scope(one.payload["scope"])): one.hash} if one.payload["decision"] == "allow" else {}


def _receipt_key(one: Raw) -> Keys:
    return {(one.kind, one.signer, one.payload["receipt_id"]): one.hash}


# The keys that a record takes, with what it holds there: a later record with another value under one of them is void.
HELD: Mapping[str, Callable[[Raw], Keys]] = {
    "execution": lambda one: {("execution", one.payload["decision_b64u"], one.payload["phase"]): one.hash},
    "resolution": lambda one: {("resolution", one.payload["begin_b64u"]): one.hash},
    "closure": lambda one: {("closure", one.payload[name]): one.hash for name in ("decision_b64u", "bundle_b64u")},
    "simulation": lambda one: {("run", one.payload["run_id"]): one.payload["job_id"]},
    "gateway_receipt": _receipt_key,
    "human_approval_receipt": _receipt_key,
    "gate_decision": _allow_key,
}


class Model(Naive):
    """The records, and what is missing for an action of the job at hand."""

    def __init__(self, story: Jobs) -> None:
        super().__init__(story)
        self.taken: set[int] = set()  # the indexes of records that came too late for a key of theirs
        holders: dict[tuple[str, ...], str] = {}
        for one in self.good(""):
            keys_of_it = HELD[one.kind](one) if one.kind in HELD else {}
            if any(holders.get(key, value) != value for key, value in keys_of_it.items()):
                self.taken.add(one.index)
            else:
                holders |= keys_of_it
        self.rosters = list(self._chain())

    def good(self, kind: str, below: int | None = None) -> list[Raw]:
        """Readable records of a kind, or of any, by the right key, which was not revoked before; none whose keys were taken."""
        kinds = {one.kind for one in self.records} if not kind else {kind}
        found = [one for name in kinds for one in super(Model, self).good(name, below) if one.index not in self.taken]
        return sorted(found, key=lambda one: one.index)

    def _chain(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """The rosters that came into force, with their indexes: each continues the one before, and no key moves."""
        number, previous = 0, None
        owners: dict[str, str] = {}
        for one in self.good("roster"):
            roster = one.payload
            if one.signer != keys.ROSTER_AUTHORITY.did:
                continue
            if (roster["number"], roster["previous_b64u"]) != (number + 1, previous):
                continue
            held = [(key, person["subject"]) for person in roster["people"] for key in (*person["keys"], *person["idp"])]
            if any(owners.get(key, subject) != subject for key, subject in held):
                continue
            number, previous = number + 1, one.hash
            owners |= dict(held)
            yield one.index, roster

    def people(self, below: int) -> list[dict[str, Any]]:
        """The people of the roster in force at an index."""
        in_force = [roster for index, roster in self.rosters if index < below]
        return list(in_force[-1]["people"]) if in_force else []

    def person(self, did: str, below: int) -> dict[str, Any] | None:
        """Whose key it is at an index."""
        if did in MACHINES:
            return None
        return next((one for one in self.people(below) if did in one["keys"]), None)

    # What is missing.

    def missing(self, action: str, scope: dict[str, str], reason: str | None) -> list[str]:
        """Everything that lacks, in words; nothing, if the action may be allowed now."""
        size, now_s = len(self.records), self.story.now_ns / 1e9
        if len(scope) < SCOPE_SIZE:
            return ["there is nothing that could be approved"]
        found = [*self.conditions(scope, size, now_s), *self.outcomes_known(size)]
        found += ["closed before" for _ in self.of_job("closure")]
        found += particulars.nothing_else_is_alive(self, action, now_s)
        if action == CLOSE:
            found += self.executed(scope)
            found += self.bundled(scope, reason)
        return found

    def conditions(self, scope: dict[str, str], below: int, now_s: float) -> Iterator[str]:
        """What every allow of the job needs, judged at an index and a time."""
        yield from self.token_alive(below, now_s)
        yield from self.policy_stands(scope, below, now_s)
        yield from self.ended(below)
        yield from self.one_run(below)
        yield from particulars.job_is_readable(self, below)
        if not any(index < below for index, _ in self.rosters):
            yield "there is no roster"
        if self.policy(below):
            yield from particulars.policy_allows(self, scope, below, now_s)
            yield from particulars.steps_were_done(self, scope, below)
        yield from self.approved(scope, below, now_s)
        for one in self.records[:below]:
            if one.kind == "roster" and not one.readable and one.signer == keys.ROSTER_AUTHORITY.did:
                yield "a roster cannot be read"

    def token_alive(self, below: int, now_s: float) -> Iterator[str]:
        issued = [one.payload for one in self.of_job("token_issued", below)]
        alive = [one for one in issued if one["iat"] <= now_s < one["exp"] and one["exp"] - one["iat"] <= 900]
        if not alive:
            yield "no token of the job is alive"
        if any(one["policy_hash_b64u"] != self.story.policy_hash for one in issued):
            yield "a token of the job is of another policy"

    def policy(self, below: int) -> dict[str, Any]:
        """The policy of the job."""
        found = [one.payload for one in self.good("work_policy_contract", below) if one.hash == self.story.policy_hash]
        return found[0] if found else {}

    def policy_stands(self, scope: dict[str, str], below: int, now_s: float) -> Iterator[str]:
        rules = self.policy(below)
        if not rules:
            yield "the policy is not there"
            return
        name = f"b64u:{self.story.policy_hash}"
        for one in self.records[:below]:
            issued = one.kind == "work_policy_contract" and one.signer == keys.POLICY_ISSUER.did
            if issued and one.payload.get("supersedes") == name and not self.is_revoked(f"key:{one.signer}", one.index):
                yield f"superseded at {one.index}"
        tool = rules["tools"].get(scope["action"], {})
        if not tool.get("allowed"):
            yield "the tool is not allowed"
        plan = self.plan_of(scope)
        if plan["environment"] not in tool.get("environments", [plan["environment"]]):
            yield "another environment"
        if plan["environment"] != scope["environment"]:
            yield "the scope says another environment than the plan"

    def plan_of(self, scope: dict[str, str]) -> dict[str, Any]:
        """The plan that a scope names; one of nothing if its bytes are not at hand."""
        text = self.story.plans.get(scope["plan_hash_b64u"], b"")
        digest = base64.urlsafe_b64encode(hashlib.sha256(text).digest()).decode().rstrip("=")
        nothing = {"change_type": "", "environment": "", "ticket": ""}
        return dict(json.loads(text)) if digest == scope["plan_hash_b64u"] else nothing

    def bundled(self, scope: dict[str, str], reason: str | None) -> Iterator[str]:
        """The one bundle that the reason names says and holds what this change does."""
        named = re.findall(r"bundle:([A-Za-z0-9_-]{43})", reason or "")
        bundles = [one for one in self.good("proof_bundle") if one.hash == scope.get("bundle_b64u")]
        if not bundles or named != [bundles[0].hash]:
            yield "no bundle that the reason names"
            return
        yield from particulars.bundle_says_this(self, bundles[0], scope)
        yield from particulars.bundle_holds_its_calls(self, bundles[0])

    def ended(self, below: int) -> Iterator[str]:
        targets = [f"job:{self.story.job}", f"policy:{self.story.policy_hash}"]
        targets += [f"token:{one.payload['token_hash']}" for one in self.of_job("token_issued", below)]
        targets += [f"approval:{name}" for allow in self.allows(below) for name in allow.payload["approvals"]]
        yield from (f"{target} is revoked" for target in targets if self.is_revoked(target, below))
        for one in self.records[:below]:
            if one.kind != "human_approval_receipt" or self.is_revoked(f"key:{one.signer}", one.index):
                continue
            if self.person(one.signer, one.index) is None or not self._is_denial(one):
                continue
            decided = {hash_scope(allow.payload["scope"]) for allow in self.allows(below)}
            if one.payload["binding"].get("token_scope_hash_b64u") == self.scope_hash or (
                one.payload["scope_hash_b64u"] in decided
            ):
                yield f"denied at {one.index}"

    def plan_denied(self, plan_hash: str, below: int) -> Iterator[str]:
        """A denial of a plan's bytes, in whatever job."""
        for one in self.good("human_approval_receipt", below):
            person = self.person(one.signer, one.index)
            mine = person is not None and person["subject"] == one.payload["approver_subject"]
            if mine and one.payload["approval_type"] in DENIALS and one.payload["plan_hash_b64u"] == plan_hash:
                yield f"the plan was denied at {one.index}"

    def _is_denial(self, one: Raw) -> bool:
        person = self.person(one.signer, one.index)
        if not one.readable:
            return True
        return (
            person is not None
            and person["subject"] == one.payload["approver_subject"]
            and one.payload["approval_type"] in DENIALS
        )

    def approved(self, scope: dict[str, str], below: int, now_s: float) -> Iterator[str]:
        """As many different people as the policy wants, with its roles, none the requester, approved exactly this."""
        rules = self.policy(below)
        tool = rules.get("tools", {}).get(scope["action"], {})
        simulations = [one for one in self.of_job("simulation", below) if one.hash == scope.get("simulation_b64u")]
        if not simulations or simulations[0].payload["outcome"] != "success":
            yield "no successful simulation"
            return
        simulation = simulations[0]
        if simulation.payload["plan_hash_b64u"] != scope["plan_hash_b64u"]:
            yield "another plan was simulated"
        yield from particulars.simulation_is_of_the_job(self, simulation)
        if rules.get("enforcement", {}).get("require_gateway_receipts", True) and not self._calls(simulation.index):
            yield "no model call before the simulation"
        yield from self.plan_denied(scope["plan_hash_b64u"], below)
        rounds = [one for one in self.allows(below) if one.payload["scope"]["action"] == scope["action"]]
        if scope["round"] != str(len(rounds) + 1):
            yield "another round"
        after = simulation.index
        if scope["action"] == CLOSE:
            named = [one.index for one in self.good("proof_bundle", below) if one.hash == scope.get("bundle_b64u")]
            after = min(named, default=below)
        yield from self._people_enough(tool, scope, (after, below), now_s)

    def _calls(self, below: int) -> list[Raw]:
        return [
            one
            for one in self.good("gateway_receipt", below)
            if one.payload["binding"].get("token_scope_hash_b64u") == self.scope_hash
            and one.payload["binding"].get("policy_hash") == self.story.policy_hash
        ]

    def _people_enough(
        self, tool: dict[str, Any], scope: dict[str, str], between: tuple[int, int], now_s: float
    ) -> Iterator[str]:
        after, below = between
        counted: dict[str, list[str]] = {}
        for one in self.good("human_approval_receipt", below):
            person = self._approver(one, below, now_s)
            age_s = now_s - seconds(one.payload["timestamp"])
            if (
                one.index > after
                and person is not None
                and self._is_of(one, scope)
                and particulars.approval_is_in_form(one.payload, now_s)
                and age_s <= tool.get("approval_ttl_s", 86400)
            ):
                counted[person["subject"]] = person["roles"]
        demanded = tool.get("approver_constraints", [])
        needed = max(tool.get("step_up_approvals", 0), 2 if tool.get("two_person_rule") else 0, len(demanded))
        if len(counted) < needed:
            yield f"{needed} people are wanted, {sorted(counted)} approved"
        pairs = itertools.permutations(counted, len(demanded))
        if not any(all(role in counted[who] for role, who in zip(demanded, pair, strict=True)) for pair in pairs):
            yield f"{demanded} is wanted, {counted} approved"
        known = [one for one in self.people(below) if one["subject"] == scope["requester"]]
        if needed >= 2 and not any(now_s < seconds(one.get("valid_until", FOR_EVER)) for one in known):
            yield "nobody knows the requester"

    def _approver(self, one: Raw, below: int, now_s: float) -> dict[str, Any] | None:
        """The person whose approval it is, then and now; never the requester."""
        before, now = self.person(one.signer, one.index), self.person(one.signer, below)
        if before is None or now is None or before["subject"] != now["subject"]:
            return None
        if now["subject"] != one.payload["approver_subject"] or now["subject"] == self.story.requester:
            return None
        if "valid_until" in now and now_s >= seconds(now["valid_until"]):
            return None
        revoked = self.is_revoked(f"approval:{one.hash}", below) or self.is_revoked(f"key:{one.signer}", below)
        return None if revoked else now

    def _is_of(self, one: Raw, scope: dict[str, str]) -> bool:
        approval, binding = one.payload, one.payload["binding"]
        pairs = (
            (approval["approval_type"], "explicit_approve"),
            (approval["scope_hash_b64u"], hash_scope(scope)),
            (approval["plan_hash_b64u"], scope["plan_hash_b64u"]),
            (approval["policy_hash_b64u"], self.story.policy_hash),
            (approval["agent_did"], keys.AGENT.did),
            (binding.get("run_id"), self.story.run),
            (binding.get("token_scope_hash_b64u"), self.scope_hash),
        )
        return all(found == expected for found, expected in pairs)

    def outcomes_known(self, below: int) -> Iterator[str]:
        executions = self.of_job("execution", below)
        for begin in (one for one in executions if one.payload["phase"] == "begin"):
            ends = [one for one in executions if one.payload.get("begin_b64u") == begin.hash and one.index > begin.index]
            if not ends and not self.is_resolved(begin, below):
                yield f"the outcome of {begin.index} is unknown"
            yield from self.carried(begin)

    def is_resolved(self, begin: Raw, below: int) -> bool:
        """Whether a person other than the requester looked into an execution."""
        for one in self.good("resolution", below):
            person = self.person(one.signer, one.index)
            if person is not None and person["subject"] != self.story.requester and one.payload["begin_b64u"] == begin.hash:
                return True
        return False

    def carried(self, begin: Raw) -> Iterator[str]:
        """The begin's allow stood, and what it allowed was allowed to it."""
        named = [one for one in self.allows(begin.index) if one.hash == begin.payload["decision_b64u"]]
        if not named:
            yield f"nothing allows the begin at {begin.index}"
            return
        allow = named[0]
        denies = self.records[allow.index : begin.index]
        if any(one.kind == "gate_decision" and one.payload.get("withdraws_b64u") == allow.hash for one in denies):
            yield f"the allow of {begin.index} was withdrawn"
        if begin.payload["plan_hash_b64u"] != allow.payload["scope"]["plan_hash_b64u"]:
            yield "another plan was executed"
        if begin.payload["environment"] != allow.payload["scope"]["environment"]:
            yield "executed in another environment"
        if seconds(begin.payload["issued_at"]) > seconds(allow.payload["expires_at"]):
            yield "executed too late"
        yield from self.conditions(allow.payload["scope"], allow.index, seconds(allow.payload["decided_at"]))


def missing(story: Jobs, action: str) -> list[str]:
    """What the model misses for an action of the job at hand."""
    return Model(story).missing(action, story.scope(action), story.request(action).closing_reason)
