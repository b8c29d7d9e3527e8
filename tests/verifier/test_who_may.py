"""Who may revoke what, which roster and policy is in force where, and what is taken at its worst when it cannot be read."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.verifier.changebuilder import (
    ORIGIN,
    OWNER,
    REQUESTER,
    ROLE_KEYS,
    SECURITY,
    Change,
    Payload,
    default_people,
    default_policy,
    trust_toml,
)
from tests.verifier.logbuilder import Key, hash_of
from verifier.ledger.history import History
from verifier.ledger.logged import Logged, State
from verifier.trust import parse_trust_policy

STRANGER, SECOND_ISSUER, SECOND_AUTHORITY = Key("stranger"), Key("second policy issuer"), Key("second roster authority")
Roles = dict[str, list[str]]


def trust(*, second: bool = False, quorum: int = 1) -> bytes:
    """The builder's trust, with a second policy issuer and roster authority if asked for."""
    roles: Roles = {}
    if second:
        for role, key in (("policy_issuers", SECOND_ISSUER), ("roster_authorities", SECOND_AUTHORITY)):
            roles[role] = [f'"{ROLE_KEYS[role].did}"', f'"{key.did}"']
    text = trust_toml(roles=roles)
    return text.replace(b"roster = 1", b"roster = %d" % quorum).replace(b"policy = 1", b"policy = %d" % quorum)


def read(change: Change, data: bytes | None = None) -> History:
    history = History(parse_trust_policy(data or trust()), ORIGIN)
    for index, item in enumerate(change.log.items):
        history.add(index, item.entry, item.payload)
    return history


def last(change: Change, data: bytes | None = None) -> Logged:
    found = read(change, data).at(change.log.size - 1)
    assert found is not None
    return found


def ended(found: Logged) -> str:
    """VALID or UNREAD, or the code for which it is void."""
    return found.fault.code if found.fault is not None else found.state.name


def withhold(change: Change, step: str) -> None:
    change.log.items[change.log.index_of(change.hashes[step])].payload = None


# --- revocations


TARGETS: dict[str, Callable[[Change], str]] = {
    "token": lambda c: f"token:{c.token_hash}",
    "job": lambda c: f"job:{c.job}",
    "long job": lambda c: f"job:{'j' * 120}",
    "policy": lambda c: f"policy:{c.policy_hash}",
    "approval": lambda c: f"approval:{c.hashes['approve_execute_1']}",
    "key": lambda _: f"key:{SECURITY.did}",
}
SIGNERS = {
    **{role: ROLE_KEYS[role] for role in ROLE_KEYS},
    "the approver": OWNER,
    "the key itself": SECURITY,
    "another person": REQUESTER,
    "a stranger": STRANGER,
}
MAY_REVOKE = {
    ("token", "token_issuers"),
    ("job", "token_issuers"),
    ("long job", "token_issuers"),
    ("policy", "policy_issuers"),
    ("approval", "roster_authorities"),
    ("approval", "the approver"),
    ("key", "roster_authorities"),
    ("key", "the key itself"),
}


@pytest.mark.parametrize("is_readable", [True, False], ids=["readable", "withheld"])
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("signer", SIGNERS)
def test_who_may_revoke_what(target: str, signer: str, *, is_readable: bool) -> None:
    """Whether its payload can be read or not: what cannot be read counts by its refs, if its signer may revoke that."""
    change = Change(skip={"decide_execute", "begin", "end", "bundle", "decide_close", "closure"}).build()
    what = TARGETS[target](change)
    change.revoke("revoke", what, SIGNERS[signer])
    if not is_readable:
        withhold(change, "revoke")
    found = last(change)
    may = (target, signer) in MAY_REVOKE
    assert ended(found) == ("VALID" if is_readable else "UNREAD") if may else ended(found) == "REVOCATION_NOT_PERMITTED"
    history, index = read(change), found.index
    assert history.revocations.first_below(what, index + 1) == (index if may else None)
    assert history.revocations.first_below(what, index) is None


def test_of_two_revocations_the_first_counts() -> None:
    change = Change(skip={"begin", "end", "bundle", "decide_close", "closure"}).build()
    first = change.log.size
    change.revoke("revoke 1", f"job:{change.job}", ROLE_KEYS["token_issuers"])
    change.revoke("revoke 2", f"job:{change.job}", ROLE_KEYS["token_issuers"])
    assert read(change).revocations.first_below(f"job:{change.job}", 10**6) == first


def test_a_revoked_key_voids_what_it_signs_later_readable_or_not() -> None:
    change = Change(before={"approve_execute_1": lambda c: c.revoke("revoke", f"key:{OWNER.did}", OWNER)}).build()
    index = change.log.index_of(change.hashes["approve_execute_1"])
    assert ended(read(change).at(index) or last(change)) == "KEY_REVOKED"
    withhold(change, "approve_execute_1")
    assert ended(read(change).at(index) or last(change)) == "KEY_REVOKED"
    assert read(change).revocations.first_below(f"key:{OWNER.did}", index) is not None


# --- policies


def supersede(change: Change, signer: Key, step: str = "newer") -> None:
    change.signer[step] = signer
    change.put_policy(step, default_policy() | {"policy_name": "newer", "supersedes": f"b64u:{change.policy_hash}"})


@pytest.mark.parametrize("readable", ["both", "the first", "the second", "neither"])
def test_a_policy_supersedes_from_the_index_of_its_quorum(readable: str) -> None:
    """A publication that cannot be read counts by its refs, with those that can."""
    change = Change(skip={"token"}).build()
    supersede(change, ROLE_KEYS["policy_issuers"], "newer 1")
    supersede(change, SECOND_ISSUER, "newer 2")
    size = change.log.size
    for position, name in ((size - 2, "the first"), (size - 1, "the second")):
        if readable not in ("both", name):
            change.log.items[position].payload = None
    one, two = read(change, trust(second=True)), read(change, trust(second=True, quorum=2))
    assert one.policies.superseded_below(change.policy_hash, size - 2) is None
    assert one.policies.superseded_below(change.policy_hash, size - 1) == size - 2
    assert two.policies.superseded_below(change.policy_hash, size - 1) is None
    assert two.policies.superseded_below(change.policy_hash, size) == size - 1


@pytest.mark.parametrize("is_readable", [True, False])
def test_a_policy_by_somebody_who_is_no_issuer_supersedes_nothing(*, is_readable: bool) -> None:
    change = Change(skip={"token"}).build()
    supersede(change, STRANGER)
    if not is_readable:
        withhold(change, "newer")
    history = read(change)
    assert history.policies.superseded_below(change.policy_hash, 10**6) is None
    assert history.policies.in_force_since(change.hashes["newer"]) is None


def test_a_policy_that_cannot_be_read_and_supersedes_nothing() -> None:
    change = Change(skip={"token"}).build()
    change.put_policy("newer", default_policy() | {"policy_name": "newer"})
    withhold(change, "newer")
    found = last(change)
    assert ended(found) == "UNREAD"
    assert read(change).policies.superseded_below(change.policy_hash, 10**6) is None
    assert read(change).policies.in_force_since(change.hashes["newer"]) is None


def test_a_policy_is_in_force_from_its_quorum_on_and_stays() -> None:
    change = Change(skip={"token"}).build()
    change.signer["again"] = SECOND_ISSUER
    change.put_policy("again", change.policy)
    size = change.log.size
    assert read(change, trust(second=True)).policies.in_force_since(change.policy_hash) == 0
    assert read(change, trust(second=True, quorum=2)).policies.in_force_since(change.policy_hash) == size - 1


# --- rosters


def rosters(*drafts: tuple[int, str | None, list[Payload]], signers: tuple[Key, ...] = ()) -> Change:
    """A log of rosters: number, the step that it continues, people."""
    change = Change()
    for position, (number, previous, people) in enumerate(drafts):
        step = f"roster_{position}"
        change.signer[step] = signers[position] if signers else ROLE_KEYS["roster_authorities"]
        change.put_roster(step, number, change.hashes[previous] if previous else None, people)
    return change


def test_a_roster_is_in_force_above_its_own_index() -> None:
    change = rosters((1, None, default_people()), (2, "roster_0", default_people()[:2]))
    chain = read(change).rosters
    assert [chain.at(index) and chain.at(index).roster.number for index in range(4)] == [None, 1, 2, 2]  # type: ignore[union-attr]
    assert chain.person_at(REQUESTER.did, 1) is not None
    assert chain.person_at(REQUESTER.did, 2) is None
    assert chain.person_at(REQUESTER.did, 0) is None


@pytest.mark.parametrize(
    ("number", "previous"), [(1, None), (2, "roster_1"), (4, "roster_1"), (3, "roster_0")], ids=["1", "2", "4", "another"]
)
def test_a_roster_that_does_not_continue_the_one_in_force(number: int, previous: str | None) -> None:
    people = default_people()
    change = rosters((1, None, people), (2, "roster_0", people), (number, previous, people[:2]))
    assert ended(last(change)) == "ROSTER_NOT_CONTINUING"


def test_a_first_roster_that_is_not_number_1() -> None:
    change = Change()
    change.put_roster("roster", 2, hash_of(b"x"), default_people())
    assert ended(last(change)) == "ROSTER_NOT_CONTINUING"


def test_a_key_that_left_the_roster_never_becomes_somebody_elses() -> None:
    people = default_people()
    moved = [*people[1:], {"subject": "p-new", "keys": [OWNER.did], "roles": [], "idp": []}]
    change = rosters((1, None, people), (2, "roster_0", people[1:]), (3, "roster_1", moved))
    assert ended(last(change)) == "ROSTER_INVALID"


def test_a_roster_needs_its_quorum_of_different_authorities() -> None:
    people, authorities = default_people(), (ROLE_KEYS["roster_authorities"], SECOND_AUTHORITY)
    change = Change()
    for step, signer in zip(("roster_a", "roster_b"), authorities, strict=True):
        change.signer[step] = signer
        payload = change.header("roster", "the same") | {"number": 1, "previous_b64u": None, "people": people}
        change.put(step, "roster", payload, signer, lambda p: {"roster": str(p["number"])})
    history = read(change, trust(second=True, quorum=2))
    assert (history.rosters.at(1), ended(last(change, trust(second=True, quorum=2)))) == (None, "VALID")
    in_force = history.rosters.at(2)
    assert in_force is not None
    assert in_force.since == 1


def test_signatures_under_one_roster_do_not_count_for_the_next() -> None:
    """Somebody signed a second roster that nobody else did, before the first of that number came into force."""
    people = default_people()
    change = Change()

    def put(step: str, name: str, number: int, previous: str | None, signer: Key) -> None:
        change.signer[step] = signer
        payload = change.header("roster", name) | {"number": number, "previous_b64u": previous, "people": people}
        change.put(step, "roster", payload, signer, lambda p: {"roster": str(p["number"])})

    put("lonely", "lonely", 1, None, SECOND_AUTHORITY)
    put("a", "agreed", 1, None, ROLE_KEYS["roster_authorities"])
    put("b", "agreed", 1, None, SECOND_AUTHORITY)
    put("c", "lonely", 1, None, ROLE_KEYS["roster_authorities"])
    found = last(change, trust(second=True, quorum=2))
    assert ended(found) == "ROSTER_NOT_CONTINUING"
    in_force = read(change, trust(second=True, quorum=2)).rosters.at(10)
    assert in_force is not None
    assert in_force.payload_hash_b64u == change.hashes["a"]


# --- who may sign, and what is taken


@pytest.mark.parametrize(
    ("step", "signer", "code"),
    [
        ("approve_execute_1", STRANGER, "SIGNER_NOT_TRUSTED"),
        ("approve_execute_1", ROLE_KEYS["gates"], "SIGNER_WRONG_ROLE"),
        ("simulation", ROLE_KEYS["gates"], "SIGNER_WRONG_ROLE"),
        ("simulation", STRANGER, "SIGNER_NOT_TRUSTED"),
        ("bundle", ROLE_KEYS["gates"], "PROOF_BUNDLE_AGENT_MISMATCH"),
    ],
)
def test_a_record_by_another(step: str, signer: Key, code: str) -> None:
    change = Change(signer={step: signer}).build()
    found = read(change).at(change.log.index_of(change.hashes[step]))
    assert found is not None
    assert ended(found) == code


def test_an_approval_before_there_is_a_roster() -> None:
    change = Change(skip={"roster"}).build()
    found = read(change).at(change.log.index_of(change.hashes["approve_execute_1"]))
    assert found is not None
    assert ended(found) == "ROSTER_MISSING"


def test_a_receipt_in_a_bundle_by_a_gateway_that_nobody_trusts() -> None:
    change = Change(signer={"receipt_2": STRANGER}).build()
    found = read(change).at(change.log.index_of(change.hashes["bundle"]))
    assert found is not None
    assert ended(found) == "SIGNER_NOT_TRUSTED"


def test_the_same_entry_twice_is_one() -> None:
    change = Change().build()
    item = change.log.items[change.log.index_of(change.hashes["receipt_2"])]
    change.log.items.append(item)
    assert ended(last(change)) == "CONFLICT"


def test_a_taken_key_stays_with_its_first_holder() -> None:
    """The same receipt id, another payload; and the same id by another gateway, which is another key."""
    change = Change().build()
    change.edit["again"] = lambda p: p.update(receipt_id="rcpt-job-7-receipt_2")
    change._receipt("again")
    assert ended(last(change)) == "CONFLICT"
    change.edit["third"] = lambda p: p.update(receipt_id="rcpt-job-7-receipt_9")
    change._receipt("third")
    assert last(change).state is State.VALID


def test_a_void_entry_holds_no_key() -> None:
    change = Change(skip={"receipt_2"}).build()
    change.edit["void"] = lambda p: p.update(receipt_id="taken?")
    change.edit["good"] = lambda p: p.update(receipt_id="taken?")
    change.signer["void"] = ROLE_KEYS["agents"]
    change._receipt("void")
    assert ended(last(change)) == "SIGNER_WRONG_ROLE"
    change._receipt("good")
    assert last(change).state is State.VALID


def test_a_resolution_by_the_requester_of_its_job_only() -> None:
    """Who asked for one job may look into another."""
    change = Change().build()
    payload = change.header("resolution", "resolve") | {"begin_b64u": change.hashes["begin"], "note": "n"}
    change.put("resolve", "resolution", payload, REQUESTER, lambda p: {"target": p["begin_b64u"]})
    assert ended(last(change)) == "SIGNER_WRONG_ROLE"
    other = Change(
        log=change.log, job="job-8", run="run-8", clock=100, edit={"token": lambda p: p.update(requester="p-owner")}
    )
    other.build()
    payload = other.header("resolution", "resolve 8") | {"begin_b64u": other.hashes["begin"], "note": "n"}
    other.put("resolve 8", "resolution", payload, REQUESTER, lambda p: {"target": p["begin_b64u"]})
    assert last(other).state is State.VALID
