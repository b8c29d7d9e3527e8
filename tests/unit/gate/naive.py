"""What a closure and an execution need, checked the slow and obvious way from the raw records: no code of the gate is used.

It knows one roster (that of the story), one policy at a time, and no quorums; where it cannot tell, it says nothing.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.support import keys
from tests.unit.gate.story import CLOSE, EXECUTE, PEOPLE, TICKET, Story

SIGNERS = {
    "gateway_receipt": keys.GATEWAY.did,
    "work_policy_contract": keys.POLICY_ISSUER.did,
    "token_issued": keys.TOKEN_ISSUER.did,
    "simulation": keys.RUNNER.did,
    "execution": keys.RUNNER.did,
    "gate_decision": keys.GATE.did,
    "closure": keys.GATE.did,
    "proof_bundle": keys.AGENT.did,
}
MAY_REVOKE = {
    "token": {keys.TOKEN_ISSUER.did},
    "job": {keys.TOKEN_ISSUER.did},
    "policy": {keys.POLICY_ISSUER.did},
    "approval": {keys.ROSTER_AUTHORITY.did},
    "key": {keys.ROSTER_AUTHORITY.did},
}
SUBJECT_OF = {signer.did: subject for subject, (signer, _) in PEOPLE.items()}
ROLES = ("service_owner", "platform_security")


@dataclass(frozen=True)
class Raw:
    index: int
    kind: str
    signer: str
    hash: str
    payload: dict[str, Any]
    readable: bool


def raw_records(story: Story) -> list[Raw]:
    found = []
    for index, envelope in enumerate(story.envelopes):
        value = json.loads(envelope)
        found.append(
            Raw(
                index,
                value["envelope_type"],
                value["signer_did"],
                value["payload_hash_b64u"],
                value["payload"],
                index not in story.withheld,
            )
        )
    return found


def hash_scope(scope: dict[str, str]) -> str:
    text = json.dumps(scope, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    digest = hashlib.sha256(text.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


class Naive:
    """The records, and what is missing for an action of the story's job at its time."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.records = raw_records(story)
        self.scope_hash = story.scoped.token_scope_hash_b64u

    def good(self, kind: str, below: int | None = None) -> list[Raw]:
        """Readable records of a kind by the right key, which was not revoked before."""
        below = len(self.records) if below is None else below
        return [
            one
            for one in self.records[:below]
            if one.kind == kind
            and one.readable
            and (kind not in SIGNERS or one.signer == SIGNERS[kind])
            and not self.is_revoked(f"key:{one.signer}", one.index)
        ]

    def is_revoked(self, target: str, below: int) -> bool:
        for one in self.records[:below]:
            if one.kind != "revocation" or one.payload["target"] != target:
                continue
            sort, _, subject = target.partition(":")
            own = subject == one.signer or any(
                a.hash == subject and a.signer == one.signer for a in self.records[: one.index]
            )
            if one.signer in MAY_REVOKE[sort] or (own and sort in ("key", "approval")):
                return True
        return False

    def of_job(self, kind: str, below: int | None = None) -> list[Raw]:
        return [one for one in self.good(kind, below) if one.payload.get("job_id") == self.story.job]

    # What is missing.

    def missing(self, action: str, scope: dict[str, str], reason: str | None) -> list[str]:
        size = len(self.records)
        found = [*self.token(), *self.ended(size), *self.one_run(size)]
        found += self.approved(scope, size, self.story.now_ns / 1e9)
        found += self.outcomes_known(size)
        if action == CLOSE:
            found += self.executed(scope)
            found += self.bundled(scope, reason)
            found += ["closed before" for _ in self.of_job("closure")]
        return found

    def token(self) -> Iterator[str]:
        now_s = self.story.now_ns / 1e9
        token_hash = hashlib.sha256(self.story.token.encode()).hexdigest()
        issued = [one.payload for one in self.of_job("token_issued") if one.payload["token_hash"] == token_hash]
        if not issued:
            yield "the token is not logged"
        for one in issued:
            if not one["iat"] <= now_s < one["exp"] or one["exp"] - one["iat"] > 900:
                yield "the token is not alive"
            if one["ticket"] != TICKET or one["policy_hash_b64u"] not in {p.hash for p in self.good("work_policy_contract")}:
                yield "the token is of another ticket or policy"

    def ended(self, below: int) -> Iterator[str]:
        targets = [f"job:{self.story.job}", f"policy:{self.story.policy_hash}"]
        targets += [f"token:{one.payload['token_hash']}" for one in self.of_job("token_issued", below)]
        for allow in self.allows(below):
            targets += [f"approval:{name}" for name in allow.payload["approvals"]]
        yield from (f"{target} is revoked" for target in targets if self.is_revoked(target, below))
        for one in self.records[:below]:
            if one.kind != "human_approval_receipt" or one.signer not in SUBJECT_OF:
                continue
            if self.is_revoked(f"key:{one.signer}", one.index):
                continue
            bound = one.payload["binding"].get("token_scope_hash_b64u") == self.scope_hash
            denies = one.payload["approval_type"] in ("explicit_deny", "timeout_deny")
            if bound and (denies or not one.readable):
                yield f"denied at {one.index}"

    def allows(self, below: int) -> list[Raw]:
        decisions = self.good("gate_decision", below)
        return [
            one
            for one in decisions
            if one.payload["decision"] == "allow" and one.payload["scope"]["job_id"] == self.story.job
        ]

    def one_run(self, below: int) -> Iterator[str]:
        runs = {one.payload["run_id"] for kind in ("simulation", "execution") for one in self.of_job(kind, below)}
        for one in self.good("gateway_receipt", below):
            if one.payload["binding"].get("token_scope_hash_b64u") == self.scope_hash:
                runs.add(one.payload["binding"].get("run_id"))
        if runs != {self.story.run}:
            yield f"runs {runs}"

    def approved(self, scope: dict[str, str], below: int, now_s: float) -> Iterator[str]:
        """Two people, not the requester, one for each role, approved exactly this, after the simulation or bundle."""
        simulations = [one for one in self.of_job("simulation", below) if one.hash == scope.get("simulation_b64u")]
        if not simulations or simulations[0].payload["outcome"] != "success":
            yield "no successful simulation"
            return
        if simulations[0].payload["plan_hash_b64u"] != scope["plan_hash_b64u"]:
            yield "another plan was simulated"
        receipts = [
            one
            for one in self.good("gateway_receipt", simulations[0].index)
            if one.payload["binding"].get("token_scope_hash_b64u") == self.scope_hash
        ]
        if not receipts:
            yield "no model call before the simulation"
        rounds = [one for one in self.allows(below) if one.payload["scope"]["action"] == scope["action"]]
        if scope["round"] != str(len(rounds) + 1):
            yield "another round"
        after = simulations[0].index
        if scope["action"] == CLOSE:
            named = [one.index for one in self.good("proof_bundle", below) if one.hash == scope.get("bundle_b64u")]
            after = max(named, default=below)
        people = set()
        for one in self.good("human_approval_receipt", below):
            approval = one.payload
            if (
                one.index > after
                and approval["approval_type"] == "explicit_approve"
                and approval["scope_hash_b64u"] == hash_scope(scope)
                and approval["plan_hash_b64u"] == scope["plan_hash_b64u"]
                and approval["binding"].get("run_id") == self.story.run
                and approval["approver_subject"] == SUBJECT_OF.get(one.signer) != scope["requester"]
                and now_s - seconds(approval["timestamp"]) <= (3600 if scope["action"] == EXECUTE else 86400)
                and not self.is_revoked(f"approval:{one.hash}", below)
                and not self.is_revoked(f"key:{one.signer}", below)
            ):
                people.add(SUBJECT_OF[one.signer])
        pairs = itertools.permutations(people, 2)
        if not any(all(role in PEOPLE[who][1] for role, who in zip(ROLES, pair, strict=True)) for pair in pairs):
            yield f"not approved by two people with the roles, only {sorted(people)}"

    def outcomes_known(self, below: int) -> Iterator[str]:
        executions = self.of_job("execution", below)
        begins = [one for one in executions if one.payload["phase"] == "begin"]
        resolved = {
            one.payload["begin_b64u"]
            for one in self.good("resolution", below)
            if SUBJECT_OF.get(one.signer) not in (None, self.story.requester)
        }
        for begin in begins:
            ends = [one for one in executions if one.payload.get("begin_b64u") == begin.hash and one.index > begin.index]
            if not ends and begin.hash not in resolved:
                yield f"the outcome of {begin.index} is unknown"
            yield from self.carried(begin)

    def carried(self, begin: Raw) -> Iterator[str]:
        """The begin's allow stood, and what it allowed was approved."""
        named = [one for one in self.allows(begin.index) if one.hash == begin.payload["decision_b64u"]]
        if not named:
            yield f"nothing allows the begin at {begin.index}"
            return
        allow = named[0]
        if allow.payload["scope"]["action"] != EXECUTE:
            yield "another action was allowed"
        denies = self.records[allow.index : begin.index]
        if any(one.kind == "gate_decision" and one.payload.get("withdraws_b64u") == allow.hash for one in denies):
            yield f"the allow of {begin.index} was withdrawn"
        if begin.payload["plan_hash_b64u"] != allow.payload["scope"]["plan_hash_b64u"]:
            yield "another plan was executed"
        yield from self.ended(allow.index)
        yield from self.approved(allow.payload["scope"], allow.index, seconds(allow.payload["decided_at"]))

    def executed(self, scope: dict[str, str]) -> Iterator[str]:
        ends = [one for one in self.of_job("execution") if one.payload.get("outcome") == "success"]
        if not any(one.payload["plan_hash_b64u"] == scope["plan_hash_b64u"] for one in ends):
            yield "nothing was executed with success"

    def bundled(self, scope: dict[str, str], reason: str | None) -> Iterator[str]:
        named = re.findall(r"bundle:([A-Za-z0-9_-]{43})", reason or "")
        bundles = [one for one in self.good("proof_bundle") if one.hash == scope.get("bundle_b64u")]
        if not bundles or named != [bundles[0].hash]:
            yield "no bundle that the reason names"
            return
        change = bundles[0].payload["metadata"]["change"]
        if (change["job_id"], change["run_id"], change["plan_hash_b64u"]) != (
            self.story.job,
            self.story.run,
            scope["plan_hash_b64u"],
        ):
            yield "the bundle is of another change"
        if change["execution_b64u"] not in {one.hash for one in self.of_job("execution", bundles[0].index)}:
            yield "the bundle names no execution"
        inside = {one["payload_hash_b64u"] for one in bundles[0].payload["receipts"]}
        below = {
            one.hash
            for one in self.good("gateway_receipt", bundles[0].index)
            if one.payload["binding"].get("token_scope_hash_b64u") == self.scope_hash
        }
        if inside != below:
            yield "the bundle holds other receipts than the log"
