"""Bundles, receipts, tokens, tombstones and packs that lie."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest

from tests.verifier.changebuilder import (
    OWNER,
    ROLE_KEYS,
    SECURITY,
    Change,
    Payload,
    at,
    default_policy,
    envelope,
    event_hash,
    trust_toml,
)
from tests.verifier.judging import assert_fails, assert_passes, binding, setting, verdict
from tests.verifier.logbuilder import Key, LogBuilder, b64, b64u, hash_of, path, proof, sha
from tests.verifier.test_attacks import erase
from verifier.report import Status

STRANGER = Key("stranger")


def relink(events: list[Payload]) -> None:
    """Compute every link and hash of a chain again."""
    previous = None
    for event in events:
        event["prev_hash_b64u"] = previous
        event["event_hash_b64u"] = previous = event_hash(event)


# --- event chains


def broken_link(chain: list[Payload]) -> None:
    chain[2]["prev_hash_b64u"] = chain[0]["event_hash_b64u"]
    chain[2]["event_hash_b64u"] = event_hash(chain[2])


def two_runs(chain: list[Payload]) -> None:
    chain[1]["run_id"] = "run-x"
    relink(chain)


def one_id_twice(chain: list[Payload]) -> None:
    chain[1]["event_id"] = chain[0]["event_id"]
    relink(chain)


def front_cut_off(chain: list[Payload]) -> None:
    del chain[0]


@pytest.mark.parametrize(
    "damage",
    [broken_link, two_runs, one_id_twice, front_cut_off, lambda chain: chain.reverse()],
    ids=["broken-link", "two-runs", "one-id-twice", "front-cut-off", "backwards"],
)
def test_an_event_chain_that_is_none(damage: Callable[[list[Payload]], object]) -> None:
    change = Change(edit={"bundle": lambda p: damage(p["event_chain"])})
    assert_fails(verdict(change.build()), "EVENT_CHAIN_INVALID")


# --- receipts in the bundle


def reseal(payload: Payload, signer: Key, edit: Callable[[Payload], object]) -> None:
    """Every receipt of a bundle, edited and signed by somebody else."""
    sealed = []
    for item in payload["receipts"]:
        receipt = copy.deepcopy(item["payload"])
        edit(receipt)
        sealed.append(envelope("gateway_receipt", receipt, signer, hash_of(receipt)))
    payload["receipts"] = sealed


@pytest.mark.parametrize(
    ("signer", "edit", "code"),
    [
        (ROLE_KEYS["agents"], lambda p: None, "SIGNER_WRONG_ROLE"),
        (STRANGER, lambda p: None, "SIGNER_NOT_TRUSTED"),
        (STRANGER, lambda p: p.pop("binding"), "RECEIPT_BINDING_MISMATCH"),
        (ROLE_KEYS["gateways"], lambda p: p.pop("binding"), "RECEIPT_BINDING_MISMATCH"),
        (ROLE_KEYS["gateways"], lambda p: p.update(tokens_output=1), "RECEIPT_SET_INCOMPLETE"),
        (ROLE_KEYS["gateways"], binding(policy_hash=hash_of(b"another policy")), "RECEIPT_SET_INCOMPLETE"),
        (ROLE_KEYS["gateways"], binding(event_hash_b64u=hash_of(b"unknown event")), "RECEIPT_BINDING_MISMATCH"),
        (ROLE_KEYS["gateways"], binding(run_id="run-x"), "RECEIPT_BINDING_MISMATCH"),
    ],
    ids=[
        "resigned-by-the-agent",
        "forged",
        "forged-and-unbound",
        "unbound",
        "never-logged",
        "of-another-policy",
        "of-an-unknown-event",
        "of-another-run",
    ],
)
def test_every_receipt_in_the_bundle(signer: Key, edit: Callable[[Payload], object], code: str) -> None:
    change = Change(edit={"bundle": lambda p: reseal(p, signer, edit)})
    assert_fails(verdict(change.build()), code)


def test_receipts_of_mixed_policies_in_the_bundle() -> None:
    def mix(payload: Payload) -> None:
        honest = payload["receipts"][:1]
        reseal(payload, ROLE_KEYS["gateways"], binding(policy_hash=hash_of(b"another policy")))
        payload["receipts"] = honest + payload["receipts"][1:]

    assert_fails(verdict(Change(edit={"bundle": mix}).build()), "RECEIPT_SET_INCOMPLETE")


def test_receipts_that_are_not_signed_at_all() -> None:
    """The reference verifier takes a bare payload for a receipt."""
    change = Change(edit={"bundle": lambda p: p.update(receipts=[item["payload"] for item in p["receipts"]])})
    assert_fails(verdict(change.build()), "MALFORMED_ENVELOPE")


def test_a_bundle_that_nobody_signed() -> None:
    def unsigned(change: Change) -> None:
        index = change.log.index_of(change.hashes["bundle"])
        item = change.log.items.pop(index)
        change.log.add(
            "proof_bundle",
            item.payload or b"",
            refs=item.refs,
            signer=ROLE_KEYS["agents"],
            signature=bytes(64),
        )

    assert_fails(verdict(Change(before={"approve_close_1": unsigned}).build()), "SIGNATURE_INVALID")


@pytest.mark.parametrize("garbage", [{"root": "x", "proof": ["y"]}, "garbage", None], ids=["of-another-log", "text", "null"])
def test_a_log_proof_carried_in_a_receipt_proves_nothing(garbage: object) -> None:
    """A gateway receipt that was never logged comes with a proof of its own."""

    def invent(payload: Payload) -> None:
        invented = copy.deepcopy(payload["receipts"][0]["payload"]) | {"receipt_id": "unlogged"}
        sealed = envelope("gateway_receipt", invented, ROLE_KEYS["gateways"], hash_of(invented))
        sealed["payload"] = copy.deepcopy(invented)
        sealed["payload"]["metadata"]["log_inclusion_proof"] = garbage
        payload["receipts"].append(sealed)

    assert_fails(verdict(Change(edit={"bundle": invent}).build()), "RECEIPT_SET_INCOMPLETE")


@pytest.mark.parametrize(
    "bound",
    [{"run_id": "run-x"}, {"event_hash_b64u": hash_of(b"unknown")}],
    ids=["another-run", "an-unknown-event"],
)
def test_an_approval_in_the_bundle_for(bound: Payload) -> None:
    def carry(payload: Payload) -> None:
        carried = change.approval("carried", "ticket.close", "p-owner")
        payload["human_approval_receipts"] = [carried | {"binding": bound}]

    change = Change(edit={"bundle": carry})
    assert_fails(verdict(change.build()), "RECEIPT_BINDING_MISMATCH")


def test_an_approval_carried_twice_in_the_bundle() -> None:
    def carry(payload: Payload) -> None:
        carried = change.approval("carried", "ticket.close", "p-owner") | {"binding": {}}
        payload["human_approval_receipts"] = [carried, carried]

    change = Change(edit={"bundle": carry})
    assert_fails(verdict(change.build()), "RECEIPT_VERIFICATION_FAILED")


def test_the_receipts_of_another_agent_and_job() -> None:
    """The thief bundles what the victim's job logged, as it was signed."""
    victim = Change().build()
    thief = Change(log=victim.log, ticket="jira.example:CHG-8", job="job-8", run="run-8", clock=100)
    thief.plan = thief.plan | {"ticket": thief.ticket}
    thief.edit = {"bundle": lambda p: p.update(receipts=victim.receipts, event_chain=victim.events)}
    assert_fails(verdict(thief.build()), "BUNDLE_MISMATCH")


def test_dates_around_a_signed_payload_change_nothing() -> None:
    def redate(payload: Payload) -> None:
        for item in payload["receipts"]:
            item.update(issued_at=at(-90_000), expires_at=at(-80_000))

    assert_passes(verdict(Change(edit={"bundle": redate}).build()))


def test_a_date_changed_within_a_signed_payload() -> None:
    change = Change().build()
    pack = change.pack()
    item = pack["entries"][change.log.index_of(change.hashes["approve_execute_1"])]
    stamp = change.payloads["approve_execute_1"]["timestamp"]
    item["payload"] = item["payload"].replace(stamp, at(900))
    assert_fails(verdict(pack), "HASH_MISMATCH")


# --- tokens and policies


def test_a_job_whose_token_is_minted_again_for_another_requester() -> None:
    """The owner asks, is replaced in a second token record, and approves."""

    def again(change: Change) -> None:
        change.edit["token_2"] = setting(requester="p-other", token_hash=sha(b"other").hex())
        change.put_token("token_2", sha(b"other").hex())

    change = Change(
        edit={"token": setting(requester="p-owner")},
        before={"simulation": again},
    )
    assert_fails(verdict(change.build()), "TOKEN_TICKET_MISMATCH")


def test_a_token_logged_after_the_decision() -> None:
    def late(change: Change) -> None:
        change.put_token("token_2", sha(b"late").hex())

    change = Change(edit={"decide_execute": setting(token_hash=sha(b"late").hex())}, before={"begin": late})
    assert_fails(verdict(change.build()), "TOKEN_NOT_LOGGED")


def test_a_policy_signed_by_the_agent() -> None:
    assert_fails(verdict(Change(signer={"policy": ROLE_KEYS["agents"]}).build()), "SIGNER_WRONG_ROLE")


def test_a_policy_weakened_in_the_pack() -> None:
    change = Change().build()
    pack = change.pack()
    pack["entries"][0]["payload"] = pack["entries"][0]["payload"].replace('"step_up_approvals":2', '"step_up_approvals":0')
    assert_fails(verdict(pack), "HASH_MISMATCH")


def test_a_weaker_policy_published_after_the_decision() -> None:
    weak = default_policy() | {"policy_name": "weak"}

    def late(change: Change) -> None:
        change.put_policy("weak", weak)

    change = Change(before={"begin": late})
    change.edit["decide_execute"] = lambda p: p["scope"].update(policy_hash_b64u=hash_of(weak))
    assert verdict(change.build()).status is Status.FAIL


def test_a_bundle_used_for_a_second_job_of_the_ticket() -> None:
    first = Change().build()
    second = Change(log=first.log, job="job-8", run="run-8", clock=100, skip={"bundle"})
    second.before = {"bundle": lambda c: c.hashes.update(bundle=first.hashes["bundle"])}
    assert_fails(verdict(second.build()), "BUNDLE_ALREADY_USED")


# --- executions and closures


def test_a_second_end_with_another_outcome() -> None:
    """The first end says failure; a second, of success, is void."""

    def again(change: Change) -> None:
        change.edit.pop("end")
        change._end("end_2")
        change.hashes["end"] = change.hashes["end_2"]

    change = Change(edit={"end": setting(outcome="failure")}, before={"bundle": again})
    assert_fails(verdict(change.build()), "EXECUTION_FAILED")


def test_a_command_started_twice_under_one_decision() -> None:
    """The second begin is void, and the end that follows it has no begin."""

    def again(change: Change) -> None:
        change.clock += 1
        change._begin("begin_2")
        change.hashes["begin"] = change.hashes["begin_2"]

    assert_fails(verdict(Change(before={"end": again}).build()), "EXECUTION_OUTCOME_UNKNOWN")


@pytest.mark.parametrize(("step", "code"), [("begin", "EXECUTION_MISMATCH"), ("end", "EXECUTION_OUTCOME_UNKNOWN")])
def test_an_execution_signed_by_the_agent(step: str, code: str) -> None:
    """An agent does not testify about its own effects: its begin is none, and its end ends nothing."""
    change = Change(signer={step: ROLE_KEYS["agents"]})
    assert_fails(verdict(change.build()), code)


def test_a_closure_under_a_decision_that_is_not_logged() -> None:
    """The decision is a gate's, of a history in which no closure stood before it."""
    honest = Change().build()

    def early(change: Change) -> None:
        change.put(
            "closure",
            "closure",
            copy.deepcopy(honest.payloads["closure"]),
            ROLE_KEYS["gates"],
            lambda p: {"job": p["job_id"], "run": p["run_id"], "ticket": p["ticket"], "bundle": p["bundle_b64u"]},
        )

    change = Change(before={"decide_close": early}, skip={"closure"})
    assert_fails(verdict(change.build()), "DECISION_NOT_LOGGED")


# --- tombstones


@pytest.mark.parametrize("step", ["policy", "roster", "token", "simulation", "approve_execute_1", "decide_execute", "begin"])
def test_a_tombstone_over_what_restricts_or_permits(step: str) -> None:
    change = Change(before={"after": lambda c: erase(c, step)})
    assert_fails(verdict(change.build()), "PAYLOAD_MISSING")


def test_a_tombstone_signed_by_the_agent() -> None:
    change = Change(before={"after": lambda c: erase(c, "receipt_1")}, signer={"tombstone receipt_1": ROLE_KEYS["agents"]})
    assert_fails(verdict(change.build()), "PAYLOAD_MISSING")


def test_a_tombstone_that_names_another_entry() -> None:
    change = Change(before={"after": lambda c: erase(c, "receipt_1")}, edit={"tombstone receipt_1": setting(index=0)})
    assert_fails(verdict(change.build()), "PAYLOAD_MISSING")


@pytest.mark.parametrize("text", ["", "{}", "null"], ids=["empty", "object", "null"])
def test_an_erased_payload_passed_off_as_present(text: str) -> None:
    change = Change(before={"after": lambda c: erase(c, "receipt_1")}).build()
    pack = change.pack()
    pack["entries"][change.log.index_of(change.hashes["receipt_1"])]["payload"] = text
    report = verdict(pack)
    assert (report.status, report.reason_code) in (
        (Status.FAIL, "HASH_MISMATCH"),
        (Status.ERROR, "PACK_MALFORMED"),
    ), report.reason


def test_an_erased_payload_made_up_again() -> None:
    """Somebody writes another receipt where the erased one was."""
    change = Change(before={"after": lambda c: erase(c, "receipt_1")}).build()
    pack = change.pack()
    index = change.log.index_of(change.hashes["receipt_1"])
    pack["entries"][index]["payload"] = pack["entries"][index + 1]["payload"]
    assert_fails(verdict(pack), "HASH_MISMATCH")


# --- packs


@pytest.mark.parametrize(
    ("edit", "code"),
    [
        (lambda p: p["subject"].update(ticket="jira.example:CHG-8"), "EVIDENCE_FOREIGN"),
        (lambda p: p["subject"].update(job="job-x"), "TOKEN_NOT_LOGGED"),
        (lambda p: p["subject"].update(run="run-x"), "EVIDENCE_FOREIGN"),
        (lambda p: p["subject"].update(bundle=hash_of(b"x")), "EVIDENCE_FOREIGN"),
        (lambda p: p["entries"][3].update(inclusion_proof=p["entries"][4]["inclusion_proof"]), "INCLUSION_PROOF_INVALID"),
        (lambda p: p["entries"][3]["inclusion_proof"].append(b64(bytes(32))), "INCLUSION_PROOF_INVALID"),
        (lambda p: p["entries"][3]["inclusion_proof"].pop(), "INCLUSION_PROOF_INVALID"),
        (lambda p: p["entries"][-1].update(index=99), "INCLUSION_PROOF_INVALID"),
        (lambda p: p["entries"].pop(6), "EVIDENCE_INCOMPLETE"),
        (lambda p: p.update(views=[]), "VIEW_INVALID"),
        (lambda p: p["views"][0].update(consistency_proof=[]), "CONSISTENCY_PROOF_INVALID"),
    ],
    ids=[
        "another-ticket",
        "another-job",
        "another-run",
        "another-bundle",
        "a-proof-of-another-entry",
        "a-proof-with-an-extra-hash",
        "a-proof-that-is-cut",
        "a-wrong-index",
        "a-missing-entry",
        "no-views",
        "an-unproven-view",
    ],
)
def test_a_pack_with(edit: Callable[[Payload], object], code: str) -> None:
    pack = Change().build().pack()
    edit(pack)
    assert_fails(verdict(pack), code)


def test_a_pack_whose_proofs_are_those_of_another_log() -> None:
    pack = Change().build().pack()
    other = Change(edit={"receipt_1": setting(model="another")}).build().log
    for item in pack["entries"]:
        item["inclusion_proof"] = [b64(node) for node in path(item["index"], other.leaves())]
    assert_fails(verdict(pack), "INCLUSION_PROOF_INVALID")


@pytest.mark.parametrize("twice", ["entries", "views", "payloads"])
def test_a_pack_that_says_something_twice(twice: str) -> None:
    pack = Change().build().pack()
    pack[twice].insert(0, copy.deepcopy(pack[twice][0]))
    report = verdict(pack)
    assert (report.reason_code, report.exit_code) == ("PACK_MALFORMED", 2)


# --- the pack's checkpoint

WITNESSES = tuple((f"w{number}.example", Key(f"witness {number}")) for number in range(2))
QUORUM = trust_toml(witnesses=WITNESSES, quorum="g").replace(b"quorum g", b"group g 2 w0.example w1.example\nquorum g")
NOW_S = 1772360400


def cosigned(*lines: tuple[str, Key, int]) -> Payload:
    return Change(cosigners=lines).build().pack()


HONEST = tuple((name, key, NOW_S) for name, key in WITNESSES)


def test_the_quorum_of_the_next_tests_is_met_by_honest_witnesses() -> None:
    assert_passes(verdict(cosigned(*HONEST), trust=QUORUM))


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (HONEST[:1], "QUORUM_NOT_MET"),
        ((HONEST[0], HONEST[0]), "QUORUM_NOT_MET"),
        ((HONEST[0], (*HONEST[0][:2], NOW_S + 1)), "QUORUM_NOT_MET"),
        ((HONEST[0], ("w2.example", HONEST[0][1], NOW_S)), "QUORUM_NOT_MET"),
        ((HONEST[0], ("w1.example", STRANGER, NOW_S)), "QUORUM_NOT_MET"),
    ],
    ids=["dropped", "repeated", "repeated-later", "one-key-under-two-names", "of-a-stranger-under-its-name"],
)
def test_a_cosignature_that_is(lines: tuple[tuple[str, Key, int], ...], code: str) -> None:
    assert_fails(verdict(cosigned(*lines), trust=QUORUM), code)


def test_a_cosignature_of_another_checkpoint() -> None:
    pack = cosigned(*HONEST)
    other = LogBuilder(Change().log.origin, items=Change().build().log.items[:5]).note(cosigners=HONEST)
    line = other.splitlines()[-1]
    pack["checkpoint"] = pack["checkpoint"].rsplit("\n", 2)[0] + "\n" + line + "\n"
    assert_fails(verdict(pack, trust=QUORUM), "NOTE_UNVERIFIED")


def test_one_witness_key_pinned_under_two_names() -> None:
    (name, key), (other, _) = WITNESSES
    doubled = trust_toml(witnesses=((name, key), (other, key)), quorum="g").replace(
        b"quorum g", b"group g 2 w0.example w1.example\nquorum g"
    )
    with pytest.raises(Exception, match="TRUST_POLICY_INVALID"):
        verdict(cosigned(*HONEST), trust=doubled)


@pytest.mark.parametrize(
    ("key", "code"),
    [(Key("retired log"), "NOTE_UNVERIFIED"), (ROLE_KEYS["gates"], "NOTE_UNVERIFIED")],
    ids=["a-retired-key", "a-gate"],
)
def test_a_checkpoint_signed_by(key: Key, code: str) -> None:
    change = Change()
    change.log.key = key
    assert_fails(verdict(change.build()), code)


@pytest.mark.parametrize("size", [16, 18, 10**18])
def test_a_checkpoint_signed_for_a_wrong_size(size: int) -> None:
    """The log itself lies: its signature is right, and no proof leads to what it signed."""
    change = Change().build()
    pack = change.pack()
    text = change.log.note().split("\n\n")[0].replace("\n17\n", f"\n{size}\n") + "\n"
    pack["checkpoint"] = f"{text}\n{change.log.key.note_line(change.log.origin, text)}"
    report = verdict(pack)
    assert report.exit_code == 1
    assert report.reason_code in ("CONSISTENCY_PROOF_INVALID", "INCLUSION_PROOF_INVALID")


@pytest.mark.parametrize(
    ("anchor", "code"),
    [
        (lambda log: (LogBuilder("other.example/log", items=log.items).note(9), 9), "NOTE_UNVERIFIED"),
        (lambda log: (LogBuilder(log.origin, items=log.items[1:]).note(9), 9), "CONSISTENCY_PROOF_INVALID"),
        (lambda log: (log.note(9), 8), "CONSISTENCY_PROOF_INVALID"),
    ],
    ids=["another-log", "a-fork", "another-size"],
)
def test_an_anchor_of(anchor: Callable[[LogBuilder], tuple[str, int]], code: str) -> None:
    """An older time could only be taken from a checkpoint that this log went through."""
    change = Change().build()
    pack = change.pack()
    note, size = anchor(change.log)
    pack["anchors"] = [{"checkpoint": note, "consistency_proof": [b64(n) for n in proof(size, change.log.leaves())]}]
    assert_fails(verdict(pack), code)


def test_two_people_who_are_one_key_in_two_notations() -> None:
    """A DID has one spelling: the same key cannot appear as two people."""
    spelled = OWNER.did.replace("did:key:z", "did:key:z1")
    change = Change(edit={"roster": lambda p: p["people"][1]["keys"].append(spelled)})
    assert_fails(verdict(change.build()), "ROSTER_MISSING")
    assert OWNER.did != SECURITY.did
    assert len(b64u(OWNER.public)) == 43
