"""What a bundle says by itself: its chain, its receipts and their ties, each rule asked of the bundle alone."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from tests.verifier.changebuilder import ROLE_KEYS, RUN, Change, Payload, at, envelope, event_hash
from tests.verifier.logbuilder import Key, hash_of, jcs
from tests.verifier.test_claims import SALT, leaf, leaf_hash
from verifier.errors import Refused
from verifier.records.bundle import OpenedBundle
from verifier.records.kinds import read_record

AGENT, GATEWAY = ROLE_KEYS["agents"], ROLE_KEYS["gateways"]
Edit = Callable[[Payload], object]
LISTS = ("tool_receipts", "side_effect_receipts", "human_approval_receipts", "delegation_receipts")


@cache
def honest() -> Payload:
    return Change().build().payloads["bundle"]


def read(bundle: Payload, *, signer: Key = AGENT) -> OpenedBundle:
    record = read_record("proof_bundle", jcs(bundle), signer_did=signer.did, origin="log.example/changes")
    assert isinstance(record, OpenedBundle)
    return record


def code_of(bundle: Payload, *, signer: Key = AGENT) -> str | None:
    try:
        read(bundle, signer=signer)
    except Refused as refused:
        return refused.code
    return None


def edited(edit: Edit) -> Payload:
    bundle = copy.deepcopy(honest())
    edit(bundle)
    return bundle


def stated(name: str, **members: Any) -> Payload:
    """A receipt that an agent states of itself, with the least that it must say."""
    own: Payload = {"receipt_version": "1", "receipt_id": "one", "agent_did": AGENT.did, "hash_algorithm": "SHA-256"}
    own |= {"timestamp": at(1)}
    match name:
        case "tool_receipts":
            own |= {"tool_name": "t", "args_hash_b64u": "x", "result_hash_b64u": "x", "latency_ms": 1}
        case "side_effect_receipts":
            own |= {"effect_class": "network_egress"}
        case "human_approval_receipts":
            own |= {"approval_type": "explicit_approve"}
        case _:
            own = {"receipt_version": "1", "receipt_id": "one", "hash_algorithm": "SHA-256", "delegated_at": at(1)}
            own |= {"delegator_did": AGENT.did, "delegate_did": "did:web:x"}
            own |= {"task_description_hash_b64u": SALT, "delegate_bundle_hash_b64u": SALT}
    return own | members


# --- what it is, and the least that it holds


def test_the_honest_one_is_read() -> None:
    opened = read(honest())
    assert list(opened.events) == [event["event_hash_b64u"] for event in honest()["event_chain"]]
    assert [sealed.signer_did for sealed, _ in opened.receipts.gateway] == [GATEWAY.did] * 3
    assert (opened.receipts.raw, opened.receipts.signed_tools) == (0, ())
    assert opened.change().ticket == honest()["metadata"]["change"]["ticket"]


def test_another_agent_may_not_sign_it() -> None:
    assert code_of(honest(), signer=Key("another agent")) == "PROOF_BUNDLE_AGENT_MISMATCH"


EVIDENCE: dict[str, Any] = {
    "urm": {"urm_version": "1", "urm_id": "u", "resource_type": "t", "resource_hash_b64u": SALT},
    "event_chain": honest()["event_chain"],
    **{name: [] for name in LISTS},
}


@pytest.mark.parametrize("name", EVIDENCE)
def test_one_kind_of_evidence_is_enough(name: str) -> None:
    least = {"bundle_version": "1", "bundle_id": "b", "agent_did": AGENT.did}
    assert code_of(least | {name: EVIDENCE[name]}) is None
    assert code_of(least) == "SCHEMA_VALIDATION_FAILED"
    assert code_of(least | {"metadata": {}, "rate_limit_claims": []}) == "SCHEMA_VALIDATION_FAILED"


def test_receipts_alone_are_evidence_that_no_chain_carries() -> None:
    """They are bound to events, and there are none."""
    assert code_of(edited(lambda p: p.pop("event_chain"))) == "RECEIPT_BINDING_MISMATCH"


@pytest.mark.parametrize(
    ("edit", "run"),
    [
        (lambda p: p["metadata"]["change"].update(run_id="run-8"), "run-8"),
        (lambda p: p["metadata"]["change"].update(run_id=8), RUN),
        (lambda p: p["metadata"]["change"].pop("run_id"), RUN),
        (lambda p: p["metadata"].update(change=[1]), RUN),
        (lambda p: p["metadata"].clear(), RUN),
        (lambda p: p.pop("metadata"), RUN),
        (lambda p: [p.pop(name) for name in ("event_chain", "receipts", "metadata")] and p.update(tool_receipts=[]), None),
    ],
)
def test_its_run_is_the_changes_else_the_chains(edit: Edit, run: str | None) -> None:
    refs = read(edited(edit)).record.refs_with("H")
    assert refs == {"bundle": "H"} | ({"run": run} if run else {})


def test_a_chain_of_one_event_says_the_run() -> None:
    alone = {"bundle_version": "1", "bundle_id": "b", "agent_did": AGENT.did, "event_chain": honest()["event_chain"][:1]}
    assert read(alone).record.run_id() == RUN


def test_without_a_change_it_closes_nothing() -> None:
    for edit in (lambda p: p.pop("metadata"), lambda p: p["metadata"].clear(), lambda p: p["metadata"]["change"].clear()):
        with pytest.raises(Refused) as refused:
            read(edited(edit)).change()
        assert refused.value.code == "SCHEMA_VALIDATION_FAILED"


# --- the chain


def rehash(events: list[Payload]) -> None:
    """Make hashes and links right again."""
    for event, before in zip(events, [None, *events], strict=False):
        event["prev_hash_b64u"] = before["event_hash_b64u"] if before else None
        event["event_hash_b64u"] = event_hash({name: event[name] for name in event if name != "event_hash_b64u"})


def chain(edit: Callable[[list[Payload]], object]) -> Payload:
    """A bundle of a chain alone, edited; its hashes and links are right unless the edit itself makes them wrong."""
    events = copy.deepcopy(honest()["event_chain"])
    edit(events)
    return {"bundle_version": "1", "bundle_id": "b", "agent_did": AGENT.did, "event_chain": events}


@pytest.mark.parametrize(
    ("edit", "code"),
    [
        (lambda e: e[1].update(event_type="another"), None),
        (lambda e: e[1].update(timestamp=e[0]["timestamp"]), None),
        (lambda e: e[1].update(payload_hash_b64u=SALT), None),
        (lambda e: e[1].update(event_id=e[0]["event_id"]), "EVENT_CHAIN_INVALID"),
        (lambda e: e[1].update(run_id="run-8"), "EVENT_CHAIN_INVALID"),
        (lambda e: e[2].update(timestamp=e[0]["timestamp"]), "EVENT_CHAIN_INVALID"),
        (lambda e: e[1].update(timestamp="yesterday"), "SCHEMA_VALIDATION_FAILED"),
    ],
)
def test_events_are_of_one_run_named_once_and_never_run_backwards(
    edit: Callable[[list[Payload]], object], code: str | None
) -> None:
    def act(events: list[Payload]) -> None:
        edit(events)
        rehash(events)

    assert code_of(chain(act)) == code
    assert code_of(chain(edit)) is not None  # what was hashed was something else


@pytest.mark.parametrize(
    "edit",
    [
        lambda e: e[2].update(event_hash_b64u=SALT),
        lambda e: e.pop(0),
        lambda e: e.pop(1),
        lambda e: e.reverse(),
        lambda e: e[2].update(event_type="another"),
    ],
)
def test_each_event_has_its_own_hash_and_names_the_one_before(edit: Callable[[list[Payload]], object]) -> None:
    assert code_of(chain(edit)) == "EVENT_CHAIN_INVALID"
    assert code_of(chain(lambda _: None)) is None


# --- receipts


def resealed(edit: Edit, *, position: int = 0) -> Edit:
    """One gateway receipt, edited and signed again by its gateway."""

    def act(bundle: Payload) -> None:
        receipt = copy.deepcopy(bundle["receipts"][position]["payload"])
        edit(receipt)
        bundle["receipts"][position] = envelope("gateway_receipt", receipt, GATEWAY, hash_of(receipt))

    return act


@pytest.mark.parametrize(
    ("edit", "code"),
    [
        (lambda p: p["binding"].pop("run_id"), "RECEIPT_BINDING_MISMATCH"),
        (lambda p: p["binding"].pop("event_hash_b64u"), "RECEIPT_BINDING_MISMATCH"),
        (lambda p: p.pop("binding"), "RECEIPT_BINDING_MISMATCH"),
        (lambda p: p["binding"].update(run_id="run-8"), "RECEIPT_BINDING_MISMATCH"),
        (lambda p: p["binding"].update(event_hash_b64u=SALT), "RECEIPT_BINDING_MISMATCH"),
        (lambda p: p["binding"].pop("nonce", None), None),
    ],
)
def test_a_gateway_receipt_names_a_run_and_an_event_of_the_chain(edit: Edit, code: str | None) -> None:
    assert code_of(edited(resealed(edit))) == code


def test_a_gateway_receipt_stands_there_once_of_each_gateway() -> None:
    def twice(bundle: Payload) -> None:
        bundle["receipts"].append(copy.deepcopy(bundle["receipts"][0]))

    def of_another(bundle: Payload) -> None:
        receipt = bundle["receipts"][0]["payload"]
        bundle["receipts"].append(envelope("gateway_receipt", receipt, Key("second gateway"), hash_of(receipt)))

    assert code_of(edited(twice)) == "RECEIPT_VERIFICATION_FAILED"
    assert code_of(edited(of_another)) is None


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({}, None),
        ({"binding": {"run_id": RUN}}, None),
        ({"binding": {"event_hash_b64u": honest()["event_chain"][0]["event_hash_b64u"]}}, None),
        ({"binding": {}}, None),
        ({"binding": {"run_id": "run-8"}}, "RECEIPT_BINDING_MISMATCH"),
        ({"binding": {"event_hash_b64u": SALT}}, "RECEIPT_BINDING_MISMATCH"),
        ({"more": 1}, "SCHEMA_VALIDATION_FAILED"),
        ({"receipt_version": "3"}, "SCHEMA_VALIDATION_FAILED"),
    ],
)
def test_a_stated_receipt_is_tied_to_the_chain_if_to_anything(name: str, members: Payload, code: str | None) -> None:
    assert code_of(edited(lambda p: p.update({name: [stated(name, **members)]}))) == code


@pytest.mark.parametrize("name", LISTS)
def test_a_stated_receipt_is_the_agents_and_stands_there_once(name: str) -> None:
    who = "delegator_did" if name.startswith("delegation") else "agent_did"
    others = [stated(name, **{who: Key("another").did})]
    assert code_of(edited(lambda p: p.update({name: others}))) == "PROOF_BUNDLE_AGENT_MISMATCH"
    two = [stated(name), stated(name, receipt_id="two")]
    assert code_of(edited(lambda p: p.update({name: two}))) is None
    assert code_of(edited(lambda p: p.update({name: [*two, stated(name)]}))) == "RECEIPT_VERIFICATION_FAILED"


def signed(payload: Payload, *, version: str = "1", signer: Key = AGENT) -> Payload:
    return envelope("tool_receipt", payload, signer, hash_of(payload)) | {"envelope_version": version}


def test_raw_receipts_are_counted_and_signed_ones_opened() -> None:
    tool = stated("tool_receipts")
    lists: Payload = {name: [stated(name)] for name in LISTS}
    lists["tool_receipts"] = [tool, signed(tool | {"receipt_id": "two"}), signed(tool | {"receipt_id": "three"})]
    receipts = read(edited(lambda p: p.update(lists))).receipts
    assert receipts.raw == 4
    assert [sealed.payload["receipt_id"] for sealed in receipts.signed_tools] == ["two", "three"]


def second(**members: Any) -> Payload:
    salts = {"args_hash_b64u": SALT, "result_hash_b64u": SALT, "args_salt_b64u": SALT, "result_salt_b64u": SALT}
    return stated("tool_receipts", receipt_version="2", **salts) | members


SHOWN_ROOT = hash_of([leaf_hash("a", 1, "number")])
SHOWN = {
    "disclosure_algorithm": "vir_v2_typed_lexicographical",
    "merkle_root_b64u": SHOWN_ROOT,
    "redacted_leaf_hashes_b64u": [],
    "disclosed_leaves": {"a": leaf(1, "number")},
}


@pytest.mark.parametrize(
    ("receipt", "code"),
    [
        (second(), None),
        (signed(second(), version="2"), None),
        (signed(second()), "SCHEMA_VALIDATION_FAILED"),
        (signed(stated("tool_receipts"), version="2"), "SCHEMA_VALIDATION_FAILED"),
        (signed(stated("tool_receipts"), version="3"), "UNKNOWN_ENVELOPE_VERSION"),
        (stated("tool_receipts", args_salt_b64u=SALT), "SCHEMA_VALIDATION_FAILED"),
        (second(args_hash_b64u=SHOWN_ROOT, args_disclosure=SHOWN), None),
        (second(result_hash_b64u=SHOWN_ROOT, result_disclosure=SHOWN), None),
        (second(args_disclosure=SHOWN), "DISCLOSURE_ROOT_MISMATCH"),
        (second(result_disclosure=SHOWN), "DISCLOSURE_ROOT_MISMATCH"),
        (signed(stated("tool_receipts", agent_did=Key("another").did)), "PROOF_BUNDLE_AGENT_MISMATCH"),
    ],
)
def test_a_tool_receipt_of_either_version_raw_or_signed(receipt: Payload, code: str | None) -> None:
    assert code_of(edited(lambda p: p.update(tool_receipts=[receipt]))) == code


def test_rate_limits_are_of_the_chains_run() -> None:
    claim = {"claim_version": "1", "scope": "agent", "scope_key": "a", "max_requests": 5, "observed_requests": 5}
    claim |= {"window_start": at(0), "window_end": at(1)}
    assert code_of(edited(lambda p: p.update(rate_limit_claims=[claim | {"run_id": RUN}]))) is None
    code = code_of(edited(lambda p: p.update(rate_limit_claims=[claim | {"run_id": "run-8"}])))
    assert code == "RATE_LIMIT_CLAIM_INCONSISTENT"
