"""Messages come back whole, however the stream was cut, and say what was said."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trustlog.errors import Refused, TrustlogError
from trustlog.log.commit import Committed, Outcome, Place
from trustlog.log.messages import (
    FROM_WRITER,
    STATE,
    TO_WRITER,
    Done,
    Ended,
    FromWriter,
    Put,
    PutDone,
    Ready,
    State,
    Stop,
    Submit,
    encode_message,
    encode_state,
    make_done,
    pack_outcome,
    take_messages,
    unpack_outcome,
)
from trustlog.log.offer import Offer, Problem
from trustlog.merkle.edge import Edge
from trustlog.merkle.growth import Frontier, grow
from trustlog.merkle.hashing import hash_leaf
from trustlog.merkle.proofs import check_inclusion
from trustlog.records.kind import Claim
from trustlog.storage.guard import SignedTree

PROBLEMS = st.builds(
    Problem,
    st.just("UNAVAILABLE"),
    st.text(max_size=20),
    st.none() | st.text(max_size=20),
    st.none() | st.text(max_size=20),
    st.none() | st.text(max_size=20),
    st.text(max_size=20),
    st.booleans(),
)
HASHES = st.binary(min_size=32, max_size=32)
INDEXES = st.integers(0, 1 << 40)
OFFERS = st.builds(
    Offer,
    st.text(max_size=10),
    st.text(max_size=10),
    st.text(max_size=10),
    HASHES,
    st.binary(max_size=30),
    st.binary(max_size=30),
    st.none() | st.binary(max_size=30),
    st.lists(st.builds(Claim, HASHES, HASHES, st.text(max_size=10)), max_size=2),
    st.none() | PROBLEMS,
)
TO_THE_WRITER = st.builds(Submit, INDEXES, st.lists(OFFERS, max_size=3)) | st.builds(
    Put, INDEXES, HASHES, st.binary(max_size=50)
)
FROM_THE_WRITER = st.one_of(
    st.builds(Ready, st.text(), st.text(), st.none() | PROBLEMS),
    st.builds(
        Done,
        st.lists(st.tuples(INDEXES, st.lists(st.integers(-(1 << 40), 1 << 40) | PROBLEMS, max_size=3)), max_size=3),
        INDEXES,
        HASHES,
        st.binary(max_size=50),
        INDEXES,
        st.lists(INDEXES, max_size=3),
        st.lists(st.binary(max_size=64), max_size=3),
    ),
    st.builds(PutDone, INDEXES, st.booleans(), st.none() | PROBLEMS),
    st.just(Stop()),
    st.builds(Ended, PROBLEMS),
)


@given(st.lists(TO_THE_WRITER, max_size=4), st.lists(st.integers(1, 100), min_size=1))
def test_a_stream_that_is_cut_anywhere_gives_the_messages_in_order(messages: list[Submit | Put], cuts: list[int]) -> None:
    stream = b"".join(map(encode_message, messages))
    received = bytearray()
    bodies: list[bytes] = []
    position = turn = 0
    while position < len(stream):
        received += stream[position : position + cuts[turn % len(cuts)]]
        position, turn = position + cuts[turn % len(cuts)], turn + 1
        bodies += take_messages(received)
    assert received == b""
    assert [TO_WRITER.decode(body) for body in bodies] == messages


@given(FROM_THE_WRITER)
def test_what_the_writer_says_arrives(message: FromWriter) -> None:
    (body,) = take_messages(bytearray(encode_message(message)))
    assert FROM_WRITER.decode(body) == message


@given(st.builds(State, INDEXES, HASHES, st.binary(max_size=300), st.none() | PROBLEMS))
def test_the_state_in_shared_memory_is_read_as_it_was_written(state: State) -> None:
    assert STATE.decode(encode_state(state)) == state
    assert state.tree == SignedTree(state.size, state.root, state.note)


@given(INDEXES, st.booleans())
def test_a_place_keeps_whether_it_is_new(index: int, already_logged: bool) -> None:
    place = Place(index, already_logged=already_logged)
    assert unpack_outcome(pack_outcome(place)) == place


@pytest.mark.parametrize("error", [Refused("SIGNATURE_INVALID", "no"), TrustlogError("INTERNAL_ERROR", "no")])
def test_a_refusal_stays_one(error: TrustlogError) -> None:
    arrived = unpack_outcome(pack_outcome(error))
    assert isinstance(arrived, TrustlogError)
    assert (type(arrived), str(arrived)) == (type(error), str(error))


@given(st.integers(0, 300), st.integers(1, 300))
def test_the_proofs_of_a_batch_arrive_with_it(old: int, new: int) -> None:
    leaves = [hash_leaf(b"%d" % number) for number in range(old + new)]
    growth = grow(Frontier.of_edge(Edge.empty().append(leaves[:old])[0]), leaves[old:])
    tree = SignedTree(growth.size, growth.root, b"note")
    outcomes: list[Outcome] = [Place(index, already_logged=False) for index in range(old, old + new)]
    sent = make_done(Committed(outcomes, tree, growth), [(5, [pack_outcome(each) for each in outcomes])])
    done = FROM_WRITER.decode(encode_message(sent)[4:])
    assert isinstance(done, Done)
    assert (done.tree, done.outcomes) == (tree, [(5, list(range(old, old + new)))])
    arrived = done.growth
    assert arrived is not None
    assert (arrived.old_size, arrived.size, arrived.root) == (old, old + new, growth.root)
    for index in (old, old + new // 2, old + new - 1):
        check_inclusion(arrived.inclusion_proof(index), index, old + new, leaves[index], tree.root)


def test_a_batch_that_added_nothing_has_no_proofs() -> None:
    tree = SignedTree(9, hashlib.sha256(b"root").digest(), b"note")
    done = make_done(Committed([Place(3, already_logged=True)], tree, None), [(1, [~3])])
    assert (done.growth, done.tree) == (None, tree)
