"""The service as its users see it: what is answered with success can be fetched and proven by anyone, at once."""

from __future__ import annotations

import asyncio
import hashlib
import json
from typing import Any

import pytest
from aiohttp import web

from tests.integration.log.actors import ACTORS, ORIGIN, make_log_directory, own_record, receipt
from tests.integration.log.conftest import Service, serving
from tests.integration.log.damage import change_payload
from tests.waiting import PATIENCE_S
from trustlog.formats.base64 import decode_b64, decode_b64u, encode_b64u
from trustlog.formats.bundle import parse_bundle
from trustlog.formats.checkpoint import Checkpoint, parse_checkpoint
from trustlog.formats.envelope import parse_envelope, seal_envelope, seal_text
from trustlog.formats.jsontext import canonicalize
from trustlog.formats.note import VerifierKey, open_note
from trustlog.log.log import Log
from trustlog.merkle.edge import Edge
from trustlog.merkle.hashing import hash_leaf
from trustlog.merkle.proofs import check_consistency, check_inclusion
from trustlog.merkle.tiles import entry_bundle_path, tiles_of_size
from trustlog.records.candidate import read_candidate
from trustlog.service.app import create_app
from trustlog.service.openapi import PATHS


def open_checkpoint(service: Service, note: str | bytes) -> Checkpoint:
    body = note.encode() if isinstance(note, str) else note
    return parse_checkpoint(open_note(body, [VerifierKey.parse(service.log.vkey)]).text)


def check_result(service: Service, envelope: bytes, result: dict[str, Any]) -> Checkpoint:
    """As a careful submitter would: the entry is mine, and it is in the tree that the log signed."""
    candidate = read_candidate(parse_envelope(envelope), origin=ORIGIN)
    assert result["entry"].encode() == candidate.entry.encode()
    assert decode_b64u(result["leaf_hash_b64u"], 32, "leaf") == candidate.entry.leaf_hash
    checkpoint = open_checkpoint(service, result["checkpoint"])
    assert checkpoint.size == result["tree_size"]
    proof = [decode_b64(node, "node", 32) for node in result["inclusion_proof"]]
    check_inclusion(proof, result["index"], checkpoint.size, candidate.entry.leaf_hash, checkpoint.root)
    return checkpoint


async def fill(service: Service, count: int, prefix: str = "r") -> list[dict[str, Any]]:
    answers = await service.post_lines([receipt(f"{prefix}-{i}") for i in range(count)])
    assert [answer["index"] for answer in answers] == sorted(answer["index"] for answer in answers)
    return answers


async def test_success_is_answered_only_after_it_is_published(service: Service) -> None:
    for i in range(20):
        envelope = receipt(f"r-{i}")
        answer = await service.post(envelope)
        assert answer.status == 201
        checkpoint = check_result(service, envelope, answer.json())
        assert open_checkpoint(service, (await service.get("/checkpoint")).body).size >= checkpoint.size


async def test_a_batch_is_answered_in_order_and_each_line_proves_itself(service: Service) -> None:
    envelopes = [receipt(f"r-{i}") for i in range(700)]
    answers = await service.post_lines(envelopes)
    assert [answer["index"] for answer in answers] == list(range(700))
    for envelope, answer in zip(envelopes, answers, strict=True):
        check_result(service, envelope, answer)


async def test_answers_come_while_the_batch_is_still_being_sent(service: Service) -> None:
    reader, writer = await asyncio.open_connection(service.host, service.port)
    head = "POST /v1/entries HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
    writer.write(head.encode())
    for i in range(3):
        line = receipt(f"r-{i}") + b"\n"
        writer.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
        await writer.drain()
        async with asyncio.timeout(PATIENCE_S):
            while f'"index":{i},'.encode() not in await reader.readline():
                pass
    writer.write(b"0\r\n\r\n")
    writer.close()
    await writer.wait_closed()


async def test_identical_submissions_at_once_get_one_index(service: Service) -> None:
    envelope = receipt("same")
    answers = [answer.json() for answer in await asyncio.gather(*(service.post(envelope) for _ in range(40)))]
    assert {answer["index"] for answer in answers} == {0}
    assert sorted(answer["already_logged"] for answer in answers) == [False] + [True] * 39
    for answer in answers:
        check_result(service, envelope, answer)
    assert service.log.reader.size() == 1


async def test_racing_conflicts_have_one_winner(service: Service) -> None:
    envelopes = [receipt("same", model=f"model-{i}") for i in range(20)]
    statuses = [answer.status for answer in await asyncio.gather(*(service.post(envelope) for envelope in envelopes))]
    assert sorted(statuses) == [201] + [409] * 19


async def test_every_published_checkpoint_is_consistent_with_the_newest(service: Service) -> None:
    for i in range(30):
        await fill(service, i % 5 + 1, prefix=f"b{i}")
    newest = open_checkpoint(service, (await service.get("/checkpoint")).body)
    seen = 0
    for size in range(1, newest.size + 1):
        answer = await service.get(f"/v1/checkpoints/{size}")
        if answer.status == 404:
            continue
        seen += 1
        old = open_checkpoint(service, answer.body)
        proof = (await service.get(f"/v1/proofs/consistency?from={size}")).json()
        assert (proof["from"], proof["to"]) == (size, newest.size)
        hashes = [decode_b64(node, "node", 32) for node in proof["consistency_proof"]]
        check_consistency(hashes, old.size, newest.size, old.root, newest.root, empty_old_ok=False)
    assert seen >= 30


@pytest.mark.parametrize("size", [1, 255, 256, 257, 700])
async def test_tiles_and_bundles_make_up_the_signed_tree(service: Service, size: int) -> None:
    await fill(service, size)
    checkpoint = open_checkpoint(service, (await service.get("/checkpoint")).body)
    assert checkpoint.size == size
    entries: list[bytes] = []
    for start in range(0, size, 256):
        width = min(256, size - start)
        answer = await service.get("/" + entry_bundle_path(start // 256, width))
        entries += parse_bundle(answer.body, width)
        assert ("immutable" in answer.headers["Cache-Control"]) == (width == 256)
    edge, tiles = Edge.empty().append([hash_leaf(entry) for entry in entries])
    assert edge.root() == checkpoint.root
    computed = dict(tiles)
    for tile in tiles_of_size(size):
        answer = await service.get("/" + tile.path())
        assert answer.body == computed[tile]
        assert ("immutable" in answer.headers["Cache-Control"]) == tile.is_full
        again = await service.get("/" + tile.path(), **{"If-None-Match": answer.headers["ETag"]})
        assert (again.status, again.body) == (304, b"")


async def test_partial_tiles_of_smaller_trees_stay_available(service: Service) -> None:
    await fill(service, 5)
    five = (await service.get("/tile/0/000.p/5")).body
    await fill(service, 300, prefix="more")
    assert (await service.get("/tile/0/000.p/5")).body == five == (await service.get("/tile/0/000")).body[: 5 * 32]
    assert (await service.get("/tile/0/001.p/50")).status == 404
    assert (await service.get("/tile/1/000.p/2")).status == 404


async def test_entries_are_found_by_any_of_their_refs(service: Service) -> None:
    await fill(service, 10)
    await service.post(receipt("other", binding={"run_id": "run-2"}))
    by_run = (await service.get("/v1/entries?run=run-2&min_size=11")).json()
    assert [entry["index"] for entry in by_run["entries"]] == [10]
    assert by_run["complete_to"] == 11
    leaf = by_run["entries"][0]["leaf_hash_b64u"]
    assert (await service.get(f"/v1/entries?leaf_hash={leaf}")).json()["entries"] == by_run["entries"]
    both = (await service.get("/v1/entries?kind=gateway_receipt&run=run-1&limit=4")).json()
    assert [entry["index"] for entry in both["entries"]] == [0, 1, 2, 3]
    rest = (await service.get(f"/v1/entries?kind=gateway_receipt&run=run-1&cursor={both['next_cursor']}")).json()
    assert [entry["index"] for entry in rest["entries"]] == [4, 5, 6, 7, 8, 9]
    assert rest["next_cursor"] is None
    assert (await service.get("/v1/entries?run=run-1&receipt=other")).json()["entries"] == []
    everything = (await service.get("/v1/entries?limit=11")).json()
    assert [entry["index"] for entry in everything["entries"]] == list(range(11))


async def test_records_are_found_by_the_words_in_them(service: Service) -> None:
    await fill(service, 30)
    for number in range(3):
        reason = f"wrong region approved, cycle {number}"
        revocation = own_record("revocation", ACTORS.issuer, target=f"job:job-{number}", reason=reason)
        assert (await service.post(revocation)).status == 201
    async with asyncio.timeout(PATIENCE_S):  # words may lag
        while (answer := (await service.get("/v1/search?text=Region+cyc*&limit=2")).json())["complete_to"] < 33:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert [entry["index"] for entry in answer["entries"]] == [30, 31]
    rest = (await service.get(f"/v1/search?text=Region+cyc*&limit=2&cursor={answer['next_cursor']}")).json()
    assert ([entry["index"] for entry in rest["entries"]], rest["next_cursor"]) == ([32], None)
    one = (await service.get("/v1/search?text=region&target=job:job-1")).json()
    assert one["entries"] == [answer["entries"][1]]
    refused = await service.get("/v1/search")
    assert (refused.status, refused.json()["code"], refused.json()["param"]) == (400, "PARAMETER_INVALID", "text")


async def test_an_entry_by_its_index_is_proven_under_the_current_checkpoint(service: Service) -> None:
    await fill(service, 300)
    for index in (0, 255, 256, 299):
        result = (await service.get(f"/v1/entries/{index}")).json()
        assert result["index"] == index
        check_result(service, receipt(f"r-{index}"), result)
        proof = (await service.get(f"/v1/proofs/inclusion?leaf_hash={result['leaf_hash_b64u']}&tree_size=300")).json()
        assert proof["inclusion_proof"] == result["inclusion_proof"]
        assert proof["index"] == index


async def test_payloads_come_back_byte_for_byte(service: Service) -> None:
    text = json.dumps(json.loads(parse_envelope(receipt("r")).payload_text), separators=(",", ":")).encode()
    shuffled = dict(reversed(json.loads(text).items()))
    text = json.dumps(shuffled, separators=(",", ":")).encode()  # JSON.stringify form, not RFC 8785
    assert (await service.post(seal_text("gateway_receipt", text, ACTORS.gateway, "2026-02-18T00:00:00Z"))).status == 201
    name = encode_b64u(hashlib.sha256(text).digest())
    assert (await service.get(f"/v1/payloads/{name}")).body == text


async def test_other_payloads_are_stored_under_their_hash_once(service: Service) -> None:
    plan = b'{"plan_version":"1"}'
    first = await service.post(plan, path="/v1/payloads", content_type="application/octet-stream")
    again = await service.post(plan, path="/v1/payloads", content_type="application/octet-stream")
    assert (first.status, again.status) == (201, 200)
    name = encode_b64u(hashlib.sha256(plan).digest())
    assert first.json() == again.json() == {"sha256_b64u": name, "size": len(plan)}
    assert (await service.get(f"/v1/payloads/{name}")).body == plan
    assert service.log.reader.size() == 0


async def test_a_log_proof_lifted_out_of_a_receipt_is_kept_as_attachment(service: Service) -> None:
    envelope = json.loads(receipt("r", metadata={}))
    envelope["payload"]["metadata"]["log_inclusion_proof"] = {"root": "whatever"}
    answer = await service.post(json.dumps(envelope).encode())
    assert answer.status == 201, answer
    assert answer.json()["attachments"]["log_inclusion_proof"] == {"root": "whatever"}
    assert (await service.get("/v1/entries/0")).json()["attachments"]["log_inclusion_proof"] == {"root": "whatever"}


async def test_roster_governs_at_once_and_survives_a_restart(tmp_path: Any) -> None:
    directory = make_log_directory(tmp_path / "log")
    person = {"subject": "p-1", "keys": [ACTORS.person.did], "roles": ["service_owner"], "idp": []}
    roster = own_record("roster", ACTORS.authority, number=1, previous_b64u=None, people=[person])
    async with serving(directory) as service:
        assert (await service.post(roster)).status == 201
    async with serving(directory) as service:
        second = own_record("roster", ACTORS.authority, number=2, previous_b64u="A" * 43, people=[person])
        assert (await service.post(second)).json()["code"] == "ROSTER_NOT_CONTINUING"
        name = encode_b64u(hashlib.sha256(parse_envelope(roster).payload_text).digest())
        second = own_record("roster", ACTORS.authority, number=2, previous_b64u=name, people=[person])
        assert (await service.post(second)).status == 201


async def test_a_reloaded_trust_policy_counts_from_the_next_entry_on(service: Service) -> None:
    assert (await service.post(receipt("a"))).status == 201
    path = service.log.directory.trust_path
    text = path.read_text()
    path.write_text(text.replace(f'"{ACTORS.gateway.did}"', ""))
    await service.log.reload_trust()
    assert (await service.post(receipt("b"))).json()["code"] == "SIGNER_NOT_TRUSTED"
    assert (await service.post(receipt("a"))).json()["already_logged"]
    path.write_text("nonsense =")
    with pytest.raises(Exception, match="TRUST_POLICY_INVALID"):
        await service.log.reload_trust()
    path.write_text(text)
    await service.log.reload_trust()
    assert (await service.post(receipt("b"))).status == 201


async def test_credentials_are_asked_where_the_configuration_says(tmp_path: Any) -> None:
    token = hashlib.sha256(b"secret").hexdigest()
    config = f'[credentials]\nsubmit_sha256 = ["{token}"]\nread_sha256 = ["{token}"]\n'
    async with serving(make_log_directory(tmp_path / "log", config=config)) as service:
        refused = await service.post(receipt("a"))
        assert (refused.status, refused.json()["code"]) == (401, "UNAUTHENTICATED")
        assert refused.headers["WWW-Authenticate"].startswith("Bearer")
        for credential in ("Bearer wrong", "Basic secret", "secret"):
            for path in ("/v1/payloads/" + "A" * 43, "/v1/search?text=word"):
                answer = await service.get(path, Authorization=credential)
                assert answer.status == 401
                assert "secret" not in answer.body.decode()
        headers = {"Authorization": "Bearer secret", "Content-Type": "application/json"}
        async with service.http.post(service.url + "/v1/entries", data=receipt("a"), headers=headers) as response:
            assert response.status == 201
        assert (await service.get("/checkpoint")).status == 200


async def test_openapi_lists_exactly_the_routes(service: Service) -> None:
    async def build(_log: Log, _query: Any) -> bytes:
        return b"{}"

    def served(app: web.Application) -> set[tuple[str, str]]:
        routes = app.router.routes()
        return {(route.resource.canonical, route.method) for route in routes if route.resource and route.method != "HEAD"}

    described = {(path, method.upper()) for path, operations in PATHS.items() for method in operations}
    assert described == served(create_app(service.log, build_evidence=build))
    document = (await service.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    shown = {(path, method.upper()) for path, operations in document["paths"].items() for method in operations}
    assert shown == served(create_app(service.log))


async def test_health_metrics_and_the_page(service: Service) -> None:
    await fill(service, 3)
    await service.post(b"not json")
    assert (await service.get("/healthz")).status == 200
    assert (await service.get("/readyz")).json()["tree_size"] == 3
    metrics = (await service.get("/metrics")).body.decode()
    assert 'trustlog_tree_size{stage="published"} 3\n' in metrics
    assert 'trustlog_refusals_total{code="JSON_INVALID"} 1\n' in metrics
    assert 'trustlog_requests_total{route="/v1/entries",method="POST",status="400"} 1\n' in metrics
    page = await service.get("/")
    assert page.headers["Content-Type"].startswith("text/html")
    assert ORIGIN in page.body.decode()
    assert "<script" not in page.body.decode()


async def test_evidence_comes_from_whoever_builds_it(service: Service) -> None:
    asked: list[Any] = []

    async def build(log: Log, query: Any) -> bytes:
        asked.append((log, dict(query)))
        return b'{"pack_version":"1"}'

    runner = web.AppRunner(create_app(service.log, build_evidence=build))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1/evidence"
    async with service.http.get(url + "?ticket=jira:A-1") as response:
        assert await response.read() == b'{"pack_version":"1"}'
    async with service.http.get(url) as response:
        assert (response.status, (await response.json(content_type=None))["param"]) == (400, "ticket")
    await runner.cleanup()
    assert asked == [(service.log, {"ticket": "jira:A-1"})]


async def test_a_policy_is_its_exact_bytes_or_the_envelope_that_was_logged(service: Service) -> None:
    policy = {
        "wpc_version": "1",
        "policy_name": "test",
        "enforcement": {"fail_closed": True, "require_gateway_receipts": False, "require_proof_bundle": False},
        "token_requirements": {
            "require_cst": True,
            "optional_policy_hash_pinning": False,
            "job_scoped_binding": True,
            "max_ttl_s": 900,
        },
        "tools": {"ticket.read": {"allowed": True}},
    }
    envelope = seal_envelope("work_policy_contract", policy, ACTORS.policy_issuer, "2026-02-18T00:00:00Z")
    assert (await service.post(envelope)).status == 201
    text = canonicalize(policy)
    name = encode_b64u(hashlib.sha256(text).digest())
    assert (await service.get(f"/v1/policies/{name}")).body == text
    answer = (await service.get(f"/v1/policies/{name}", Accept="application/json")).json()
    assert (answer["ok"], answer["policy_hash_b64u"]) == (True, name)
    assert answer["envelope"] == json.loads(envelope)
    assert (await service.post(json.dumps(answer["envelope"]).encode())).json()["already_logged"]


async def test_an_erased_payload_is_gone_and_says_where_why(service: Service) -> None:
    first = (await service.post(receipt("r"))).json()
    name = json.loads(first["entry"])["payload_hash_b64u"]
    members = {
        "payload_b64u": name,
        "index": 0,
        "leaf_hash_b64u": first["leaf_hash_b64u"],
        "rule": "retention",
        "reason": "old",
    }
    tombstone = await service.post(own_record("tombstone", ACTORS.custodian, **members))
    assert tombstone.status == 201, tombstone
    change_payload(service.log.directory.log_path, 0, lambda _payload: None)
    gone = await service.get(f"/v1/payloads/{name}")
    assert (gone.status, gone.json()["code"], gone.json()["index"]) == (410, "GONE_ERASED", 1)
    check_result(service, receipt("r"), (await service.get("/v1/entries/0")).json())
