"""``POST /v1/decisions`` over a real log: answers, batches, nonces, words that cannot be read."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.integration.gate.serving import asked, codes_of, serving_gate
from tests.support import keys
from tests.support.trust import ORIGIN
from tests.unit.gate.scene import Scene
from tests.unit.gate.story import CLOSE, EXECUTE
from trustlog.formats.envelope import parse_envelope
from trustlog.gate.service.decisions import MAX_DECISIONS
from trustlog.gate.service.hints import HINTS
from trustlog.gate.service.metrics import COUNTERS, GAUGES, HISTOGRAM
from trustlog.gate.service.openapi import GATE_SCHEMAS, PATHS
from trustlog.records.candidate import read_candidate


async def test_an_allow_comes_with_its_logged_record(scene: Scene, state: Path) -> None:
    scene.story.up_to_approvals()
    await scene.publish()
    async with serving_gate(scene, state) as gate:
        decision = await gate.decide(asked(scene))
    assert (decision["decision"], decision["status"], decision["reasons"]) == ("allow", "PASS", [])
    record = read_candidate(parse_envelope(decision["envelope"].encode()), origin=ORIGIN)
    assert (record.signer_did, record.payload_hash_b64u) == (keys.GATE.did, decision["decision_b64u"])
    assert record.record.expires_at.text == decision["expires_at"]
    client = await scene.client()
    assert (await client.entry(decision["index"])).entry == record.entry_bytes


async def test_every_deny_is_signed_and_equal_ones_are_logged_once(scene: Scene, state: Path) -> None:
    scene.story.up_to_simulation()
    await scene.publish()
    async with serving_gate(scene, state) as gate:
        denies = [await gate.decide(asked(scene)) for _ in range(3)]
    assert [deny["index"] is None for deny in denies] == [False, True, True]
    for deny in denies:
        record = read_candidate(parse_envelope(deny["envelope"].encode()), origin=ORIGIN).record
        assert record.decision == "deny"
        assert {reason.code for reason in record.reasons} == codes_of(deny)
        assert record.nonce == deny["nonce"]
    assert len(await scene.decisions()) == 1


async def test_what_needs_no_ceremony_leaves_nothing_in_the_log(scene: Scene, state: Path) -> None:
    scene.story.govern().issue()
    await scene.publish()
    async with serving_gate(scene, state) as gate:
        answers = [await gate.decide(asked(scene, action)) for action in ("ticket.read", "change.simulate")]
    assert [(one["decision"], one["index"], one["envelope"]) for one in answers] == [("allow", None, None)] * 2
    assert await scene.decisions() == []


async def test_many_are_answered_in_their_order(scene: Scene, state: Path) -> None:
    scene.story.up_to_approvals()
    await scene.publish()
    requests = [asked(scene, "ticket.read"), asked(scene), asked(scene, token="no token"), asked(scene, "no.such")]
    async with serving_gate(scene, state) as gate:
        answers = (await gate.post("/v1/decisions", requests)).json()
    assert [one["nonce"] for one in answers] == [one["nonce"] for one in requests]
    assert [one["decision"] for one in answers] == ["allow", "allow", "deny", "deny"]
    assert [one["reason_code"] for one in answers[2:]] == ["TOKEN_MALFORMED", "TOOL_NOT_LISTED"]


async def test_many_at_once_for_one_scope_give_one_allow(scene: Scene, state: Path) -> None:
    scene.story.up_to_approvals()
    await scene.publish()
    async with serving_gate(scene, state) as gate:
        answers = (await gate.post("/v1/decisions", [asked(scene) for _ in range(8)])).json()
    assert sum(one["decision"] == "allow" for one in answers) == 1
    assert sum(one["decision"] == "allow" for one in await scene.decisions()) == 1


# The same request again.


async def test_the_same_nonce_gets_the_same_answer_and_no_second_decision(scene: Scene, state: Path) -> None:
    scene.story.up_to_approvals()
    await scene.publish()
    request = asked(scene)
    async with serving_gate(scene, state) as gate:
        at_once = await asyncio.gather(*(gate.decide(request) for _ in range(3)))
        later = await gate.decide(request)
        other = await gate.decide({**request, "nonce": "another"})
        elsewhere = await gate.decide({**request, "audience": "another"})
    assert [one["decision"] for one in (*at_once, later)] == ["allow"] * 4
    assert at_once == [later] * 3
    assert (other["decision"], elsewhere["decision"]) == ("deny", "deny")
    assert [one["decision"] for one in await scene.decisions()].count("allow") == 1


async def test_the_answer_to_a_nonce_survives_a_restart(scene: Scene, state: Path) -> None:
    scene.story.up_to_approvals()
    await scene.publish()
    request = asked(scene)
    async with serving_gate(scene, state) as gate:
        first = await gate.decide(request)
    async with serving_gate(scene, state) as gate:
        again = await gate.decide(request)
    assert first["decision"] == "allow"
    assert again == first


async def test_a_nonce_is_forgotten_when_its_decision_has_expired(scene: Scene, state: Path) -> None:
    scene.story.up_to_approvals()
    await scene.publish()
    request = asked(scene)
    async with serving_gate(scene, state) as gate:
        assert (await gate.decide(request))["decision"] == "allow"
        scene.story.pass_time(61)
        assert (await gate.decide(request))["decision"] == "deny"


async def test_a_deny_for_want_of_the_log_is_not_kept(scene: Scene, state: Path) -> None:
    scene.story.up_to_approvals()
    await scene.publish()
    request = asked(scene)
    async with serving_gate(scene, state) as gate:
        right, gate.client.http.url = gate.client.http.url, gate.client.http.url.with_port(9)
        denied = await gate.decide(request)
        assert codes_of(denied) == {"LOG_UNREACHABLE"}
        assert read_candidate(parse_envelope(denied["envelope"].encode()), origin=ORIGIN).record.decision == "deny"
        assert (await gate.get("/readyz")).status in {200, 503}
        gate.client.http.url = right
        assert (await gate.decide(request))["decision"] == "allow"


# What cannot be read.


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "JSON_INVALID"),
        (b"[]", 400, "PARAMETER_INVALID"),
        (b"[" + b"1," * MAX_DECISIONS + b"1]", 400, "PARAMETER_INVALID"),
        (b"1", 422, "SCHEMA_VALIDATION_FAILED"),
        (b'{"action":"a","action":"b"}', 400, "JSON_DUPLICATE_KEY"),
        (b'{"action":"a"}', 422, "SCHEMA_VALIDATION_FAILED"),
        ({"plan": "x"}, 422, "SCHEMA_VALIDATION_FAILED"),
        ({"plan_hash_b64u": "x"}, 400, "BASE64URL_INVALID"),
        ({"nonce": ""}, 400, "PARAMETER_INVALID"),
        ({"ticket": "a\nb"}, 400, "PARAMETER_INVALID"),
        ({"closing_reason": "x" * 4097}, 400, "PARAMETER_INVALID"),
        ({"token": 1}, 422, "SCHEMA_VALIDATION_FAILED"),
        ({"token": "x" * 3_000_000}, 413, "BODY_TOO_LARGE"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_what_cannot_be_read_is_a_problem(scene: Scene, state: Path, body: Any, status: int, code: str) -> None:
    scene.story.govern().issue()
    await scene.publish()
    async with serving_gate(scene, state) as gate:
        sent = body if isinstance(body, bytes) else json.dumps({**asked(scene), **body}).encode()
        answer = await gate.post("/v1/decisions", sent)
    assert (answer.status, answer.json()["code"]) == (status, code)
    assert not re.search(r"sign the|envelope,|NDJSON|x-ndjson|payloads|checkpoint", answer.json()["hint"])  # that is a log's
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert await scene.decisions() == []


async def test_one_bad_request_of_many_decides_none(scene: Scene, state: Path) -> None:
    scene.story.up_to_approvals()
    await scene.publish()
    async with serving_gate(scene, state) as gate:
        answer = await gate.post("/v1/decisions", [asked(scene), asked(scene, nonce="")])
        assert (answer.status, answer.json()["param"]) == (400, "nonce")
        plain = await gate.post("/v1/decisions", b"{}", **{"Content-Type": "text/plain"})
        assert (plain.status, plain.json()["hint"]) == (415, HINTS["CONTENT_TYPE_UNSUPPORTED"])
        nowhere = await gate.get("/v1/decision")
        assert (nowhere.status, nowhere.json()["hint"]) == (404, HINTS["NOT_FOUND"])
    assert await scene.decisions() == []


async def test_callers_need_their_credential_where_one_is_asked_for(scene: Scene, state: Path) -> None:
    scene.story.govern().issue()
    await scene.publish()
    callers = frozenset({hashlib.sha256(b"secret").digest()})
    async with serving_gate(scene, state, callers=callers) as gate:
        request = asked(scene, "ticket.read")
        refused = await gate.post("/v1/decisions", request)
        assert (refused.status, refused.json()["code"]) == (401, "UNAUTHENTICATED")
        assert (await gate.post("/v1/decisions", request, Authorization="Bearer wrong")).status == 401
        assert (await gate.post("/v1/decisions", request, Authorization="Bearer secret")).json()["decision"] == "allow"


# How it does.


async def test_it_says_how_it_does(scene: Scene, state: Path) -> None:
    scene.story.up_to_closing()
    await scene.publish()
    async with serving_gate(scene, state) as gate:
        await gate.decide(asked(scene, CLOSE, closing_reason=f"bundle:{scene.story.bundle_hash}"))
        await gate.decide(asked(scene, 'odd"action'))
        ready = (await gate.get("/readyz")).json()
        assert (ready["origin"], ready["did"], ready["view_size"]) == (ORIGIN, keys.GATE.did, gate.gate.view.size)
        assert (await gate.get("/healthz")).json() == {"status": "ok"}
        text = (await gate.get("/metrics")).body.decode()
        document = (await gate.get("/openapi.json")).json()
    assert 'trustlog_gate_decisions_total{action="other",decision="deny",code="TOOL_NOT_LISTED"} 1' in text
    assert 'trustlog_gate_decisions_total{action="ticket.close"' in text
    named = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    assert named == {*GAUGES, *COUNTERS, HISTOGRAM}
    routes = {
        (resource.canonical, route.method.lower())
        for resource in gate.app.router.resources()
        for route in resource
        if route.method != "HEAD"
    }
    assert routes == {(path, method) for path, operations in document["paths"].items() for method in operations}
    assert set(PATHS) == set(document["paths"])


async def test_the_description_names_every_member_of_an_answer(scene: Scene, state: Path) -> None:
    scene.story.up_to_approvals()
    await scene.publish()
    async with serving_gate(scene, state) as gate:
        decision = await gate.decide(asked(scene, EXECUTE))
    assert set(decision) == set(GATE_SCHEMAS["Decision"]["properties"])
