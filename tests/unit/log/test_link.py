"""A front end's link: what is under way is bounded, and whatever happens to the writer, nobody waits for ever.

The test is the writer: it has the other end of the socket.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from trustlog.errors import Refused, TrustlogError
from trustlog.log import link as link_module
from trustlog.log.commit import Place
from trustlog.log.link import MAX_OPEN_ENTRIES, STREAMS_SHARE, Submitted, WriterLink
from trustlog.log.messages import (
    TO_WRITER,
    Done,
    Ended,
    FromWriter,
    Put,
    PutDone,
    Ready,
    Stop,
    Submit,
    ToWriter,
    encode_message,
    take_messages,
)
from trustlog.log.offer import Offer, Problem

OFFER = Offer("gateway_receipt", "did", "hash", bytes(32), b"entry", b"payload", None, [], None)


class Writer:
    """The other end: takes messages, and says what the test wants said."""

    def __init__(self, connected: socket.socket) -> None:
        connected.setblocking(False)
        self.socket = connected
        self._received = bytearray()
        self._taken: list[ToWriter] = []

    async def take(self) -> ToWriter:
        while not self._taken:
            data = await asyncio.get_running_loop().sock_recv(self.socket, 1 << 20)
            assert data, "the front end closed"
            self._received += data
            self._taken += [TO_WRITER.decode(body) for body in take_messages(self._received)]
        return self._taken.pop(0)

    async def say(self, *messages: FromWriter) -> None:
        await asyncio.get_running_loop().sock_sendall(self.socket, b"".join(map(encode_message, messages)))

    async def log(self, count: int = 1) -> None:
        """Take `count` submissions, and answer all of them as one batch."""
        outcomes: list[tuple[int, list[int | Problem]]] = []
        for _ in range(count):
            submit = await self.take()
            assert isinstance(submit, Submit)
            outcomes.append((submit.number, list(range(len(submit.offers)))))
        await self.say(Done(outcomes, 9, bytes(32), b"note", 9, [], []))


@pytest.fixture
async def pair() -> AsyncIterator[tuple[WriterLink, Writer]]:
    ours, theirs = socket.socketpair()
    link = await WriterLink.connect(ours)
    writer = Writer(theirs)
    await writer.say(Ready("origin", "vkey", None))
    assert (await link.ready).origin == "origin"
    yield link, writer
    theirs.close()
    await link.closed


Pair = tuple[WriterLink, Writer]


async def offer(link: WriterLink, offers: list[Offer], *, wait_for_room: bool) -> asyncio.Future[Submitted]:
    return await link.submit(offers) if wait_for_room else link.submit_at_once(offers)


async def test_what_one_turn_of_the_loop_offers_reaches_the_writer_in_one_piece(pair: Pair) -> None:
    link, writer = pair
    answers = [link.submit_at_once([OFFER]) for _ in range(5)]
    data = bytearray(await asyncio.get_running_loop().sock_recv(writer.socket, 1 << 20))
    numbers = [TO_WRITER.decode(body).number for body in take_messages(data)]
    assert len(numbers) == 5
    assert not data
    await writer.say(Done([(number, [0]) for number in numbers], 9, bytes(32), b"note", 9, [], []))
    await asyncio.gather(*answers)


async def test_what_is_large_goes_out_at_once_and_in_order(pair: Pair) -> None:
    link, writer = pair
    answers = [link.submit_at_once([OFFER]), link.submit_at_once([OFFER] * 1000), link.submit_at_once([OFFER])]
    assert writer.socket.recv(1, socket.MSG_PEEK), "sent before the loop had another turn"
    await writer.log(3)
    assert [len((await answer).outcomes) for answer in answers] == [1, 1000, 1]


async def test_each_submission_gets_the_outcomes_of_its_own_offers(pair: Pair) -> None:
    link, writer = pair
    first = await offer(link, [OFFER, OFFER], wait_for_room=False)
    second = await offer(link, [OFFER], wait_for_room=False)
    one, two = await writer.take(), await writer.take()
    assert isinstance(one, Submit)
    assert isinstance(two, Submit)
    refusal = Problem.of(Refused("SIGNATURE_INVALID", "no"))
    await writer.say(Done([(two.number, [~4]), (one.number, [7, refusal])], 9, bytes(32), b"note", 9, [], []))
    outcomes = (await first).outcomes
    assert outcomes[0] == Place(7, already_logged=False)
    assert isinstance(outcomes[1], Refused)
    assert list((await second).outcomes) == [Place(4, already_logged=True)]
    assert (await second).batch is (await first).batch
    assert link.open_entries == 0


@pytest.mark.parametrize("wait_for_room", [False, True])
async def test_too_many_entries_under_way_turn_away_or_make_wait(pair: Pair, wait_for_room: bool) -> None:
    link, writer = pair
    share = STREAMS_SHARE if wait_for_room else 1.0
    most = int(MAX_OPEN_ENTRIES * share)
    answers = [await offer(link, [OFFER] * (most // 8), wait_for_room=wait_for_room) for _ in range(8)]
    assert link.open_entries == most
    if wait_for_room:
        waiting = asyncio.create_task(offer(link, [OFFER], wait_for_room=True))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        await writer.log()
        later = await waiting
        await writer.log(8)
        await later
    else:
        with pytest.raises(Refused, match="UNAVAILABLE"):
            await offer(link, [OFFER], wait_for_room=False)
        await writer.log(8)
        await asyncio.gather(*answers)
        later = await offer(link, [OFFER], wait_for_room=False)
        await writer.log()
        await later
    assert link.open_entries == 0


async def test_streams_leave_room_for_those_who_do_not_wait(pair: Pair) -> None:
    link, writer = pair
    stream = await offer(link, [OFFER] * int(MAX_OPEN_ENTRIES * STREAMS_SHARE), wait_for_room=True)
    another = asyncio.create_task(offer(link, [OFFER], wait_for_room=True))
    single = await offer(link, [OFFER], wait_for_room=False)
    assert not another.done()
    await writer.log(2)
    await asyncio.gather(stream, single)
    await writer.log()
    assert (await (await another)).outcomes


async def test_what_is_under_way_is_bounded_in_bytes_payloads_on_their_own_included(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, writer = pair
    monkeypatch.setattr(link_module, "MAX_OPEN_BYTES", 1000)
    put = asyncio.create_task(link.put(bytes(32), bytes(990)))
    await asyncio.sleep(0)
    for refused in (offer(link, [OFFER], wait_for_room=False), link.put(bytes(32), bytes(990))):
        with pytest.raises(Refused, match="UNAVAILABLE"):
            await refused
    taken = await writer.take()
    assert isinstance(taken, Put)
    await writer.say(PutDone(taken.number, created=True))
    assert await put is True
    answers = [await offer(link, [OFFER], wait_for_room=False) for _ in range(2)]  # its room is free again
    await writer.log(2)
    await asyncio.gather(*answers)


async def test_what_is_alone_always_has_room(pair: Pair) -> None:
    link, writer = pair
    answer = await offer(link, [OFFER] * (MAX_OPEN_ENTRIES + 1), wait_for_room=True)
    await writer.log()
    assert len((await answer).outcomes) == MAX_OPEN_ENTRIES + 1


async def test_a_caller_that_left_disturbs_nobody_and_its_room_comes_back(pair: Pair) -> None:
    link, writer = pair
    gone, stays = [await offer(link, [OFFER], wait_for_room=False) for _ in range(2)]
    gone.cancel()
    put = asyncio.create_task(link.put(bytes(32), b"data"))
    await asyncio.sleep(0)
    put.cancel()
    await writer.log(2)
    taken = await writer.take()
    assert isinstance(taken, Put)
    await writer.say(PutDone(taken.number, created=True))
    assert (await stays).outcomes
    later = await offer(link, [OFFER], wait_for_room=False)
    await writer.log()
    await later
    assert link.open_entries == 0


async def test_one_that_gives_up_waiting_for_room_disturbs_nobody(pair: Pair) -> None:
    link, writer = pair
    full = await offer(link, [OFFER] * MAX_OPEN_ENTRIES, wait_for_room=True)
    impatient, patient = (asyncio.create_task(offer(link, [OFFER], wait_for_room=True)) for _ in range(2))
    await asyncio.sleep(0)
    impatient.cancel()
    await writer.log()
    await full
    await writer.log()
    assert (await (await patient)).outcomes


@pytest.mark.parametrize("problem", [None, Problem.of(Refused("STORAGE_FAILED", "disk"))])
async def test_what_became_of_a_payload_is_told(pair: Pair, problem: Problem | None) -> None:
    link, writer = pair
    put = asyncio.create_task(link.put(b"s" * 32, b"data"))
    taken = await writer.take()
    assert isinstance(taken, Put)
    assert (taken.sha256, taken.data) == (b"s" * 32, b"data")
    await writer.say(PutDone(taken.number, created=False, problem=problem))
    if problem is None:
        assert await put is False
    else:
        with pytest.raises(TrustlogError, match="STORAGE_FAILED"):
            await put


@pytest.mark.parametrize("says_why", [True, False])
async def test_a_writer_that_ends_leaves_nobody_waiting_and_takes_nothing_more(pair: Pair, says_why: bool) -> None:
    link, writer = pair
    full = await offer(link, [OFFER] * MAX_OPEN_ENTRIES, wait_for_room=True)
    for_room = asyncio.create_task(offer(link, [OFFER], wait_for_room=True))
    await asyncio.sleep(0)
    if says_why:
        await writer.say(Ended(Problem.of(Refused("GUARD_MISMATCH", "another writer"))))
    writer.socket.close()
    for waiting in (full, for_room):
        with pytest.raises(Refused, match="UNAVAILABLE"):
            await waiting
    await link.stopping
    for refused in (offer(link, [OFFER], wait_for_room=False), offer(link, [OFFER], wait_for_room=True), link.put(b"", b"")):
        with pytest.raises(Refused, match="UNAVAILABLE") as raised:
            await refused
        assert raised.value.found == ("GUARD_MISMATCH" if says_why else "UNAVAILABLE")
    await link.finish()


async def test_a_writer_that_never_opens_is_told_to_whoever_waits_for_it() -> None:
    ours, theirs = socket.socketpair()
    link = await WriterLink.connect(ours)
    theirs.close()
    with pytest.raises(Refused, match="UNAVAILABLE"):
        await link.ready
    await link.finish()


async def test_what_is_answered_before_the_end_stays_answered(pair: Pair) -> None:
    link, writer = pair
    answered, open_still = [await offer(link, [OFFER], wait_for_room=False) for _ in range(2)]
    await writer.log()
    await writer.say(Ended(Problem.of(Refused("GUARD_MISMATCH", "another writer"))))
    assert list((await answered).outcomes) == [Place(0, already_logged=False)]
    with pytest.raises(Refused, match="UNAVAILABLE"):
        await open_still


async def test_finishing_waits_for_the_answers_and_then_closes(pair: Pair) -> None:
    link, writer = pair
    await writer.say(Stop())
    await link.stopping
    answer = await offer(link, [OFFER], wait_for_room=False)  # taken before; what is under way may still offer
    finishing = asyncio.create_task(link.finish())
    await asyncio.sleep(0.01)
    assert not finishing.done()
    await writer.log()
    assert (await answer).outcomes
    await finishing
    assert await asyncio.get_running_loop().sock_recv(writer.socket, 1) == b""
    with pytest.raises(Refused, match="UNAVAILABLE"):
        await offer(link, [OFFER], wait_for_room=False)
