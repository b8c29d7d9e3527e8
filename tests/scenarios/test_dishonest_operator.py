"""Threat: whoever runs the log hides a revocation, rewrites, forks, backdates. They have its key, and nobody else's."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from making.case import PASS, fail, undecided
from making.dishonest import Allow, allow_anyway, begin_anyway, close_anyway, close_on, end_anyway, execute_anyway
from making.inputs import OWNER, SECURITY
from making.scenes import collect_pack

from tests.scenarios.change import CLOSE, EXECUTE, closing_reason, owner
from tests.scenarios.front import each_result
from tests.scenarios.refusing import refuses
from tests.scenarios.stage import Stage
from trustlog.formats.base64 import encode_b64u
from trustlog.formats.timestamp import NS

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_hides_the_payload_of_a_revocation(stage: Stage) -> None:
    """The revocation's text is not to be had any more. Its refs are in the entry, so it is taken at its worst.

    A gate goes on all the same. The pack that the operator hands out holds the entry, and not its text.
    """
    change = await stage.simulated()
    approvals = await change.approve(EXECUTE, OWNER, SECURITY)
    revoked = await change.revoke_token()
    front = await stage.front()
    front.lies = [lambda path, body: None if path == f"/v1/payloads/{revoked.payload_hash}" else body]
    denied = await change.ask(EXECUTE, gate=front.gate())
    assert denied.denied_with("TOKEN_REVOKED")
    assert denied.says(str(revoked.index))
    await execute_anyway(change, approvals)
    pack = await collect_pack(stage.world, change.ticket, erased=[revoked.payload_hash])
    await stage.leave(change, fail("PAYLOAD_MISSING"), pack=pack)


async def test_hides_a_revocation_from_searches(stage: Stage) -> None:
    """The log's index does not find it. No gate decides from what an index finds: it reads every entry.

    One that goes on all the same has listed it as evidence.
    """
    change = await stage.simulated()
    approvals = await change.approve(EXECUTE, OWNER, SECURITY)
    await change.revoke_token()
    front = await stage.front()
    front.lies = [lambda path, body: _without_revocations(body) if path.startswith("/v1/entries?") else body]
    denied = await change.ask(EXECUTE, gate=front.gate())
    assert denied.denied_with("TOKEN_REVOKED")
    await execute_anyway(change, approvals)
    await stage.leave(change, fail("TOKEN_REVOKED"), like=denied)


async def test_hides_a_revocation_by_showing_an_old_checkpoint(stage: Stage) -> None:
    """The operator shows the gate the log of before. A gate that saw more refuses; one that did not is told by the log itself.

    The allow that it wants to log is logged, the log says so, and the old checkpoint does not show it. A runner that begins under
    it begins under nothing: the revocation stands below it.
    """
    change = await (await stage.simulated()).approved()
    front = await stage.front()
    seasoned, new = front.gate(), front.gate()
    old = (await front.client().checkpoint()).note
    await change.revoke_token()
    assert (await change.ask(EXECUTE, gate=seasoned)).denied_with("TOKEN_REVOKED")
    front.lies = [lambda path, body: old if path == "/checkpoint" else body]
    assert (await change.ask("ticket.read", gate=seasoned)).denied_with("CHECKPOINT_STALE")
    denied = await change.ask(EXECUTE, gate=new)
    assert denied.denied_with("DECISION_NOT_LOGGED")
    front.lies = []
    denied = await change.ask(EXECUTE, gate=new)
    assert "TOKEN_REVOKED" in denied.codes
    [allow] = (await stage.world.desk.job(change.job_id)).entries().decisions("allow")
    await begin_anyway(change, allow.payload_hash)
    await stage.leave(change, fail("TOKEN_REVOKED"), like=denied)


async def test_hides_a_revocation_with_the_gate(stage: Stage) -> None:
    """The token was revoked; gate and operator hide it, and the pack that they hand out does not hold it.

    The pack alone passes only for those who take that gate's word for what is absent, and says so. Whoever reads the whole log
    finds the revocation.
    """
    world = await stage.log_of_its_own()
    change = await stage.simulated(world)
    approvals = await change.approve(EXECUTE, OWNER, SECURITY)
    revoked = await change.revoke_token()
    hidden = frozenset({"revocation"})
    allow = await allow_anyway(change, Allow(EXECUTE, approvals, omitted=hidden))
    begin = await begin_anyway(change, allow)
    await end_anyway(change, allow, begin.payload_hash)
    await change.bundled()
    approvals = await change.approve(CLOSE, OWNER, SECURITY, bundle=change.bundle)
    await close_on(change, change.bundle, approvals, omitted=hidden)
    pack = await collect_pack(world, change.ticket, hidden=[revoked.index])
    told = await stage.verdict(change, PASS, pack=pack)
    assert any("revo" in line and "not proven from the whole log" in line for line in told["not_proven"]), told["not_proven"]
    await stage.leave(change, fail("EVIDENCE_INCOMPLETE"), pack=pack)


def _without_revocations(body: bytes) -> bytes:
    answer = json.loads(body)
    answer["entries"] = [one for one in answer["entries"] if '"kind":"revocation"' not in one["entry"]]
    return json.dumps(answer).encode()


def _another_entry(answer: dict[str, Any]) -> dict[str, Any]:
    entry = answer["entry"].replace('"kind":"gate_decision"', '"kind":"violation"').replace("execution", "violation")
    leaf_hash = hashlib.sha256(b"\0" + entry.encode()).digest()
    return {**answer, "entry": entry, "leaf_hash_b64u": encode_b64u(leaf_hash)}


def _other_letter(body: bytes, word: str) -> bytes:
    found = word.encode()
    return body.replace(found, bytes([found[0] ^ 1]) + found[1:])


async def test_rewrites_an_entry(stage: Stage) -> None:
    """One letter of an entry is another: it is not under the root that was signed."""
    world = await stage.log_of_its_own()
    change = await (await stage.simulated(world)).approved()
    front = await stage.front(world)
    front.lies = [lambda path, body: _other_letter(body, change.job_id) if path.startswith("/tile/entries/") else body]
    denied = await change.ask(EXECUTE, gate=front.gate())
    assert not denied.decision.allow
    assert denied.codes <= {
        "TILE_INVALID",
        "ROOT_MISMATCH",
        "CHECKPOINT_INCONSISTENT",
        "INCLUSION_PROOF_INVALID",
        "LOG_LIES",
    }
    shown = {
        path: _other_letter(data, change.job_id) if path.startswith("tile/entries/") else data
        for path, data in stage.export(world).items()
    }
    await stage.leave(change, fail("TILE_INVALID"), shown=shown)
    assert (await change.ask(EXECUTE)).allowed


async def test_rewrites_a_payload(stage: Stage) -> None:
    """The roster that the log gives names somebody else's key: it does not have the hash that the entry commits to."""
    world = await stage.log_of_its_own()
    change = await (await stage.simulated(world)).approved()
    roster = world.desk.reading.view.rosters.at(world.desk.reading.view.size)
    assert roster is not None
    front = await stage.front(world)
    address = f"/v1/payloads/{roster.payload_hash_b64u}"
    front.lies = [lambda path, body: body.replace(b"service_owner", b"servile_owner") if path == address else body]
    denied = await change.ask(EXECUTE, gate=front.gate())
    assert denied.denied_with("PAYLOAD_UNREADABLE", "ROSTER_MISSING", "APPROVALS_INSUFFICIENT", "APPROVAL_ROLE_MISSING")
    shown = {path: data.replace(b"service_owner", b"servile_owner") for path, data in stage.export(world).items()}
    await stage.leave(change, fail("HASH_MISMATCH"), shown=shown)
    assert (await change.ask(EXECUTE)).allowed


async def test_rewrites_the_plan(stage: Stage) -> None:
    """The plan's bytes that the log gives are not those of its fingerprint: there is no plan."""
    change = await (await stage.simulated()).approved()
    front = await stage.front()
    front.lies = [lambda path, body: body.replace(b'"replicas":4', b'"replicas":5') if "/v1/payloads/" in path else body]
    denied = await change.ask(EXECUTE, gate=front.gate())
    assert "PLAN_MISSING" in denied.codes
    decision = await change.ask(EXECUTE)
    with refuses("PLAN_MISSING"):
        await change.run(decision, desk=front.desk())
    assert change.applied == []
    await change.run(decision)
    pack = (await collect_pack(stage.world, change.ticket)).replace(b'\\"replicas\\":4', b'\\"replicas\\":5')
    await stage.leave(change, fail("HASH_MISMATCH"), pack=pack)


async def test_answers_with_another_entry(stage: Stage) -> None:
    """The operator says that something else was logged than what the gate submitted: no answer is believed, the log is read.

    The gate releases its allow because it found it there, under a root that it computed; a desk, which does not read on, refuses.
    Nothing ran, and nobody knows until a person has looked.
    """
    change = await (await stage.simulated()).approved()
    front = await stage.front()
    front.lies = [lambda path, body: each_result(body, _another_entry) if path == "/v1/entries" else body]
    decision = await change.ask(EXECUTE, gate=front.gate())
    assert decision.allowed
    with refuses("LOG_LIES"):
        await change.run(decision, desk=front.desk())
    assert change.applied == []
    denied = await (await change.approved()).ask(EXECUTE)
    assert denied.denied_with("EXECUTION_OUTCOME_UNKNOWN")  # its `begin` is logged all the same
    await stage.leave(change, undecided("CLOSURE_MISSING"))


async def test_forks(stage: Stage) -> None:
    """Two logs with one key: the operator shows an auditor another history than the gate saw.

    The pack is of the one, the log that the auditor reads is the other.
    """
    world = await stage.log_of_its_own()
    change = await stage.simulated(world)
    other = await stage.log_of_its_own(origin=world.origin)
    await (await stage.simulated(other)).approved()
    await stage.leave(change, fail("CHECKPOINT_INCONSISTENT"), shown=stage.export(other))
    front = await stage.front(world)
    gate = front.gate()
    assert (await change.ask("ticket.read", gate=gate)).allowed
    front.world = other
    assert (await change.ask("ticket.read", gate=gate)).denied_with("CHECKPOINT_INCONSISTENT")


async def test_forks_and_withholds_the_payloads(stage: Stage) -> None:
    """The other history is shown without one payload, as if there were nothing to compare. Its tree is another all the same."""
    world = await stage.log_of_its_own()
    change = await stage.simulated(world)
    other = await stage.log_of_its_own(origin=world.origin)
    await (await stage.simulated(other)).approved()
    shown = {path: data for path, data in stage.export(other).items() if not path.startswith("payloads/")}
    await stage.leave(change, fail("CHECKPOINT_INCONSISTENT"), shown=shown)


async def test_backdates_by_writing_history_again(stage: Stage) -> None:
    """In the history that is shown now, the second approval stands before the decision that was denied for want of it.

    Everything in it is signed by the right keys, and the log's key signed the tree. Whoever remembers the old tree sees it.
    """
    world = await stage.log_of_its_own()
    change = await stage.simulated(world)
    await owner.approve(change)
    front = await stage.front(world)
    remembering = front.gate()
    denied = await change.ask(EXECUTE, gate=remembering)
    assert denied.denied_with("APPROVALS_INSUFFICIENT", "APPROVAL_ROLE_MISSING")
    written_again = await stage.log_of_its_own(origin=world.origin)
    again = await (await stage.simulated(written_again)).approved()
    front.world = written_again
    denied = await again.ask(EXECUTE, gate=remembering)
    assert denied.denied_with("CHECKPOINT_INCONSISTENT")
    await stage.leave(change, fail("CHECKPOINT_INCONSISTENT"), shown=stage.export(written_again), like=denied)


async def test_backdates_a_closure(stage: Stage) -> None:
    """The ticket closes two minutes after the decision. A closure that says so is void.

    One that says that it was in time is believed by those who name no witnesses: every time is then the signer's own word, and
    the verdict says that nothing proves it.
    """
    change = await (await (await stage.simulated()).executed()).bundled()
    await change.approved(CLOSE)
    decision = await change.ask(CLOSE)
    in_time_ns = stage.world.clock() + 30 * NS
    stage.world.clock.step(120)
    await close_anyway(change, decision.payload_hash, change.bundle, closing_reason(change.bundle), at_ns=in_time_ns)
    told = await stage.verdict(change, PASS)
    assert any("any time" in line for line in told["not_proven"])
    late = await (await (await stage.simulated()).executed()).bundled()
    await late.approved(CLOSE)
    decision = await late.ask(CLOSE)
    stage.world.clock.step(120)
    await close_anyway(late, decision.payload_hash, late.bundle, closing_reason(late.bundle))
    await stage.leave(late, fail("DECISION_EXPIRED"))
