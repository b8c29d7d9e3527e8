"""A log over HTTP as a source: what it answers is bounded, and is what was asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from tests.support import payloads
from tests.unit.evidence.memory_source import MemorySource
from trustlog.client.answers import FoundEntry
from trustlog.client.log import LogClient
from trustlog.errors import Refused
from trustlog.evidence.remote import RemoteSource
from trustlog.formats.base64 import encode_b64u
from trustlog.formats.checkpoint import Checkpoint
from trustlog.formats.trustpolicy import TrustedCheckpoint
from trustlog.merkle.hashing import hash_leaf


@dataclass
class Answers:
    """A client whose log answers what the test says."""

    origin: str
    found: list[FoundEntry] = field(default_factory=list)
    complete_to: int = 0
    payloads: dict[bytes, bytes | Refused] = field(default_factory=dict)

    async def find(self, _query: Mapping[str, str], *, min_size: int, most: int) -> tuple[list[FoundEntry], int]:
        assert min_size
        return self.found[:most], self.complete_to

    async def payload(self, sha256: bytes, *, max_bytes: int) -> bytes:
        assert max_bytes
        answer = self.payloads[sha256]
        if isinstance(answer, Refused):
            raise answer
        return answer


@pytest.fixture
def log() -> MemorySource:
    source = MemorySource()
    for number in range(3):
        source.log("gateway_receipt", payloads.gateway_receipt(receipt_id=f"receipt-{number}"))
    return source


def remote(log: MemorySource, size: int, **answers: Any) -> RemoteSource:
    """The log at `size`, whose index names every entry that it has."""
    found = [FoundEntry(i, encode_b64u(hash_leaf(data)), data.decode()) for i, data in enumerate(log.data)]
    client = Answers(log.origin, **{"found": found, "complete_to": log.size, **answers})
    trusted = TrustedCheckpoint(Checkpoint(log.origin, size, log.root), log.checkpoint.encode(), {})
    return RemoteSource(cast("LogClient", client), trusted)


async def test_what_is_above_the_checkpoint_is_not_seen(log: MemorySource) -> None:
    assert await remote(log, 2).find((("kind", "gateway_receipt"),)) == dict(enumerate(log.data[:2]))


async def test_an_index_that_is_behind_the_checkpoint_answers_nothing(log: MemorySource) -> None:
    with pytest.raises(Refused, match="UNAVAILABLE"):
        await remote(log, 3, complete_to=2).find((("kind", "gateway_receipt"),))


@pytest.mark.parametrize("query", [(("kind", "roster"),), (("receipt", "receipt-0"),), (("job", "job-1"),)])
async def test_entries_that_were_not_asked_for_are_refused(log: MemorySource, query: tuple[tuple[str, str], ...]) -> None:
    with pytest.raises(Refused, match="LOG_RESPONSE_INVALID"):
        await remote(log, 3).find(query)


async def test_bytes_that_are_no_entry_are_refused(log: MemorySource) -> None:
    with pytest.raises(Refused, match="ENTRY_MALFORMED"):
        await remote(log, 3, found=[FoundEntry(0, "", "é")]).find((("kind", "roster"),))


async def test_an_absent_payload_is_none_and_a_false_one_a_refusal(log: MemorySource) -> None:
    names = [hashlib.sha256(bytes([n])).digest() for n in range(4)]
    answers: list[bytes | Refused] = [
        b"\0",
        Refused("PAYLOAD_ERASED", "erased"),
        Refused("PAYLOAD_MISSING", "missing"),
        Refused("HASH_MISMATCH", "another"),
    ]
    source = remote(log, 3, payloads=dict(zip(names, answers, strict=True)))
    assert [await source.payload(name) for name in names[:3]] == [b"\0", None, None]
    with pytest.raises(Refused, match="HASH_MISMATCH"):
        await source.payload(names[3])
