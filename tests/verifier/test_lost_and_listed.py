"""What follows once a lost outcome was looked into, and what a decision may list."""

from __future__ import annotations

from tests.verifier.adversary.test_steps import allow_again
from tests.verifier.changebuilder import ROLE_KEYS, SECURITY, Change, Payload
from tests.verifier.judging import assert_fails, assert_passes, verdict
from tests.verifier.logbuilder import b64u, mth, sha


def test_executing_again_once_somebody_looked_into_the_lost_outcome() -> None:
    def again(change: Change) -> None:
        payload = change.header("resolution", "resolve") | {"begin_b64u": change.hashes["begin"], "note": "lost"}
        change.put("resolve", "resolution", payload, SECURITY, lambda p: {"target": p["begin_b64u"]})
        allow_again(change)
        change.hashes["decide_execute"] = change.hashes["decide_again"]
        change._begin("begin")

    assert_passes(verdict(Change(before={"end": again}).build()))


def test_a_decision_lists_nothing_at_or_above_its_view() -> None:
    """Though the pack has that entry with that leaf hash."""

    def log(change: Change) -> None:
        payload = change.header("violation", "v") | {"code": "CODE", "seen": [], "expected": "", "found": "", "done": ""}
        change.put("v", "violation", payload, ROLE_KEYS["gates"], lambda _: {})

    def listing(*, above: bool) -> Change:
        def look(payload: Payload) -> None:
            at = change.log.index_of(change.hashes["v"])
            leaf = b64u(sha(b"\x00" + change.log.items[at].entry))
            payload["view"] = {
                "size": at if above else at + 1,
                "root_b64u": b64u(mth(change.log.leaves(at if above else at + 1))),
            }
            payload["evidence"].append({"index": at, "leaf_hash_b64u": leaf})

        change = Change(before={"decide_execute": log}, edit={"decide_execute": look})
        return change.build()

    assert_passes(verdict(listing(above=False)))
    name = "evidence.listed[change.execute] EVIDENCE_INCOMPLETE"
    assert_fails(verdict(listing(above=True)), "EVIDENCE_INCOMPLETE", name)
