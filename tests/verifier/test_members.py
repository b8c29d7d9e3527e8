"""Each member of each record takes what the format says, on the inside of each bound, and nothing else; none is unknown."""

from __future__ import annotations

import dataclasses

import pytest

from tests.verifier.logbuilder import Key, hash_of
from tests.verifier.memberrules import (
    AMOUNT,
    ANY_TIME,
    ANYTHING,
    DID,
    DID_KEY,
    FLAG,
    HASH,
    HEX,
    ID,
    LINE,
    LOOSE_HASH,
    NO_TEXT,
    NOTE,
    NUMBER,
    OBJECT,
    ROLE,
    SALT,
    STRING,
    SUBJECT,
    TEXT,
    TICKET,
    TIME,
    Members,
    Optional,
    Values,
    array,
    characters,
    choice,
    example,
    integer,
    nested,
    required,
    values_of,
)
from verifier import schema as s
from verifier.errors import Refused
from verifier.records import (
    approval,
    bundle,
    bundled,
    claims,
    clawsig_policy,
    closure,
    decision,
    envelope,
    execution,
    own,
    plan,
    policy,
    receipts,
    restrictions,
    roster,
    simulation,
    stated,
    token,
)

ONE = choice("1")
SHA_256 = choice("SHA-256")
CODE = Values(("DENIED_1", "ABC", "A" * 64), ("AB", "A" * 65, "1AB", "Abc", "A-B", *NO_TEXT))
ADDRESS = Values(("b64u:" + hash_of(b"x"),), (hash_of(b"x"), "b64u:" + hash_of(b"x")[:-1] + "B", "b64u:", *NO_TEXT))
TOOL = Values(("change.execute", "A.z_-9", "x" * 64), ("", "x" * 65, "a b", *NO_TEXT))
SECONDS = integer(1, 366 * 86_400)
LINES, MANY_LINES = array(LINE, low=1, high=64), array(LINE, low=1, high=256)
TARGET = Values(
    (
        "job:job-7",
        "token:" + "0f" * 32,
        "job:" + "x" * 128,
        "policy:" + hash_of(b"x"),
        "approval:" + hash_of(b"x"),
        "key:" + Key("agent").did,
    ),
    ("", "job:", "job:" + "x" * 129, "token:" + "0f" * 31, "policy:b64u:" + hash_of(b"x"), "key:did:web:x", *NO_TEXT),
)

HEADER: Members = {"record": STRING, "origin": STRING, "issued_at": TIME, "salt": SALT}
SEEN: Members = {"index": integer(0), "leaf_hash_b64u": HASH}
SPANS = ("span_id", "spanId", "parent_span_id", "parentSpanId", "tool_span_id", "toolSpanId")
GATEWAY_BINDING: Members = {
    **{name: Optional(TEXT) for name in ("run_id", "nonce", "policy_hash", *SPANS)},
    "event_hash_b64u": Optional(LOOSE_HASH),
    "token_scope_hash_b64u": Optional(LOOSE_HASH),
    "phase": Optional(choice("setup", "planning", "reasoning", "execution", "observation", "reflection", "teardown")),
    "attribution_confidence": Optional(NUMBER),
    "attributionConfidence": Optional(NUMBER),
}
APPROVAL_BINDING: Members = {
    **{name: Optional(STRING) for name in ("run_id", "nonce", "policy_hash", *SPANS)},
    "event_hash_b64u": Optional(STRING),
    "token_scope_hash_b64u": Optional(STRING),
    "phase": Optional(STRING),
    "attribution_confidence": Optional(NUMBER),
    "attributionConfidence": Optional(NUMBER),
    "capability_id": Optional(STRING),
}
APPROVALS = choice("explicit_approve", "explicit_deny", "auto_approve", "timeout_deny")
METHODS = choice("ui_click", "cli_confirm", "api_call", "policy_auto", "timeout")
EFFECTS = choice("network_egress", "filesystem_write", "external_api_write")
ENDED = choice("success", "error", "timeout")
ANSWERED = choice("success", "error", "timeout", "denied")
LEAF: Members = {
    "type": choice("string", "number", "boolean", "null", "array", "object"),
    "value": ANYTHING,
    "salt_b64u": LOOSE_HASH,
}
DISCLOSURE: Members = {
    "disclosure_algorithm": choice("vir_v2_typed_lexicographical"),
    "merkle_root_b64u": LOOSE_HASH,
    "redacted_leaf_hashes_b64u": array(LOOSE_HASH),
    "disclosed_leaves": Values(({}, {"a": example(LEAF)}), (1, None, [], {"a": 1}, {"a": {}})),
}
EVENT: Members = {
    **dict.fromkeys(("event_id", "run_id", "event_type", "timestamp"), TEXT),
    "payload_hash_b64u": LOOSE_HASH,
    "prev_hash_b64u": Values((*LOOSE_HASH.good, None), ("", "A" * 7, 1)),
    "event_hash_b64u": LOOSE_HASH,
}
URM: Members = {
    "urm_version": ONE,
    "urm_id": TEXT,
    "resource_type": TEXT,
    "resource_hash_b64u": LOOSE_HASH,
    "metadata": Optional(OBJECT),
}
RATE_LIMIT: Members = {
    "claim_version": ONE,
    "scope": choice("agent", "model", "tool"),
    "scope_key": TEXT,
    "window_start": ANY_TIME,
    "window_end": ANY_TIME,
    "max_requests": AMOUNT,
    "observed_requests": AMOUNT,
    **{f"{which}_tokens_{way}": Optional(AMOUNT) for which in ("max", "observed") for way in ("input", "output")},
    "run_id": Optional(TEXT),
}
SHARED: Members = {
    "job_id": ID,
    "run_id": ID,
    "ticket": TICKET,
    "plan_hash_b64u": HASH,
    "policy_hash_b64u": HASH,
    "token_scope_hash_b64u": HASH,
}
ARTEFACT: Members = {"role": LINE, "media_type": LINE, "size": integer(0), "sha256_b64u": HASH}
PERSON: Members = {
    "subject": SUBJECT,
    "keys": array(DID_KEY, high=64),
    "roles": array(ROLE, high=64),
    "idp": array(HASH, high=64),
    "valid_from": Optional(TIME),
    "valid_until": Optional(TIME),
}
REASON: Members = {"code": CODE, "detail": NOTE}
VIEW: Members = {"size": integer(0), "root_b64u": HASH}
REQUESTED: Members = {"action": LINE, "ticket": LINE}
SCOPE: Members = {
    "scope_version": ONE,
    "origin": TEXT,
    "job_id": ID,
    "agent_did": DID_KEY,
    "requester": SUBJECT,
    "ticket": TICKET,
    "action": TEXT,
    "change_type": TEXT,
    "environment": TEXT,
    "policy_hash_b64u": HASH,
    "plan_hash_b64u": HASH,
    "simulation_b64u": HASH,
    "round": Values(("1", "20", "9" * 9), ("0", "01", "", "1" + "0" * 9, "-1", *NO_TEXT)),
    "bundle_b64u": Optional(HASH),
}
ENFORCEMENT: Members = dict.fromkeys(("fail_closed", "require_gateway_receipts", "require_proof_bundle"), FLAG)
TOKENS: Members = {
    "require_cst": FLAG,
    "cst_scope_hash": Optional(ADDRESS),
    "optional_policy_hash_pinning": FLAG,
    "job_scoped_binding": FLAG,
    "max_ttl_s": SECONDS,
    "proof_of_possession": Optional(FLAG),
}
MODELS: Members = {"providers": LINES, "models": MANY_LINES}
BUDGETS: Members = {"max_calls": Optional(integer(1)), "max_tokens": Optional(integer(1))}
EGRESS: Members = {"hosts": MANY_LINES}
STEP_UP_RULE: Members = {"acr": array(LINE, low=1, high=16), "max_age_s": SECONDS}
TOOL_RULES: Members = {
    "allowed": FLAG,
    "required_before": Optional(array(TOOL, low=1, high=64)),
    "step_up_approvals": Optional(integer(0, 64)),
    "two_person_rule": Optional(FLAG),
    "approver_constraints": Optional(array(ROLE, low=1, high=64)),
    "requires_proof_bundle_reference": Optional(FLAG),
    "requires_plan_fingerprint_match": Optional(FLAG),
    "change_types": Optional(LINES),
    "environments": Optional(LINES),
    "approval_ttl_s": Optional(SECONDS),
    "step_up": Optional(nested(STEP_UP_RULE)),
}
ONE_TOOL = {"allowed": True}
TOOLS = Values(
    ({}, {"a": ONE_TOOL}, {f"t{number}": ONE_TOOL for number in range(256)}),
    ({f"t{number}": ONE_TOOL for number in range(257)}, {"a b": ONE_TOOL}, {"a": {}}, {"a": 1}, [], 1, None),
)
REDACTION: Members = {"path": characters(1, 512), "action": choice("remove", "hash", "mask")}
RAW = array(OBJECT, high=1000)

RECORDS: dict[type[object], Members] = {
    own.OwnRecord: HEADER,
    roster.Person: PERSON,
    roster.Roster: HEADER
    | {
        "number": integer(1),
        "previous_b64u": Values((*HASH.good, None), ("", 1)),
        "people": array(nested(PERSON), high=10_000),
    },
    token.TokenIssued: HEADER
    | {
        "token_hash": HEX,
        "token_scope_hash_b64u": HASH,
        "job_id": ID,
        "ticket": TICKET,
        "requester": SUBJECT,
        "agent_did": DID_KEY,
        "policy_hash_b64u": HASH,
        "aud": LINES,
        "scope": LINES,
        "iat": integer(0),
        "exp": integer(0),
    },
    simulation.Artefact: ARTEFACT,
    simulation.Simulation: HEADER
    | SHARED
    | {"artefacts": array(nested(ARTEFACT), high=64), "outcome": choice("success", "failure")},
    decision.Scope: SCOPE,
    decision.DecisionReason: REASON,
    decision.View: VIEW,
    decision.Requested: REQUESTED,
    decision.Decision: HEADER
    | {
        "decision": choice("allow", "deny"),
        "reasons": array(nested(REASON), high=64),
        "scope": Values(({}, {"a": "x" * 512}), (1, None, [], {"a": ""}, {"a": "x" * 513}, {"a": 1})),
        "token_hash": Optional(HEX),
        "token_scope_hash_b64u": Optional(HASH),
        "run_id": Optional(ID),
        "roster_b64u": Optional(HASH),
        "approvals": array(HASH, high=64),
        "evidence": array(nested(SEEN), high=10_000),
        "view": nested(VIEW),
        "closing_reason": Optional(NOTE),
        "withdraws_b64u": Optional(HASH),
        "requested": nested(REQUESTED),
        "count": Optional(integer(1)),
        "trust_policy_b64u": HASH,
        "audience": LINE,
        "nonce": LINE,
        "decided_at": TIME,
        "expires_at": TIME,
    },
    execution.Execution: HEADER
    | SHARED
    | {
        "phase": choice("begin", "end"),
        "decision_b64u": HASH,
        "begin_b64u": Optional(HASH),
        "environment": LINE,
        "outcome": Optional(choice("success", "failure")),
        "diff_b64u": Optional(HASH),
    },
    execution.Resolution: HEADER | {"begin_b64u": HASH, "note": NOTE},
    closure.Closure: HEADER
    | {
        "ticket": TICKET,
        "job_id": ID,
        "run_id": ID,
        "decision_b64u": HASH,
        "bundle_b64u": HASH,
        "closing_reason": characters(1, 4096),
        "closed_at": TIME,
    },
    restrictions.StepUp: HEADER
    | {
        "approval_b64u": HASH,
        "subject": SUBJECT,
        "issuer": LINE,
        "subject_hash": HASH,
        "acr": array(LINE, high=16),
        "auth_time": integer(0),
        "token_salted_hash": HASH,
        "jwks_b64u": HASH,
    },
    restrictions.Revocation: HEADER | {"target": TARGET, "reason": NOTE},
    restrictions.Tombstone: HEADER
    | {"payload_b64u": HASH, "index": integer(0), "leaf_hash_b64u": HASH, "rule": LINE, "reason": NOTE},
    restrictions.Seen: SEEN,
    restrictions.Violation: HEADER
    | {
        "code": CODE,
        "ticket": Optional(TICKET),
        "job_id": Optional(ID),
        "run_id": Optional(ID),
        "seen": array(nested(SEEN), high=1000),
        "expected": NOTE,
        "found": NOTE,
        "done": NOTE,
    },
    plan.Plan: {"plan_version": ONE, "change_type": LINE, "environment": LINE, "ticket": TICKET, "body": ANYTHING},
    policy.Enforcement: ENFORCEMENT,
    policy.TokenRequirements: TOKENS,
    policy.Models: MODELS,
    policy.Budgets: BUDGETS,
    policy.Egress: EGRESS,
    policy.StepUpRule: STEP_UP_RULE,
    policy.Tool: TOOL_RULES,
    policy.Policy: {
        "wpc_version": ONE,
        "policy_name": characters(1, 128),
        "supersedes": Optional(ADDRESS),
        "valid_from": Optional(ANY_TIME),
        "valid_until": Optional(ANY_TIME),
        "enforcement": nested(ENFORCEMENT),
        "token_requirements": nested(TOKENS),
        "models": Optional(nested(MODELS)),
        "budgets": Optional(nested(BUDGETS)),
        "egress": Optional(nested(EGRESS)),
        "tools": TOOLS,
    },
    clawsig_policy.RedactionRule: REDACTION,
    clawsig_policy.ClawsigPolicy: {
        "policy_version": ONE,
        "policy_id": characters(1, 128),
        "issuer_did": Values(("did:web:x", "did:" + "x" * 252), ("x", "did:" + "x" * 253, *NO_TEXT)),
        "allowed_providers": Optional(array(choice("openai", "anthropic", "google"), high=16)),
        "allowed_models": Optional(array(LINE, high=256)),
        "minimum_model_identity_tier": Optional(
            choice("closed_opaque", "closed_provider_manifest", "openweights_hashable", "tee_measured")
        ),
        "required_audit_packs": Optional(array(Values(("A" * 8,), ("A" * 7, "A" * 129, "A" * 8 + "=", *NO_TEXT)), high=64)),
        "redaction_rules": Optional(array(nested(REDACTION), high=256)),
        "receipt_privacy_mode": Optional(choice("hash_only", "encrypted")),
        "egress_allowlist": Optional(array(LINE, high=256)),
        "metadata": Optional(OBJECT),
    },
    receipts.ReceiptBinding: GATEWAY_BINDING,
    receipts.GatewayReceipt: {
        "receipt_version": ONE,
        **dict.fromkeys(("receipt_id", "gateway_id", "provider", "model"), TEXT),
        "request_hash_b64u": LOOSE_HASH,
        "response_hash_b64u": LOOSE_HASH,
        "tokens_input": integer(0, 10_000_000),
        "tokens_output": integer(0, 10_000_000),
        "latency_ms": integer(0, 3_600_000),
        "timestamp": ANY_TIME,
        "binding": Optional(nested(GATEWAY_BINDING)),
        "metadata": Optional(OBJECT),
    },
    receipts.ToolReceipt: {
        "receipt_version": ONE,
        **dict.fromkeys(("receipt_id", "tool_name", "args_hash_b64u", "result_hash_b64u", "agent_did"), TEXT),
        "tool_version": Optional(STRING),
        "result_status": Optional(ENDED),
        "hash_algorithm": SHA_256,
        "timestamp": ANY_TIME,
        "latency_ms": AMOUNT,
        "binding": Optional(nested(APPROVAL_BINDING)),
    },
    receipts.SideEffectReceipt: {
        "receipt_version": ONE,
        **dict.fromkeys(("receipt_id", "target_hash_b64u", "request_hash_b64u", "response_hash_b64u"), TEXT),
        "effect_class": EFFECTS,
        "vendor_id": Optional(STRING),
        "response_status": Optional(ANSWERED),
        "hash_algorithm": SHA_256,
        "agent_did": TEXT,
        "timestamp": ANY_TIME,
        "latency_ms": AMOUNT,
        "bytes_written": Optional(AMOUNT),
        "binding": Optional(nested(APPROVAL_BINDING)),
    },
    approval.ApprovalBinding: APPROVAL_BINDING,
    approval.Approval: {
        "receipt_version": ONE,
        **dict.fromkeys(("receipt_id", "approver_subject", "agent_did", "scope_hash_b64u"), TEXT),
        "approval_type": APPROVALS,
        "approver_method": Optional(METHODS),
        "scope_summary": Optional(characters(0, 1024)),
        "policy_hash_b64u": Optional(STRING),
        "minted_capability_id": Optional(STRING),
        "minted_capability_ttl_seconds": Optional(AMOUNT),
        "plan_hash_b64u": Optional(STRING),
        "evidence_required": Optional(array(STRING)),
        "hash_algorithm": SHA_256,
        "timestamp": ANY_TIME,
        "binding": Optional(nested(APPROVAL_BINDING)),
    },
    bundled.ToolReceiptV2: {
        "receipt_version": choice("2"),
        **dict.fromkeys(("receipt_id", "tool_name", "agent_did"), TEXT),
        **{f"{what}_{part}_b64u": LOOSE_HASH for what in ("args", "result") for part in ("hash", "salt")},
        "tool_version": Optional(STRING),
        "result_status": Optional(ENDED),
        "hash_algorithm": SHA_256,
        "timestamp": ANY_TIME,
        "latency_ms": AMOUNT,
        "binding": Optional(nested(GATEWAY_BINDING)),
        "args_disclosure": Optional(nested(DISCLOSURE)),
        "result_disclosure": Optional(nested(DISCLOSURE)),
    },
    stated.StatedSideEffect: {
        "receipt_version": ONE,
        "receipt_id": TEXT,
        "effect_class": EFFECTS,
        "hash_algorithm": SHA_256,
        "agent_did": DID,
        "timestamp": ANY_TIME,
        **{name: Optional(STRING) for name in ("target_digest", "request_digest", "response_digest", "vendor_id")},
        **{name: Optional(TEXT) for name in ("target_hash_b64u", "request_hash_b64u", "response_hash_b64u")},
        "response_status": Optional(ANSWERED),
        "latency_ms": Optional(AMOUNT),
        "bytes_written": Optional(AMOUNT),
        "binding": Optional(nested(GATEWAY_BINDING)),
    },
    stated.StatedApproval: {
        "receipt_version": ONE,
        "receipt_id": TEXT,
        "approval_type": APPROVALS,
        "agent_did": DID,
        "timestamp": ANY_TIME,
        "approver_method": Optional(METHODS),
        **{name: Optional(STRING) for name in ("approver_subject", "scope_hash_b64u", "plan_hash_b64u")},
        **{name: Optional(STRING) for name in ("policy_hash_b64u", "minted_capability_id")},
        "scope_summary": Optional(characters(0, 1024)),
        "capability_minted": Optional(FLAG),
        "minted_capability_ttl_seconds": Optional(AMOUNT),
        "evidence_required": Optional(array(STRING)),
        "hash_algorithm": Optional(SHA_256),
        "binding": Optional(nested(GATEWAY_BINDING)),
    },
    stated.StatedDelegation: {
        "receipt_version": ONE,
        "receipt_id": TEXT,
        "delegator_did": DID,
        "delegate_did": DID,
        "task_description_hash_b64u": LOOSE_HASH,
        "delegate_bundle_hash_b64u": LOOSE_HASH,
        "delegation_policy": Optional(STRING),
        "hash_algorithm": SHA_256,
        "delegated_at": ANY_TIME,
        "completed_at": Optional(ANY_TIME),
        "binding": Optional(nested(GATEWAY_BINDING)),
    },
    claims.RateLimitClaim: RATE_LIMIT,
    claims.DisclosedLeaf: LEAF,
    claims.Disclosure: DISCLOSURE,
    envelope.CoSignature: {
        "signature_b64u": LOOSE_HASH,
        "algorithm": choice("Ed25519"),
        "signer_did": DID_KEY,
        "issued_at": ANY_TIME,
        "role": choice("proxy", "approver", "auditor", "supervisor"),
    },
    bundle.Event: EVENT,
    bundle.ResourceManifest: URM,
    bundle.BundledChange: SHARED
    | {"change_version": ONE}
    | dict.fromkeys(("simulation_b64u", "decision_b64u", "execution_b64u"), HASH),
    bundle.ProofBundle: {
        "bundle_version": ONE,
        "bundle_id": TEXT,
        "agent_did": DID_KEY,
        "eip8004_agent_id": Optional(Values(("0", "9" * 78), ("", "9" * 79, "a", *NO_TEXT))),
        "eip8004_registry": Optional(
            Values(
                ("eip155:1:0x" + "aF" * 20, "eip155:" + "9" * 32 + ":0x" + "0" * 40),
                ("", "eip155::0x" + "0" * 40, "eip155:" + "9" * 33 + ":0x" + "0" * 40, "eip155:1:0x" + "0" * 39, *NO_TEXT),
            )
        ),
        "urm": Optional(nested(URM)),
        "event_chain": Optional(array(nested(EVENT), low=1, high=1000)),
        "receipts": Optional(array(ANYTHING, low=1, high=1000)),
        **{f"{kind}_receipts": Optional(RAW) for kind in ("tool", "side_effect", "human_approval", "delegation")},
        "rate_limit_claims": Optional(array(nested(RATE_LIMIT), high=256)),
        "metadata": Optional(OBJECT),
    },
}
CLASSES = pytest.mark.parametrize("cls", RECORDS, ids=lambda cls: cls.__name__)


def accepts(cls: type[object], value: object) -> bool:
    try:
        s.decode(cls, value, "here")
    except Refused as refused:
        said = refused
    else:
        return True
    assert said.code == "SCHEMA_VALIDATION_FAILED"
    assert said.detail.startswith("here")
    return False


def test_every_schema_of_the_records_is_here() -> None:
    modules = [
        approval,
        bundle,
        bundled,
        claims,
        clawsig_policy,
        closure,
        decision,
        envelope,
        execution,
        own,
        plan,
        policy,
        receipts,
        restrictions,
    ]
    modules += [roster, simulation, stated, token]
    schemas = {
        cls
        for module in modules
        for cls in vars(module).values()
        if dataclasses.is_dataclass(cls) and any("rule" in field.metadata for field in dataclasses.fields(cls))
    }
    assert schemas == set(RECORDS)


@CLASSES
def test_what_must_be_there_is_enough_and_no_more_is_known(cls: type[object]) -> None:
    members = RECORDS[cls]
    least = example(members)
    assert accepts(cls, least)
    assert accepts(cls, {name: values_of(values).good[0] for name, values in members.items()})
    assert not accepts(cls, least | {"more": 1})
    for name in required(members):
        assert not accepts(cls, {key: value for key, value in least.items() if key != name}), name


@CLASSES
def test_each_member_takes_what_the_format_says(cls: type[object]) -> None:
    members = RECORDS[cls]
    least = example(members)
    for name, values in members.items():
        for value in values_of(values).good:
            assert accepts(cls, least | {name: value}), (name, value)
        absent = (None,) if isinstance(values, Optional) else ()
        for value in (*values_of(values).bad, *absent):
            assert not accepts(cls, least | {name: value}), (name, value)
