"""Who looks into an execution whose outcome was lost, and when."""

from __future__ import annotations

import pytest

from tests.verifier.adversary.test_steps import allow_again
from tests.verifier.changebuilder import REQUESTER, SECURITY, Change, at
from tests.verifier.judging import assert_fails, assert_passes, verdict
from tests.verifier.logbuilder import Key, hash_of


def look_into_beforehand(change: Change, key: Key) -> None:
    """The runner tells somebody the begin that it is going to log, who logs a resolution of it first."""
    begin = change.header("execution", "begin") | change.shared()
    begin |= {
        "phase": "begin",
        "decision_b64u": change.hashes["decide_execute"],
        "environment": change.plan["environment"],
        "issued_at": at(change.clock + 1),  # the clock goes on before each step
    }
    payload = change.header("resolution", "resolve") | {"begin_b64u": hash_of(begin), "note": "nothing happened"}
    change.put("resolve", "resolution", payload, key, lambda p: {"target": p["begin_b64u"]})


def execute_again(change: Change) -> None:
    allow_again(change)
    change.hashes["decide_execute"] = change.hashes["decide_again"]
    change._begin("begin_2")
    change.hashes["begin"] = change.hashes["begin_2"]
    change._end("end")


def assert_looked_into_beforehand(change: Change) -> None:
    log = change.log
    assert log.index_of(change.hashes["resolve"]) < log.size
    assert change.payloads["resolve"]["begin_b64u"] in {item.payload_hash for item in log.items}


@pytest.mark.parametrize("key", [REQUESTER, SECURITY], ids=["the requester", "another person"])
def test_an_execution_looked_into_before_it_began(key: Key) -> None:
    """Its outcome is as unknown as before; and whose execution it is, nobody could tell when the requester logged that."""
    change = Change(skip={"end"}, before={"begin": lambda c: look_into_beforehand(c, key), "bundle": execute_again})
    assert_fails(verdict(change.build()), "EXECUTION_OUTCOME_UNKNOWN")
    assert_looked_into_beforehand(change)


@pytest.mark.parametrize("key", [REQUESTER, SECURITY], ids=["the requester", "another person"])
def test_an_execution_that_was_looked_into_before_it_succeeded(key: Key) -> None:
    """A word that was given beforehand does not spoil it either."""
    change = Change(before={"begin": lambda c: look_into_beforehand(c, key)}).build()
    assert_passes(verdict(change))
    assert_looked_into_beforehand(change)
