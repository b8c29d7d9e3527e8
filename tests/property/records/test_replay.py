"""Replaying what a log accepted, through a fresh ledger, accepts all of it and gives the same state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import keys, payloads
from tests.support.envelopes import candidate
from tests.support.memory_log import MemoryLog
from tests.support.payloads import Payload, hash_of, salt_of
from tests.support.trust import ORIGIN, trust_policy
from trustlog.errors import Refused
from trustlog.formats.base64 import encode_b64u
from trustlog.keys.signer import SeedSigner
from trustlog.records.candidate import Candidate, read_logged
from trustlog.records.ledger import Ledger, MemoryHistory

AUTHORITIES: Final = (keys.ROSTER_AUTHORITY, keys.fixture_key("second authority"))
PEOPLE: Final = (keys.ALICE, keys.BOB, keys.CAROL)
EVERYONE: Final = (*AUTHORITIES, *PEOPLE, keys.GATEWAY, keys.AGENT, keys.RUNNER, keys.GATE, keys.TOKEN_ISSUER, keys.STRANGER)

# A step: what kind of thing is tried, and three small numbers that vary it.
Step = tuple[str, int, int, int]


def roster(log: MemoryLog, a: int, b: int, c: int) -> tuple[Payload, SeedSigner]:
    people = [payloads.person(f"p-{(n + b // 4) % 3}", PEOPLE[n], idp=[]) for n in range(3) if n != c]
    return log.continuing(people, salt=salt_of(f"roster {b}")), AUTHORITIES[a % 2]


def revocation(log: MemoryLog, a: int, b: int, c: int) -> tuple[Payload, SeedSigner]:
    approvals = [known for known in log.candidates if known.kind.name == "human_approval_receipt"]
    target = f"key:{EVERYONE[b % len(EVERYONE)].did}"
    if c == 0:
        target = f"job:job-{b % 2}"
    if c == 1 and approvals:
        target = f"approval:{approvals[b % len(approvals)].payload_hash_b64u}"
    return payloads.revocation(target=target), EVERYONE[a % len(EVERYONE)]


def approval(_log: MemoryLog, a: int, b: int, c: int) -> tuple[Payload, SeedSigner]:
    kinds = ("explicit_approve", "explicit_deny")
    return payloads.human_approval_receipt(receipt_id=f"approval-{b}", approval_type=kinds[c % 2]), PEOPLE[a % 3]


def receipt(_log: MemoryLog, a: int, b: int, _c: int) -> tuple[Payload, SeedSigner]:
    return payloads.gateway_receipt(receipt_id=f"receipt-{b}", latency_ms=a), keys.GATEWAY


def token(_log: MemoryLog, a: int, b: int, c: int) -> tuple[Payload, SeedSigner]:
    token_hash = f"{a:064x}"
    return payloads.token_issued(token_hash=token_hash, job_id=f"job-{b % 2}", requester=f"p-{c % 2}"), keys.TOKEN_ISSUER


def simulation(_log: MemoryLog, a: int, b: int, _c: int) -> tuple[Payload, SeedSigner]:
    return payloads.simulation(run_id=f"run-{a % 2}", job_id=f"job-{b % 2}"), keys.RUNNER


def closure(_log: MemoryLog, a: int, b: int, c: int) -> tuple[Payload, SeedSigner]:
    named = {"decision_b64u": hash_of(f"decision {a}"), "bundle_b64u": hash_of(f"bundle {b}"), "job_id": f"job-{c % 2}"}
    return payloads.closure(**named), keys.GATE


def tombstone(log: MemoryLog, a: int, b: int, _c: int) -> tuple[Payload, SeedSigner]:
    if not log.candidates:
        return payloads.tombstone(), keys.CUSTODIAN
    index = (a * 16 + b) % log.size
    known = log.candidates[index]
    leaf_hash = encode_b64u(known.entry.leaf_hash)
    named = {"payload_b64u": known.payload_hash_b64u, "index": index, "leaf_hash_b64u": leaf_hash}
    return payloads.tombstone(**named), keys.CUSTODIAN


MAKERS: Final[Mapping[str, Callable[[MemoryLog, int, int, int], tuple[Payload, SeedSigner]]]] = {
    "roster": roster,
    "revocation": revocation,
    "human_approval_receipt": approval,
    "gateway_receipt": receipt,
    "token_issued": token,
    "simulation": simulation,
    "closure": closure,
    "tombstone": tombstone,
}
STEPS: Final = st.lists(
    st.tuples(st.sampled_from(sorted(MAKERS)), st.integers(0, 15), st.integers(0, 15), st.integers(0, 3)), max_size=25
)


def run(steps: list[Step], quorum: int) -> tuple[MemoryLog, int]:
    """The log after every step was tried, and how many were refused."""
    authorities = {"roster_authorities": [signer.did for signer in AUTHORITIES]}
    log = MemoryLog(trust_policy(roster_quorum=quorum, roles=authorities))
    refused = 0
    for kind, a, b, c in steps:
        payload, signer = MAKERS[kind](log, a, b, c)
        try:
            log.take(candidate(kind, payload, signer))
        except Refused:
            refused += 1
    return log, refused


def state(ledger: Ledger, size: int) -> object:
    rosters = [(known.payload_hash_b64u, known.in_force_at) for known in ledger.rosters.up_to(size)]
    revoked = [
        (signer.did, index) for signer in EVERYONE for index in range(size + 1) if ledger.is_key_revoked(signer.did, index)
    ]
    people = [(signer.did, ledger.rosters.person_at(signer.did, size) is not None) for signer in EVERYONE]
    return rosters, revoked, people


def judge_all(log: MemoryLog, entries: list[Candidate]) -> Ledger:
    history = MemoryHistory()
    ledger = Ledger(log.trust, history)
    for index, known in enumerate(entries):
        encoded = known.entry.encode()
        read = read_logged(encoded, known.payload_text, origin=ORIGIN)
        assert ledger.already_logged(read) is None
        ledger.judge(read, index)
        history.add(index, encoded, ledger.accept(read, index))
    return ledger


@settings(max_examples=60)
@given(STEPS, st.sampled_from([1, 2]))
def test_a_reader_accepts_all_that_the_log_accepted_and_ends_in_its_state(steps: list[Step], quorum: int) -> None:
    log, _ = run(steps, quorum)
    reader = judge_all(log, log.candidates)
    assert state(reader, log.size) == state(log.ledger, log.size)


@settings(max_examples=60)
@given(STEPS, st.sampled_from([1, 2]))
def test_governance_alone_rebuilds_the_state(steps: list[Step], quorum: int) -> None:
    log, _ = run(steps, quorum)
    rebuilt = Ledger(log.trust, log.history)
    for index, known in enumerate(log.candidates):
        if known.kind.name in Ledger.GOVERNANCE:
            rebuilt.replay(known, index)
    assert state(rebuilt, log.size) == state(log.ledger, log.size)


@settings(max_examples=60)
@given(STEPS, STEPS)
def test_a_fork_of_the_ledger_leaves_no_trace(steps: list[Step], tried: list[Step]) -> None:
    log, _ = run(steps, 1)
    before = state(log.ledger, log.size)
    fork, size = log.ledger.fork(), log.size
    for kind, a, b, c in tried:
        payload, signer = MAKERS[kind](log, a, b, c)
        new = candidate(kind, payload, signer)
        try:
            fork.judge(new, size)
        except Refused:
            continue
        fork.accept(new, size)
        size += 1
    assert state(log.ledger, log.size) == before


@settings(max_examples=60)
@given(STEPS)
def test_every_key_is_held_by_the_lowest_index_that_took_it(steps: list[Step]) -> None:
    log, _ = run(steps, 1)
    held: dict[bytes, int] = {}
    for index, known in enumerate(log.candidates):
        for claim in known.claims:
            held.setdefault(claim.key, index)
            holder = log.history.held(claim.key)
            assert holder is not None
            assert (holder.value, holder.index) == (claim.value, held[claim.key])
        identity = log.history.held(known.identity)
        assert identity is not None
        assert identity.index == index


def test_the_steps_reach_what_they_are_to_reach() -> None:
    """The generator is worth something: fixed steps accept and refuse of every kind."""
    steps: list[Step] = [("roster", 0, 0, 3), *(("human_approval_receipt", n, n, n) for n in range(3))]
    steps += [(kind, n, n, n % 4) for n in range(12) for kind in ("roster", *sorted(MAKERS))]
    steps += [("tombstone", n // 16, n % 16, 0) for n in range(60)]
    log, refused = run(steps, 1)
    accepted = {known.kind.name for known in log.candidates}
    assert accepted == set(MAKERS)
    assert refused > 10
    assert len(log.ledger.rosters.up_to(log.size)) > 2
