"""What an honest log answers is accepted, proven and remembered."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.unit.client.lying_log import (
    ISSUER,
    MemoryLog,
    client_of,
    make_entry,
    make_envelope,
)
from trustlog.client.checking import Logged
from trustlog.client.follower import Follower
from trustlog.client.memory import FileMemory
from trustlog.errors import Refused
from trustlog.merkle.hashing import hash_leaf
from trustlog.merkle.proofs import check_inclusion


async def test_a_submission_comes_back_with_index_leaf_hash_and_proof() -> None:
    async with client_of(MemoryLog([make_entry(n) for n in range(5)])) as client:
        logged = await client.submit(make_envelope(99))
    assert (logged.index, logged.already_logged) == (5, False)
    assert logged.entry == make_entry(99)
    tree = logged.checkpoint.checkpoint
    check_inclusion(logged.inclusion_proof, 5, tree.size, hash_leaf(make_entry(99)), tree.root)


async def test_the_same_submission_again_says_already_logged_and_the_same_index() -> None:
    async with client_of(MemoryLog()) as client:
        first = await client.submit(make_envelope(1))
        await client.submit(make_envelope(2))
        again = await client.submit(make_envelope(1))
    assert (again.index, again.already_logged) == (first.index, True)


async def test_a_batch_gives_one_result_a_line_and_a_bad_line_leaves_the_others_alone() -> None:
    envelopes = [make_envelope(1), b"{}", make_envelope(2).replace(b",", b",\r\n"), make_envelope(1)]
    async with client_of(MemoryLog()) as client:
        results = await client.submit_batch(envelopes)
    kinds = [(r.index, r.already_logged) if isinstance(r, Logged) else r.code for r in results]
    assert kinds == [(0, False), "MALFORMED_ENVELOPE", (1, False), (0, True)]


async def test_an_empty_batch_asks_nothing() -> None:
    log = MemoryLog()
    async with client_of(log) as client:
        assert await client.submit_batch([]) == []
    assert log.requests == []


async def test_entries_read_from_bundles_are_proven_at_any_range() -> None:
    log = MemoryLog([make_entry(n) for n in range(300)])
    async with client_of(log) as client:
        checkpoint = await client.checkpoint()
        assert await client.entries(0, 300, checkpoint) == log.entries
        assert await client.entries(250, 260, checkpoint) == log.entries[250:260]
        assert await client.entries(299, 300, checkpoint) == log.entries[299:]
        assert await client.entries(7, 7, checkpoint) == []


async def test_an_entry_by_index_and_a_proof_on_demand() -> None:
    log = MemoryLog([make_entry(n) for n in range(20)])
    async with client_of(log) as client:
        assert (await client.entry(13)).entry == log.entries[13]
        checkpoint = await client.checkpoint()
        assert (await client.prove(4, log.entries[4], checkpoint)).index == 4
        with pytest.raises(Refused, match="INCLUSION_PROOF_INVALID"):
            await client.prove(4, log.entries[5], checkpoint)


async def test_a_payload_comes_back_by_its_hash() -> None:
    async with client_of(MemoryLog()) as client:
        address = await client.put_payload(b"plan")
        assert address == hashlib.sha256(b"plan").digest()
        assert await client.payload(address) == b"plan"


async def test_the_newest_checkpoint_is_remembered_in_a_file_and_older_answers_do_not_replace_it(tmp_path: Path) -> None:
    memory = FileMemory(tmp_path / "state" / "checkpoint")
    log = MemoryLog([make_entry(n) for n in range(9)])
    async with client_of(log, memory=memory) as client:
        await client.checkpoint()
        older = log.note(4)
        newest = memory.load()
        assert newest is not None
        assert newest.checkpoint.size == 9
        await client._trust(older)
        assert memory.load() == newest


@pytest.mark.parametrize("sizes", [(0, 1, 5), (255, 256, 257, 600), (1, 1, 2)])
async def test_a_follower_hands_out_every_entry_once_in_order(sizes: tuple[int, ...]) -> None:
    every = [make_entry(n) for n in range(max(sizes))]
    log = MemoryLog()
    taken: list[tuple[int, bytes]] = []
    async with client_of(log) as client:
        follower = Follower(client, run_entries=256)
        for size in sizes:
            log.entries = every[:size]
            taken += [pair async for pair in follower.entries()]
            assert follower.edge.size == size
    assert taken == list(enumerate(every))


async def test_a_follower_starts_again_from_a_kept_edge() -> None:
    log = MemoryLog([make_entry(n) for n in range(10)])
    async with client_of(log) as client:
        first = Follower(client)
        async for _run in first.follow():
            pass
        log.entries = [*log.entries, make_entry(10)]
        second = Follower(client, edge=first.edge)
        assert [pair async for pair in second.entries()] == [(10, make_entry(10))]


@pytest.mark.parametrize("count", [1, 3, 300])
async def test_what_is_foretold_rightly_is_proven_by_the_root_and_not_fetched(count: int) -> None:
    class Silent(MemoryLog):
        def answer_bundle(self, index: int, width: int) -> bytes | None:
            raise AssertionError("nothing is to be fetched")

    every = [make_entry(n) for n in range(count)]
    async with client_of(Silent(every)) as client:
        follower = Follower(client, foretell=lambda asked: every[:asked])
        assert [pair async for pair in follower.entries()] == list(enumerate(every))
        assert follower.checkpoint is not None
        assert follower.checkpoint.checkpoint.size == count


@pytest.mark.parametrize("foretold", [[], [1], [1, 0, 2], [0, 1], [0, 1, 2, 3]])
async def test_what_is_foretold_wrongly_is_fetched_as_if_nothing_had_been_said(foretold: list[int]) -> None:
    every = [make_entry(n) for n in range(3)]
    async with client_of(MemoryLog(every)) as client:
        follower = Follower(client, foretell=lambda _asked: [make_entry(n) for n in foretold])
        assert [pair async for pair in follower.entries()] == list(enumerate(every))


async def test_a_partial_bundle_that_is_gone_is_read_from_the_full_one_or_from_a_newer_tree() -> None:
    class Growing(MemoryLog):
        """Drops every partial bundle but that of its present size, and grows after each checkpoint."""

        def answer_checkpoint(self) -> bytes:
            note = super().answer_checkpoint()
            if len(self.entries) < 258:
                self.entries.append(make_entry(len(self.entries)))
            return note

        def answer_bundle(self, index: int, width: int) -> bytes | None:
            present = min(256, len(self.entries) - 256 * index)
            return super().answer_bundle(index, width) if width == present else None

    log = Growing([make_entry(n) for n in range(255)])
    async with client_of(log) as client:
        follower = Follower(client)
        taken = [entry async for _index, entry in follower.entries()]
    assert taken == log.entries[: len(taken)]
    assert len(taken) >= 255


async def test_an_earlier_signature_over_the_same_payload_is_accepted_when_it_verifies() -> None:
    # Ed25519 as libsodium signs is deterministic; another valid signature is made with another nonce.
    from tests.unit.client.other_signature import sign_otherwise  # noqa: PLC0415
    from trustlog.formats.base64 import encode_b64u  # noqa: PLC0415
    from trustlog.formats.envelope import parse_envelope  # noqa: PLC0415

    envelope = make_envelope(1)
    parsed = parse_envelope(envelope)
    other = sign_otherwise(bytes([7]) * 32, parsed.payload_hash_b64u.encode())
    log = MemoryLog([make_entry(1).replace(encode_b64u(parsed.signature).encode(), encode_b64u(other).encode())])
    log.answer_submission = lambda envelope: log.answer_entry(0, already_logged=True)  # type: ignore[method-assign]
    assert ISSUER.did.encode() in log.entries[0]
    async with client_of(log) as client:
        logged = await client.submit(envelope)
    assert logged.already_logged
    assert logged.entry == log.entries[0]
