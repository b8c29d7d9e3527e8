"""The queue: batches form by themselves, a lone submitter never waits, and nothing grows without bound."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import pytest

from trustlog.errors import Fatal, Refused
from trustlog.log.admission import Admitted
from trustlog.log.commit import Logged, Result
from trustlog.log.sequencer import MAX_BATCH_ENTRIES, MAX_QUEUE_BYTES, MAX_QUEUE_ENTRIES, Sequencer
from trustlog.records.candidate import Candidate
from trustlog.storage.guard import SignedTree

TREE = SignedTree(1, bytes(32), b"note")


def admitted(byte_size: int = 1) -> Admitted:
    return Admitted(cast("Candidate", None), None, byte_size)


def logged(index: int) -> Logged:
    return Logged(index, b"", bytes(32), already_logged=False, attachments=None, tree=TREE, inclusion_proof=[])


@dataclass
class FakeWriter:
    """Numbers what it gets, once `open` is set."""

    batches: list[int] = field(default_factory=list)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    failure: Exception | None = None

    async def commit(self, batch: Sequence[Admitted]) -> list[Result]:
        await self.open.wait()
        if self.failure is not None:
            raise self.failure
        first = sum(self.batches)
        self.batches.append(len(batch))
        return [logged(first + i) for i in range(len(batch))]


async def test_a_lone_submitter_gets_a_batch_of_its_own_at_once() -> None:
    writer = FakeWriter()
    writer.open.set()
    sequencer = Sequencer(writer.commit)
    sequencer.start()
    async with asyncio.timeout(0.5):
        for expected in range(3):
            future = await sequencer.enqueue(admitted(), wait_for_room=False)
            assert (await future).index == expected
    assert writer.batches == [1, 1, 1]
    await sequencer.stop()


async def test_what_arrives_during_a_batch_is_the_next_batch_up_to_its_bound() -> None:
    writer = FakeWriter()
    sequencer = Sequencer(writer.commit)
    sequencer.start()
    futures = [await sequencer.enqueue(admitted(), wait_for_room=False)]
    await asyncio.sleep(0)
    futures += [await sequencer.enqueue(admitted(), wait_for_room=False) for _ in range(MAX_BATCH_ENTRIES + 10)]
    writer.open.set()
    assert [answer.index for answer in await asyncio.gather(*futures)] == list(range(MAX_BATCH_ENTRIES + 11))
    assert max(writer.batches) == MAX_BATCH_ENTRIES
    await sequencer.stop()


async def test_a_full_queue_turns_away_or_makes_wait() -> None:
    writer = FakeWriter()
    sequencer = Sequencer(writer.commit)
    futures = [await sequencer.enqueue(admitted(), wait_for_room=False) for _ in range(MAX_QUEUE_ENTRIES)]
    with pytest.raises(Refused) as raised:
        await sequencer.enqueue(admitted(), wait_for_room=False)
    assert raised.value.code == "UNAVAILABLE"
    waiting = asyncio.create_task(sequencer.enqueue(admitted(), wait_for_room=True))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    sequencer.start()
    writer.open.set()
    assert (await (await waiting)).index == MAX_QUEUE_ENTRIES
    await asyncio.gather(*futures)
    await sequencer.stop()


async def test_the_queue_is_bounded_in_bytes_too() -> None:
    sequencer = Sequencer(FakeWriter().commit)
    await sequencer.enqueue(admitted(MAX_QUEUE_BYTES), wait_for_room=False)
    with pytest.raises(Refused):
        await sequencer.enqueue(admitted(), wait_for_room=False)


async def test_a_submitter_that_left_disturbs_nobody() -> None:
    writer = FakeWriter()
    sequencer = Sequencer(writer.commit)
    sequencer.start()
    gone = await sequencer.enqueue(admitted(), wait_for_room=False)
    stays = await sequencer.enqueue(admitted(), wait_for_room=False)
    gone.cancel()
    writer.open.set()
    assert (await stays).index == 1
    await sequencer.stop()


@pytest.mark.parametrize("failure", [Fatal("GUARD_MISMATCH", "test"), ValueError("a defect")])
async def test_a_failed_writer_answers_nobody_with_success_and_takes_nothing_more(failure: Exception) -> None:
    writer = FakeWriter(failure=failure)
    sequencer = Sequencer(writer.commit)
    task = sequencer.start()
    in_batch = await sequencer.enqueue(admitted(), wait_for_room=False)
    await asyncio.sleep(0)
    queued = await sequencer.enqueue(admitted(), wait_for_room=False)
    writer.open.set()
    for future in (in_batch, queued):
        with pytest.raises(Refused, match="UNAVAILABLE"):
            await future
    with pytest.raises(Refused, match="UNAVAILABLE"):
        await sequencer.enqueue(admitted(), wait_for_room=True)
    with pytest.raises(Fatal):
        await task
    await sequencer.stop()


async def test_stopping_finishes_what_is_queued() -> None:
    writer = FakeWriter()
    sequencer = Sequencer(writer.commit)
    sequencer.start()
    futures = [await sequencer.enqueue(admitted(), wait_for_room=False) for _ in range(MAX_BATCH_ENTRIES * 2)]
    stopping = asyncio.create_task(sequencer.stop())
    await asyncio.sleep(0)
    with pytest.raises(Refused):
        await sequencer.enqueue(admitted(), wait_for_room=True)
    writer.open.set()
    await stopping
    assert all(future.done() and future.exception() is None for future in futures)
