"""When a payload may be erased: what is erasable, of which entry, and only once its job is closed or ended."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.verifier.changebuilder import (
    ORIGIN,
    OWNER,
    ROLE_KEYS,
    SECURITY,
    Change,
    trust_toml,
)
from tests.verifier.judging import assert_fails, assert_undecided, setting, verdict
from tests.verifier.logbuilder import b64u, hash_of, sha
from tests.verifier.test_attacks import erase
from verifier.entry import match_entry
from verifier.ledger.history import History
from verifier.ledger.logged import Logged, State
from verifier.ledger.prepared import Keep, prepare
from verifier.records.kinds import KINDS
from verifier.tree import hash_leaf
from verifier.trust import parse_trust_policy

Act = Callable[[Change], object]
NOTHING_DECIDED = {"approve_execute_1", "approve_execute_2", "decide_execute", "begin", "end", "bundle"}
NOT_CLOSED = {"approve_close_1", "approve_close_2", "decide_close", "closure"}


def read(change: Change) -> History:
    """The history of a log, every entry of it remembered."""
    history = History(parse_trust_policy(trust_toml()), ORIGIN)
    for index, item in enumerate(change.log.items):
        history.add(index, item.entry, item.payload)
    return history


def last(change: Change) -> Logged:
    """The last entry as it was read."""
    found = read(change).at(change.log.size - 1)
    assert found is not None
    return found


def is_permitted(change: Change) -> bool:
    """Whether the tombstone that was logged last is valid; if it is not, it is void for no other reason."""
    found = last(change)
    assert found.entry.kind == "tombstone"
    assert found.is_valid or (found.fault is not None and found.fault.code == "TOMBSTONE_NOT_PERMITTED")
    return found.is_valid


def after(*acts: Act, skip: set[str] = NOT_CLOSED) -> Change:
    """A change, then what `acts` log, then a tombstone over its first receipt."""

    def act(change: Change) -> None:
        for one in acts:
            one(change)
        erase(change, "receipt_1")

    return Change(skip=skip, before={"after": act}).build()


def revoke(target: Callable[[Change], str], key: str | None = "token_issuers") -> Act:
    return lambda c: c.revoke("revoke", target(c), ROLE_KEYS[key] if key else OWNER)


def deny(**members: object) -> Act:
    return lambda c: c.deny("deny", "p-sec", SECURITY, **members)


NO_TOKEN_SCOPE = {"run_id": "run-7", "nonce": "n"}


# --- a job is over


@pytest.mark.parametrize(
    "act",
    [
        revoke(lambda c: f"job:{c.job}"),
        revoke(lambda c: f"token:{c.token_hash}"),
        revoke(lambda c: f"approval:{c.hashes['approve_execute_1']}", None),
        revoke(lambda c: f"approval:{c.hashes['approve_execute_1']}", "roster_authorities"),
        deny(scope_hash_b64u=hash_of(b"of nothing")),
        deny(binding=NO_TOKEN_SCOPE, scope_hash_b64u="decided"),
        deny(approval_type="timeout_deny", scope_hash_b64u=hash_of(b"of nothing")),
    ],
    ids=["job", "token", "used approval", "used approval, by the authority", "token scope", "scope decided", "time-out"],
)
def test_a_receipt_may_be_erased_once_the_job_was_ended(act: Act) -> None:
    def decided(change: Change) -> None:
        scope = hash_of(change.payloads["decide_execute"]["scope"])
        change.edit["deny"] = lambda p: p.update(scope_hash_b64u=scope) if p["scope_hash_b64u"] == "decided" else None

    assert is_permitted(after(decided, act))


def test_a_receipt_may_be_erased_once_the_job_was_closed() -> None:
    assert is_permitted(after(skip=set()))
    assert_undecided(verdict(after(skip=set())), "PAYLOAD_ERASED")


@pytest.mark.parametrize(
    "act",
    [
        lambda c: None,
        revoke(lambda c: "job:job-8"),
        revoke(lambda c: f"token:{'0' * 64}"),
        revoke(lambda c: f"policy:{c.policy_hash}", "policy_issuers"),
        revoke(lambda c: f"key:{OWNER.did}", "roster_authorities"),
        revoke(lambda c: f"approval:{c.hashes['approve_unused_1']}", None),
        deny(binding=NO_TOKEN_SCOPE, scope_hash_b64u=hash_of(b"of nothing")),
        deny(binding=NO_TOKEN_SCOPE | {"token_scope_hash_b64u": hash_of(b"of another job")}, scope_hash_b64u=hash_of(b"x")),
        deny(approval_type="auto_approve"),
        deny(approval_type="explicit_approve"),
    ],
    ids=[
        "nothing",
        "another job",
        "another token",
        "its policy",
        "a key",
        "an unused approval",
        "a run",
        "another token scope",
        "approved",
        "approved by hand",
    ],
)
def test_nothing_of_an_open_job_may_be_erased(act: Act) -> None:
    assert not is_permitted(after(lambda c: c._approve("approve_unused_1", "ticket.close"), act))


def test_a_receipt_erased_while_its_job_is_open() -> None:
    assert_fails(verdict(after()), "PAYLOAD_MISSING")


def test_approvals_that_a_deny_lists_are_not_used() -> None:
    """Only an allow uses approvals up, so that revoking one that a deny lists ends nothing."""

    def denied(change: Change) -> None:
        change._approve("approve_unused_1", "ticket.close")
        payload = change.decision("deny", "ticket.close", [change.hashes["approve_unused_1"]])
        payload.pop("closing_reason")
        payload |= {"decision": "deny", "reasons": [{"code": "PLAN_DENIED", "detail": "test"}]}
        change.put_decision("deny", payload)

    act = revoke(lambda c: f"approval:{c.hashes['approve_unused_1']}", None)
    assert not is_permitted(after(denied, act))


def test_a_denial_of_a_scope_that_only_a_deny_named() -> None:
    """A deny decides a scope as well: who denies that scope ends the job."""

    def denied(change: Change) -> None:
        payload = change.decision("denied", "change.execute", [])
        payload |= {"decision": "deny", "reasons": [{"code": "PLAN_DENIED", "detail": "test"}]}
        change.put_decision("denied", payload)

    assert is_permitted(after(denied, deny(binding=NO_TOKEN_SCOPE), skip=NOT_CLOSED | NOTHING_DECIDED))


def test_it_makes_no_difference_whether_the_end_or_the_tie_is_logged_first() -> None:
    """The denial names a scope that no decision had yet; the decision of that scope follows, and the job is over."""

    def denied_first(change: Change) -> None:
        change.deny("deny", "p-sec", SECURITY, binding=NO_TOKEN_SCOPE)

    change = Change(skip=NOT_CLOSED, before={"decide_execute": denied_first, "after": lambda c: erase(c, "receipt_1")})
    assert is_permitted(change.build())


def test_a_token_revoked_before_it_was_logged() -> None:
    early = {"token": lambda c: c.revoke("revoke", f"token:{c.token_hash}", ROLE_KEYS["token_issuers"])}
    assert is_permitted(Change(skip=NOT_CLOSED, before=early | {"after": lambda c: erase(c, "receipt_1")}).build())


def test_a_job_of_a_long_name_is_known_by_its_ref() -> None:
    change = Change(job="j" * 120, skip=NOT_CLOSED)
    change.before = {"after": revoke(lambda c: f"job:{c.job}")}
    change.build()
    erase(change, "receipt_1")
    assert is_permitted(change)


# --- what may be erased, and under which entry


def tombstone(change: Change, payload_b64u: str, under: str) -> None:
    """Log a tombstone over a payload, under an entry that names it."""
    index = change.log.index_of(change.hashes[under])
    change.edit["tombstone receipt_1"] = setting(
        payload_b64u=payload_b64u, index=index, leaf_hash_b64u=b64u(sha(b"\x00" + change.log.items[index].entry))
    )
    erase(change, "receipt_1")


def over(payload: Callable[[Change], str], under: str, **options: object) -> Change:
    """A closed change with such a tombstone."""
    before = {"after": lambda c: tombstone(c, payload(c), under)}
    return Change(before=before, **options).build()  # type: ignore[arg-type]


def plan(change: Change) -> str:
    return hash_of(change.plan_bytes)


@pytest.mark.parametrize(
    ("payload", "under"),
    [
        (plan, "simulation"),
        (lambda _: hash_of(b"diff"), "simulation"),
        (lambda _: hash_of(b"what changed"), "end"),
        (lambda c: c.hashes["bundle"], "bundle"),
        (lambda c: c.hashes["receipt_2"], "receipt_2"),
    ],
    ids=["plan", "artefact", "diff of the execution", "bundle", "receipt"],
)
def test_what_may_be_erased(payload: Callable[[Change], str], under: str) -> None:
    assert is_permitted(over(payload, under, edit={"end": setting(diff_b64u=hash_of(b"what changed"))}))


@pytest.mark.parametrize(
    ("payload", "under"),
    [
        (plan, "begin"),
        (plan, "end"),
        (plan, "receipt_1"),
        (lambda _: hash_of(b"of nothing"), "simulation"),
        *(
            (lambda c, step=step: c.hashes[step], step)
            for step in ("policy", "roster", "token", "simulation", "decide_close")
        ),
        *((lambda c, step=step: c.hashes[step], step) for step in ("approve_close_1", "begin", "closure")),
        (lambda c: c.hashes["receipt_1"], "receipt_2"),
    ],
    ids=[
        "a plan, under a later entry that names it",
        "a plan, under the last",
        "a plan, under one that does not name it",
        "what nothing names",
        "policy",
        "roster",
        "token",
        "simulation",
        "decision",
        "approval",
        "begin",
        "closure",
        "a receipt, under another",
    ],
)
def test_what_may_not_be_erased(payload: Callable[[Change], str], under: str) -> None:
    assert not is_permitted(over(payload, under))


def test_a_plan_of_two_jobs_is_erased_with_the_first_that_named_it() -> None:
    """The second job is still open; the plan is erased under the first, which is closed."""
    first = Change().build()
    second = Change(log=first.log, job="job-8", run="run-8", clock=100, skip=NOT_CLOSED).build()
    tombstone(second, plan(second), "simulation")
    assert not is_permitted(second)
    first.hashes["receipt_1"] = second.hashes["receipt_1"]
    tombstone(first, plan(first), "simulation")
    assert is_permitted(first)


def test_a_receipt_without_a_job_may_be_erased() -> None:
    """Nothing ties it to a job, so that none is open."""
    change = Change(edit={"receipt_1": lambda p: p.update(binding={"nonce": "n"})}, skip=NOT_CLOSED)
    change.before = {"after": lambda c: erase(c, "receipt_1")}
    assert is_permitted(change.build())


def test_a_receipt_that_names_only_the_run_of_an_open_job() -> None:
    change = Change(edit={"receipt_1": lambda p: p.update(binding={"run_id": "run-7"})}, skip=NOT_CLOSED)
    change.before = {"after": lambda c: erase(c, "receipt_1")}
    assert not is_permitted(change.build())


# --- receipts that were read and not kept


def read_lean(change: Change, served: Callable[[int, bytes], bytes] | None) -> Logged:
    """The last entry, as a history reads it that keeps no receipts and asks `served` for one that a tombstone names."""
    items = change.log.items

    def again(index: int) -> bytes:
        assert served is not None
        return served(index, items[index].entry)

    history = History(parse_trust_policy(trust_toml()), ORIGIN, reread=again if served else None)
    keep = Keep(frozenset(kind for kind in KINDS if not kind.endswith("receipt") or kind.startswith("human")))
    for index, item in enumerate(items):
        match = match_entry(item.entry)
        assert match is not None
        told = {"index": index, "origin": ORIGIN, "leaf_hash": hash_leaf(item.entry)}
        history.admit(index, prepare(match, item.payload, keep=keep, **told))  # type: ignore[arg-type]
    assert history.at(change.log.index_of(change.hashes["receipt_1"])) is None
    found = history.at(len(items) - 1)
    assert found is not None
    return found


def test_a_tombstone_over_a_receipt_that_was_not_kept() -> None:
    assert read_lean(after(skip=set()), lambda _, entry: entry).state is State.VALID


def test_a_tombstone_over_a_receipt_that_was_not_kept_of_an_open_job() -> None:
    found = read_lean(after(), lambda _, entry: entry)
    assert (found.state, found.fault and found.fault.code) == (State.VOID, "TOMBSTONE_NOT_PERMITTED")


def test_a_tombstone_over_a_receipt_that_cannot_be_read_again() -> None:
    found = read_lean(after(skip=set()), None)
    assert (found.state, found.fault and found.fault.code) == (State.VOID, "TOMBSTONE_NOT_PERMITTED")


def test_a_log_that_serves_another_entry_when_asked_again() -> None:
    change = after(skip=set())
    other = change.log.items[change.log.index_of(change.hashes["receipt_2"])].entry
    found = read_lean(change, lambda _index, _entry: other)
    assert (found.state, found.fault and found.fault.code) == (State.VOID, "TILE_INVALID")


@pytest.mark.parametrize("index", [10**6, 17], ids=["far beyond the log", "its own index"])
def test_a_tombstone_that_names_an_index_at_which_nothing_was_read(index: int) -> None:
    change = Change(edit={"tombstone receipt_1": setting(index=index)}, before={"after": lambda c: erase(c, "receipt_1")})
    found = read_lean(change.build(), lambda _, entry: entry)
    assert (found.state, found.fault and found.fault.code) == (State.VOID, "TOMBSTONE_NOT_PERMITTED")
