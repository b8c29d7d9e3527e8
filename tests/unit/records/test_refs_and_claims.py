"""Lookup keys and conflict keys of every kind: exactly these, recomputed by whoever has the payload."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import pytest

from tests.support import keys, payloads
from tests.support.envelopes import SIGNERS, candidate, seal
from tests.support.payloads import (
    BEGIN_HASH,
    BUNDLE_HASH,
    JOB,
    NOW,
    NOW_NS,
    PLAN_HASH,
    POLICY_HASH,
    RUN,
    TICKET,
    TOKEN_HASH,
    TOKEN_SCOPE_HASH,
    VALID,
    Payload,
    hash_of,
    payload_hash,
)
from tests.support.trust import ORIGIN
from trustlog.errors import Refused
from trustlog.formats.entry import Entry
from trustlog.formats.envelope import parse_envelope
from trustlog.formats.jsontext import canonicalize, stringify
from trustlog.formats.timestamp import NS
from trustlog.records.candidate import check_skew, read_candidate, read_logged
from trustlog.records.kind import compute_refs
from trustlog.records.kinds import KINDS
from trustlog.records.scope import compute_scope_hash

RECEIPT: Final = {"run": RUN, "token_scope": TOKEN_SCOPE_HASH, "policy": POLICY_HASH}
JOB_REFS: Final = {
    "job": JOB,
    "run": RUN,
    "ticket": TICKET,
    "policy": POLICY_HASH,
    "plan": PLAN_HASH,
    "token_scope": TOKEN_SCOPE_HASH,
}
SCOPE: Final = {"job": JOB, "ticket": TICKET, "policy": POLICY_HASH, "plan": PLAN_HASH}
APPROVAL_ID: Final = str(payloads.human_approval_receipt()["receipt_id"])

REFS: Final[list[tuple[str, Payload, Mapping[str, str]]]] = [
    ("gateway_receipt", VALID["gateway_receipt"](), {"receipt": "receipt-1", **RECEIPT}),
    ("tool_receipt", VALID["tool_receipt"](), {"receipt": "tool-receipt-1", **RECEIPT}),
    ("side_effect_receipt", VALID["side_effect_receipt"](), {"receipt": "effect-1", **RECEIPT}),
    ("gateway_receipt", VALID["gateway_receipt"](binding={}), {"receipt": "receipt-1"}),
    (
        "human_approval_receipt",
        VALID["human_approval_receipt"](),
        {"receipt": APPROVAL_ID, "scope": compute_scope_hash(payloads.scope()), "plan": PLAN_HASH, **RECEIPT},
    ),
    ("work_policy_contract", VALID["work_policy_contract"](), {"policy": payload_hash(VALID["work_policy_contract"]())}),
    (
        "work_policy_contract",
        VALID["work_policy_contract"](supersedes=f"b64u:{POLICY_HASH}"),
        {
            "policy": payload_hash(VALID["work_policy_contract"](supersedes=f"b64u:{POLICY_HASH}")),
            "target": f"policy:{POLICY_HASH}",
        },
    ),
    ("roster", VALID["roster"](), {"roster": "1"}),
    (
        "token_issued",
        VALID["token_issued"](),
        {"token": TOKEN_HASH, "token_scope": TOKEN_SCOPE_HASH, "job": JOB, "ticket": TICKET, "policy": POLICY_HASH},
    ),
    ("simulation", VALID["simulation"](), JOB_REFS),
    ("execution", payloads.execution(), JOB_REFS),
    ("execution", payloads.execution_end(), JOB_REFS),
    (
        "gate_decision",
        payloads.gate_decision(),
        {
            **SCOPE,
            "scope": compute_scope_hash(payloads.scope()),
            "run": RUN,
            "token": TOKEN_HASH,
            "token_scope": TOKEN_SCOPE_HASH,
        },
    ),
    (
        "gate_decision",
        payloads.allow_to_close(),
        {
            **SCOPE,
            "bundle": BUNDLE_HASH,
            "scope": compute_scope_hash(payloads.scope(action="ticket.close", bundle_b64u=BUNDLE_HASH)),
            "run": RUN,
            "token": TOKEN_HASH,
            "token_scope": TOKEN_SCOPE_HASH,
        },
    ),
    ("gate_decision", payloads.deny(), {}),
    (
        "gate_decision",
        payloads.deny(scope={"job_id": JOB, "ticket": TICKET}, run_id=RUN),
        {"job": JOB, "ticket": TICKET, "run": RUN},
    ),
    ("proof_bundle", VALID["proof_bundle"](), {"bundle": payload_hash(VALID["proof_bundle"]()), "run": RUN}),
    (
        "proof_bundle",
        VALID["proof_bundle"](metadata={}),
        {"bundle": payload_hash(VALID["proof_bundle"](metadata={})), "run": RUN},
    ),
    ("closure", VALID["closure"](), {"job": JOB, "run": RUN, "ticket": TICKET, "bundle": BUNDLE_HASH}),
    ("step_up", VALID["step_up"](), {"target": hash_of("approval 1")}),
    ("resolution", VALID["resolution"](), {"target": BEGIN_HASH}),
    ("revocation", VALID["revocation"](target=f"key:{keys.ALICE.did}"), {"target": f"key:{keys.ALICE.did}"}),
    ("tombstone", VALID["tombstone"](), {"target": hash_of("an erased payload")}),
    ("violation", VALID["violation"](), {"ticket": TICKET, "job": JOB, "run": RUN}),
]


@pytest.mark.parametrize(("kind", "payload", "refs"), REFS, ids=[f"{kind}-{n}" for n, (kind, _, _) in enumerate(REFS)])
def test_the_refs_of_a_kind_are_exactly_these(kind: str, payload: Payload, refs: Mapping[str, str]) -> None:
    assert candidate(kind, payload).refs == refs


def test_every_kind_is_in_the_table_of_refs() -> None:
    assert {kind for kind, _, _ in REFS} == set(KINDS)


def test_a_field_that_is_long_or_not_plain_is_looked_up_by_its_hash() -> None:
    for value in ("r" * 97, "a receipt", "réçu"):
        refs = candidate("gateway_receipt", payloads.gateway_receipt(receipt_id=value)).refs
        assert refs["receipt"] == "sha256:" + hash_of(value)


# Identity and conflict keys.


def identity(kind: str, payload: Payload, signer: Any = None) -> bytes:
    return candidate(kind, payload, signer).identity


def test_identity_is_signer_kind_and_payload_hash() -> None:
    one = payloads.revocation()
    assert identity("revocation", one) == identity("revocation", dict(reversed(one.items())))
    assert identity("revocation", one) != identity("revocation", payloads.revocation(reason="other"))
    assert identity("revocation", one) != identity("revocation", one, keys.GATE)


def test_identity_does_not_change_with_unsigned_dates() -> None:
    first = parse_envelope(seal("closure", payloads.closure()))
    second = parse_envelope(seal("closure", payloads.closure(), issued_at="2001-01-01T00:00:00Z"))
    assert read_candidate(first, origin=ORIGIN).identity == read_candidate(second, origin=ORIGIN).identity
    assert read_candidate(first, origin=ORIGIN).entry == read_candidate(second, origin=ORIGIN).entry


# What each kind claims: the field that is named, a change that keeps the claim, and one that takes another.
CLAIMS: Final[list[tuple[str, str, Payload, Payload]]] = [
    ("gateway_receipt", "receipt_id", {"model": "other"}, {"receipt_id": "receipt-2"}),
    ("tool_receipt", "receipt_id", {"tool_name": "other"}, {"receipt_id": "receipt-2"}),
    ("side_effect_receipt", "receipt_id", {"latency_ms": 1}, {"receipt_id": "receipt-2"}),
    ("human_approval_receipt", "receipt_id", {"approval_type": "explicit_deny"}, {"receipt_id": "approval-2"}),
    ("proof_bundle", "bundle_id", {"metadata": {}}, {"bundle_id": "bundle-2"}),
    ("token_issued", "token_hash", {"requester": "p-other"}, {"token_hash": "0" * 64}),
    ("token_issued", "job_id", {"requester": "p-other", "token_hash": "0" * 64}, {"job_id": "job-2"}),
    ("simulation", "run_id", {"job_id": "job-2"}, {"run_id": "run-2"}),
    ("gate_decision", "scope", {"nonce": "nonce-2"}, {"scope": payloads.scope(round="2")}),
    ("execution", "decision_b64u", {"environment": "staging"}, {"decision_b64u": hash_of("another decision")}),
    ("resolution", "begin_b64u", {"note": "other"}, {"begin_b64u": hash_of("another begin")}),
    ("closure", "decision_b64u", {"closing_reason": "other"}, {"decision_b64u": hash_of("another decision")}),
    ("closure", "bundle_b64u", {"closing_reason": "other"}, {"bundle_b64u": hash_of("another bundle")}),
    ("step_up", "approval_b64u", {"acr": []}, {"approval_b64u": hash_of("another approval")}),
    ("tombstone", "payload_b64u", {"reason": "other"}, {"payload_b64u": hash_of("another payload")}),
]


def claim_of(kind: str, name: str, **changes: Any) -> tuple[bytes, bytes]:
    claims = {claim.param: claim for claim in candidate(kind, VALID[kind](**changes)).claims}
    claim = claims[f"payload.{name}"]
    return claim.key, claim.value


@pytest.mark.parametrize(("kind", "name", "same", "other"), CLAIMS, ids=[f"{case[0]}-{case[1]}" for case in CLAIMS])
def test_a_natural_id_holds_one_payload(kind: str, name: str, same: Payload, other: Payload) -> None:
    key, value = claim_of(kind, name)
    same_key, same_value = claim_of(kind, name, **same)
    assert same_key == key
    assert same_value != value
    assert claim_of(kind, name, **other)[0] != key


def test_the_table_of_claims_is_complete() -> None:
    claimed = {(kind, claim.param.removeprefix("payload.")) for kind in KINDS for claim in candidate(kind).claims}
    assert claimed == {(kind, name) for kind, name, _, _ in CLAIMS}
    assert len({claim.key for kind in KINDS for claim in candidate(kind).claims}) == len(claimed)


@pytest.mark.parametrize("kind", ["gateway_receipt", "tool_receipt", "side_effect_receipt", "human_approval_receipt"])
def test_a_receipt_id_is_its_signers_own(kind: str) -> None:
    mine = candidate(kind).claims[0]
    theirs = candidate(kind, signer=keys.STRANGER).claims[0]
    assert mine.key != theirs.key


@pytest.mark.parametrize("kind", ["token_issued", "execution", "closure", "resolution", "tombstone", "step_up"])
def test_our_own_ids_are_everybodys_so_another_signer_conflicts(kind: str) -> None:
    mine, theirs = candidate(kind).claims[0], candidate(kind, signer=keys.STRANGER).claims[0]
    assert mine.key == theirs.key
    assert mine.value != theirs.value


def test_one_job_holds_any_number_of_tokens_with_the_same_terms() -> None:
    first = claim_of("token_issued", "job_id")
    renewed = claim_of("token_issued", "job_id", token_hash="1" * 64, iat=1, exp=2)
    assert renewed == first


def test_one_run_holds_any_number_of_simulations_of_its_job() -> None:
    assert claim_of("simulation", "run_id") == claim_of("simulation", "run_id", plan_hash_b64u=hash_of("another plan"))


def test_begin_and_end_of_one_decision_are_two_keys() -> None:
    begin = candidate("execution", payloads.execution()).claims[0]
    end = candidate("execution", payloads.execution_end()).claims[0]
    assert begin.key != end.key


def test_only_an_allow_takes_its_scope() -> None:
    assert candidate("gate_decision", payloads.deny(scope=payloads.scope())).claims == ()


# From the log.


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_what_was_logged_reads_as_what_was_submitted(kind: str) -> None:
    submitted = candidate(kind)
    logged = read_logged(submitted.entry.encode(), submitted.payload_text, origin=ORIGIN)
    assert (logged.entry, logged.identity, logged.claims) == (submitted.entry, submitted.identity, submitted.claims)
    assert logged.attachments == {}


def read_code(entry: Entry, payload_text: bytes) -> str:
    with pytest.raises(Refused) as refused:
        read_logged(entry.encode(), payload_text, origin=ORIGIN)
    return refused.value.code


def replaced(entry: Entry, **changes: Any) -> Entry:
    members = {name: getattr(entry, name) for name in ("kind", "payload_hash", "refs", "signature", "signer_did")}
    return Entry(**{**members, **changes})


def test_a_reader_checks_everything_again() -> None:
    known = candidate("closure")
    entry, text = known.entry, known.payload_text
    assert read_code(entry, text + b" ") == "HASH_MISMATCH"
    assert read_code(replaced(entry, refs={**entry.refs, "job": "job-2"}), text) == "ENTRY_REFS_MISMATCH"
    assert read_code(replaced(entry, refs={**entry.refs, "plan": PLAN_HASH}), text) == "ENTRY_REFS_MISMATCH"
    missing = {name: value for name, value in entry.refs.items() if name != "job"}
    assert read_code(replaced(entry, refs=missing), text) == "ENTRY_REFS_MISMATCH"
    assert read_code(replaced(entry, signature=bytes(64)), text) == "SIGNATURE_INVALID"
    assert read_code(replaced(entry, signer_did=keys.STRANGER.did), text) == "SIGNATURE_INVALID"
    assert read_code(replaced(entry, signer_did="did:key:z1"), text) == "INVALID_DID_FORMAT"
    assert read_code(replaced(entry, kind="violation"), text) == "SCHEMA_VALIDATION_FAILED"
    assert read_code(replaced(entry, kind="another"), text) == "UNKNOWN_ENVELOPE_TYPE"


def test_a_reader_takes_no_payload_text_that_admission_would_not() -> None:
    spaced = canonicalize(payloads.closure()).replace(b'","', b'", "', 1)
    known = candidate("closure").entry
    digest = hashlib.sha256(spaced).digest()
    assert read_code(replaced(known, payload_hash=digest), spaced) == "PAYLOAD_TEXT_NOT_ACCEPTED"


def test_a_reader_takes_either_text_form() -> None:
    receipt = payloads.gateway_receipt()
    text = stringify(receipt)
    assert text != canonicalize(receipt)
    digest = hashlib.sha256(text).digest()
    signer = SIGNERS["gateway_receipt"]
    hash_text = hash_of(text.decode())
    entry = Entry(
        "gateway_receipt",
        digest,
        compute_refs(KINDS["gateway_receipt"], candidate("gateway_receipt").record, hash_text),
        signer.sign(hash_text.encode()),
        signer.did,
    )
    assert read_logged(entry.encode(), text, origin=ORIGIN).payload_text == text


# Clock skew: at admission only.


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"proof_bundle", "work_policy_contract"}))
def test_a_signed_time_is_at_most_300_s_ahead(kind: str) -> None:
    known = candidate(kind)
    check_skew(known, NOW_NS)
    check_skew(known, NOW_NS - 300 * NS)
    with pytest.raises(Refused) as refused:
        check_skew(known, NOW_NS - 300 * NS - 1_000_000)
    assert refused.value.code == "CLOCK_SKEW"
    assert refused.value.param in ("payload.issued_at", "payload.timestamp")
    assert refused.value.found == NOW


@pytest.mark.parametrize("kind", sorted(kind for kind in KINDS if KINDS[kind].own or kind == "human_approval_receipt"))
def test_our_own_records_and_approvals_are_at_most_300_s_old(kind: str) -> None:
    known = candidate(kind)
    check_skew(known, NOW_NS + 300 * NS)
    with pytest.raises(Refused, match="CLOCK_SKEW"):
        check_skew(known, NOW_NS + 301 * NS)


@pytest.mark.parametrize("kind", ["gateway_receipt", "tool_receipt", "side_effect_receipt", "proof_bundle"])
def test_a_receipt_may_be_logged_late(kind: str) -> None:
    check_skew(candidate(kind), NOW_NS + 365 * 86400 * NS)
