"""Every code that the service gives a status of its own is registered, and every problem says what it must."""

from __future__ import annotations

from trustlog.errors import REASONS, Conflict, Refused
from trustlog.log.lookup import Erased
from trustlog.service.problems import STATUS, problem_of, problem_response, status_of


def test_all_statuses_are_of_registered_codes() -> None:
    assert STATUS.keys() <= REASONS.keys()


def test_what_is_understood_and_not_acceptable_is_422() -> None:
    assert status_of(Refused("SIGNATURE_INVALID", "no")) == 422


def test_a_conflict_names_its_holder_and_an_erasure_its_tombstone() -> None:
    conflict = problem_of(Conflict("taken", index=7, leaf_hash=bytes(32), param="payload.receipt_id"), "id")
    assert (conflict["status"], conflict["index"], conflict["leaf_hash_b64u"]) == (409, 7, "A" * 43)
    erased = problem_of(Erased("A" * 43, 9), "id")
    assert (erased["status"], erased["code"], erased["index"]) == (410, "GONE_ERASED", 9)


def test_push_back_says_when_to_come_again() -> None:
    for code in ("RATE_LIMITED", "UNAVAILABLE", "LOG_READ_ONLY", "STORAGE_FAILED"):
        assert problem_response(Refused(code, "later"), "id").headers["Retry-After"]
