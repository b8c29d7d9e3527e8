"""SIGHUP to ``gate serve``: the trust policy is read again, everything is judged by it, and a bad file changes nothing."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from tests.integration.gate.serving import asked, codes_of
from tests.support import keys
from tests.unit.gate.scene import Scene
from tests.waiting import PATIENCE_S
from trustlog.formats.base64 import encode_b64u
from trustlog.formats.trustpolicy import TrustPolicy

ANOTHER_LOG = keys.fixture_note_key("another.test/log").key.encode()


@dataclass
class Served:
    """A gate process, and the file of its trust policy."""

    url: str
    process: subprocess.Popen[str]
    trust: Path

    async def post(self, body: Any) -> Any:
        return await asyncio.to_thread(self._ask, "/v1/decisions", json.dumps(body).encode())

    async def ready(self) -> Any:
        return await asyncio.to_thread(self._ask, "/readyz", None)

    def _ask(self, path: str, body: bytes | None) -> Any:
        request = urllib.request.Request(f"{self.url}{path}", body, {"Content-Type": "application/json"})  # noqa: S310 - loopback
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:  # noqa: S310 - as above
                return json.load(response)
        except HTTPError as error:
            with error:
                return json.load(error)

    async def reload(self) -> str:
        """Have the file read again; what the gate says of it."""
        self.process.send_signal(signal.SIGHUP)
        assert self.process.stderr is not None
        return await asyncio.to_thread(self.process.stderr.readline)


def start(line: list[str], environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


@asynccontextmanager
async def served(scene: Scene, place: Path) -> AsyncIterator[Served]:
    trust, key = place / "gate-trust.toml", place / "gate.key"
    trust.write_bytes((place / "log" / "trust.toml").read_bytes())
    key.write_text(keys.fixture_seed("gate").hex() + "\n")
    key.chmod(0o600)
    line = [sys.executable, "-m", "trustlog.cli", "gate", "serve", "--key", str(key), "--log", scene.url]
    line += ["--trust", str(trust), "--state", str(place / "state"), "--listen", "127.0.0.1:0"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    process = start(line, environment)
    try:
        assert process.stdout is not None
        said = json.loads(await asyncio.to_thread(process.stdout.readline))
        yield Served(said["url"], process, trust)
    finally:
        process.terminate()
        await asyncio.to_thread(process.communicate)
    assert process.returncode == 0


def without(text: str, did: str) -> str:
    """The trust policy without a key."""
    assert did in text
    return text.replace(f'"{did}"', "")


async def test_a_role_that_was_taken_away_counts_no_more_and_one_that_was_given_back_does(
    scene: Scene, tmp_path: Path
) -> None:
    scene.story.up_to_approvals()
    await scene.publish()
    async with served(scene, tmp_path) as gate:
        assert (await gate.post(asked(scene, "ticket.read")))["decision"] == "allow"
        text = gate.trust.read_text()
        gate.trust.write_text(without(text, keys.TOKEN_ISSUER.did))
        assert "was read again: SHA-256" in await gate.reload()
        less = await gate.post(asked(scene))
        assert codes_of(less) == {"TOKEN_NOT_LOGGED"}
        record = json.loads(less["envelope"])["payload"]
        policy = TrustPolicy.parse(gate.trust.read_bytes())
        assert (await gate.ready())["trust_policy_sha256"] == policy.sha256.hex()
        assert record["trust_policy_b64u"] == encode_b64u(policy.sha256)
        gate.trust.write_text(text)
        assert "was read again: SHA-256" in await gate.reload()
        assert (await gate.post(asked(scene)))["decision"] == "allow"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda _text: "not TOML [", "TRUST_POLICY_INVALID"),
        (lambda text: text + "\n[unheard]\nof = 1\n", "TRUST_POLICY_INVALID"),
        (lambda text: re.sub(r"log \S+", f"log {ANOTHER_LOG}", text, count=1), "ORIGIN_MISMATCH"),
        (None, "INPUT_UNREADABLE"),
    ],
    ids=["no TOML", "an unknown table", "another log", "gone"],
)
async def test_a_file_that_cannot_be_taken_is_said_and_the_old_one_stays(
    scene: Scene, tmp_path: Path, change: Any, said: str
) -> None:
    scene.story.up_to_approvals()
    await scene.publish()
    async with served(scene, tmp_path) as gate:
        before = (await gate.post(asked(scene, "ticket.read")), (await gate.ready())["trust_policy_sha256"])
        assert before[0]["decision"] == "allow"
        if change is None:
            gate.trust.unlink()
        else:
            gate.trust.write_text(change(gate.trust.read_text()))
        line = await gate.reload()
        assert "the old one stays in force" in line
        assert said in line
        assert (await gate.ready())["trust_policy_sha256"] == before[1]
        assert (await gate.post(asked(scene)))["decision"] == "allow"


async def test_what_is_asked_meanwhile_is_decided_or_told_to_ask_again(scene: Scene, tmp_path: Path) -> None:
    scene.story.up_to_approvals()
    await scene.publish()
    answers: list[Any] = []
    async with served(scene, tmp_path) as gate, asyncio.TaskGroup() as group:
        text = gate.trust.read_text()

        async def keep_asking() -> None:
            answers.extend([await gate.post(asked(scene, "ticket.read")) for _ in range(40)])

        group.create_task(keep_asking())
        for number in range(3):
            gate.trust.write_text(f"{text}\n# {number}\n")
            assert "was read again" in await gate.reload()
        assert (await gate.post(asked(scene, "ticket.read")))["decision"] == "allow"
    assert {one.get("decision") or one["code"] for one in answers} <= {"allow", "UNAVAILABLE"}
