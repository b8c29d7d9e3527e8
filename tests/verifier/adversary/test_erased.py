"""What a legal erasure may change of a verdict: what was shown becomes undecided, what was a lie does not become a pass."""

from __future__ import annotations

import pytest

from tests.verifier.adversary.auditor import Auditor
from tests.verifier.adversary.test_steps import view_of
from tests.verifier.changebuilder import ROLE_KEYS, Change, trust_toml
from tests.verifier.judging import assert_fails, assert_undecided, binding, setting, verdict
from tests.verifier.logbuilder import Key, hash_of
from tests.verifier.test_attacks import erase

RECEIPTS = ("receipt_1", "receipt_2", "receipt_3")
GATEWAY = ROLE_KEYS["gateways"]


def erase_all(change: Change) -> None:
    for step in RECEIPTS:
        erase(change, step)


def test_every_receipt_of_a_closed_job_is_erased(auditor: Auditor) -> None:
    """There were model calls, as tombstones say; none can be shown any more. That is no rule broken."""
    change = Change(before={"after": erase_all}).build()
    present = [f"policy.receipts_present[{action}] PAYLOAD_ERASED" for action in ("change.execute", "ticket.close")]
    assert_undecided(verdict(change), "PAYLOAD_ERASED", *present)
    auditor.serve(change.log)
    assert auditor.evidence(change) == (3, "PAYLOAD_ERASED")


@pytest.mark.parametrize(
    "edit",
    [
        binding(run_id="run-9"),
        binding(token_scope_hash_b64u=hash_of(b"of another job")),
        binding(policy_hash=hash_of(b"another")),
    ],
    ids=["run", "token scope", "policy"],
)
def test_erased_receipts_that_were_of_another(edit: object) -> None:
    """They would have shown nothing."""
    change = Change(edit=dict.fromkeys(RECEIPTS, edit), before={"after": erase_all})  # type: ignore[arg-type]
    assert_fails(verdict(change.build()), "RECEIPTS_MISSING")


def test_erased_receipts_of_somebody_who_never_was_a_gateway() -> None:
    change = Change(signer=dict.fromkeys(RECEIPTS, Key("stranger")), before={"after": erase_all})
    assert_fails(verdict(change.build()), "RECEIPTS_MISSING")


def test_erased_receipts_from_after_the_simulation() -> None:
    """The calls before it were never logged."""

    def late(change: Change) -> None:
        for step in RECEIPTS:
            change._receipt(step)

    change = Change(skip=set(RECEIPTS), before={"approve_execute_1": late, "after": erase_all})
    assert_fails(verdict(change.build()), "RECEIPTS_MISSING")


@pytest.mark.parametrize("erased", [False, True], ids=["there", "erased"])
@pytest.mark.parametrize("gateway", [True, False], ids=["a gateway", "a stranger"])
def test_a_call_of_another_run_between_view_and_decision(auditor: Auditor, *, erased: bool, gateway: bool) -> None:
    """A model was called in another run of the job, which no decision lists. It is erased once the job is closed."""

    def call(change: Change) -> None:
        change.edit["decide_close"] = view_of(change, change.log.size)
        events, receipts = list(change.events), list(change.receipts)
        change._receipt("strange")
        change.events, change.receipts = events, receipts

    change = Change(before={"decide_close": call}, edit={"strange": binding(run_id="run-9")})
    if erased:
        change.before["after"] = lambda c: erase(c, "strange")
    if not gateway:
        change.signer["strange"] = Key("stranger")
    change.build()
    strange = change.log.index_of(change.hashes["strange"])
    auditor.serve(change.log)
    told = (1, "RUN_MISMATCH") if gateway else (0, "OK")
    assert auditor.evidence(change.pack(leave_out=lambda index: index == strange)) == told


def test_an_erased_call_of_a_gateway_from_before_it_was_trusted() -> None:
    windows = {"gateways": [f'{{did = "{GATEWAY.did}", from_index = 6}}']}
    change = Change(edit={"bundle": setting()}, before={"after": erase_all}).build()
    assert verdict(change, trust=trust_toml(roles=windows)).exit_code == 1
