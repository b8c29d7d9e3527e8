"""A payload that may not be erased, passed off as erased: something erasable holds or names the same bytes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.verifier.adversary.auditor import Auditor
from tests.verifier.changebuilder import ROLE_KEYS, Change, Payload, default_people, shared_refs
from tests.verifier.judging import assert_fails, verdict
from tests.verifier.logbuilder import Key, b64u, hash_of, sha

Act = Callable[[Change], object]


def next_roster(change: Change) -> None:
    """From here on the second approver has another key, so that whoever stole the old one approves nothing."""
    people = default_people()
    people[1]["keys"] = [Key("new key").did]
    change.put_roster("hidden", 2, change.hashes["roster"], people)


def withdrawal(change: Change) -> None:
    """It withdraws, and its refs tie it to nothing."""

    def bare(payload: Payload) -> None:
        payload["scope"] = {}
        for member in ("token_hash", "token_scope_hash_b64u", "run_id", "roster_b64u"):
            del payload[member]

    change.edit["hidden"] = bare
    change.withdraw("hidden", "decide_execute")


def as_a_receipt(change: Change) -> int:
    """An entry that is a receipt by its own word, of the same payload."""
    hidden = change.log.items[-1]
    change.log.add("gateway_receipt", hidden.payload or b"", refs={"receipt": "r"}, signer=ROLE_KEYS["gateways"])
    return change.log.size - 1


def as_an_artefact(change: Change) -> int:
    """A simulation of a job that is over names the payload among its artefacts."""
    artefact = {"role": "diff", "media_type": "text/plain", "size": 4, "sha256_b64u": change.hashes["hidden"]}
    payload = change.header("simulation", "other") | change.shared() | {"artefacts": [artefact], "outcome": "success"}
    payload |= {
        "job_id": "job-9",
        "run_id": "run-9",
        "token_scope_hash_b64u": hash_of(b"job 9"),
        "plan_hash_b64u": hash_of(b"9"),
    }
    change.put("other", "simulation", payload, ROLE_KEYS["runners"], shared_refs)
    change.revoke("over", "job:job-9", ROLE_KEYS["token_issuers"])
    return change.log.index_of(change.hashes["other"])


def hiding(restriction: Act, holder: Callable[[Change], int]) -> Act:
    """Log a restriction and a tombstone over its payload; nobody has the payload any more."""

    def act(change: Change) -> None:
        restriction(change)
        index = holder(change)
        payload = change.header("tombstone", "tombstone") | {
            "payload_b64u": change.hashes["hidden"],
            "index": index,
            "leaf_hash_b64u": b64u(sha(b"\x00" + change.log.items[index].entry)),
            "rule": "retention",
            "reason": "test",
        }
        change.put("tombstone", "tombstone", payload, ROLE_KEYS["custodians"], lambda p: {"target": p["payload_b64u"]})
        for item in change.log.items:
            if item.payload_hash == change.hashes["hidden"]:
                item.payload = None

    return act


def hidden_change(step: str, restriction: Act, holder: Callable[[Change], int]) -> Change:
    """A change whose gates list nothing that they pretend not to have read."""
    change = Change(before={step: hiding(restriction, holder)})

    def list_what_can_be_read(payload: Payload) -> None:
        payload["evidence"] = [seen for seen in payload["evidence"] if change.log.items[seen["index"]].payload is not None]

    change.edit |= {"decide_execute": list_what_can_be_read, "decide_close": list_what_can_be_read}
    return change.build()


RESTRICTIONS = pytest.mark.parametrize(
    ("step", "restriction"), [("simulation", next_roster), ("begin", withdrawal)], ids=["a roster", "a withdrawal"]
)
HOLDERS = pytest.mark.parametrize("holder", [as_a_receipt, as_an_artefact], ids=["as a receipt", "as an artefact"])


@RESTRICTIONS
@HOLDERS
def test_a_restriction_erased(auditor: Auditor, step: str, restriction: Act, holder: Callable[[Change], int]) -> None:
    change = hidden_change(step, restriction, holder)
    auditor.serve(change.log)
    pack = change.pack(leave_out=lambda index: change.log.items[index].payload is None)
    assert auditor.evidence(pack) == (3, "PAYLOAD_MISSING")
    assert auditor.log("--deep") == (3, "PAYLOAD_MISSING")


@RESTRICTIONS
@HOLDERS
def test_a_restriction_erased_in_the_pack(step: str, restriction: Act, holder: Callable[[Change], int]) -> None:
    change = hidden_change(step, restriction, holder)
    index = change.log.index_of(change.hashes["hidden"])
    report = verdict(change)
    assert_fails(report, "PAYLOAD_MISSING", "evidence.payload PAYLOAD_MISSING")
    assert index in {check.index for check in report.checks if check.code == "PAYLOAD_MISSING"}
