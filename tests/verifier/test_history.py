"""What a history answers about its entries, and whom it lets sign what stands within them."""

from __future__ import annotations

import pytest

from tests.verifier.adversary.test_bundles import tool_receipt
from tests.verifier.changebuilder import REQUESTER, ROLE_KEYS, SECURITY, STEPS, Change, Payload, envelope, ref
from tests.verifier.judging import setting
from tests.verifier.logbuilder import Key, hash_of
from tests.verifier.test_attacks import erase
from tests.verifier.test_who_may import SECOND_ISSUER, ended, last, read, trust
from verifier.errors import Refused
from verifier.ledger.history import History
from verifier.trust import parse_trust_policy

AFTER_DECISION = {"begin", "end", "bundle", "approve_close_1", "approve_close_2", "decide_close", "closure"}


@pytest.mark.parametrize(
    ("signer", "how"),
    [
        (ROLE_KEYS["agents"], "VALID"),
        (ROLE_KEYS["gateways"], "VALID"),
        (ROLE_KEYS["runners"], "SIGNER_WRONG_ROLE"),
        (Key("stranger"), "SIGNER_NOT_TRUSTED"),
    ],
)
def test_a_tool_receipt_in_a_bundle_is_signed_by_an_agent_or_a_gateway(signer: Key, how: str) -> None:
    receipt = tool_receipt(Change())
    sealed = envelope("tool_receipt", receipt, signer, hash_of(receipt))
    skip = {"approve_close_1", "approve_close_2", "decide_close", "closure"}
    change = Change(edit={"bundle": setting(tool_receipts=[sealed])}, skip=skip).build()
    bundle = read(change).find("proof_bundle", change.hashes["bundle"])
    assert bundle is not None
    assert ended(bundle) == how


def test_entries_are_found_by_kind_and_ref_both() -> None:
    change = Change().build()
    history = read(change)
    assert [item.entry.kind for item in history.named_refs("token_issued", "job", ref(change.job))] == ["token_issued"]
    assert history.named_refs("token_issued", "job", "another") == []
    assert history.named_refs("violation", "job", ref(change.job)) == []


def test_who_requested_is_known_though_the_begin_was_logged_twice() -> None:
    """The second copy is void, and says nothing of its own."""
    change = Change(skip={"end", "bundle", "approve_close_1", "approve_close_2", "decide_close", "closure"}).build()
    change.log.items.append(change.log.items[change.log.index_of(change.hashes["begin"])])
    payload = change.header("resolution", "resolve") | {"begin_b64u": change.hashes["begin"], "note": "n"}
    change.put("resolve", "resolution", payload, REQUESTER, lambda p: {"target": p["begin_b64u"]})
    assert ended(last(change)) == "SIGNER_WRONG_ROLE"


# --- once


@pytest.mark.parametrize("step", STEPS)
def test_what_is_logged_twice_counts_once(step: str) -> None:
    change = Change().build()
    change.log.items.append(change.log.items[change.log.index_of(change.hashes[step])])
    assert ended(last(change)) == "CONFLICT"


def test_what_a_second_signer_published_counts_once_of_each_signer() -> None:
    change = Change(skip={"token"}).build()
    for signer in (SECOND_ISSUER, SECOND_ISSUER):
        change.signer["again"] = signer
        change.put_policy("again", change.policy)
    found = read(change, trust(second=True)).named("work_policy_contract", change.policy_hash)
    assert [ended(item) for item in found] == ["VALID", "VALID", "CONFLICT"]


def test_each_of_two_records_of_one_signer_counts_once() -> None:
    change = Change(skip={"begin", "end", "bundle", "decide_close", "closure"}).build()
    for step, job in (("1", "job-8"), ("2", "job-9"), ("2", "job-9")):
        change.revoke(step, f"job:{job}", ROLE_KEYS["token_issuers"])
    found = [item for item in read(change) if item.entry.kind == "revocation"]
    assert [ended(item) for item in found] == ["VALID", "VALID", "CONFLICT"]


def test_a_run_may_be_simulated_again_and_a_token_of_a_job_renewed() -> None:
    """The run is still that job's, and the job still that tuple's."""
    change = Change(skip={"approve_execute_1", "approve_execute_2", "decide_execute", *AFTER_DECISION}).build()
    change._simulation("another simulation")
    assert ended(last(change)) == "VALID"
    change.put_token("another token", "0" * 64)
    assert ended(last(change)) == "VALID"


# --- what is not there


def test_what_is_outside_the_grammar_is_no_entry() -> None:
    history = read(Change().build())
    assert history.add(1000, b"{}", None) is None
    assert history.at(1000) is None


def test_a_revocation_of_nothing_that_cannot_be_read_is_void() -> None:
    change = Change().build()
    payload = change.header("revocation", "revoke") | {"target": "job:job-8", "reason": "r"}
    change.put("revoke", "revocation", payload, ROLE_KEYS["token_issuers"], lambda _: {})
    change.log.items[-1].payload = None
    assert ended(last(change)) == "REVOCATION_NOT_PERMITTED"


def test_a_deny_that_established_nothing_is_valid() -> None:
    change = Change(skip={"decide_execute", *AFTER_DECISION}).build()
    payload = change.decision("unestablished", "change.execute", [])
    payload |= {"decision": "deny", "reasons": [{"code": "TOKEN_NOT_LOGGED", "detail": ""}], "scope": {}}
    for name in ("token_hash", "token_scope_hash_b64u", "run_id", "roster_b64u"):
        del payload[name]
    change.put("unestablished", "gate_decision", payload, ROLE_KEYS["gates"], lambda _: {})
    assert ended(last(change)) == "VALID"


def test_a_denial_without_a_binding_is_valid() -> None:
    change = Change(skip={"decide_execute", *AFTER_DECISION}, edit={"deny": lambda p: p.pop("binding")}).build()
    change.deny("deny", "p-sec", SECURITY)
    assert ended(last(change)) == "VALID"


# --- what it answers


def test_a_decision_is_withdrawn_strictly_between_two_indexes() -> None:
    change = Change(before={"begin": lambda c: c.withdraw("withdraw", "decide_execute")}).build()
    history, decision = read(change), change.hashes["decide_execute"]
    index = change.log.index_of(change.hashes["withdraw"])
    assert history.withdrawn_between(decision, index - 1, index + 1) == index
    assert history.withdrawn_between(decision, 0, 10**6) == index
    for low, high in ((index, index + 9), (0, index), (index + 1, index + 9)):
        assert history.withdrawn_between(decision, low, high) is None
    assert history.withdrawn_between(change.hashes["withdraw"], 0, 10**6) is None


def violation(change: Change, *signers: Key) -> str:
    """Log one violation, signed by each; its payload hash."""
    payload = change.header("violation", "v") | {"code": "CODE", "seen": [], "expected": "", "found": "", "done": ""}
    for signer in signers:
        change.log.add("violation", payload, refs={}, signer=signer)
    return hash_of(payload)


def test_an_entry_is_found_by_kind_and_payload_and_a_valid_one_first() -> None:
    gate, stranger = ROLE_KEYS["gates"], Key("stranger")
    change = Change().build()
    name, first = violation(change, stranger, gate, stranger), change.log.size - 3
    change.log.add("tombstone", change.log.items[-1].payload or b"", refs={}, signer=ROLE_KEYS["custodians"])
    history = read(change)
    assert history.find("violation", name) == history.at(first + 1)
    assert history.named("violation", name) == [history.at(first + offset) for offset in range(3)]
    assert history.named("tombstone", name) == [history.at(first + 3)]
    assert history.find("tombstone", name) == history.at(first + 3)
    assert history.find("closure", name) is None
    assert history.valid("violation") == [history.at(first + 1)]


def test_what_is_void_has_no_record_and_is_no_valid_one() -> None:
    change = Change().build()
    change.log.items.append(change.log.items[change.log.index_of(change.hashes["roster"])])
    history = read(change)
    void = history.at(change.log.size - 1)
    assert void is not None
    assert (void.record, void.is_valid) == (None, False)
    assert len(history.valid("roster")) == 1


def test_whoever_brings_another_payload_has_said_nothing_of_the_entry() -> None:
    change = Change().build()
    history = History(parse_trust_policy(trust()), change.log.origin)
    item = change.log.items[0]
    with pytest.raises(Refused) as refused:
        history.add(0, item.entry, b"{}")
    assert refused.value.code == "HASH_MISMATCH"
    assert history.at(0) is None
    found = history.add(0, item.entry, item.payload)
    assert found is not None
    assert found.is_valid


@pytest.mark.parametrize("index", [4, 5])
def test_entries_are_read_in_the_order_of_their_indexes(index: int) -> None:
    change = Change().build()
    history = History(parse_trust_policy(trust()), change.log.origin)
    history.add(5, change.log.items[0].entry, change.log.items[0].payload)
    with pytest.raises(AssertionError):
        history.add(index, change.log.items[1].entry, change.log.items[1].payload)


@pytest.mark.parametrize(
    ("signer", "how"),
    [(ROLE_KEYS["agents"], "SIGNER_WRONG_ROLE"), (Key("stranger"), "SIGNER_NOT_TRUSTED")],
)
def test_a_bundle_with_a_receipt_that_no_gateway_signed_is_void(signer: Key, how: str) -> None:
    skip = {"approve_close_1", "approve_close_2", "decide_close", "closure"}
    change = Change(edit={"bundle": lambda p: resealed_by(p, signer)}, skip=skip).build()
    assert ended(last(change)) == how


def resealed_by(bundle: Payload, signer: Key) -> None:
    receipt = bundle["receipts"][1]["payload"]
    bundle["receipts"][1] = envelope("gateway_receipt", receipt, signer, hash_of(receipt))


# --- what void entries cannot do, and what others may not take


def test_a_run_is_one_jobs() -> None:
    first = Change(skip={"approve_execute_1", "approve_execute_2", "decide_execute", *AFTER_DECISION}).build()
    other = Change(log=first.log, job="job-8", skip=first.skip | {"receipt_1", "receipt_2", "receipt_3"}, clock=50).build()
    assert (other.run, ended(last(other))) == (first.run, "CONFLICT")


def test_who_signed_a_void_approval_may_not_revoke_it() -> None:
    change, stranger = Change(skip={"decide_execute", *AFTER_DECISION}).build(), Key("stranger")
    item = change.log.items[change.log.index_of(change.hashes["approve_execute_1"])]
    change.log.add(item.kind, item.payload or b"", refs=item.refs, signer=stranger)
    assert ended(last(change)) == "SIGNER_NOT_TRUSTED"
    change.revoke("revoke", f"approval:{item.payload_hash}", stranger)
    assert ended(last(change)) == "REVOCATION_NOT_PERMITTED"


def test_a_tombstone_names_the_entry_by_its_leaf_hash_too() -> None:
    change = Change(edit={"tombstone receipt_1": setting(leaf_hash_b64u=hash_of(b"another"))}).build()
    erase(change, "receipt_1")
    assert ended(last(change)) == "TOMBSTONE_NOT_PERMITTED"
