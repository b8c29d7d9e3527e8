"""Which two records cannot both count: another payload or signer under a taken key."""

from __future__ import annotations

import copy

import pytest

from tests.verifier.changebuilder import ROLE_KEYS, Change, Payload, trust_toml
from tests.verifier.logbuilder import Key, hash_of
from tests.verifier.test_bundles_alone import stated
from tests.verifier.test_records_alone import DENY, KINDS, Edit, both, honest, read, scope, setting
from verifier.ledger.history import History
from verifier.records.conflicts import conflict_keys
from verifier.trust import parse_trust_policy

OTHER = hash_of(b"another")
SALT = setting(salt="A" * 22)


def own(kind: str, **members: object) -> Payload:
    return honest().header(kind, kind) | members


FIRST: dict[str, tuple[str, Payload]] = {
    **{step: (kind, honest().payloads[step]) for step, kind in KINDS.items()},
    "tool": ("tool_receipt", stated("tool_receipts")),
    "effect": (
        "side_effect_receipt",
        stated("side_effect_receipts", latency_ms=1)
        | dict.fromkeys(("target_hash_b64u", "request_hash_b64u", "response_hash_b64u"), "x"),
    ),
    "resolution": ("resolution", own("resolution", begin_b64u=hash_of(b"begin"), note="")),
    "revocation": ("revocation", own("revocation", target="job:job-7", reason="")),
    "step_up": (
        "step_up",
        own("step_up", approval_b64u=hash_of(b"approval"), subject="p", issuer="i", subject_hash=OTHER)
        | {"acr": [], "auth_time": 1, "token_salted_hash": OTHER, "jwks_b64u": OTHER},
    ),
    "tombstone": (
        "tombstone",
        own("tombstone", payload_b64u=hash_of(b"p"), index=1, leaf_hash_b64u=OTHER, rule="r", reason=""),
    ),
    "violation": ("violation", own("violation", code="CODE", seen=[], expected="", found="", done="")),
}


def conflict(kind: str, first: Payload, second: Payload, *, signer: Key) -> bool:
    """Whether the second, by `signer`, has another value than the first, by the agent, under a key of both."""

    def keys(payload: Payload, key: Key) -> dict[tuple[str, ...], str]:
        record = read(kind, payload)
        return dict(conflict_keys(kind, record, signer_did=key.did, payload_hash_b64u=hash_of(payload)))

    taken, wanted = keys(first, ROLE_KEYS["agents"]), keys(second, signer)
    return any(taken.get(key, value) != value for key, value in wanted.items())


@pytest.mark.parametrize(
    ("step", "edit", "is_conflict"),
    [
        ("receipt_1", setting(model="another"), True),
        ("receipt_1", setting(receipt_id="another"), False),
        ("tool", setting(tool_name="another"), True),
        ("tool", setting(receipt_id="another"), False),
        ("effect", setting(latency_ms=2), True),
        ("effect", setting(receipt_id="another"), False),
        ("approve_execute_1", setting(approval_type="explicit_deny"), True),
        ("approve_execute_1", setting(receipt_id="another"), False),
        ("bundle", lambda p: p["metadata"].update(more=1), True),
        ("bundle", setting(bundle_id="another"), False),
        ("token", SALT, True),
        ("token", setting(token_hash="0" * 64), False),
        ("token", setting(token_hash="0" * 64, ticket="jira.example:CHG-8"), True),
        ("token", setting(token_hash="0" * 64, requester="p-sec"), True),
        ("simulation", SALT, False),
        ("simulation", setting(job_id="job-8"), True),
        ("simulation", setting(job_id="job-8", run_id="run-8"), False),
        ("decide_execute", SALT, True),
        ("decide_execute", scope(round="2"), False),
        ("decide_execute", both(SALT, DENY), False),
        ("begin", SALT, True),
        ("begin", setting(decision_b64u=OTHER), False),
        ("end", SALT, True),
        ("end", setting(decision_b64u=OTHER), False),
        ("resolution", SALT, True),
        ("resolution", setting(begin_b64u=OTHER), False),
        ("closure", SALT, True),
        ("closure", setting(decision_b64u=OTHER), True),
        ("closure", setting(bundle_b64u=OTHER), True),
        ("closure", setting(decision_b64u=OTHER, bundle_b64u=OTHER), False),
        ("step_up", SALT, True),
        ("step_up", setting(approval_b64u=OTHER), False),
        ("tombstone", SALT, True),
        ("tombstone", setting(payload_b64u=OTHER), False),
        ("revocation", SALT, False),
        ("violation", SALT, False),
        ("roster", SALT, False),
        ("policy", setting(policy_name="another"), False),
    ],
)
def test_another_payload_under_a_key(step: str, edit: Edit, *, is_conflict: bool) -> None:
    kind, first = FIRST[step]
    second = copy.deepcopy(first)
    edit(second)
    assert conflict(kind, first, second, signer=ROLE_KEYS["agents"]) == is_conflict
    assert not conflict(kind, first, first, signer=ROLE_KEYS["agents"])


@pytest.mark.parametrize("step", FIRST)
def test_another_signer_under_a_key(step: str) -> None:
    """Receipts, approvals and bundles are named within what one signer signed; all other keys are everybody's."""
    kind, payload = FIRST[step]
    free = kind.endswith("receipt") or kind in ("proof_bundle", "work_policy_contract", "roster", "revocation", "violation")
    expected = not free and kind != "simulation"  # a run is its job's, whoever simulates
    assert conflict(kind, payload, payload, signer=Key("another")) == expected


def test_a_begin_and_an_end_of_one_decision_do_not_meet() -> None:
    begin, end = (honest().payloads[step] for step in ("begin", "end"))
    assert not conflict("execution", begin, end, signer=ROLE_KEYS["agents"])


def test_ids_of_different_things_may_be_equal() -> None:
    change = Change(job="same", run="same").build()
    history = History(parse_trust_policy(trust_toml()), change.log.origin)
    found = [history.add(index, item.entry, item.payload) for index, item in enumerate(change.log.items)]
    assert all(item is not None and item.is_valid for item in found)
