"""What belongs to a change is in its pack, whatever ties it there; what does not, is not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.support import keys, payloads
from tests.unit.evidence.memory_source import MemorySource
from trustlog.errors import Refused
from trustlog.evidence import collect as collect_module
from trustlog.evidence.collect import collect
from trustlog.evidence.pack import EvidencePack
from trustlog.evidence.subject import Sought
from trustlog.formats.base64 import encode_b64u
from trustlog.merkle.hashing import hash_leaf
from trustlog.records.token_scope import compute_token_scope_hash

PLAN = b'{"a plan":"of some change"}'
PLAN_HASH = encode_b64u(hashlib.sha256(PLAN).digest())


def terms(source: MemorySource, policy: int, job: str, **changes: Any) -> dict[str, Any]:
    """What every record of a job says of it."""
    policy_hash = source.payload_hash(policy)
    claims = {
        "token_version": "1",
        "sub": keys.AGENT.did,
        "aud": [payloads.AUDIENCE],
        "scope": ["change:execute"],
        "mission_id": job,
        "policy_hash_b64u": policy_hash,
    }
    return {
        "job_id": job,
        "run_id": f"run of {job}".replace(" ", "-"),
        "ticket": payloads.TICKET,
        "plan_hash_b64u": PLAN_HASH,
        "policy_hash_b64u": policy_hash,
        "token_scope_hash_b64u": compute_token_scope_hash(claims),
        **changes,
    }


class World(MemorySource):
    """A policy, a roster, and jobs as tests want them."""

    def __init__(self) -> None:
        super().__init__()
        self.policy = self.log("work_policy_contract", payloads.work_policy_contract())
        self.roster = self.log("roster")
        self.store(PLAN)

    def issue(self, job: str, *, name: str = "first", ticket: str = payloads.TICKET) -> int:
        token_hash = hashlib.sha256(f"{name} of {job}".encode()).hexdigest()
        policy = self.payload_hash(self.policy)
        payload = payloads.token_issued(
            job_id=job, ticket=ticket, token_hash=token_hash, policy_hash_b64u=policy, salt=payloads.salt_of(name)
        )
        payload["token_scope_hash_b64u"] = terms(self, self.policy, job)["token_scope_hash_b64u"]
        return self.log("token_issued", payload)

    def record(self, kind: str, job: str, **changes: Any) -> int:
        """A record of a job by the kind's usual signer; only the members that the kind has."""
        payload = payloads.VALID[kind]()
        said = terms(self, self.policy, job)
        return self.log(kind, {**payload, **{name: said[name] for name in said if name in payload}, **changes})

    def receipt(self, job: str, name: str) -> int:
        said = terms(self, self.policy, job)
        binding = payloads.binding(
            run_id=said["run_id"],
            policy_hash=said["policy_hash_b64u"],
            token_scope_hash_b64u=said["token_scope_hash_b64u"],
        )
        return self.log("gateway_receipt", payloads.gateway_receipt(receipt_id=name, binding=binding))

    def scope(self, job: str, **changes: str) -> dict[str, str]:
        said = terms(self, self.policy, job)
        names = ("job_id", "ticket", "plan_hash_b64u", "policy_hash_b64u")
        return payloads.scope(**{**{name: said[name] for name in names}, **changes})

    def decide(self, job: str, evidence: list[int], **changes: Any) -> int:
        scope = changes.pop("scope", self.scope(job))
        said = terms(self, self.policy, job)
        root = encode_b64u(self.root)
        return self.log(
            "gate_decision",
            payloads.gate_decision(
                scope=scope,
                run_id=said["run_id"],
                token_scope_hash_b64u=said["token_scope_hash_b64u"],
                evidence=[{"index": i, "leaf_hash_b64u": encode_b64u(hash_leaf(self.data[i]))} for i in evidence],
                view={"size": self.size, "root_b64u": root},
                **changes,
            ),
        )

    def approval(self, name: str, signer: Any = keys.ALICE, **changes: Any) -> int:
        receipt_id = "trustlog:approval:v1:" + payloads.salt_of(name)
        return self.log(
            "human_approval_receipt",
            payloads.human_approval_receipt(**{"receipt_id": receipt_id, "binding": {}, "policy_hash_b64u": "p", **changes}),
            signer,
        )

    async def pack(self, **sought: str) -> EvidencePack:
        return await collect(self, Sought(**(sought or {"ticket": payloads.TICKET})))


def bundle_of(chain: list[dict[str, Any]]) -> dict[str, Any]:
    """A bundle of events alone: its run is that of the first of them."""
    payload = payloads.proof_bundle(event_chain=chain, metadata={})
    return {name: value for name, value in payload.items() if name != "receipts"}


def indexes(pack: EvidencePack) -> set[int]:
    return {entry.index for entry in pack.entries}


def document(pack: EvidencePack) -> Any:
    return json.loads(pack.encode())


@pytest.fixture
def world() -> World:
    return World()


async def test_all_that_shares_the_job_its_token_scope_or_its_run(world: World) -> None:
    own = {
        world.issue("job-1"),
        world.receipt("job-1", "receipt-1"),
        world.record("simulation", "job-1"),
        world.issue("job-1", name="renewed"),
        world.record("execution", "job-1"),
        world.record("closure", "job-1"),
    }
    run = terms(world, world.policy, "job-1")["run_id"]
    own.add(world.log("tool_receipt", payloads.tool_receipt(binding={"run_id": run})))
    assert indexes(await world.pack()) == own | {world.policy, world.roster}


async def test_nothing_of_another_job_ticket_or_policy(world: World) -> None:
    world.issue("job-1")
    world.record("simulation", "job-1")
    foreign = {
        world.issue("job-2", ticket="servicedesk.test:CHG-2"),
        world.receipt("job-2", "receipt-2"),
        world.record("simulation", "job-2", plan_hash_b64u=payloads.hash_of("another plan")),
        world.log("work_policy_contract", payloads.work_policy_contract(policy_name="another")),
        world.log("violation", payloads.violation(ticket="servicedesk.test:CHG-2", job_id="job-2", run_id="run-of-job-2")),
        world.log("revocation", payloads.revocation(target="job:job-2")),
        world.log("revocation", payloads.revocation(target=f"policy:{payloads.hash_of('x')}"), keys.POLICY_ISSUER),
    }
    assert not indexes(await world.pack()) & foreign


async def test_approvals_and_denials_tied_by_scope_or_plan_alone(world: World) -> None:
    world.issue("job-1")
    world.record("simulation", "job-1")
    by_plan = world.approval("by plan", approval_type="explicit_deny", plan_hash_b64u=PLAN_HASH, scope_hash_b64u="s")
    decision = world.decide("job-1", [])
    scope_hash = json.loads(world.data[decision])["refs"]["scope"]
    by_scope = world.approval("by scope", keys.BOB, scope_hash_b64u=scope_hash, plan_hash_b64u="q")
    other = world.approval("of another", scope_hash_b64u="other", plan_hash_b64u="other")
    found = indexes(await world.pack())
    assert {by_plan, by_scope, decision} <= found
    assert other not in found


async def test_revocations_supersessions_resolutions_step_ups_and_violations(world: World) -> None:
    issued = world.issue("job-1")
    token = json.loads(world.data[issued])["refs"]["token"]
    world.record("simulation", "job-1")
    begin = world.record("execution", "job-1")
    approval = world.approval("one", scope_hash_b64u="s", plan_hash_b64u=PLAN_HASH)
    policy = world.payload_hash(world.policy)
    after = {
        world.log("resolution", payloads.resolution(begin_b64u=world.payload_hash(begin))),
        world.log("step_up", payloads.step_up(approval_b64u=world.payload_hash(approval))),
        world.log("revocation", payloads.revocation(target=f"token:{token}")),
        world.log("revocation", payloads.revocation(target="job:job-1")),
        world.log("revocation", payloads.revocation(target=f"approval:{world.payload_hash(approval)}"), keys.ALICE),
        world.log("revocation", payloads.revocation(target=f"policy:{policy}"), keys.POLICY_ISSUER),
        world.log("work_policy_contract", payloads.work_policy_contract(policy_name="next", supersedes=f"b64u:{policy}")),
        world.log("violation", payloads.violation(ticket=payloads.TICKET, job_id="unknown", run_id="unknown")),
        world.log("revocation", payloads.revocation(target=f"key:{keys.RUNNER.did}"), keys.RUNNER),
    }
    assert after <= indexes(await world.pack())


async def test_whatever_a_decision_lists_is_there_even_if_the_index_names_it_nowhere(world: World) -> None:
    world.issue("job-1")
    world.record("simulation", "job-1")
    hidden = world.log("revocation", payloads.revocation(target="job:job-1"))
    unrelated = world.log("gateway_receipt")
    world.hidden |= {hidden, unrelated}
    assert not indexes(await world.pack()) & {hidden, unrelated}
    world.decide("job-1", [hidden, unrelated])
    assert {hidden, unrelated} <= indexes(await world.pack())


async def test_the_decisions_of_another_job_with_the_same_plan_bring_their_own_evidence(world: World) -> None:
    world.issue("job-1")
    world.record("simulation", "job-1")
    listed = world.issue("job-2", ticket="servicedesk.test:CHG-2")
    decision = world.decide(
        "job-2",
        [listed],
        scope=world.scope("job-2", ticket="servicedesk.test:CHG-2"),
        requested={"action": "change.execute", "ticket": "servicedesk.test:CHG-2"},
    )
    pack = await world.pack()
    assert {listed, decision} <= indexes(pack)
    assert [view.size for view in pack.views] == [decision]


async def test_one_view_for_each_size_that_a_decision_saw(world: World) -> None:
    world.issue("job-1")
    world.record("simulation", "job-1")
    size = world.size
    seen = {"size": size, "root_b64u": encode_b64u(world.root)}
    world.decide("job-1", [])
    said = terms(world, world.policy, "job-1")
    deny = payloads.deny(scope={"job_id": "job-1", "plan_hash_b64u": said["plan_hash_b64u"]}, view=seen)
    world.log("gate_decision", deny)
    world.log("gate_decision", {**deny, "salt": payloads.salt_of("later"), "view": {**seen, "size": size + 2}})
    world.log("gate_decision", {**deny, "salt": payloads.salt_of("a lie"), "view": {**seen, "size": 10**9}})
    pack = await world.pack()
    assert [view.size for view in pack.views] == [size, size + 2]  # what no tree of this log is has no view
    assert document(pack)["views"][0]["root_b64u"] == seen["root_b64u"]


async def test_plans_and_artefacts_as_far_as_there_is_room(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    diff, output = b"- old\n+ new\n", b"\xff" * 100
    artefacts = [
        {
            "role": "diff",
            "media_type": "text/plain",
            "size": len(data),
            "sha256_b64u": encode_b64u(hashlib.sha256(data).digest()),
        }
        for data in (diff, output, b"never stored")
    ]
    world.issue("job-1")
    world.record("simulation", "job-1", artefacts=artefacts)
    world.decide("job-1", [])
    world.store(diff)
    world.store(output)
    assert set((await world.pack()).payloads) == {PLAN, diff, output}
    monkeypatch.setattr(collect_module, "MAX_ARTEFACT_BYTES", len(diff))
    assert set((await world.pack()).payloads) == {PLAN, diff}


async def test_an_erased_payload_is_absent_and_its_tombstone_and_what_that_names_are_there(world: World) -> None:
    world.issue("job-1")
    receipt = world.receipt("job-1", "receipt-1")
    world.record("simulation", "job-1")
    world.record("closure", "job-1")
    tombstone = world.log(
        "tombstone",
        payloads.tombstone(
            payload_b64u=world.payload_hash(receipt),
            index=receipt,
            leaf_hash_b64u=encode_b64u(hash_leaf(world.data[receipt])),
        ),
    )
    assert tombstone not in indexes(await world.pack())  # nothing is erased yet
    world.erase(receipt)
    pack = await world.pack()
    assert {entry.index: entry.payload is None for entry in pack.entries}[receipt]
    assert tombstone in indexes(pack)


async def test_an_erased_plan_is_absent_and_its_tombstone_is_there(world: World) -> None:
    world.issue("job-1")
    simulation = world.record("simulation", "job-1")
    world.decide("job-1", [])
    world.record("closure", "job-1")
    leaf_hash = encode_b64u(hash_leaf(world.data[simulation]))
    tombstone = world.log(
        "tombstone", payloads.tombstone(payload_b64u=PLAN_HASH, index=simulation, leaf_hash_b64u=leaf_hash)
    )
    del world.payloads[hashlib.sha256(PLAN).digest()]
    pack = await world.pack()
    assert pack.payloads == ()
    assert tombstone in indexes(pack)


async def test_run_and_bundle_of_the_closure_else_of_what_came_last(world: World) -> None:
    world.issue("job-1")
    with pytest.raises(Refused, match="SIMULATION_MISSING"):
        await world.pack()
    world.receipt("job-1", "receipt-1")
    assert (await world.pack()).subject.run == "run-of-job-1"
    world.record("simulation", "job-1")
    assert (await world.pack()).subject.bundle is None
    world.decide(
        "job-1",
        [],
        scope=world.scope("job-1", action="ticket.close", bundle_b64u=payloads.hash_of("asked")),
        requested={"action": "ticket.close", "ticket": payloads.TICKET},
        closing_reason="r",
    )
    assert (await world.pack()).subject.bundle == payloads.hash_of("asked")
    world.record("closure", "job-1", bundle_b64u=payloads.BUNDLE_HASH)
    assert (await world.pack()).subject.bundle == payloads.BUNDLE_HASH


async def test_of_several_jobs_the_last_closed_else_the_newest_else_the_one_named(world: World) -> None:
    for job in ("job-1", "job-2", "job-3"):
        world.issue(job)
        world.record("simulation", job)
    world.issue("job-1", name="renewed")  # (a renewed token does not make the job newer)
    assert (await world.pack()).subject.job == "job-3"
    world.record("closure", "job-2", decision_b64u=payloads.hash_of("d2"), bundle_b64u=payloads.hash_of("b2"))
    assert (await world.pack()).subject.job == "job-2"
    world.record("closure", "job-1", decision_b64u=payloads.hash_of("d1"), bundle_b64u=payloads.hash_of("b1"))
    assert (await world.pack()).subject.job == "job-1"
    assert (await world.pack(ticket=payloads.TICKET, job="job-3")).subject.job == "job-3"
    with pytest.raises(Refused, match="NOT_FOUND") as refused:
        await world.pack(ticket=payloads.TICKET, job="job-4")
    assert refused.value.param == "job"


async def test_by_bundle_through_its_run_or_its_closure(world: World) -> None:
    for job in ("job-1", "job-2"):
        world.issue(job)
        world.record("simulation", job)
    run = terms(world, world.policy, "job-1")["run_id"]
    chain = payloads.event_chain(run_id=run)
    bundle = world.log("proof_bundle", bundle_of(chain))
    name = world.payload_hash(bundle)
    pack = await world.pack(bundle=name)
    assert (pack.subject.job, pack.subject.bundle) == ("job-1", name)
    assert bundle in indexes(pack)
    world.record("closure", "job-1", bundle_b64u=name)
    assert (await world.pack(bundle=name)).subject.job == "job-1"


@pytest.mark.parametrize(
    ("sought", "code"),
    [
        ({}, "PARAMETER_INVALID"),
        ({"ticket": "a:1", "bundle": "A" * 43}, "PARAMETER_INVALID"),
        ({"ticket": "no system"}, "PARAMETER_INVALID"),
        ({"ticket": "servicedesk.test:CHG-1\n"}, "PARAMETER_INVALID"),
        ({"bundle": "A" * 42}, "BASE64URL_INVALID"),
        ({"bundle": "A" * 42 + "B"}, "BASE64URL_INVALID"),
        ({"bundle": "A" * 43}, "NOT_FOUND"),
        ({"ticket": "servicedesk.test:CHG-9"}, "NOT_FOUND"),
    ],
)
async def test_what_cannot_be_meant_is_refused(world: World, sought: Mapping[str, str], code: str) -> None:
    with pytest.raises(Refused) as refused:
        await collect(world, Sought(**sought))
    assert refused.value.code == code


async def test_too_many_entries_are_refused_before_their_payloads_are_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.issue("job-1")
    world.record("simulation", "job-1")
    for number in range(5):
        world.receipt("job-1", f"receipt-{number}")
    monkeypatch.setattr("trustlog.evidence.pack.MAX_PACK_ENTRIES", 6)
    with pytest.raises(Refused, match="PACK_TOO_LARGE"):
        await world.pack()


async def test_an_honest_pack_can_be_encoded_and_proves_each_entry(world: World) -> None:
    world.issue("job-1")
    world.record("simulation", "job-1")
    world.decide("job-1", [0, 1, 2, 3])
    value = document(await world.pack())
    for entry in value["entries"]:
        assert world.data[entry["index"]].decode() == entry["entry"]
        named = json.loads(entry["entry"])["payload_hash_b64u"]
        assert encode_b64u(hashlib.sha256(entry["payload"].encode()).digest()) == named
