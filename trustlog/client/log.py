"""A log as its users see it: what it returns was proven under a checkpoint that the trust policy accepts.

Every checkpoint that comes in, with whatever answer, must also be consistent with the newest one remembered, in one direction or
the other: an answer under a slightly older one is honest when many answers are under way at once.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import Final, TypeVar

import aiohttp

from trustlog.client.answers import (
    BlobAnswer,
    ConsistencyAnswer,
    EntryAnswer,
    FoundEntry,
    InclusionAnswer,
    LineAnswer,
    ListAnswer,
    parse_answer,
    parse_hash_b64u,
    parse_hashes,
    parse_line,
    parse_refusal,
    response_invalid,
)
from trustlog.client.checking import (
    Logged,
    Proven,
    accept_checkpoint,
    check_entry,
    check_step,
    check_submission,
    needs_proof,
)
from trustlog.client.http import REQUEST_TIMEOUT_S, Http
from trustlog.client.memory import CheckpointMemory, ProcessMemory, Remembered
from trustlog.client.tiles import read_entries
from trustlog.errors import Refused
from trustlog.formats.base64 import encode_b64u
from trustlog.formats.checkpoint import Checkpoint
from trustlog.formats.envelope import parse_envelope
from trustlog.formats.trustpolicy import TrustedCheckpoint, TrustPolicy
from trustlog.limits import MAX_ATTACHMENT_BYTES, MAX_BLOB_BYTES, MAX_BUNDLE_ENVELOPE_BYTES, MAX_ENTRY_BYTES, MAX_NOTE_BYTES
from trustlog.merkle.hashing import hash_leaf
from trustlog.merkle.proofs import check_inclusion
from trustlog.records.candidate import Candidate, read_candidate

T = TypeVar("T")

JSON_TYPE: Final = "application/json"
NDJSON_TYPE: Final = "application/x-ndjson"
BLOB_TYPE: Final = "application/octet-stream"
MAX_ANSWER_BYTES: Final = 4 * (MAX_ENTRY_BYTES + MAX_NOTE_BYTES + MAX_ATTACHMENT_BYTES)  # escaped, and a proof beside it
MAX_LIST_BYTES: Final = 4 * 1024 * 1024  # 1,000 entries of at most 1 KiB, escaped
MEMORY_ATTEMPTS: Final = 16  # other processes of the same user may remember something newer in between
MAX_CURSOR_DIGITS: Final = 16
PIECE_BYTES: Final = 64 * 1024  # of a batch that is sent


class LogClient:
    """One log at `url`, under `trust`.

    `session` comes from :func:`trustlog.client.http.open_session`. `credential` is a bearer token. Without a `memory`, what was
    seen is remembered as long as this object lives. `clock` gives POSIX seconds, for the age of cosignatures. `timeout_s` bounds
    one request.
    """

    def __init__(
        self,
        url: str,
        trust: TrustPolicy,
        session: aiohttp.ClientSession,
        *,
        credential: str | None = None,
        memory: CheckpointMemory | None = None,
        clock: Callable[[], float] = time.time,
        timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> None:
        self.http = Http(url, session, credential=credential, timeout_s=timeout_s)
        self.trust = trust
        self.origin = trust.origin
        self._memory = ProcessMemory() if memory is None else memory
        self._clock = clock
        self._turn = asyncio.Lock()

    # Writing.

    async def submit(self, envelope: bytes) -> Logged:
        """Log one envelope; returns when it is published and proven.

        Raises Refused: what reading the envelope raises, before anything is sent; the problem that the log answers, with its code
        and fields; ``LOG_UNREACHABLE`` (it may or may not be logged: submit it again); the code of whatever proof fails.
        """
        candidate = self._read(envelope)
        reply = await self.http.post("v1/entries", envelope, media_type=JSON_TYPE, max_bytes=MAX_ANSWER_BYTES)
        answer = parse_answer(reply.body, EntryAnswer)
        checkpoint = await self._trust(answer.checkpoint.encode("utf-8"))
        return check_submission(candidate.entry, answer, checkpoint)

    async def submit_batch(self, envelopes: Sequence[bytes]) -> list[Logged | Refused]:
        """Log many envelopes in one request; one result each, in order. A refused one leaves the others as they are.

        What the log did not answer before the connection ended is ``LOG_UNREACHABLE``: submit it again.
        """
        results: dict[int, Logged | Refused] = {}
        candidates: dict[int, Candidate] = {}
        for position, envelope in enumerate(envelopes):
            try:
                candidates[position] = self._read(envelope)
            except Refused as refusal:
                results[position] = refusal
        answers = await self._exchange([_as_line(envelopes[position]) for position in candidates], parse_line)
        accepted = await self._trust_all({a.entry.checkpoint for a in answers if isinstance(a, LineAnswer) and a.entry})
        for (position, candidate), answer in zip(candidates.items(), answers, strict=True):
            results[position] = _settle(candidate, answer, accepted)
        return [results[position] for position in range(len(envelopes))]

    async def offer(self, envelopes: Sequence[bytes]) -> list[Refused | None]:
        """Ask the log to take envelopes, in one request: for each its refusal, or None where the log says that it has it.

        Nothing of it is believed or proven. It is for those who follow the log, and will read there what it has.
        """
        answers = await self._exchange([_as_line(envelope) for envelope in envelopes], parse_refusal)
        return [answer if isinstance(answer, Refused) else None for answer in answers]

    async def put_payload(self, data: bytes) -> bytes:
        """Store a plan or an artefact; its SHA-256 (32 bytes), which is its address."""
        digest = hashlib.sha256(data).digest()
        reply = await self.http.post("v1/payloads", data, media_type=BLOB_TYPE, max_bytes=MAX_ANSWER_BYTES)
        answer = parse_answer(reply.body, BlobAnswer)
        if parse_hash_b64u(answer.sha256_b64u, "sha256_b64u") != digest or answer.size != len(data):
            raise Refused(
                "LOG_LIES", "the log stored something else", expected=encode_b64u(digest), found=answer.sha256_b64u
            )
        return digest

    # Reading.

    async def payload(self, sha256: bytes, *, max_bytes: int = MAX_BLOB_BYTES) -> bytes:
        """The payload with this SHA-256 (32 bytes).

        Raises Refused: ``PAYLOAD_ERASED`` (which the log says, and only a tombstone proves), ``PAYLOAD_MISSING``,
        ``HASH_MISMATCH``.
        """
        address = encode_b64u(sha256)
        try:
            reply = await self.http.get(f"v1/payloads/{address}", max_bytes=max_bytes)
        except Refused as refusal:
            code = {"GONE_ERASED": "PAYLOAD_ERASED", "NOT_FOUND": "PAYLOAD_MISSING"}.get(refusal.code)
            if code is None:
                raise
            raise Refused(code, refusal.detail, param="sha256_b64u", found=address) from None
        found = hashlib.sha256(reply.body).digest()
        if found != sha256:
            raise Refused(
                "HASH_MISMATCH",
                "the log gave another payload",
                param="sha256_b64u",
                expected=address,
                found=encode_b64u(found),
            )
        return reply.body

    async def checkpoint(self, *, read: Checkpoint | None = None) -> TrustedCheckpoint:
        """The log's checkpoint now. One smaller than what was seen before is refused (``CHECKPOINT_STALE``).

        `read` is the tree that the caller has read whole. Where that is the one remembered, no proof is asked for that a larger
        one continues it: the caller reads on, which proves it, and then says so (:meth:`note_read`).
        """
        before = self._memory.load()
        reply = await self.http.get("checkpoint", max_bytes=MAX_NOTE_BYTES)
        trusted = accept_checkpoint(reply.body, self.trust, now_s=self._clock())
        found = trusted.checkpoint
        if before is not None and before.checkpoint == found:
            return trusted
        if read is not None and before is not None and before.checkpoint == read and found.size > read.size:
            return trusted
        if before is None or before.checkpoint.origin != found.origin or before.checkpoint.size <= found.size:
            return await self._trust(reply.body)
        try:
            await self._trust(reply.body)
        except Refused as refusal:  # a shrunken log cannot prove anything about the size that it had
            if refusal.code == "CHECKPOINT_INCONSISTENT":
                raise
        raise Refused(
            "CHECKPOINT_STALE",
            "the log publishes a smaller checkpoint than it did before",
            param="checkpoint",
            expected=f"size {before.checkpoint.size} or more",
            found=f"size {found.size}",
        )

    async def check_continues(self, trusted: TrustedCheckpoint) -> None:
        """Have the log prove that a checkpoint continues the one remembered, and remember it (``CHECKPOINT_INCONSISTENT``)."""
        await self._trust(trusted.note)

    async def note_read(self, reached: TrustedCheckpoint, read: Checkpoint) -> None:
        """Remember a checkpoint that the caller has read up to, from `read` on: its root is that of the entries read."""
        seen = self._memory.load()
        if seen is not None and seen.checkpoint == reached.checkpoint:
            return
        proven = seen is not None and seen.checkpoint == read
        if not proven or not self._memory.replace(seen, Remembered(reached.checkpoint, reached.note)):
            await self._trust(reached.note)

    async def entry(self, index: int) -> Proven:
        """The entry at `index`, proven under the log's checkpoint of now; ``NOT_FOUND`` beyond it."""
        reply = await self.http.get(f"v1/entries/{index}", max_bytes=MAX_ANSWER_BYTES)
        answer = parse_answer(reply.body, EntryAnswer)
        if answer.index != index:
            raise response_invalid("the log answers for another index", expected=index, found=answer.index)
        return check_entry(answer, await self._trust(answer.checkpoint.encode("utf-8")))

    async def find(
        self, query: Mapping[str, str], *, min_size: int = 0, most: int | None = None
    ) -> tuple[list[FoundEntry], int]:
        """Entries that match all of `query` (``kind``, ``leaf_hash``, ref names), and the size that the answer is complete to.

        This is a *claim* of the log's derived index: what it names is not yet proven, what it leaves out is not absent.
        `min_size` waits for the index, for at most some seconds; beyond `most` entries nothing more is asked for.
        """
        found: list[FoundEntry] = []
        asked = {**query, **({"min_size": str(min_size)} if min_size else {})}
        page, searched_to = dict(asked), 0
        while True:
            answer = parse_answer((await self.http.get("v1/entries", query=page, max_bytes=MAX_LIST_BYTES)).body, ListAnswer)
            if found and answer.entries and answer.entries[0].index <= found[-1].index:
                raise response_invalid("a list does not ascend", found=answer.entries[0].index)
            found += answer.entries
            if answer.next_cursor is None or (most is not None and len(found) >= most):
                return found[:most], answer.complete_to
            searched_to = _cursor_after(searched_to, answer.next_cursor)  # an empty page may not be the last
            page = {**asked, "cursor": answer.next_cursor}

    async def prove(self, index: int, entry: bytes, checkpoint: TrustedCheckpoint) -> Proven:
        """The proof that `entry` stands at `index` under `checkpoint`. Raises ``INCLUSION_PROOF_INVALID`` if it does not."""
        tree = checkpoint.checkpoint
        reply = await self.http.get(
            "v1/proofs/inclusion", query={"index": str(index), "tree_size": str(tree.size)}, max_bytes=MAX_ANSWER_BYTES
        )
        proof = parse_hashes(parse_answer(reply.body, InclusionAnswer).inclusion_proof)
        leaf_hash = hash_leaf(entry)
        check_inclusion(proof, index, tree.size, leaf_hash, tree.root)
        return Proven(index, entry, leaf_hash, checkpoint, tuple(proof))

    async def consistency(self, old_size: int, new_size: int) -> list[bytes]:
        """The hashes that the log gives as consistency proof between two sizes; the caller checks them against two roots."""
        reply = await self.http.get(
            "v1/proofs/consistency", query={"from": str(old_size), "to": str(new_size)}, max_bytes=MAX_ANSWER_BYTES
        )
        return parse_hashes(parse_answer(reply.body, ConsistencyAnswer).consistency_proof)

    async def entries(self, start: int, end: int, checkpoint: TrustedCheckpoint) -> list[bytes]:
        """The entries [start, end) under `checkpoint`, from entry bundles, each proven."""
        return await read_entries(self.http, start, end, checkpoint.checkpoint)

    # Believing.

    def _read(self, envelope: bytes) -> Candidate:
        if len(envelope) > MAX_BUNDLE_ENVELOPE_BYTES:
            raise Refused(
                "BODY_TOO_LARGE", "the envelope is too large", expected=f"at most {MAX_BUNDLE_ENVELOPE_BYTES} bytes"
            )
        return read_candidate(parse_envelope(envelope), origin=self.origin)

    async def _trust_all(self, notes: Iterable[str]) -> dict[str, TrustedCheckpoint | Refused]:
        """Every note that answers name, accepted or refused."""
        accepted: dict[str, TrustedCheckpoint | Refused] = {}
        for note in notes:
            try:
                accepted[note] = await self._trust(note.encode("utf-8"))
            except Refused as refusal:
                accepted[note] = refusal
        return accepted

    async def _trust(self, note: bytes) -> TrustedCheckpoint:
        """The checkpoint in `note`: accepted by the trust policy, consistent with the one remembered, and remembered if newer."""
        trusted = accept_checkpoint(note, self.trust, now_s=self._clock())
        async with self._turn:
            for _ in range(MEMORY_ATTEMPTS):
                seen = self._memory.load()
                if seen is not None and seen.checkpoint == trusted.checkpoint:
                    return trusted
                if seen is not None:
                    await self._check_same_tree(seen.checkpoint, trusted.checkpoint)
                    if trusted.checkpoint.size <= seen.checkpoint.size:
                        return trusted
                if self._memory.replace(seen, Remembered(trusted.checkpoint, note)):
                    return trusted
        raise Refused("STORAGE_FAILED", "the memory of checkpoints changes faster than it can be checked", param="state")

    async def _check_same_tree(self, seen: Checkpoint, new: Checkpoint) -> None:
        if seen.origin != new.origin:
            raise Refused(
                "ORIGIN_MISMATCH",
                "the checkpoint remembered is of another log",
                param="state",
                expected=new.origin,
                found=seen.origin,
            )
        old, new = (seen, new) if seen.size <= new.size else (new, seen)
        proof = await self.consistency(old.size, new.size) if needs_proof(old, new) else []
        check_step(old, new, proof)

    async def _exchange(self, lines: Sequence[bytes], parse: Callable[[bytes], T]) -> list[T | Refused]:
        """What `parse` makes of the answer to each line; where it ended too early, or made no sense, why there is none."""
        answers: list[T | Refused] = []
        if not lines:
            return answers
        try:
            exchange = self.http.post_lines(
                "v1/entries", _each(lines), media_type=NDJSON_TYPE, max_line_bytes=MAX_ANSWER_BYTES
            )
            async with aclosing(exchange) as answered:
                async for line in answered:
                    if len(answers) == len(lines):
                        raise response_invalid("the answer has more lines than the request")
                    answers.append(parse(line))
            unanswered = Refused(
                "LOG_UNREACHABLE",
                "the answer ended before this line",
                hint="submit it again: what was logged already says so",
            )
        except Refused as refusal:
            unanswered = refusal
        return [*answers, *[unanswered] * (len(lines) - len(answers))]


def _cursor_after(before: int, cursor: str) -> int:
    """The index where a list goes on: further on each time, or a dishonest log could keep us asking for ever."""
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= MAX_CURSOR_DIGITS and int(cursor) > before):
        raise response_invalid("a list's cursor does not advance", expected=f"an index above {before}", found=cursor[:100])
    return int(cursor)


def _settle(
    candidate: Candidate, answer: LineAnswer | Refused, accepted: Mapping[str, TrustedCheckpoint | Refused]
) -> Logged | Refused:
    if isinstance(answer, Refused):
        return answer
    if answer.entry is None:
        assert answer.refusal is not None
        return answer.refusal
    checkpoint = accepted[answer.entry.checkpoint]
    if isinstance(checkpoint, Refused):
        return checkpoint
    try:
        return check_submission(candidate.entry, answer.entry, checkpoint)
    except Refused as refusal:
        return refusal


def _as_line(envelope: bytes) -> bytes:
    """An envelope as one line: JSON has line ends only between tokens, where a space means the same."""
    return envelope.replace(b"\r", b" ").replace(b"\n", b" ") + b"\n"


async def _each(lines: Sequence[bytes]) -> AsyncIterator[bytes]:
    """The lines, some of them in one piece: each piece is sent by itself."""
    piece: list[bytes] = []
    size = 0
    for line in lines:
        piece.append(line)
        size += len(line)
        if size >= PIECE_BYTES:
            yield b"".join(piece)
            piece, size = [], 0
    if piece:
        yield b"".join(piece)
