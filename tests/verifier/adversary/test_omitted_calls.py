"""Receipts of the job's run that name another token scope or none: a decision lists them, whoever reads the log looks for them."""

from __future__ import annotations

import copy

import pytest

from tests.verifier.adversary.auditor import Auditor
from tests.verifier.changebuilder import ROLE_KEYS, Change, Payload, receipt_refs
from tests.verifier.logbuilder import hash_of


def outside_the_job(change: Change, scope: str | None) -> None:
    """A model call in the same run, made with a token of another job or with none."""
    payload = copy.deepcopy(change.payloads["receipt_1"]) | {"receipt_id": "outside"}
    del payload["metadata"]
    payload["binding"]["token_scope_hash_b64u"] = scope
    if scope is None:
        del payload["binding"]["token_scope_hash_b64u"]
    change.put("outside", "gateway_receipt", payload, ROLE_KEYS["gateways"], receipt_refs)


def called_outside(scope: str | None, *, run: str, omit: bool) -> Change:
    """A change with such a call; with `omit`, no decision lists it."""
    change = Change(run=run, before={"simulation": lambda c: outside_the_job(c, scope)})

    def leave_out(payload: Payload) -> None:
        outside = change.log.index_of(change.hashes["outside"])
        payload["evidence"] = [seen for seen in payload["evidence"] if seen["index"] != outside]

    if omit:
        change.edit |= {"decide_execute": leave_out, "decide_close": leave_out}
    return change.build()


SCOPES = pytest.mark.parametrize("scope", [hash_of(b"another job"), None], ids=["another scope", "no scope"])
RUNS = pytest.mark.parametrize("run", ["run-7", "run-" + "y" * 100], ids=["short", "long"])


@SCOPES
@RUNS
def test_a_call_of_the_run_that_nobody_lists(auditor: Auditor, scope: str | None, run: str) -> None:
    change = called_outside(scope, run=run, omit=True)
    auditor.serve(change.log)
    outside = change.log.index_of(change.hashes["outside"])
    assert auditor.evidence(change.pack(leave_out=lambda index: index == outside)) == (1, "EVIDENCE_INCOMPLETE")


@SCOPES
@RUNS
def test_a_call_of_the_run_that_is_listed_passes(auditor: Auditor, scope: str | None, run: str) -> None:
    change = called_outside(scope, run=run, omit=False)
    auditor.serve(change.log)
    assert auditor.evidence(change) == (0, "OK")
