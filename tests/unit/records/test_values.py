"""Ids, hashes, times and numbers of records have one exact form each; the rules that a schema cannot say hold too."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import keys, payloads
from tests.support.envelopes import candidate
from tests.support.payloads import BUNDLE_HASH, DECISION_HASH, NOW, NOW_S, POLICY_HASH, VALID, Payload, hash_of, salt_of
from trustlog.errors import Refused
from trustlog.formats.entry import parse_entry
from trustlog.limits import MAX_LATENCY_MS, MAX_METADATA_BYTES, MAX_TOKENS

HASH = hash_of("x")
# Their last character has non-zero unused bits, or they are of another length or alphabet.
NO_HASHES = ["", HASH[:-1], HASH + "A", HASH[:-1] + "B", HASH[:-1] + "=", "+" + HASH[1:], HASH + "\n", "sha256:" + HASH]


def refused(kind: str, payload: Payload) -> Refused:
    with pytest.raises(Refused) as caught:
        candidate(kind, payload)
    return caught.value


def expect(kind: str, payload: Payload, code: str, param: str) -> None:
    found = refused(kind, payload)
    assert (found.code, found.param) == (code, param), (found.code, found.param, found.found)
    assert found.expected


HASH_FIELDS = [
    ("token_issued", "policy_hash_b64u"),
    ("token_issued", "token_scope_hash_b64u"),
    ("simulation", "plan_hash_b64u"),
    ("simulation", "policy_hash_b64u"),
    ("simulation", "token_scope_hash_b64u"),
    ("gate_decision", "token_scope_hash_b64u"),
    ("gate_decision", "roster_b64u"),
    ("gate_decision", "trust_policy_b64u"),
    ("execution", "decision_b64u"),
    ("execution", "plan_hash_b64u"),
    ("resolution", "begin_b64u"),
    ("closure", "decision_b64u"),
    ("closure", "bundle_b64u"),
    ("step_up", "approval_b64u"),
    ("step_up", "subject_hash"),
    ("step_up", "token_salted_hash"),
    ("step_up", "jwks_b64u"),
    ("tombstone", "payload_b64u"),
    ("tombstone", "leaf_hash_b64u"),
]


@pytest.mark.parametrize(("kind", "name"), HASH_FIELDS)
def test_a_hash_is_43_characters_in_its_one_spelling(kind: str, name: str) -> None:
    for value in NO_HASHES:
        expect(kind, VALID[kind](**{name: value}), "SCHEMA_VALIDATION_FAILED", f"payload.{name}")


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("job_id", ["j", "A.z_0:-", "x" * 128], ["", "x" * 129, "a b", "a/b", "é", "a\n"]),
        ("run_id", ["r", "A.z_0:-", "x" * 128], ["", "x" * 129, "a b", "a/b", "é", "a\n"]),
        (
            "ticket",
            ["s:1", "servicedesk.test-1:CHG-1", "a" * 64 + ":" + "b" * 128],
            ["", "CHG-1", ":1", "s:", "S:1", "s:a b", "s:a:b", "s_1:a", "a" * 65 + ":1", "s:" + "b" * 129, "s:1\n"],
        ),
        ("salt", [salt_of("another"), "A" * 22], ["", "A" * 21, "A" * 23, "A" * 21 + "B", "A" * 21 + "="]),
        (
            "issued_at",
            ["2026-03-02T09:00:00Z", "2026-03-02T09:00:00.123456789Z"],
            ["", "2026-03-02", "2026-03-02T09:00:00+00:00", "2026-02-30T09:00:00Z", "2026-03-02T09:00:00z"],
        ),
    ],
)
def test_ids_tickets_salts_and_times_have_one_form(name: str, good: list[str], bad: list[str]) -> None:
    for value in good:
        candidate("simulation", payloads.simulation(**{name: value}))
    for value in bad:
        expect("simulation", payloads.simulation(**{name: value}), "SCHEMA_VALIDATION_FAILED", f"payload.{name}")


@pytest.mark.parametrize("subject", ["", "a@b.test", "Alice Smith", "x" * 129, "a:b"])
def test_a_subject_is_opaque(subject: str) -> None:
    expect("step_up", payloads.step_up(subject=subject), "SCHEMA_VALIDATION_FAILED", "payload.subject")


# Clawsig's receipts and approvals.


@pytest.mark.parametrize(
    ("name", "most"), [("tokens_input", MAX_TOKENS), ("tokens_output", MAX_TOKENS), ("latency_ms", MAX_LATENCY_MS)]
)
def test_a_gateway_receipts_counts_are_integers_within_their_bounds(name: str, most: int) -> None:
    for good in (0, most):
        candidate("gateway_receipt", payloads.gateway_receipt(**{name: good}))
    for bad in (-1, most + 1, 0.5):
        expect("gateway_receipt", payloads.gateway_receipt(**{name: bad}), "SCHEMA_VALIDATION_FAILED", f"payload.{name}")


@pytest.mark.parametrize("value", [0, 12, 0.5, 1e21])
def test_another_receipts_latency_may_be_any_number_from_zero(value: float) -> None:
    candidate("tool_receipt", payloads.tool_receipt(latency_ms=value))
    candidate("side_effect_receipt", payloads.side_effect_receipt(latency_ms=value, bytes_written=value))
    expect("tool_receipt", payloads.tool_receipt(latency_ms=-1), "SCHEMA_VALIDATION_FAILED", "payload.latency_ms")
    expect("tool_receipt", payloads.tool_receipt(latency_ms=-0.5), "SCHEMA_VALIDATION_FAILED", "payload.latency_ms")


def test_a_gateway_receipts_metadata_are_free_up_to_16_kib() -> None:
    overhead = len(b'{"x":""}')
    fitting = "y" * (MAX_METADATA_BYTES - overhead)
    candidate("gateway_receipt", payloads.gateway_receipt(metadata={"x": fitting}))
    expect(
        "gateway_receipt",
        payloads.gateway_receipt(metadata={"x": fitting + "y"}),
        "SCHEMA_VALIDATION_FAILED",
        "payload.metadata",
    )


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("gateway_receipt", "receipt_version", "2"),
        ("gateway_receipt", "receipt_id", ""),
        ("gateway_receipt", "request_hash_b64u", "short"),
        ("gateway_receipt", "request_hash_b64u", "not base64url!"),
        ("gateway_receipt", "timestamp", "2026-03-02T09:00:00"),
        ("tool_receipt", "result_status", "denied"),
        ("tool_receipt", "hash_algorithm", "BLAKE3"),
        ("side_effect_receipt", "effect_class", "payment"),
        ("side_effect_receipt", "response_status", "maybe"),
        ("human_approval_receipt", "approval_type", "approve"),
        ("human_approval_receipt", "approver_method", "telepathy"),
        ("human_approval_receipt", "scope_summary", "x" * 1025),
        ("human_approval_receipt", "scope_hash_b64u", ""),
    ],
)
def test_clawsigs_own_constraints_hold(kind: str, name: str, value: str) -> None:
    expect(kind, VALID[kind](**{name: value}), "SCHEMA_VALIDATION_FAILED", f"payload.{name}")


def test_clawsigs_times_may_have_an_offset() -> None:
    candidate("gateway_receipt", payloads.gateway_receipt(timestamp="2026-03-02T10:00:00+01:00"))


@pytest.mark.parametrize("approval_type", ["explicit_approve", "explicit_deny", "auto_approve", "timeout_deny"])
def test_every_type_of_approval_can_be_logged(approval_type: str) -> None:
    candidate("human_approval_receipt", payloads.human_approval_receipt(approval_type=approval_type))


def test_an_approvals_binding_names_the_policy_that_the_approval_names() -> None:
    other = payloads.human_approval_receipt(binding=payloads.binding(policy_hash=hash_of("another policy")))
    expect("human_approval_receipt", other, "RECEIPT_BINDING_MISMATCH", "payload.binding.policy_hash")
    unnamed = payloads.human_approval_receipt()
    del unnamed["policy_hash_b64u"]
    expect("human_approval_receipt", unnamed, "RECEIPT_BINDING_MISMATCH", "payload.binding.policy_hash")
    del unnamed["binding"]["policy_hash"]
    candidate("human_approval_receipt", unnamed)


# Our own.


def test_a_tokens_scope_hash_is_that_of_its_terms() -> None:
    wrong = payloads.token_issued(token_scope_hash_b64u=hash_of("other terms"))
    expect("token_issued", wrong, "TOKEN_SCOPE_MISMATCH", "payload.token_scope_hash_b64u")
    for change in ({"aud": ["other.test"]}, {"scope": ["x"]}, {"job_id": "job-2"}, {"agent_did": keys.STRANGER.did}):
        moved = {**payloads.token_issued(), **change}
        expect("token_issued", moved, "TOKEN_SCOPE_MISMATCH", "payload.token_scope_hash_b64u")


def test_a_tokens_scope_hash_is_the_same_however_its_names_are_ordered() -> None:
    one = payloads.token_issued(aud=["a.test", "b.test"], scope=["x", "y"])
    other = payloads.token_issued(aud=["b.test", "a.test", "a.test"], scope=["y", "x"])
    assert one["token_scope_hash_b64u"] == other["token_scope_hash_b64u"]


@pytest.mark.parametrize("exp", [NOW_S, NOW_S - 1])
def test_a_token_ends_after_it_begins(exp: int) -> None:
    expect("token_issued", payloads.token_issued(exp=exp), "SCHEMA_VALIDATION_FAILED", "payload.exp")


@pytest.mark.parametrize("token_hash", ["", "A" * 64, "0" * 63, "0" * 65, HASH])
def test_a_token_hash_is_64_lower_case_hex_digits(token_hash: str) -> None:
    expect("token_issued", payloads.token_issued(token_hash=token_hash), "SCHEMA_VALIDATION_FAILED", "payload.token_hash")


@pytest.mark.parametrize("outcome", ["", "ok", "unknown"])
def test_an_outcome_is_success_or_failure(outcome: str) -> None:
    expect("simulation", payloads.simulation(outcome=outcome), "SCHEMA_VALIDATION_FAILED", "payload.outcome")
    ended = payloads.execution_end(outcome=outcome)
    expect("execution", ended, "SCHEMA_VALIDATION_FAILED", "payload.outcome")


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"begin_b64u": HASH}, "payload.begin_b64u"),
        ({"outcome": "success"}, "payload.outcome"),
        ({"diff_b64u": HASH}, "payload.diff_b64u"),
    ],
)
def test_a_begin_knows_no_end(members: Payload, param: str) -> None:
    expect("execution", payloads.execution(**members), "SCHEMA_VALIDATION_FAILED", param)


@pytest.mark.parametrize("name", ["begin_b64u", "outcome"])
def test_an_end_names_its_begin_and_its_outcome(name: str) -> None:
    ended = payloads.execution_end(diff_b64u=HASH)
    candidate("execution", ended)
    del ended[name]
    expect("execution", ended, "SCHEMA_VALIDATION_FAILED", f"payload.{name}")


@pytest.mark.parametrize(
    "target",
    [
        "token:" + "0" * 64,
        "job:job-1",
        f"policy:{HASH}",
        f"approval:{HASH}",
        f"key:{keys.ALICE.did}",
    ],
)
def test_the_five_sorts_of_target_can_be_revoked(target: str) -> None:
    assert candidate("revocation", payloads.revocation(target=target)).record.target == target


@pytest.mark.parametrize(
    "target",
    [
        "",
        "token:",
        "token:" + "F" * 64,
        "token:" + "0" * 63,
        "job:",
        "job:a b",
        "job:" + "x" * 129,
        f"policy:{HASH[:-1]}",
        f"policy:{HASH[:-1]}B",
        f"approval:{HASH}A",
        "key:did:web:a.test",
        "key:did:key:z6Mk",
        f"key:{keys.ALICE.did}x",
        f"run:{HASH}",
        f"Policy:{HASH}",
        f" policy:{HASH}",
        f"policy:{HASH}\n",
    ],
)
def test_nothing_else_can_be_a_target(target: str) -> None:
    expect("revocation", payloads.revocation(target=target), "SCHEMA_VALIDATION_FAILED", "payload.target")


# Decisions.


def decision(**changes: Any) -> Payload:
    return payloads.gate_decision(**changes)


@pytest.mark.parametrize("name", list(payloads.scope()))
def test_an_allow_has_the_whole_scope(name: str) -> None:
    scope = payloads.scope()
    del scope[name]
    expect("gate_decision", decision(scope=scope), "DECISION_INVALID", "payload.scope")


@pytest.mark.parametrize("name", ["token_hash", "token_scope_hash_b64u", "run_id", "roster_b64u"])
def test_an_allow_lacks_nothing_that_a_deny_may_lack(name: str) -> None:
    allow = decision()
    del allow[name]
    expect("gate_decision", allow, "DECISION_INVALID", f"payload.{name}")


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"count": 2}, "payload.count"),
        ({"withdraws_b64u": DECISION_HASH}, "payload.withdraws_b64u"),
        ({"closing_reason": f"bundle:{BUNDLE_HASH}"}, "payload.closing_reason"),
        ({"requested": {"action": "ticket.close", "ticket": payloads.TICKET}}, "payload.requested"),
        ({"requested": {"action": "change.execute", "ticket": "servicedesk.test:CHG-2"}}, "payload.requested"),
        ({"scope": payloads.scope(extra="x")}, "payload.scope"),
        ({"scope": payloads.scope(bundle_b64u=BUNDLE_HASH)}, "payload.closing_reason"),
        ({"expires_at": "2026-03-02T09:01:00.001Z"}, "payload.expires_at"),
        ({"expires_at": "2026-03-02T08:59:59.999Z"}, "payload.expires_at"),
    ],
)
def test_an_allow_that_breaks_a_rule_is_no_decision(changes: Payload, param: str) -> None:
    expect("gate_decision", decision(**changes), "DECISION_INVALID", param)


def test_an_allow_to_close_says_the_closing_reason() -> None:
    candidate("gate_decision", payloads.allow_to_close())
    silent = payloads.allow_to_close()
    del silent["closing_reason"]
    expect("gate_decision", silent, "DECISION_INVALID", "payload.closing_reason")


def test_a_deny_gives_a_reason_and_may_count_and_withdraw() -> None:
    candidate("gate_decision", payloads.deny(count=3, withdraws_b64u=DECISION_HASH))
    expect("gate_decision", payloads.deny(reasons=[]), "DECISION_INVALID", "payload.reasons")
    expect("gate_decision", payloads.deny(count=0), "SCHEMA_VALIDATION_FAILED", "payload.count")


def test_a_scopes_values_are_texts_that_are_not_empty() -> None:
    for value in ("", "x" * 513, 1, None):
        found = refused("gate_decision", decision(scope={**payloads.scope(), "round": value}))
        assert (found.code, (found.param or "")[:13]) == ("SCHEMA_VALIDATION_FAILED", "payload.scope")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("scope_version", "2"),
        ("origin", "other.test/log"),
        ("job_id", "a b"),
        ("agent_did", "did:web:agent.test"),
        ("requester", "dora@corp.test"),
        ("ticket", "CHG-1"),
        ("policy_hash_b64u", "x" * 43),
        ("plan_hash_b64u", "a plan"),
        ("simulation_b64u", "sha256:" + HASH),
        ("round", "0"),
        ("round", "01"),
        ("round", "one"),
        ("bundle_b64u", BUNDLE_HASH + "="),
    ],
)
def test_an_allows_scope_is_exact_in_every_member(name: str, value: str) -> None:
    scope = {**payloads.scope(action="ticket.close", bundle_b64u=BUNDLE_HASH), name: value}
    requested = {"action": "ticket.close", "ticket": scope["ticket"]}
    allow = payloads.allow_to_close(scope=scope, requested=requested)
    expect("gate_decision", allow, "DECISION_INVALID", f"payload.scope.{name}")


def test_a_decision_whose_entry_would_be_too_large_is_refused() -> None:
    """An allow's hashes keep it small; a deny holds whatever was established, and must fit all the same."""
    long = "x" * 96
    names = ("policy_hash_b64u", "plan_hash_b64u", "job_id", "bundle_b64u")
    scope = payloads.scope(**dict.fromkeys(names, long), ticket="t:" + long[2:])
    deny = payloads.deny(
        scope=scope,
        run_id=long,
        token_hash=payloads.TOKEN_HASH,
        token_scope_hash_b64u=payloads.TOKEN_SCOPE_HASH,
    )
    expect("gate_decision", deny, "ENTRY_MALFORMED", "payload")


def test_the_largest_allow_is_an_entry() -> None:
    long = "x" * 96
    ticket = "t:" + long[2:]
    scope = payloads.scope(job_id=long, ticket=ticket, action="ticket.close", bundle_b64u=BUNDLE_HASH)
    requested = {"action": "ticket.close", "ticket": ticket}
    entry = candidate("gate_decision", payloads.allow_to_close(scope=scope, requested=requested, run_id=long)).entry
    assert parse_entry(entry.encode()) == entry
    assert len(entry.encode()) < 1024


# Rosters.


@pytest.mark.parametrize("previous", [(1, HASH), (2, None)])
def test_the_first_roster_has_no_predecessor_and_every_other_has_one(previous: tuple[int, str | None]) -> None:
    number, hash_before = previous
    roster = payloads.roster(number=number, previous_b64u=hash_before)
    expect("roster", roster, "ROSTER_INVALID", "payload.previous_b64u")


@pytest.mark.parametrize(
    "second",
    [
        payloads.person(payloads.ALICE, keys.CAROL, idp=[]),
        payloads.person("p-carol", keys.ALICE, idp=[]),
        payloads.person("p-carol", keys.CAROL, idp=[hash_of("provider id of p-alice")]),
    ],
    ids=["subject", "key", "provider id"],
)
def test_a_subject_key_or_provider_id_stands_once_in_a_roster(second: Payload) -> None:
    people = [payloads.person(payloads.ALICE, keys.ALICE), second]
    expect("roster", payloads.roster(people=people), "ROSTER_INVALID", "payload.people[1]")


@pytest.mark.parametrize("number", [0, -1, 2**53, 1.5, "1"])
def test_a_rosters_number_counts_from_one(number: object) -> None:
    assert refused("roster", payloads.roster(number=number)).code in ("SCHEMA_VALIDATION_FAILED", "JSON_INVALID")


def test_validity_is_half_open() -> None:
    person = payloads.person(payloads.ALICE, keys.ALICE, valid_from=NOW, valid_until="2026-03-02T09:00:01Z")
    known = candidate("roster", payloads.roster(people=[person])).record.people[0]
    assert [known.is_valid_at(payloads.NOW_NS + offset) for offset in (-1, 0, 999_999_999, 1_000_000_000)] == [
        False,
        True,
        True,
        False,
    ]


def test_a_decisions_policy_is_a_hash_in_its_ref() -> None:
    assert candidate("gate_decision", decision()).refs["policy"] == POLICY_HASH
