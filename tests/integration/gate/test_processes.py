"""``trustlog gate serve`` as real processes: two that race, one that is killed at any moment, one that is told to stop."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from tests.integration.gate.serving import asked
from tests.support import keys
from tests.support.payloads import payload_hash
from tests.unit.gate.scene import Scene
from tests.waiting import PATIENCE_S
from trustlog.gate.kept_view import KeptView


@dataclass
class GateProcess:
    url: str
    process: subprocess.Popen[str]

    def post(self, body: Any) -> Any:
        request = urllib.request.Request(  # noqa: S310 - our own, on loopback
            f"{self.url}/v1/decisions", json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:  # noqa: S310 - as above
            return json.load(response)


@contextmanager
def gate_process(scene: Scene, place: Path, state: str = "state") -> Iterator[GateProcess]:
    (place / "trust.toml").write_bytes((place / "log" / "trust.toml").read_bytes())
    key = place / "gate.key"
    if not key.exists():
        key.write_text(keys.fixture_seed("gate").hex() + "\n")
        key.chmod(0o600)
    command = [
        sys.executable, "-m", "trustlog.cli", "gate", "serve", "--key", str(key), "--log", scene.url,
        "--trust", str(place / "trust.toml"), "--state", str(place / state), "--listen", "127.0.0.1:0",
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        assert said["did"] == keys.GATE.did
        yield GateProcess(said["url"], process)
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


async def test_two_gates_racing_for_one_scope_give_one_allow(scene: Scene, tmp_path: Path) -> None:
    scene.story.up_to_approvals()
    await scene.publish()
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(8) as pool:
        start = [gate_process(scene, tmp_path, f"state-{number}") for number in range(2)]
        gates = [await loop.run_in_executor(pool, one.__enter__) for one in start]
        try:
            for gate in gates:
                await loop.run_in_executor(pool, gate.post, asked(scene, "ticket.read"))
            racing = [loop.run_in_executor(pool, gate.post, asked(scene)) for gate in gates for _ in range(4)]
            answers = await asyncio.gather(*racing)
        finally:
            for one in start:
                await loop.run_in_executor(pool, one.__exit__, None, None, None)
    assert sum(one["decision"] == "allow" for one in answers) == 1
    logged = await scene.decisions()
    assert sum(one["decision"] == "allow" for one in logged) == 1
    [allow] = [one for one in answers if one["decision"] == "allow"]
    assert not any(one.get("withdraws_b64u") == allow["decision_b64u"] for one in logged)


@pytest.mark.parametrize("after_ms", [0, 5, 10, 20, 40, 80])
async def test_killed_at_any_moment_it_starts_again_and_withdraws_what_nobody_got(
    scene: Scene, tmp_path: Path, after_ms: int
) -> None:
    scene.story.up_to_approvals()
    await scene.publish()
    loop = asyncio.get_running_loop()
    request = asked(scene)
    answer: Any = None
    with ThreadPoolExecutor(4) as pool:
        first = gate_process(scene, tmp_path)
        gate = await loop.run_in_executor(pool, first.__enter__)
        asking = loop.run_in_executor(pool, gate.post, request)
        await asyncio.sleep(after_ms / 1000)
        os.kill(gate.process.pid, signal.SIGKILL)
        with suppress(OSError, ValueError, HTTPException):
            answer = await asking
        await loop.run_in_executor(pool, first.__exit__, None, None, None)
        second = gate_process(scene, tmp_path)
        gate = await loop.run_in_executor(pool, second.__enter__)
        try:
            again = await loop.run_in_executor(pool, gate.post, request)
        finally:
            await loop.run_in_executor(pool, second.__exit__, None, None, None)
    decisions = await scene.decisions()
    withdrawn = {one["withdraws_b64u"] for one in decisions if "withdraws_b64u" in one}
    allows = {payload_hash(one) for one in decisions if one["decision"] == "allow"}
    given = {one["decision_b64u"] for one in (answer, again) if one is not None and one["decision"] == "allow"}
    assert allows - withdrawn == given
    assert len(allows) == 1
    if answer is not None and answer["decision"] == "allow":
        assert again == answer


async def test_told_to_stop_it_answers_what_was_asked_and_ends_well(scene: Scene, tmp_path: Path) -> None:
    scene.story.up_to_approvals()
    await scene.publish()
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(4) as pool:
        started = gate_process(scene, tmp_path)
        gate = await loop.run_in_executor(pool, started.__enter__)
        try:
            await loop.run_in_executor(pool, gate.post, asked(scene, "ticket.read"))
            gate.process.send_signal(signal.SIGTERM)
            assert await loop.run_in_executor(pool, gate.process.wait, PATIENCE_S) == 0
        finally:
            await loop.run_in_executor(pool, started.__exit__, None, None, None)
    kept = KeptView.open(tmp_path / "state", scene.trust)
    assert sum(len(entries) for entries, _edge in kept.log.read_all()) == scene.story.view.size
    kept.close()
