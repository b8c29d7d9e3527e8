"""Packs of a live log: over HTTP as a client builds them, and as the service gives them."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.integration.evidence.stage import Stage, judge, staged
from trustlog.demo.cast import OWNER, SECOND_TICKET, SECURITY, TICKET
from trustlog.formats.base64 import encode_b64u
from trustlog.formats.envelope import parse_envelope, seal_envelope
from trustlog.formats.timestamp import format_timestamp
from trustlog.log.log import Log
from trustlog.proxy.receipt import CallBinding, ModelCall, receipt_payload
from trustlog.service.evidence import PACKS_AT_ONCE


async def get(stage: Stage, query: str, **headers: str) -> tuple[int, str, Any, bytes]:
    async with stage.http.get(f"{stage.url}/v1/evidence{query}", headers=headers) as response:
        body = await response.read()
        return response.status, response.content_type, json.loads(body), body


def judged(stage: Stage, pack: bytes) -> str:
    path = stage.place / "change.evidence.json"
    path.write_bytes(pack)
    return judge(path, stage.trust).status


async def test_the_service_gives_the_very_pack_that_a_client_builds(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        await stage.story.change()
        pack = await stage.pack()
        status, content_type, document, body = await get(stage, f"?ticket={TICKET}")
        assert (status, content_type, body) == (200, "application/json", pack)
        bundle = document["subject"]["bundle"]
        assert (await get(stage, f"?bundle={bundle}"))[3] == pack
        assert await stage.pack(bundle=bundle) == pack
        assert judged(stage, body) == "PASS"


async def test_a_question_that_cannot_be_answered_is_a_problem(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        await stage.story.change()
        for query, expected in {
            "": (400, "PARAMETER_INVALID", "ticket"),
            f"?ticket={TICKET}&bundle={'A' * 43}": (400, "PARAMETER_INVALID", "ticket"),
            "?ticket=nosystem": (400, "PARAMETER_INVALID", "ticket"),
            f"?ticket={TICKET}&ticket={TICKET}": (400, "PARAMETER_INVALID", "ticket"),
            "?ticket=": (400, "PARAMETER_INVALID", "ticket"),
            "?job=job-1": (400, "PARAMETER_INVALID", "job"),
            "?bundle=short": (400, "BASE64URL_INVALID", "bundle"),
            "?ticket=tickets.example:CHG-9": (404, "NOT_FOUND", "ticket"),
            f"?bundle={'A' * 43}": (404, "NOT_FOUND", "bundle"),
        }.items():
            status, content_type, problem, _ = await get(stage, query)
            assert content_type == "application/problem+json", query
            assert (status, problem["code"], problem["param"]) == expected, query
            assert problem["expected"], query
            assert problem["found"], query


async def test_whoever_comes_while_others_wait_is_asked_to_come_again(tmp_path: Path) -> None:
    go_on, begun = asyncio.Event(), asyncio.Semaphore(0)

    async def build(_log: Log, _query: Mapping[str, str]) -> bytes:
        begun.release()
        await go_on.wait()
        return b"{}"

    async with staged(tmp_path, build_evidence=build) as stage:
        waiting = [asyncio.create_task(get(stage, f"?ticket={TICKET}")) for _ in range(PACKS_AT_ONCE)]
        for _ in waiting:
            await begun.acquire()
        async with stage.http.get(f"{stage.url}/v1/evidence?ticket={TICKET}") as response:
            problem = await response.json(content_type=None)
            assert (response.status, problem["code"], "Retry-After" in response.headers) == (503, "UNAVAILABLE", True)
        go_on.set()
        assert [status for status, *_ in await asyncio.gather(*waiting)] == [200] * PACKS_AT_ONCE


async def test_payloads_are_only_for_those_who_may_read(tmp_path: Path) -> None:
    digest = hashlib.sha256(b"secret").hexdigest()
    async with staged(tmp_path, configuration=f'[credentials]\nread_sha256 = ["{digest}"]\n') as stage:
        assert (await get(stage, f"?ticket={TICKET}"))[0] == 401
        status, _, problem, _ = await get(stage, f"?ticket={TICKET}", Authorization="Bearer secret")
        assert (status, problem["code"]) == (404, "NOT_FOUND")


async def test_a_change_that_is_not_closed_is_undecided_and_its_denies_have_their_views(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        await stage.story.play()
        pack = await stage.pack(ticket=SECOND_TICKET)
        document = json.loads(pack)
        decisions = [json.loads(e["payload"]) for e in document["entries"] if '"kind":"gate_decision"' in e["entry"]]
        assert [one["decision"] for one in decisions] == ["deny", "deny", "allow", "deny"]
        assert [view["size"] for view in document["views"]] == [one["view"]["size"] for one in decisions]
        assert [view["root_b64u"] for view in document["views"]] == [one["view"]["root_b64u"] for one in decisions]
        assert document["subject"] == {"ticket": SECOND_TICKET, "job": "job-2", "run": "run-2"}
        assert judged(stage, pack) == "UNDECIDED"


async def test_a_revocation_after_closing_is_in_the_pack_and_changes_no_history(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        await stage.story.change()
        members = {"target": "job:job-1", "reason": "tidying up"}
        revoked = await stage.desk.publish_record("revocation", members, stage.cast.roles["token_issuer"])
        pack = await stage.pack()
        assert json.loads(pack)["entries"][-1]["index"] == revoked.index
        assert judged(stage, pack) == "PASS"


async def test_a_job_revoked_before_it_closed_shows_why_it_stays_open(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        story = stage.story
        await story._rules()
        job = await story._open(TICKET, "job-1", "run-1", replicas=4)
        await story._simulate(job)
        await story._approve(job, "change.execute", (OWNER, SECURITY))
        await story._execute(job)
        issuer = stage.cast.roles["token_issuer"]
        members = {"target": "job:job-1", "reason": "stop"}
        revoked = await stage.desk.publish_record("revocation", members, issuer)
        denied = await story._decide(job, "ticket.close", closing_reason="done")
        assert "JOB_REVOKED" in {finding.code for finding in denied.findings}
        pack = await stage.pack()
        assert {revoked.index, denied.index} <= {entry["index"] for entry in json.loads(pack)["entries"]}
        assert judged(stage, pack) == "UNDECIDED"


async def test_a_change_in_a_long_log_is_found_and_proven_among_strangers(tmp_path: Path) -> None:
    """Full tiles and full entry bundles before, within and after the change."""
    async with staged(tmp_path) as stage:
        await _strangers(stage, "before", 300)
        await stage.story.change()
        pack = await stage.pack()
        assert len(json.loads(pack)["entries"]) == 17
        await _strangers(stage, "after", 300)
        later = await stage.pack()
        assert judged(stage, pack) == "PASS"
        assert judged(stage, later) == "PASS"
        assert json.loads(later)["checkpoint"].split("\n")[1] == "617"
        assert (await get(stage, f"?ticket={TICKET}"))[3] == later
        found, _ = await stage.client.find({"kind": "gateway_receipt"}, most=150)
        assert len(found) == 150  # of 603: a list is read no further than asked


async def _strangers(stage: Stage, name: str, count: int) -> None:
    envelopes = []
    for number in range(count):
        call = ModelCall(
            call_id=f"{name}-{number}",
            provider="example",
            model="example-model",
            request_hash_b64u=encode_b64u(bytes(32)),
            response_hash_b64u=encode_b64u(bytes(32)),
            tokens_input=1,
            tokens_output=1,
            latency_ms=1,
            timestamp=format_timestamp(stage.desk.clock()),
        )
        binding = CallBinding(f"run-{name}", encode_b64u(bytes(32)), encode_b64u(bytes(32)), None)
        payload = receipt_payload("stranger", call, binding)
        envelopes.append(seal_envelope("gateway_receipt", payload, stage.cast.roles["gateway"], call.timestamp))
    assert len({parse_envelope(one).payload_hash_b64u for one in envelopes}) == count
    results = await stage.client.submit_batch(envelopes)
    assert all(not isinstance(result, Exception) for result in results), results[:2]
