"""Every lie of a log ends as a refusal that names it, and never as a result."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from tests.unit.client.lying_log import (
    ISSUER,
    LOG_KEY,
    NDJSON,
    ORIGIN,
    MemoryLog,
    client_of,
    make_entry,
    make_envelope,
    make_trust,
)
from tests.waiting import PATIENCE_S
from trustlog.client.checking import Logged
from trustlog.client.follower import Follower
from trustlog.client.http import open_session
from trustlog.client.log import LogClient
from trustlog.client.memory import ProcessMemory
from trustlog.errors import Conflict, Refused
from trustlog.formats.base64 import encode_b64, encode_b64u
from trustlog.formats.checkpoint import Checkpoint
from trustlog.formats.note import ED25519_COSIGNATURE, Note, NoteSigner, parse_note, sign_note
from trustlog.merkle.hashing import hash_leaf

ENTRIES = [make_entry(n) for n in range(12)]
OTHERS = [make_entry(n) for n in range(100, 130)]
WITNESS = NoteSigner("witness.example", bytes([5]) * 32, key_type=ED25519_COSIGNATURE)
WITNESSED = f"log {LOG_KEY.key.encode()}\nwitness w {WITNESS.key.encode()}\nquorum w\n"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def a_log() -> MemoryLog:
    return MemoryLog(list(ENTRIES))


async def refusal_of(action: Awaitable[object]) -> Refused:
    with pytest.raises(Refused) as refused:
        await action
    return refused.value


# A submission that is answered with something else.

Lie = Callable[[MemoryLog, dict[str, Any]], dict[str, Any]]


def another_entry(log: MemoryLog, answer: dict[str, Any]) -> dict[str, Any]:
    return log.answer_entry(3, already_logged=True)


def another_leaf_hash(log: MemoryLog, answer: dict[str, Any]) -> dict[str, Any]:
    return {**answer, "leaf_hash_b64u": encode_b64u(hash_leaf(log.entries[3]))}


def another_index(log: MemoryLog, answer: dict[str, Any]) -> dict[str, Any]:
    return {**answer, "index": 3}


def an_index_beyond(log: MemoryLog, answer: dict[str, Any]) -> dict[str, Any]:
    return {**answer, "index": 13}


def another_tree_size(log: MemoryLog, answer: dict[str, Any]) -> dict[str, Any]:
    return {**answer, "tree_size": 12}


def a_proof_without_its_last_hash(log: MemoryLog, answer: dict[str, Any]) -> dict[str, Any]:
    return {**answer, "inclusion_proof": answer["inclusion_proof"][:-1]}


def a_proof_with_a_hash_more(log: MemoryLog, answer: dict[str, Any]) -> dict[str, Any]:
    return {**answer, "inclusion_proof": [*answer["inclusion_proof"], encode_b64(bytes(32))]}


def no_proof(log: MemoryLog, answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "inclusion_proof"}


def a_hash_of_31_bytes(log: MemoryLog, answer: dict[str, Any]) -> dict[str, Any]:
    return {**answer, "inclusion_proof": [encode_b64(bytes(31))]}


def an_index_that_is_no_integer(log: MemoryLog, answer: dict[str, Any]) -> dict[str, Any]:
    return {**answer, "index": "12"}


def a_checkpoint_before_the_entry(log: MemoryLog, answer: dict[str, Any]) -> dict[str, Any]:
    return {**answer, "checkpoint": log.note(12).decode(), "tree_size": 12}


def a_checkpoint_that_another_key_signed(log: MemoryLog, answer: dict[str, Any]) -> dict[str, Any]:
    other = NoteSigner(ORIGIN, bytes([1]) * 32)
    return {**answer, "checkpoint": sign_note(Checkpoint(ORIGIN, 13, log.root(13)).encode(), other).decode()}


def a_checkpoint_of_another_origin(log: MemoryLog, answer: dict[str, Any]) -> dict[str, Any]:
    text = Checkpoint("log.example/other", 13, log.root(13)).encode()
    return {**answer, "checkpoint": sign_note(text, LOG_KEY).decode()}


def an_unsigned_checkpoint(log: MemoryLog, answer: dict[str, Any]) -> dict[str, Any]:
    return {**answer, "checkpoint": Checkpoint(ORIGIN, 13, log.root(13)).encode().decode()}


def another_signature_that_does_not_verify(log: MemoryLog, answer: dict[str, Any]) -> dict[str, Any]:
    signature = json.loads(answer["entry"])["signature_b64u"]
    log.entries[-1] = log.entries[-1].replace(signature.encode(), encode_b64u(bytes(64)).encode())
    return log.answer_entry(len(log.entries) - 1, already_logged=True)


def another_signature_on_a_new_entry(log: MemoryLog, answer: dict[str, Any]) -> dict[str, Any]:
    return {**another_signature_that_does_not_verify(log, answer), "already_logged": False}


def other_refs(log: MemoryLog, answer: dict[str, Any]) -> dict[str, Any]:
    log.entries[-1] = log.entries[-1].replace(b"job:99", b"job:98")
    return log.answer_entry(len(log.entries) - 1, already_logged=True)


LIES: list[tuple[Lie, str]] = [
    (another_entry, "LOG_LIES"),
    (another_leaf_hash, "LOG_RESPONSE_INVALID"),
    (another_index, "INCLUSION_PROOF_INVALID"),
    (an_index_beyond, "INCLUSION_PROOF_INVALID"),
    (another_tree_size, "LOG_RESPONSE_INVALID"),
    (a_proof_without_its_last_hash, "INCLUSION_PROOF_INVALID"),
    (a_proof_with_a_hash_more, "INCLUSION_PROOF_INVALID"),
    (no_proof, "LOG_RESPONSE_INVALID"),
    (a_hash_of_31_bytes, "LOG_RESPONSE_INVALID"),
    (an_index_that_is_no_integer, "LOG_RESPONSE_INVALID"),
    (a_checkpoint_before_the_entry, "INCLUSION_PROOF_INVALID"),
    (a_checkpoint_that_another_key_signed, "NOTE_UNVERIFIED"),
    (a_checkpoint_of_another_origin, "ORIGIN_MISMATCH"),
    (an_unsigned_checkpoint, "NOTE_MALFORMED"),
    (another_signature_that_does_not_verify, "SIGNATURE_INVALID"),
    (another_signature_on_a_new_entry, "LOG_LIES"),
    (other_refs, "LOG_LIES"),
]


@pytest.mark.parametrize(("lie", "code"), LIES, ids=[lie.__name__ for lie, _ in LIES])
@pytest.mark.parametrize("batch", [False, True], ids=["single", "batch"])
async def test_an_answer_that_lies_is_refused(lie: Lie, code: str, batch: bool) -> None:
    log = a_log()
    honest = log.answer_submission
    log.answer_submission = lambda envelope: lie(log, honest(envelope))  # type: ignore[method-assign]
    async with client_of(log) as client:
        if batch:
            (result,) = await client.submit_batch([make_envelope(99)])
            assert isinstance(result, Refused)
            assert result.code == code
        else:
            assert (await refusal_of(client.submit(make_envelope(99)))).code == code


# Forks, rollbacks, age.


async def test_another_tree_of_the_same_size_is_a_fork() -> None:
    log = a_log()
    async with client_of(log) as client:
        await client.checkpoint()
        log.entries = OTHERS[:12]
        assert (await refusal_of(client.checkpoint())).code == "CHECKPOINT_INCONSISTENT"


async def test_a_larger_tree_that_does_not_contain_the_one_seen_is_a_fork() -> None:
    log = a_log()
    async with client_of(log) as client:
        await client.checkpoint()
        log.entries = list(OTHERS)
        assert (await refusal_of(client.checkpoint())).code == "CHECKPOINT_INCONSISTENT"
        assert (await refusal_of(client.submit(make_envelope(99)))).code == "CHECKPOINT_INCONSISTENT"


async def test_a_smaller_tree_is_refused_whether_it_is_stale_or_a_fork() -> None:
    log = a_log()
    async with client_of(log) as client:
        await client.checkpoint()
        log.entries = OTHERS[:4]
        assert (await refusal_of(client.checkpoint())).code in {"CHECKPOINT_INCONSISTENT", "CHECKPOINT_STALE"}


async def test_a_fork_is_never_remembered() -> None:
    memory = ProcessMemory()
    log = a_log()
    async with client_of(log, memory=memory) as client:
        await client.checkpoint()
        before = memory.load()
        log.entries = list(OTHERS)
        await refusal_of(client.checkpoint())
    assert memory.load() == before


async def test_a_rollback_is_refused() -> None:
    log = a_log()
    async with client_of(log) as client:
        await client.checkpoint()
        log.answer_checkpoint = lambda: log.note(7)  # type: ignore[method-assign]
        assert (await refusal_of(client.checkpoint())).code == "CHECKPOINT_STALE"


async def test_a_rollback_to_the_empty_tree_is_refused() -> None:
    log = a_log()
    async with client_of(log) as client:
        await client.checkpoint()
        log.answer_checkpoint = lambda: log.note(0)  # type: ignore[method-assign]
        assert (await refusal_of(client.checkpoint())).code == "CHECKPOINT_STALE"


async def test_a_memory_of_another_log_is_refused() -> None:
    memory = ProcessMemory()
    async with client_of(a_log(), memory=memory) as client:
        await client.checkpoint()
        seen = memory.load()
        assert seen is not None
        client.trust = make_trust(f"log {NoteSigner('log.example/two', bytes([3]) * 32).key.encode()}\nquorum none\n")
        assert (await refusal_of(client.checkpoint())).code == "NOTE_UNVERIFIED"


def cosigned(log: MemoryLog, time_s: int) -> bytes:
    note = parse_note(MemoryLog.answer_checkpoint(log))
    return Note(note.text, (*note.signatures, WITNESS.cosign(note.text, time_s))).encode()


async def test_a_checkpoint_without_the_quorum_is_refused() -> None:
    async with client_of(a_log(), trust=make_trust(WITNESSED)) as client:
        assert (await refusal_of(client.checkpoint())).code == "QUORUM_NOT_MET"


@pytest.mark.parametrize(("age_s", "code"), [(0, None), (300, None), (301, "CHECKPOINT_STALE")])
async def test_a_checkpoint_that_its_witnesses_saw_too_long_ago_is_refused(age_s: int, code: str | None) -> None:
    log = a_log()
    log.answer_checkpoint = lambda: cosigned(log, 1_000_000)  # type: ignore[method-assign]
    async with client_of(log, trust=make_trust(WITNESSED), clock=lambda: 1_000_000.0 + age_s) as client:
        if code is None:
            assert (await client.checkpoint()).cosigned_by == {"w": 1_000_000}
        else:
            assert (await refusal_of(client.checkpoint())).code == code


# Bundles, tiles, lists, payloads.


async def test_a_truncated_bundle_is_refused() -> None:
    log = a_log()
    honest = log.answer_bundle
    log.answer_bundle = lambda index, width: (honest(index, width) or b"")[:-1]  # type: ignore[method-assign]
    async with client_of(log) as client:
        follower = Follower(client)
        with pytest.raises(Refused, match="BUNDLE_MALFORMED"):
            _ = [run async for run in follower.follow()]
    assert follower.edge.size == 0


@pytest.mark.parametrize("size", [12, 700])
async def test_a_bundle_with_another_entry_is_never_handed_out(size: int) -> None:
    class Replacing(MemoryLog):
        def answer_bundle(self, index: int, width: int) -> bytes | None:
            honest = super().answer_bundle(index, width)
            assert honest is not None
            return honest.replace(make_entry(5), make_entry(6))

    log = Replacing([make_entry(n) for n in range(size)])
    async with client_of(log) as client:
        with pytest.raises(Refused, match=r"ROOT_MISMATCH|CHECKPOINT_INCONSISTENT"):
            _ = [run async for run in Follower(client, run_entries=256).follow()]
        with pytest.raises(Refused, match="INCLUSION_PROOF_INVALID"):
            await client.entries(0, 12, await client.checkpoint())


async def test_a_false_tile_is_refused_with_the_entries_that_it_should_prove() -> None:
    log = a_log()

    async def false_tile(request: web.Request) -> web.StreamResponse:
        honest = await MemoryLog.get_tile(log, request)
        assert isinstance(honest, web.Response)
        body = bytes(honest.body)  # type: ignore[arg-type]
        return honest if "entries" in request.path else web.Response(body=body[:32] + bytes(32) + body[64:])

    log.get_tile = false_tile  # type: ignore[method-assign]
    async with client_of(log) as client:
        checkpoint = await client.checkpoint()
        assert (await refusal_of(client.entries(0, 12, checkpoint))).code == "INCLUSION_PROOF_INVALID"


async def test_a_log_that_forgets_what_a_follower_read_is_refused() -> None:
    log = a_log()
    async with client_of(log) as client:
        follower = Follower(client)
        _ = [run async for run in follower.follow()]
        log.entries = log.entries[:5]
        kept = Follower(LogClient(str(client.http.url), make_trust(), client.http._session), edge=follower.edge)
        with pytest.raises(Refused, match="CHECKPOINT_STALE"):
            _ = [run async for run in kept.follow()]


async def test_a_log_that_rewrites_what_a_follower_read_is_refused() -> None:
    log = a_log()
    async with client_of(log) as client:
        follower = Follower(client)
        _ = [run async for run in follower.follow()]
        log.entries = list(OTHERS)
        kept = Follower(LogClient(str(client.http.url), make_trust(), client.http._session), edge=follower.edge)
        with pytest.raises(Refused, match="ROOT_MISMATCH"):
            _ = [run async for run in kept.follow()]


async def test_another_payload_than_the_one_asked_for_is_refused() -> None:
    log = a_log()
    async with client_of(log) as client:
        address = await client.put_payload(b"plan")
        log.blobs[encode_b64u(address)] = b"another plan"
        assert (await refusal_of(client.payload(address))).code == "HASH_MISMATCH"


async def test_a_payload_larger_than_wanted_is_not_read() -> None:
    async with client_of(a_log()) as client:
        address = await client.put_payload(b"x" * 100_000)
        assert (await refusal_of(client.payload(address, max_bytes=1000))).code == "LOG_RESPONSE_INVALID"


@pytest.mark.parametrize(
    ("status", "code", "found"),
    [(410, "GONE_ERASED", "PAYLOAD_ERASED"), (404, "NOT_FOUND", "PAYLOAD_MISSING"), (503, "UNAVAILABLE", "UNAVAILABLE")],
)
async def test_a_payload_that_is_not_given_is_erased_missing_or_undecided(status: int, code: str, found: str) -> None:
    async with answering(problem(status, {"code": code, "detail": "so it is"})) as client:
        assert (await refusal_of(client.payload(bytes(32)))).code == found


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
@pytest.mark.parametrize(
    "page",
    [
        {"body": b"<h1>Bad Gateway</h1>", "Content_Type": "text/html"},
        {"body": b""},
        {"body": b"x" * 100_000, "Content_Type": "text/html"},
        {"body": gzip.compress(b"<h1>Bad Gateway</h1>"), "Content_Encoding": "gzip"},
        {"body": b'{"title":"Bad Gateway"}', "Content_Type": "application/problem+json"},
        {"body": b'{"code":"UPSTREAM_DOWN"}', "Content_Type": "application/problem+json"},
    ],
    ids=["a page", "nothing", "a long page", "a compressed page", "a problem without a code", "a problem of another's"],
)
async def test_a_proxy_that_cannot_reach_the_log_says_nothing_of_a_payload(status: int, page: dict[str, Any]) -> None:
    async with answering(plain(status=status, **page)) as client:
        refusal = await refusal_of(client.payload(bytes(32)))
    assert refusal.code == "LOG_UNREACHABLE"
    assert str(status) in (refusal.found or "")


# HTTP itself.


def answering(handler: Handler, *, timeout_s: float = PATIENCE_S) -> Any:
    """A client of a server that answers everything with `handler`."""
    log = a_log()
    for name in ("post_entries", "get_checkpoint", "get_blob", "put_blob", "get_entry", "list_entries", "get_tile"):
        setattr(log, name, handler)
    return client_of(log, timeout_s=timeout_s)


def problem(status: int, body: object, headers: dict[str, str] | None = None) -> Handler:
    async def answer(_request: web.Request) -> web.StreamResponse:
        text = json.dumps(body)
        return web.Response(status=status, text=text, content_type="application/problem+json", headers=headers)

    return answer


def plain(body: bytes, *, status: int = 200, **headers: str) -> Handler:
    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, body=body, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return answer


async def endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b"x" * 65536)


async def silent(_request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(PATIENCE_S)
    return web.Response()


async def dripping(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b"x")
        await asyncio.sleep(0.02)


async def cut_short(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b"{")
    assert request.transport is not None
    request.transport.close()
    return response


BOMB = gzip.compress(bytes(50_000_000), compresslevel=9)

SOON_S = 0.5  # for an answer that never comes; what does come gets all the time it takes

BAD_ANSWERS: list[tuple[str, Handler, str]] = [
    ("endless", endless, "LOG_RESPONSE_INVALID"),
    ("silent", silent, "LOG_UNREACHABLE"),
    ("dripping", dripping, "LOG_UNREACHABLE"),
    ("cut short", cut_short, "LOG_UNREACHABLE"),
    ("too large", plain(b"x" * 2_000_000), "LOG_RESPONSE_INVALID"),
    ("a redirect", plain(b"", status=302, Location="http://127.0.0.1:1/"), "LOG_RESPONSE_INVALID"),
    ("a compressed bomb", plain(BOMB, Content_Encoding="gzip"), "LOG_RESPONSE_INVALID"),
    ("an error page", plain(b"<h1>oops</h1>", status=500), "LOG_UNREACHABLE"),
    ("a page of a teapot", plain(b"<h1>oops</h1>", status=418), "LOG_RESPONSE_INVALID"),
    ("another success", plain(b"", status=204), "LOG_RESPONSE_INVALID"),
]


@pytest.mark.parametrize(("name", "handler", "code"), BAD_ANSWERS, ids=[name for name, _, _ in BAD_ANSWERS])
async def test_a_hostile_answer_ends_soon_as_a_refusal(name: str, handler: Handler, code: str) -> None:
    async with answering(handler, timeout_s=SOON_S if handler in (silent, dripping) else PATIENCE_S) as client:
        assert (await refusal_of(client.submit(make_envelope(1)))).code == code
        assert (await refusal_of(client.checkpoint())).code == code
        (result,) = await client.submit_batch([make_envelope(1)])
        assert isinstance(result, Refused)
        assert result.code in {code, "LOG_UNREACHABLE", "LOG_RESPONSE_INVALID"}


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'{"index":1,"index":2}', b'{"index":NaN}', b"\xff", b"[" * 1000, b"{}"]
)
async def test_an_answer_that_is_not_the_json_it_should_be_is_refused(body: bytes) -> None:
    async with answering(plain(body, Content_Type="application/json")) as client:
        assert (await refusal_of(client.submit(make_envelope(1)))).code == "LOG_RESPONSE_INVALID"


@pytest.mark.parametrize("cursor", ["5", "4", "0", "-1", "x", "\u0665", "9" * 17, ""])
async def test_a_list_whose_cursor_does_not_advance_is_refused(cursor: str) -> None:
    async def answer(request: web.Request) -> web.Response:
        goes_on = cursor if "cursor" in request.query else "5"
        return web.json_response({"entries": [], "complete_to": 9, "next_cursor": goes_on})

    async with answering(answer) as client:
        refusal = await refusal_of(client.find({"run": "r"}))
    assert (refusal.code, refusal.expected) == ("LOG_RESPONSE_INVALID", "an index above 5")


async def test_an_empty_page_may_be_followed_by_another() -> None:
    entry = {"index": 7, "leaf_hash_b64u": "A" * 43, "entry": "{}"}
    pages = {None: ([], "5"), "5": ([entry], "8"), "8": ([], None)}

    async def answer(request: web.Request) -> web.Response:
        entries, goes_on = pages[request.query.get("cursor")]
        return web.json_response({"entries": entries, "complete_to": 9, "next_cursor": goes_on})

    async with answering(answer) as client:
        found, complete_to = await client.find({"run": "r"})
    assert ([one.index for one in found], complete_to) == ([7], 9)


async def test_nobody_listening_is_unreachable_with_a_hint() -> None:
    async with open_session() as session:
        client = LogClient("http://127.0.0.1:1", make_trust(), session)
        refused = await refusal_of(client.checkpoint())
    assert refused.code == "LOG_UNREACHABLE"
    assert "trustlog serve" in refused.hint


@pytest.mark.parametrize(
    "url", ["", "ftp://h/", "http://", "127.0.0.1:80", "http://u:p@h/", "http://h/?q=1", "http://h/#f", "http://h:99999"]
)
async def test_what_is_not_the_url_of_a_log_is_refused(url: str) -> None:
    async with open_session() as session:
        with pytest.raises(Refused, match="PARAMETER_INVALID"):
            LogClient(url, make_trust(), session)


async def test_a_credential_is_never_sent_in_the_clear() -> None:
    async with open_session() as session:
        with pytest.raises(Refused, match="PARAMETER_INVALID"):
            LogClient("http://log.example", make_trust(), session, credential="secret")
        LogClient("http://127.0.0.1:1", make_trust(), session, credential="secret")


# Problems.


async def test_a_problem_keeps_its_code_and_fields() -> None:
    body = {
        "code": "CLOCK_SKEW",
        "detail": "too old",
        "param": "payload.issued_at",
        "expected": "a",
        "found": "b",
        "hint": "c",
    }
    async with answering(problem(422, body)) as client:
        refused = await refusal_of(client.submit(make_envelope(1)))
    assert (refused.code, refused.detail, refused.param, refused.expected, refused.found, refused.hint) == tuple(
        body.values()
    )


async def test_a_conflict_names_the_holder() -> None:
    body = {"code": "CONFLICT", "detail": "taken", "param": "payload.receipt_id", "index": 4, "leaf_hash_b64u": "A" * 43}
    async with answering(problem(409, body)) as client:
        refused = await refusal_of(client.submit(make_envelope(1)))
    assert isinstance(refused, Conflict)
    assert (refused.index, refused.leaf_hash) == (4, bytes(32))


async def test_push_back_says_when_to_try_again() -> None:
    async with answering(problem(429, {"code": "RATE_LIMITED", "detail": "slow down"}, {"Retry-After": "7"})) as client:
        refused = await refusal_of(client.submit(make_envelope(1)))
    assert refused.code == "RATE_LIMITED"
    assert "try again in 7 s" in refused.hint


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"code": "NO_SUCH_CODE"},
        {"code": 7},
        [],
        "x",
        {"code": "CONFLICT", "detail": "x", "index": "four"},
        {"detail": "x"},
    ],
)
async def test_a_problem_that_makes_no_sense_is_an_invalid_answer(body: object) -> None:
    async with answering(problem(422, body)) as client:
        assert (await refusal_of(client.submit(make_envelope(1)))).code == "LOG_RESPONSE_INVALID"


async def test_a_problem_cannot_write_to_the_terminal() -> None:
    nasty = "\x1b[2Jgone\nerror: all is well\u202e"
    body = {"code": "SIGNATURE_INVALID", "detail": nasty, "param": nasty, "expected": nasty, "found": nasty, "hint": nasty}
    async with answering(problem(422, body)) as client:
        refused = await refusal_of(client.submit(make_envelope(1)))
    for text in (refused.detail, refused.param, refused.expected, refused.found, refused.hint):
        assert text is not None
        assert text.isprintable()


# Batches.


def lines(*answers: bytes) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        await request.read()
        return web.Response(body=b"".join(answers), content_type=NDJSON)

    return answer


def an_answer(number: int) -> bytes:
    return json.dumps(MemoryLog().answer_submission(make_envelope(number))).encode() + b"\n"


async def codes_of(handler: Handler, count: int) -> list[str]:
    async with answering(handler) as client:
        results = await client.submit_batch([make_envelope(n) for n in range(count)])
    return ["logged" if isinstance(result, Logged) else result.code for result in results]


async def test_lines_answered_before_the_connection_ends_are_final_and_the_rest_unknown() -> None:
    assert await codes_of(lines(an_answer(0)), 3) == ["logged", "LOG_UNREACHABLE", "LOG_UNREACHABLE"]


async def test_a_problem_line_concerns_its_own_line_only() -> None:
    log = a_log()
    honest = log.answer_submission

    def refuse_one(envelope: bytes) -> dict[str, Any]:
        return {"code": "SIGNER_NOT_TRUSTED", "status": 403} if b'"job:1"' in envelope else honest(envelope)

    log.answer_submission = refuse_one  # type: ignore[method-assign]
    async with client_of(log) as client:
        results = await client.submit_batch([make_envelope(n) for n in (100, 1, 101)])
    assert [r.code if isinstance(r, Refused) else "logged" for r in results] == ["logged", "SIGNER_NOT_TRUSTED", "logged"]


async def test_answers_in_another_order_are_refused() -> None:
    log = MemoryLog([make_entry(0), make_entry(1)])
    first, second = (json.dumps(log.answer_entry(n, already_logged=True)).encode() + b"\n" for n in range(2))
    assert await codes_of(lines(second, first), 2) == ["LOG_LIES", "LOG_LIES"]


async def test_a_line_too_many_is_no_answer_to_anything_else() -> None:
    assert await codes_of(lines(an_answer(0), an_answer(0)), 1) == ["logged"]


async def test_a_garbled_line_ends_the_answer() -> None:
    assert await codes_of(lines(an_answer(0), b"{]\n"), 3) == ["logged", "LOG_RESPONSE_INVALID", "LOG_RESPONSE_INVALID"]


async def test_a_line_without_end_is_refused() -> None:
    assert await codes_of(lines(b"x" * 2_000_000), 1) == ["LOG_RESPONSE_INVALID"]


async def test_an_envelope_that_does_not_verify_is_never_sent() -> None:
    log = a_log()
    bad = make_envelope(1).replace(b"job:1", b"job:2")
    async with client_of(log) as client:
        assert (await refusal_of(client.submit(bad))).code == "HASH_MISMATCH"
    assert log.requests == []
    assert ISSUER.did.encode() in bad
