"""Everything that a log must refuse: with which status, code and field; and what a refusal leaves untouched."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.integration.log.actors import ACTORS, edit, hash_b64u, own_record, receipt, receipt_payload
from tests.integration.log.conftest import Service
from tests.waiting import until
from trustlog.errors import REASONS
from trustlog.formats.base64 import encode_b64u
from trustlog.formats.didkey import encode_did_key
from trustlog.formats.envelope import seal_text
from trustlog.formats.jsontext import canonicalize


@dataclass(frozen=True)
class Bad:
    name: str
    make: Callable[[], bytes]
    status: int
    code: str
    param: str


def _payload_text(text: bytes) -> bytes:
    """A receipt's envelope around this payload text, signed over its hash."""
    return seal_text("gateway_receipt", text, ACTORS.gateway, "2026-02-18T00:00:00Z")


def _with_metadata(json_text: str) -> bytes:
    canonical = canonicalize(receipt_payload("bad", metadata={"x": "HERE"}))
    return _payload_text(canonical.replace(b'"HERE"', json_text.encode()))


def _flip_signature() -> bytes:
    signature = json.loads(receipt("bad"))["signature_b64u"]
    return edit(receipt("bad"), signature_b64u=("A" if signature[0] != "A" else "B") + signature[1:])


def _non_canonical_base64url() -> bytes:
    text = json.loads(receipt("bad"))["payload_hash_b64u"]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return edit(receipt("bad"), payload_hash_b64u=text[:-1] + alphabet[alphabet.index(text[-1]) | 1])


def _small_order() -> bytes:
    """The neutral point as key, with R the neutral point and S = 0: lax verifiers accept it for every message."""
    neutral = b"\x01" + bytes(31)
    return edit(receipt("bad"), signer_did=encode_did_key(neutral), signature_b64u=encode_b64u(neutral + bytes(32)))


def _revocation(**changes: str) -> bytes:
    members = {"target": "job:job-1", "reason": "test"} | changes
    issued_at, origin = members.pop("issued_at", None), members.pop("origin", "log.example.org/test")
    return own_record("revocation", ACTORS.issuer, issued_at=issued_at, origin=origin, **members)


BAD = [
    Bad("not JSON", lambda: b"not json", 400, "JSON_INVALID", "body"),
    Bad("JSON cut short", lambda: receipt("bad")[:-20], 400, "JSON_INVALID", "body"),
    Bad("not UTF-8", lambda: receipt("bad").replace(b"example", b"\xff"), 400, "JSON_INVALID", "body"),
    Bad("an array", lambda: b"[]", 400, "MALFORMED_ENVELOPE", "envelope"),
    Bad("deep nesting", lambda: _with_metadata("[" * 100 + "]" * 100), 400, "JSON_TOO_DEEP", "body"),
    Bad("very deep nesting", lambda: b"[" * 200_000, 400, "JSON_TOO_DEEP", "body"),
    Bad("duplicate keys", lambda: _with_metadata('{"a":1,"a":2}'), 400, "JSON_DUPLICATE_KEY", "a"),
    Bad("NaN", lambda: _with_metadata("NaN"), 400, "JSON_INVALID", "body"),
    Bad("lone surrogate", lambda: _with_metadata('"\\ud800"'), 400, "JSON_LONE_SURROGATE", "body"),
    Bad("integer past 2^53-1", lambda: _with_metadata("9007199254740992"), 400, "JSON_NUMBER_OUT_OF_RANGE", "body"),
    Bad("missing member", lambda: edit(receipt("bad"), algorithm=None), 400, "MALFORMED_ENVELOPE", "algorithm"),
    Bad("unknown member", lambda: edit(receipt("bad"), extra=1), 400, "MALFORMED_ENVELOPE", "extra"),
    Bad(
        "unknown version",
        lambda: edit(receipt("bad"), envelope_version="9"),
        422,
        "UNKNOWN_ENVELOPE_VERSION",
        "envelope_version",
    ),
    Bad(
        "unknown kind", lambda: edit(receipt("bad"), envelope_type="nonsense"), 422, "UNKNOWN_ENVELOPE_TYPE", "envelope_type"
    ),
    Bad(
        "another kind's payload",
        lambda: edit(receipt("bad"), envelope_type="tool_receipt"),
        422,
        "SCHEMA_VALIDATION_FAILED",
        "payload",
    ),
    Bad(
        "wrong hash",
        lambda: edit(receipt("bad"), payload_hash_b64u=hash_b64u("other")),
        422,
        "HASH_MISMATCH",
        "payload_hash_b64u",
    ),
    Bad(
        "payload text of neither form",
        lambda: _payload_text(canonicalize(receipt_payload("bad")).replace(b'":', b'": ')),
        422,
        "PAYLOAD_TEXT_NOT_ACCEPTED",
        "payload",
    ),
    Bad("wrong signature", _flip_signature, 422, "SIGNATURE_INVALID", "signature_b64u"),
    Bad("small-order key", _small_order, 422, "SIGNATURE_INVALID", "signature_b64u"),
    Bad("trailing bits in base64url", _non_canonical_base64url, 400, "BASE64URL_INVALID", "payload_hash_b64u"),
    Bad(
        "padded base64url",
        lambda: edit(receipt("bad"), payload_hash_b64u="A" * 43 + "="),
        400,
        "BASE64URL_INVALID",
        "payload_hash_b64u",
    ),
    Bad("not a did:key", lambda: edit(receipt("bad"), signer_did="did:web:x"), 400, "INVALID_DID_FORMAT", "signer_did"),
    Bad("untrusted signer", lambda: receipt("bad", signer=ACTORS.stranger), 403, "SIGNER_NOT_TRUSTED", "signer_did"),
    Bad("signer in another role", lambda: receipt("bad", signer=ACTORS.issuer), 403, "SIGNER_WRONG_ROLE", "signer_did"),
    Bad("time ahead", lambda: receipt("bad", timestamp="2099-01-01T00:00:00Z"), 422, "CLOCK_SKEW", "payload.timestamp"),
    Bad("own record behind", lambda: _revocation(issued_at="2026-01-01T00:00:00Z"), 422, "CLOCK_SKEW", "payload.issued_at"),
    Bad("another log's origin", lambda: _revocation(origin="other.example/log"), 422, "ORIGIN_MISMATCH", "payload.origin"),
    Bad(
        "who may not revoke",
        lambda: own_record("revocation", ACTORS.gateway, target="job:j", reason="x"),
        403,
        "REVOCATION_NOT_PERMITTED",
        "signer_did",
    ),
    Bad("unknown payload member", lambda: receipt("bad", extra="x"), 422, "SCHEMA_VALIDATION_FAILED", "payload"),
    Bad("too large for its kind", lambda: receipt("bad", model="m" * 300_000), 413, "BODY_TOO_LARGE", "body"),
]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
async def test_is_refused_with_its_code_and_field_and_logs_nothing(service: Service, bad: Bad) -> None:
    answer = await service.post(bad.make())
    problem = answer.json()
    assert (answer.status, problem["code"]) == (bad.status, bad.code), problem
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert problem["code"] in REASONS
    assert problem["param"].startswith(bad.param)
    assert {"type", "title", "status", "detail", "expected", "found", "hint", "request_id"} <= problem.keys(), problem
    assert service.log.reader.size() == 0
    assert (await service.post(receipt("good"))).status == 201


async def test_bad_lines_of_a_batch_leave_the_others_alone(service: Service) -> None:
    lines = [line for i, bad in enumerate(BAD) for line in (receipt(f"good-{i}"), bad.make())]
    answers = await service.post_lines(lines)
    assert [answer.get("index") for answer in answers[::2]] == list(range(len(BAD)))
    assert [(answer["status"], answer["code"]) for answer in answers[1::2]] == [(bad.status, bad.code) for bad in BAD]
    assert service.log.reader.size() == len(BAD)


async def test_oversized_body(service: Service) -> None:
    answer = await service.post(b" " * (8 * 1024 * 1024 + 1))
    assert (answer.status, answer.json()["code"], answer.json()["param"]) == (413, "BODY_TOO_LARGE", "body")
    answer = await service.post(b" " * (8 * 1024 * 1024 + 1), path="/v1/payloads", content_type="application/octet-stream")
    assert (answer.status, answer.json()["code"]) == (413, "BODY_TOO_LARGE")


async def test_oversized_line_between_good_ones(service: Service) -> None:
    answers = await service.post_lines([receipt("a"), b"x" * (8 * 1024 * 1024 + 1), receipt("b")])
    assert [answer.get("code") for answer in answers] == [None, "BODY_TOO_LARGE", None]
    assert [answers[0]["index"], answers[2]["index"]] == [0, 1]


async def test_empty_line_is_a_problem(service: Service) -> None:
    answers = await service.post_lines([receipt("a"), b"", receipt("b")])
    assert [answer.get("code") for answer in answers] == [None, "JSON_INVALID", None]


@pytest.mark.parametrize("content_type", ["text/plain", "application/octet-stream", "multipart/form-data"])
async def test_wrong_content_type(service: Service, content_type: str) -> None:
    answer = await service.post(receipt("a"), content_type=content_type)
    problem = answer.json()
    assert (answer.status, problem["code"], problem["param"]) == (415, "CONTENT_TYPE_UNSUPPORTED", "Content-Type")
    assert problem["found"] == content_type


@pytest.mark.parametrize("content_type", ["application/json", "application/x-ndjson"])
async def test_compressed_body_is_not_expanded(service: Service, content_type: str) -> None:
    headers = {"Content-Type": content_type, "Content-Encoding": "gzip"}
    async with service.http.post(service.url + "/v1/entries", data=b"\x1f\x8b whatever", headers=headers) as response:
        assert (response.status, (await response.json(content_type=None))["param"]) == (415, "Content-Encoding")


async def test_same_receipt_id_with_other_content_is_a_conflict(service: Service) -> None:
    first = (await service.post(receipt("r"))).json()
    answer = await service.post(receipt("r", model="another"))
    problem = answer.json()
    assert (answer.status, problem["code"], problem["param"]) == (409, "CONFLICT", "payload.receipt_id")
    assert (problem["index"], problem["leaf_hash_b64u"]) == (first["index"], first["leaf_hash_b64u"])
    assert service.log.reader.size() == 1


async def test_conflict_within_one_batch(service: Service) -> None:
    answers = await service.post_lines([receipt("r"), receipt("r", model="another"), receipt("r")])
    assert [answers[0]["already_logged"], answers[1]["code"], answers[2]["already_logged"]] == [False, "CONFLICT", True]
    assert answers[1]["index"] == answers[2]["index"] == answers[0]["index"]


async def test_same_payload_with_other_dates_is_already_logged(service: Service) -> None:
    first = await service.post(receipt("r"))
    again = await service.post(edit(receipt("r"), issued_at="2031-01-01T00:00:00Z", expires_at="2032-01-01T00:00:00Z"))
    assert (first.status, again.status) == (201, 200)
    assert (first.json()["already_logged"], again.json()["already_logged"]) == (False, True)
    for member in ("index", "entry", "leaf_hash_b64u", "attachments"):
        assert first.json()[member] == again.json()[member]


async def test_a_resubmission_must_itself_verify(service: Service) -> None:
    await service.post(receipt("bad"))
    answer = await service.post(_flip_signature())
    assert (answer.status, answer.json()["code"]) == (422, "SIGNATURE_INVALID")


async def test_skew_is_not_judged_for_what_is_in_the_log(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    revocation = _revocation()
    assert (await service.post(revocation)).status == 201
    later_ns = service.log._now_ns() + 3600 * 10**9
    monkeypatch.setattr(service.log, "_now_ns", lambda: later_ns)
    assert (await service.post(revocation)).status == 200
    assert (await service.post(_revocation(reason="another"))).json()["code"] == "CLOCK_SKEW"


async def _send_raw(service: Service, data: bytes, *, logged: int = 0) -> None:
    """Send and go away without reading anything, once so many entries are logged."""
    _reader, writer = await asyncio.open_connection(service.host, service.port)
    writer.write(data)
    await writer.drain()
    await asyncio.sleep(0.05)  # so that there mostly was time to begin with it
    await until(lambda: service.log.reader.size() >= logged)
    writer.transport.abort()


def _head(content_type: str, length: int) -> bytes:
    return (
        f"POST /v1/entries HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n".encode()
    )


async def test_truncated_upload_logs_nothing(service: Service) -> None:
    body = receipt("cut")
    await _send_raw(service, _head("application/json", len(body)) + body[:-1])
    await _send_raw(service, _head("application/json", len(body) + 1) + body)
    assert (await service.post(receipt("good"))).json()["index"] == 0


async def test_truncated_batch_logs_only_whole_lines(service: Service) -> None:
    body = receipt("whole") + b"\n" + receipt("cut")
    await _send_raw(service, _head("application/x-ndjson", len(body) + 1) + body, logged=1)
    assert (await service.post(receipt("whole"))).status == 200
    assert (await service.post(receipt("cut"))).status == 201


async def test_clients_that_disconnect_midway_cost_nothing(service: Service) -> None:
    body = b"".join(receipt(f"r-{i}") + b"\n" for i in range(300))
    await asyncio.gather(*(_send_raw(service, _head("application/x-ndjson", len(body)) + body) for _ in range(5)))
    answers = await service.post_lines([receipt(f"r-{i}") for i in range(300)])
    assert sorted(answer["index"] for answer in answers) == list(range(300))
    await until(lambda: service.log.link.open_entries == 0)
    assert service.log.reader.size() == 300


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing/here", 404, "NOT_FOUND"),
        ("GET", "/v1/entries/0", 404, "NOT_FOUND"),
        ("GET", "/v1/entries/-1", 400, "PARAMETER_INVALID"),
        ("GET", "/v1/entries/00", 400, "PARAMETER_INVALID"),
        ("GET", "/v1/entries/9" + "9" * 40, 400, "PARAMETER_INVALID"),
        ("GET", "/v1/entries?limit=0", 400, "PARAMETER_INVALID"),
        ("GET", "/v1/entries?limit=1001", 400, "PARAMETER_INVALID"),
        ("GET", "/v1/entries?unknown=1", 400, "PARAMETER_INVALID"),
        ("GET", "/v1/entries?job=a&job=b", 400, "PARAMETER_INVALID"),
        ("GET", "/v1/entries?job=", 400, "PARAMETER_INVALID"),
        ("GET", "/v1/payloads/short", 400, "BASE64URL_INVALID"),
        ("GET", "/v1/payloads/" + "A" * 43, 404, "NOT_FOUND"),
        ("GET", "/v1/policies/" + "A" * 43, 404, "NOT_FOUND"),
        ("GET", "/v1/checkpoints/1", 404, "NOT_FOUND"),
        ("GET", "/v1/proofs/inclusion", 400, "PARAMETER_INVALID"),
        ("GET", "/v1/proofs/inclusion?index=0", 400, "PARAMETER_INVALID"),
        ("GET", "/v1/proofs/inclusion?leaf_hash=" + "A" * 43, 404, "NOT_FOUND"),
        ("GET", "/v1/proofs/consistency?to=1", 400, "PARAMETER_INVALID"),
        ("GET", "/v1/evidence?ticket=x", 400, "PARAMETER_INVALID"),
        ("GET", "/tile/0/000", 404, "NOT_FOUND"),
        ("GET", "/tile/0/0", 404, "NOT_FOUND"),
        ("GET", "/tile/x/000", 404, "NOT_FOUND"),
        ("GET", "/tile/0/000.p/256", 404, "NOT_FOUND"),
        ("GET", "/tile/entries/000.p/1", 404, "NOT_FOUND"),
        ("DELETE", "/v1/entries", 405, "METHOD_NOT_ALLOWED"),
        ("POST", "/checkpoint", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/v1/entries?kind=%00%ff", 400, "PARAMETER_INVALID"),
        ("GET", "/v1/entries?kind=nonsense", 400, "PARAMETER_INVALID"),
        ("GET", "/v1/entries?leaf_hash=short", 400, "BASE64URL_INVALID"),
        ("GET", "/v1/entries?policy=short", 400, "BASE64URL_INVALID"),
        ("GET", "/v1/entries?token=short", 400, "PARAMETER_INVALID"),
        ("GET", "/v1/entries?roster=first", 400, "PARAMETER_INVALID"),
        ("GET", "/v1/entries?run=not+a+ref", 400, "PARAMETER_INVALID"),
    ],
)
async def test_every_refusal_is_a_problem_document(service: Service, method: str, path: str, status: int, code: str) -> None:
    async with service.http.request(method, service.url + path) as response:
        document = json.loads(await response.read())
    assert response.status == status, document
    assert response.headers["Content-Type"] == "application/problem+json"
    assert document["code"] == code
    assert document["code"] in REASONS
    assert document["request_id"] == response.headers["X-Request-Id"]
    if status == 400:
        assert document["expected"]
    if status == 405:
        assert response.headers["Allow"]


async def test_broken_http_stops_nothing_and_is_not_worth_a_line(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    for data in (
        b"\x00\x01\x02\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /v1/entries HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    ):
        await _send_raw(service, data)
    assert (await service.get("/healthz")).status == 200
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []


async def test_a_payload_cannot_be_claimed_with_anothers_signature(service: Service) -> None:
    stolen = edit(receipt("r"), signer_did=ACTORS.stranger.did)
    assert (await service.post(stolen)).json()["code"] == "SIGNATURE_INVALID"


async def test_clients_that_break_off_leave_no_noise_behind(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    for content_type in ("application/json", "application/x-ndjson", "application/octet-stream"):
        await _send_raw(service, _head(content_type, 5000) + receipt("r")[:100])
    for path in ("/v1/entries", "/v1/payloads"):
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\nContent-Length: 9\r\n\r\n"
        await _send_raw(service, head.encode() + b"x")
    await asyncio.sleep(0.1)
    assert [record.message for record in caplog.records if record.levelname in {"WARNING", "ERROR"}] == []
