"""An offer carries over a process boundary all that the writer judges by, and an error all that its reader is told."""

from __future__ import annotations

import msgspec
import pytest

from tests.support import envelopes, payloads
from tests.support.trust import ORIGIN
from trustlog.errors import REASONS, Conflict, Fatal, Refused, TrustlogError
from trustlog.log.admission import Admitted, admit
from trustlog.log.messages import TO_WRITER, Submit, encode_message
from trustlog.log.offer import Offer, Offered, Problem, make_offer

KINDS = sorted(envelopes.SIGNERS)


def carried(offer: Offer) -> Offer:
    """As it arrives at the other end."""
    message = TO_WRITER.decode(encode_message(Submit(1, [offer]))[4:])
    assert isinstance(message, Submit)
    return message.offers[0]


@pytest.mark.parametrize("kind", KINDS)
def test_the_writer_judges_what_admission_read(kind: str) -> None:
    candidate = envelopes.candidate(kind)
    offer = carried(make_offer(Admitted(candidate, None, 0)))
    judged = Offered(offer, ORIGIN)
    assert (offer.entry, offer.payload) == (candidate.entry.encode(), candidate.payload_text)
    assert (judged.kind, judged.signer_did, judged.payload_hash_b64u) == (
        candidate.kind,
        candidate.signer_did,
        candidate.payload_hash_b64u,
    )
    assert (judged.identity, list(judged.claims)) == (candidate.identity, list(candidate.claims))
    assert repr(judged.record) == repr(candidate.record)  # times compare as objects
    assert offer.byte_size >= len(candidate.payload_text) + len(candidate.entry.encode())


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_that_cannot_be_read_is_refused_where_it_is_asked_for(kind: str) -> None:
    offer = make_offer(Admitted(envelopes.candidate(kind), None, 0))
    for payload in (b"{}", b"not JSON", offer.payload[:-1]):
        judged = Offered(msgspec.structs.replace(offer, payload=payload), ORIGIN)
        assert judged.identity == offer.identity
        with pytest.raises(Refused):
            _ = judged.record


def test_a_skewed_time_travels_as_the_refusal_that_it_may_become() -> None:
    envelope = envelopes.seal("gateway_receipt", payloads.VALID["gateway_receipt"](timestamp="2031-01-01T00:00:00.000Z"))
    admitted = admit(envelope, origin=ORIGIN, now_ns=payloads.NOW_NS)
    assert admitted.skew is not None
    offer = carried(make_offer(admitted))
    assert offer.skew is not None
    error = offer.skew.error()
    assert (type(error), error.code, str(error)) == (Refused, admitted.skew.code, str(admitted.skew))


@pytest.mark.parametrize("code", sorted(REASONS))
@pytest.mark.parametrize("made", [Refused, TrustlogError])
def test_an_error_says_the_same_at_the_other_end(code: str, made: type[TrustlogError]) -> None:
    error = made(code, "a detail", param="payload.x", expected="this", found="that", hint="do this next")
    arrived = Problem.of(error).error()
    assert type(arrived) is made
    for name in ("code", "detail", "param", "expected", "found", "hint"):
        assert getattr(arrived, name) == getattr(error, name)


def test_what_is_not_said_is_not_said_at_the_other_end_either() -> None:
    arrived = Problem.of(Fatal("GUARD_MISMATCH", "a detail")).error()
    assert (arrived.param, arrived.expected, arrived.found) == (None, None, None)
    assert arrived.hint == REASONS["GUARD_MISMATCH"].next_step
    assert not isinstance(arrived, Refused)


@pytest.mark.parametrize("index", [0, 7, 1 << 39])
def test_a_conflict_names_its_holder_at_the_other_end(index: int) -> None:
    error = Conflict("taken", index=index, leaf_hash=b"h" * 32, param="payload.receipt_id", found=f"held by index {index}")
    arrived = Problem.of(error).error()
    assert isinstance(arrived, Conflict)
    assert (arrived.index, arrived.leaf_hash, arrived.param, arrived.detail, arrived.found) == (
        index,
        b"h" * 32,
        "payload.receipt_id",
        "taken",
        f"held by index {index}",
    )
