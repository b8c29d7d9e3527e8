"""After the load: what was answered is read again through the verified client, and every view of the log is one history."""

from __future__ import annotations

import asyncio
import random
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from trustlog.bench.judging import NOT_LOGGED, Judged
from trustlog.bench.load import Load
from trustlog.client.checking import check_step, needs_proof
from trustlog.client.log import LogClient
from trustlog.errors import Refused
from trustlog.formats.entry import parse_entry

INDEX_PATIENCE_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Sampled:
    """What was read again.

    `entries` with their payloads, proven under the checkpoint of `tree_size`; `checkpoints` named during the load, consistent
    with it; `index_lag_s`: how long after the last answer the lookup index covered them (None: not in time).
    """

    entries: int
    checkpoints: int
    tree_size: int
    index_lag_s: float | None


async def read_again(client: LogClient, load: Load, judged: Judged, *, numbers: Sequence[int]) -> Sampled:
    """Read receipts `numbers` again. Raises Refused for the first entry, payload or checkpoint that is not what was answered."""
    ended = time.perf_counter()
    check_distinct(judged.indexes)
    newest = await client.checkpoint()
    lag_s = await _wait_for_index(client, newest.checkpoint.size, ended)
    for trusted in judged.checkpoints:
        old = trusted.checkpoint
        wanted = needs_proof(old, newest.checkpoint)
        check_step(old, newest.checkpoint, await client.consistency(old.size, newest.checkpoint.size) if wanted else [])
    for number in numbers:
        await _check_entry(client, load, number, judged.indexes[number], with_payload=lag_s is not None)
    return Sampled(len(numbers), len(judged.checkpoints), newest.checkpoint.size, lag_s)


def draw_sample(judged: Judged, count: int, *, seed: int) -> list[int]:
    """At most `count` of the receipts that were logged, drawn by `seed`."""
    chance = random.Random(seed)  # noqa: S311 - the same draw again for the same seed
    drawn = chance.sample(range(len(judged.indexes)), min(count, len(judged.indexes)))
    return sorted(number for number in drawn if judged.indexes[number] != NOT_LOGGED)


def check_distinct(indexes: array[int]) -> None:
    """Every receipt has an index of its own (``LOG_LIES``)."""
    taken = bytearray(max(indexes, default=0) + 1)
    for index in indexes:
        if index == NOT_LOGGED:
            continue
        if taken[index]:
            raise Refused("LOG_LIES", "the log answered with one index for two receipts", param="index", found=index)
        taken[index] = 1


async def _check_entry(client: LogClient, load: Load, number: int, index: int, *, with_payload: bool) -> None:
    proven = await client.entry(index)
    if proven.leaf_hash != load.leaf_hash(number):
        found = proven.leaf_hash.hex()
        raise Refused(
            "LOG_LIES", f"entry {index} is another than was answered", expected=load.leaf_hash(number).hex(), found=found
        )
    if with_payload:
        await client.payload(parse_entry(proven.entry).payload_hash)  # which compares its hash


async def _wait_for_index(client: LogClient, size: int, ended: float) -> float | None:
    """How long after `ended` the lookup index covered `size` entries."""
    while time.perf_counter() - ended < INDEX_PATIENCE_S:
        _, complete_to = await client.find({"kind": "gateway_receipt"}, min_size=size, most=1)
        if complete_to >= size:
            return time.perf_counter() - ended
        await asyncio.sleep(0.05)
    return None
