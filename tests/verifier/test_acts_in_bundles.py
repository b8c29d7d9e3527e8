"""What a bundle holds of the log: signed acts beside model calls, where and by whom they were logged, and what was erased."""

from __future__ import annotations

import copy

from tests.verifier.adversary.test_bundles import BUNDLE, event_after, sealed, tool_receipt
from tests.verifier.adversary.test_cut_off import erase
from tests.verifier.changebuilder import ROLE_KEYS, SECURITY, Change, Payload, receipt_refs, trust_toml
from tests.verifier.judging import assert_fails, assert_passes, assert_undecided, setting, verdict
from tests.verifier.logbuilder import Key

INCOMPLETE = f"{BUNDLE} RECEIPT_SET_INCOMPLETE"
TOOL = tool_receipt(Change())


def log_the_tool(change: Change, *, signer: Key = ROLE_KEYS["agents"]) -> None:
    change.put("tool", "tool_receipt", copy.deepcopy(TOOL), signer, receipt_refs)


def with_the_tool(payload: Payload) -> None:
    payload["tool_receipts"] = [sealed(TOOL)]


def test_an_act_that_was_erased_since_is_known_by_the_role_that_its_signer_had() -> None:
    """Agents may sign acts, and so may gateways: one of the two roles is enough."""
    change = Change(edit={"bundle": with_the_tool}, before={"bundle": log_the_tool, "after": lambda c: erase(c, "tool")})
    assert_undecided(verdict(change.build()), "PAYLOAD_ERASED")


def test_an_act_that_is_logged_excuses_no_other_that_is_not() -> None:
    second = tool_receipt(Change(), receipt_id="tool-2")
    change = Change(edit={"bundle": setting(tool_receipts=[sealed(TOOL), sealed(second)])}, before={"bundle": log_the_tool})
    assert_fails(verdict(change.build()), "RECEIPT_SET_INCOMPLETE", INCOMPLETE)


def test_an_act_that_is_logged_excuses_no_model_call_without_a_receipt() -> None:
    def both(payload: Payload) -> None:
        with_the_tool(payload)
        event_after(payload, "llm_call")

    change = Change(edit={"bundle": both}, before={"bundle": log_the_tool})
    assert_fails(verdict(change.build()), "RECEIPT_SET_INCOMPLETE", INCOMPLETE)


def test_an_act_that_is_logged_only_above_the_bundle() -> None:
    change = Change(edit={"bundle": with_the_tool}, before={"approve_close_1": log_the_tool})
    assert_fails(verdict(change.build()), "RECEIPT_SET_INCOMPLETE", INCOMPLETE)


def test_an_act_that_somebody_else_logged() -> None:
    """The gateway says the same in its own name; the agent's word, which is in the bundle, is nowhere in the log."""
    gateways = ROLE_KEYS["gateways"]
    change = Change(edit={"bundle": with_the_tool}, before={"bundle": lambda c: log_the_tool(c, signer=gateways)})
    assert_fails(verdict(change.build()), "RECEIPT_SET_INCOMPLETE", INCOMPLETE)


def test_a_model_call_that_another_gateway_logged() -> None:
    """Both are trusted, and say the same: the bundle holds what only one of them signed, and the log what the other did."""
    other = Key("second gateway")
    change = Change(signer={"receipt_2": other})
    change.edit["bundle"] = lambda payload: payload["receipts"].__setitem__(1, first["receipts"][1])
    first = Change().build().payloads["bundle"]
    trust = trust_toml(roles={"gateways": [f'"{ROLE_KEYS["gateways"].did}"', f'"{other.did}"']})
    assert_fails(verdict(change.build(), trust=trust), "RECEIPT_SET_INCOMPLETE", INCOMPLETE)


def test_an_outcome_that_is_looked_into_after_the_closure_spoils_no_success() -> None:
    """Closing was decided on an end with success; what people say of it afterwards changes nothing."""

    def resolve(change: Change) -> None:
        payload = change.header("resolution", "resolve") | {"begin_b64u": change.hashes["begin"], "note": "looked again"}
        change.put("resolve", "resolution", payload, SECURITY, lambda p: {"target": p["begin_b64u"]})

    assert_passes(verdict(Change(before={"after": resolve}).build()))
