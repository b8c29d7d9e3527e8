"""One sequence of entries, honest or not, judged by trustlog's ledger and by the verifier's: the same entries are valid.

The entries are what a log that checks nothing would hold: everything that is signed and well formed goes in.
The long form: ``TRUSTLOG_EXAMPLES=2000 python -m pytest tests/integration/differential/test_ledgers.py``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support import keys, payloads
from tests.support.envelopes import candidate
from tests.support.payloads import Payload, hash_of, salt_of
from tests.support.trust import ORIGIN, trust_text
from trustlog.errors import Refused
from trustlog.formats.base64 import encode_b64u
from trustlog.formats.trustpolicy import TrustPolicy
from trustlog.keys.signer import SeedSigner
from trustlog.records.candidate import Candidate, read_logged
from trustlog.records.ledger import Ledger, MemoryHistory
from verifier.ledger.history import History
from verifier.trust import parse_trust_policy

EXAMPLES: Final = int(os.environ.get("TRUSTLOG_EXAMPLES", "150"))
SECOND_AUTHORITY: Final = keys.fixture_key("second authority")
LATE_GATE: Final = keys.fixture_key("late gate")
PEOPLE: Final = (keys.ALICE, keys.BOB, keys.CAROL)
EVERYONE: Final = (
    *(*PEOPLE, keys.ROSTER_AUTHORITY, SECOND_AUTHORITY, keys.GATEWAY, keys.AGENT, keys.RUNNER, keys.GATE, LATE_GATE),
    *(keys.TOKEN_ISSUER, keys.POLICY_ISSUER, keys.CUSTODIAN, keys.STRANGER),
)  # fmt: skip
REQUESTERS: Final = ("p-alice", "p-bob", "p-dora")

Step = tuple[str, int, int, int]
Made = tuple[str, Payload, SeedSigner]


def trust(quorum: int) -> bytes:
    """A second roster authority, and a gate that is trusted from index 3 to 9 only."""
    roles: dict[str, Any] = {
        "roster_authorities": [keys.ROSTER_AUTHORITY.did, SECOND_AUTHORITY.did],
        "gates": [keys.GATE.did, (LATE_GATE.did, 3, 9)],
    }
    return trust_text(roster_quorum=quorum, policy_quorum=quorum, roles=roles).encode()


class Story:
    """What was logged so far, for steps that refer to it."""

    def __init__(self) -> None:
        self.entries: list[Candidate] = []
        self.rosters: list[Payload] = []

    def of(self, kind: str) -> list[Candidate]:
        return [known for known in self.entries if known.kind.name == kind]

    def hash(self, kind: str, n: int) -> str:
        found = self.of(kind)
        return found[n % len(found)].payload_hash_b64u if found else hash_of(f"{kind} {n}")


def job(n: int) -> str:
    return ("job-1", "job-2", "j" * 128)[n % 3]


def terms(n: int) -> Payload:
    """The terms of a job's token; its requester depends on the job alone unless `n` is large."""
    issued = payloads.token_issued(job_id=job(n), requester=REQUESTERS[(n + n // 12) % 3], token_hash=f"{n % 6:064x}")
    return {name: issued[name] for name in ("job_id", "requester", "token_hash", "token_scope_hash_b64u")}


def roster(story: Story, a: int, b: int, c: int) -> Made:
    people = [payloads.person(f"p-{('alice', 'bob', 'carol')[(n + (b == 7)) % 3]}", PEOPLE[n]) for n in range(3) if n != c]
    if b == 5:
        people.append(payloads.person("p-gate", keys.GATE))
    before = story.rosters[-1] if story.rosters else None
    number, previous = (1, None) if before is None else (before["number"] + 1, payloads.payload_hash(before))
    made = payloads.roster(number=number, previous_b64u=previous, people=people, salt=salt_of(f"roster {b}"))
    if a % 4 and b != 9:  # sometimes a roster comes twice, or another continues the same one
        story.rosters.append(made)
    return "roster", made, (keys.ROSTER_AUTHORITY, SECOND_AUTHORITY)[a % 2]


def roster_again(story: Story, a: int, b: int, _c: int) -> Made:
    made = story.rosters[b % len(story.rosters)] if story.rosters else payloads.roster()
    return "roster", made, (keys.ROSTER_AUTHORITY, SECOND_AUTHORITY, keys.STRANGER)[a % 3]


def revocation(story: Story, a: int, b: int, c: int) -> Made:
    targets = (
        f"key:{EVERYONE[b % len(EVERYONE)].did}",
        f"job:{job(b)}",
        f"token:{b % 6:064x}",
        f"approval:{story.hash('human_approval_receipt', b)}",
        f"policy:{story.hash('work_policy_contract', b)}",
    )
    return "revocation", payloads.revocation(target=targets[c % 5], salt=salt_of(f"{a}")), EVERYONE[a % len(EVERYONE)]


def approval(story: Story, a: int, b: int, c: int) -> Made:
    bound = {**payloads.binding(), "token_scope_hash_b64u": terms(b)["token_scope_hash_b64u"]}
    if b % 3 == 0:
        del bound["token_scope_hash_b64u"]
    kinds = ("explicit_approve", "explicit_deny", "timeout_deny")
    decided = [known.refs["scope"] for known in story.of("gate_decision") if "scope" in known.refs]
    scope = {"scope_hash_b64u": decided[b % len(decided)]} if decided and b % 2 else {}
    made = payloads.human_approval_receipt(receipt_id=f"a-{b % 4}", approval_type=kinds[c % 3], binding=bound, **scope)
    return "human_approval_receipt", made, (*PEOPLE, keys.STRANGER, keys.GATE)[a % 5]


def receipt(_story: Story, a: int, b: int, c: int) -> Made:
    bound = {**payloads.binding(), "run_id": ("run-1", "run-2", "r" * 100)[a % 3]}
    if c % 2:
        del bound["token_scope_hash_b64u"]
    made = payloads.gateway_receipt(receipt_id=f"receipt-{b % 5}", latency_ms=a, binding=bound)
    return "gateway_receipt", made, (keys.GATEWAY, keys.AGENT, keys.STRANGER)[min(c, 2)]


def tool_receipt(_story: Story, a: int, b: int, _c: int) -> Made:
    return "tool_receipt", payloads.tool_receipt(receipt_id=f"tool-{b % 3}"), (keys.AGENT, keys.GATEWAY, keys.RUNNER)[a % 3]


def token(_story: Story, a: int, b: int, c: int) -> Made:
    made = payloads.token_issued(**{**terms(b), "aud": [payloads.AUDIENCE]}, exp=payloads.NOW_S + 1 + c)
    return "token_issued", made, (keys.TOKEN_ISSUER, keys.GATE)[a % 5 == 4]


def simulation(_story: Story, a: int, b: int, c: int) -> Made:
    artefact = {"role": "diff", "media_type": "text/plain", "size": 5, "sha256_b64u": hash_of(f"diff {c}")}
    run = ("run-1", "run-2", "r" * 100)[a % 3]
    made = payloads.simulation(run_id=run, job_id=job(b), artefacts=[artefact], plan_hash_b64u=hash_of(f"plan {c}"))
    return "simulation", made, keys.RUNNER


def decision(story: Story, a: int, b: int, c: int) -> Made:
    scope = payloads.scope(job_id=job(b), round=str(c + 1))
    made = payloads.gate_decision(scope=scope, approvals=[story.hash("human_approval_receipt", b)], nonce=f"n-{a % 3}")
    if a % 4 == 3:
        made = payloads.deny(scope=scope, withdraws_b64u=story.hash("gate_decision", b))
    return "gate_decision", made, (keys.GATE, LATE_GATE, keys.RUNNER)[a % 3]


def execution(story: Story, a: int, b: int, c: int) -> Made:
    named = {"decision_b64u": story.hash("gate_decision", a), "job_id": job(b), "plan_hash_b64u": hash_of(f"plan {c}")}
    made = payloads.execution(**named) if c % 2 else payloads.execution_end(**named, diff_b64u=hash_of(f"diff {a}"))
    return "execution", made, keys.RUNNER


def resolution(story: Story, a: int, b: int, _c: int) -> Made:
    return "resolution", payloads.resolution(begin_b64u=story.hash("execution", b)), (*PEOPLE, keys.STRANGER)[a % 4]


def closure(story: Story, a: int, b: int, c: int) -> Made:
    named = {"decision_b64u": story.hash("gate_decision", a), "bundle_b64u": hash_of(f"bundle {b % 3}"), "job_id": job(c)}
    return "closure", payloads.closure(**named), (keys.GATE, LATE_GATE)[a % 2]


def bundle(_story: Story, a: int, b: int, _c: int) -> Made:
    changes: Payload = {"metadata": {"change": {"run_id": ("run-1", "run-2")[a % 2]}}}
    made = payloads.proof_bundle(bundle_id=f"bundle-{b % 3}", **changes)
    if a % 5 == 4:
        event = made["event_chain"][0]
        bound = payloads.binding(event_hash_b64u=event["event_hash_b64u"])
        made["receipts"] = [payloads.envelope("gateway_receipt", payloads.gateway_receipt(binding=bound), keys.AGENT)]
    return "proof_bundle", made, keys.AGENT


def policy(story: Story, a: int, b: int, c: int) -> Made:
    more = {"supersedes": f"b64u:{story.hash('work_policy_contract', b)}"} if c == 3 else {}
    made = payloads.work_policy_contract(policy_name=f"policy {b % 2}", **more)
    return "work_policy_contract", made, (keys.POLICY_ISSUER, keys.GATE)[a % 5 == 4]


def step_up(story: Story, a: int, b: int, _c: int) -> Made:
    return "step_up", payloads.step_up(approval_b64u=story.hash("human_approval_receipt", b), auth_time=a), keys.GATE


def tombstone(story: Story, a: int, b: int, c: int) -> Made:
    if not story.entries:
        return "tombstone", payloads.tombstone(), keys.CUSTODIAN
    index = (a * 16 + b) % len(story.entries)
    known = story.entries[index]
    plans = {
        "simulation": (hash_of(f"plan {c}"), hash_of(f"diff {c}")),
        "execution": (hash_of(f"plan {c}"), hash_of(f"diff {c}")),
    }
    named = (known.payload_hash_b64u, *plans.get(known.kind.name, ()))
    leaf_hash = encode_b64u(known.entry.leaf_hash) if a != 15 else hash_of("another leaf")
    made = payloads.tombstone(payload_b64u=named[a % len(named)], index=index, leaf_hash_b64u=leaf_hash)
    return "tombstone", made, (keys.CUSTODIAN, keys.STRANGER)[a == 14]


def again(story: Story, a: int, b: int, _c: int) -> Made | Candidate:
    if not story.entries:
        return receipt(story, a, b, 0)
    return story.entries[(a * 16 + b) % len(story.entries)]


MAKERS: Final[Mapping[str, Callable[[Story, int, int, int], Made | Candidate]]] = {
    maker.__name__: maker
    for maker in (
        *(roster, roster_again, revocation, approval, receipt, tool_receipt, token, simulation, decision, execution),
        *(resolution, closure, bundle, policy, step_up, tombstone, again),
    )
}
NUMBER: Final = st.integers(0, 15)
STEPS: Final = st.lists(st.tuples(st.sampled_from(sorted(MAKERS)), NUMBER, NUMBER, st.integers(0, 4)), max_size=40)
BEGINNING: Final[list[Step]] = [("roster", 1, 0, 3), ("roster_again", 0, 0, 0), ("roster_again", 1, 0, 0)]


def tell(steps: list[Step]) -> list[Candidate]:
    """The entries of a log that takes whatever is well formed."""
    story = Story()
    for name, a, b, c in steps:
        made = MAKERS[name](story, a, b, c)
        if not isinstance(made, Candidate):
            kind, payload, signer = made
            try:
                made = candidate(kind, payload, signer)
            except Refused:
                continue
        story.entries.append(made)
    return story.entries


def judged_by_trustlog(entries: list[Candidate], trusted: bytes) -> list[str | None]:
    """The code for which each entry is void, or None."""
    history = MemoryHistory()
    ledger = Ledger(TrustPolicy.parse(trusted), history)
    found: list[str | None] = []
    for index, one in enumerate(entries):
        data = one.entry.encode()
        try:
            read = read_logged(data, one.payload_text, origin=ORIGIN)
            code = None if ledger.already_logged(read) is None else "CONFLICT"
            if code is None:
                ledger.judge(read, index)
                history.add(index, data, ledger.accept(read, index))
        except Refused as refused:
            code = refused.code
        if code is not None:
            history.add(index, data, [])
        found.append(code)
    return found


def judged_by_verifier(entries: list[Candidate], trusted: bytes) -> list[str | None]:
    """The same of the verifier."""
    history = History(parse_trust_policy(trusted), ORIGIN)
    found: list[str | None] = []
    for index, one in enumerate(entries):
        logged = history.add(index, one.entry.encode(), one.payload_text)
        assert logged is not None
        found.append(logged.fault.code if logged.fault is not None else None)
    return found


@pytest.mark.slow
@pytest.mark.timeout(0)
@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(STEPS, st.sampled_from([1, 2]), st.booleans())
def test_both_ledgers_hold_the_same_entries_void(steps: list[Step], quorum: int, beginning: bool) -> None:
    entries = tell([*(BEGINNING if beginning else []), *steps])
    ours, theirs = judged_by_trustlog(entries, trust(quorum)), judged_by_verifier(entries, trust(quorum))
    for index, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
        said = f"entry {index}, a {entries[index].kind.name}: trustlog {mine}, verifier {other}"
        assert (mine is None) == (other is None), said
        assert mine == other, said


def test_the_steps_reach_every_kind_and_most_reasons() -> None:
    """The generator is worth something: fixed steps make valid and void entries of every kind, for many reasons."""
    steps: list[Step] = [*BEGINNING]
    for n in range(16):
        steps += [(name, n, (n * 7 + i) % 16, (n + i) % 5) for i, name in enumerate(sorted(MAKERS))]
    steps += [("tombstone", n // 16, n % 16, n % 5) for n in range(200)]
    steps += [("revocation", 3, 5, 0), *(("receipt", 13, n, 0) for n in range(5))]
    entries = tell(steps)
    codes = judged_by_trustlog(entries, trust(1))
    assert codes == judged_by_verifier(entries, trust(1))
    assert {one.kind.name for one, code in zip(entries, codes, strict=True) if code is None} >= {
        *("roster", "revocation", "human_approval_receipt", "gateway_receipt", "tool_receipt", "token_issued", "simulation"),
        *(
            "gate_decision",
            "execution",
            "resolution",
            "closure",
            "proof_bundle",
            "work_policy_contract",
            "step_up",
            "tombstone",
        ),
    }
    assert set(codes) >= {
        *("CONFLICT", "KEY_REVOKED", "SIGNER_NOT_TRUSTED", "SIGNER_WRONG_ROLE", "REVOCATION_NOT_PERMITTED"),
        *("TOMBSTONE_NOT_PERMITTED", "ROSTER_NOT_CONTINUING"),
    }
