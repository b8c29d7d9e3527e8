"""What a gate keeps: nothing is read twice, nothing damaged or foreign is taken, one process at a time."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.integration.gate.serving import asked, codes_of, serving_gate
from tests.integration.log.conftest import serving
from tests.support import keys
from tests.support.trust import trust_text
from tests.unit.gate.scene import Scene
from tests.unit.gate.story import CLOSE
from trustlog.client.log import LogClient
from trustlog.client.memory import ProcessMemory
from trustlog.errors import Refused, TrustlogError
from trustlog.formats.trustpolicy import TrustPolicy
from trustlog.gate.kept_view import FILE_NAME, KeptView
from trustlog.log.directory import LogDirectory


class Counting(LogClient):
    """A client that notes what is fetched."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fetched: list[str] = []
        get = self.http.get

        async def noting(path: str, **options: Any) -> Any:
            self.fetched.append(path)
            return await get(path, **options)

        self.http.get = noting  # type: ignore[method-assign]


async def test_a_second_start_reads_nothing_again_and_decides_the_same(scene: Scene, state: Path) -> None:
    scene.story.up_to_closing()
    await scene.publish()
    request = asked(scene, CLOSE, closing_reason="none")
    async with serving_gate(scene, state, kind=Counting) as gate:
        first = await gate.decide(request)
        assert isinstance(gate.client, Counting)
        assert sum(path.startswith("v1/payloads/") for path in gate.client.fetched) > 10
    async with serving_gate(scene, state, kind=Counting) as gate:
        assert isinstance(gate.client, Counting)
        assert gate.gate.view.size >= scene.story.view.size
        again = await gate.decide({**request, "nonce": "another"})
        fetched = gate.client.fetched
    assert (again["scope"], again["reasons"]) == (first["scope"], first["reasons"])
    assert [path for path in fetched if path.startswith(("v1/payloads/", "tile/entries/0"))] == []


async def test_a_start_goes_on_to_an_allow(scene: Scene, state: Path) -> None:
    scene.story.up_to_simulation()
    await scene.publish()
    async with serving_gate(scene, state) as gate:
        assert (await gate.decide(asked(scene)))["decision"] == "deny"
    scene.story.approve("change.execute")
    await scene.publish()
    async with serving_gate(scene, state) as gate:
        assert (await gate.decide(asked(scene)))["decision"] == "allow"


async def test_equal_denies_are_told_apart_from_new_ones_after_a_restart(scene: Scene, state: Path) -> None:
    scene.story.up_to_simulation()
    await scene.publish()
    for _ in range(3):
        async with serving_gate(scene, state) as gate:
            await gate.decide(asked(scene))
    scene.story.pass_time(60)
    async with serving_gate(scene, state) as gate:
        await gate.decide(asked(scene))
    assert [one["count"] for one in await scene.decisions()] == [1, 3]


class LosesAnswers(LogClient):
    """A client that hears nothing of its first offer, nor of anything from then on."""

    lost = False

    async def offer(self, envelopes: Sequence[bytes]) -> list[Refused | None]:
        answers = await super().offer(envelopes)
        if not self.lost:
            self.lost = True
            self.http.url = self.http.url.with_port(9)  # it may not withdraw it now
            raise Refused("LOG_UNREACHABLE", "the answer was lost")
        return answers


async def test_an_allow_that_was_not_released_is_withdrawn_after_a_restart(scene: Scene, state: Path) -> None:
    scene.story.up_to_approvals()
    await scene.publish()
    async with serving_gate(scene, state, kind=LosesAnswers) as gate:
        assert codes_of(await gate.decide(asked(scene))) == {"LOG_UNREACHABLE"}
    [allow] = await scene.decisions()
    assert allow["decision"] == "allow"
    async with serving_gate(scene, state) as gate:
        await gate.gate.catch_up()
        allow, deny = await scene.decisions()
        assert deny["withdraws_b64u"]
        assert gate.gate.unreleased == 0
        assert gate.kept.allows() == []


async def test_a_released_allow_is_not_withdrawn_after_a_restart(scene: Scene, state: Path) -> None:
    scene.story.up_to_approvals()
    await scene.publish()
    async with serving_gate(scene, state) as gate:
        assert (await gate.decide(asked(scene)))["decision"] == "allow"
    async with serving_gate(scene, state) as gate:
        await gate.gate.catch_up()
    assert len(await scene.decisions()) == 1


# A log that is not the one it was.


@pytest.mark.parametrize("grown", [False, True])
async def test_a_log_that_was_set_back_meanwhile_is_noticed(scene: Scene, state: Path, tmp_path: Path, grown: bool) -> None:
    scene.story.govern()
    await scene.publish()
    shutil.copytree(tmp_path / "log", tmp_path / "copy")
    scene.story.up_to_approvals()
    await scene.publish()
    async with serving_gate(scene, state) as gate:
        assert (await gate.decide(asked(scene, "ticket.read")))["decision"] == "allow"
    async with serving(LogDirectory(tmp_path / "copy")) as copy:
        client = await scene.client(url=copy.url, memory=ProcessMemory())
        for number in range(20 if grown else 0):
            scene.story.revoke(f"job:other-{number}")
            await client.submit(scene.story.envelopes.pop())
        async with serving_gate(scene, state, url=copy.url) as gate:
            expected = "CHECKPOINT_INCONSISTENT" if grown else "CHECKPOINT_STALE"
            assert codes_of(await gate.decide(asked(scene, "ticket.read"))) == {expected}
            assert (await gate.get("/readyz")).status == 503


# A file that is not what it was.


async def keep_something(scene: Scene, state: Path) -> None:
    scene.story.up_to_approvals()
    await scene.publish()
    async with serving_gate(scene, state) as gate:
        await gate.decide(asked(scene))


DAMAGES = {
    "an entry": "UPDATE entries SET entry = zeroblob(10) WHERE idx = 3",
    "an entry taken out": "DELETE FROM entries WHERE idx = 2",
    "the last entry taken out": "DELETE FROM entries WHERE idx = (SELECT max(idx) FROM entries)",
    "an entry more": "INSERT INTO entries SELECT max(idx) + 1, entry FROM entries",
    "a payload": "UPDATE payloads SET text = zeroblob(10) WHERE sha256 = (SELECT min(sha256) FROM payloads)",
    "the root": "UPDATE reached SET root = zeroblob(32)",
    "the size": "UPDATE reached SET size = size - 1",
    "the layout": "UPDATE meta SET value = '0' WHERE name = 'layout'",
}


async def read_whole(scene: Scene, state: Path) -> None:
    """Start, and read every payload, those too that a gate reads late."""
    async with serving_gate(scene, state) as gate:
        for index in range(gate.gate.view.size):
            logged = gate.gate.view.at(index)
            assert logged is not None
            gate.kept.log.payload(logged.entry.payload_hash)


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_file_is_refused(scene: Scene, state: Path, damage: str) -> None:
    await keep_something(scene, state)
    with sqlite3.connect(state / FILE_NAME) as connection:
        assert connection.execute(DAMAGES[damage]).rowcount == 1
    connection.close()
    with pytest.raises(TrustlogError) as raised:
        await read_whole(scene, state)
    assert raised.value.code == "STORAGE_FAILED"
    assert "is damaged" in raised.value.detail
    assert "start again" in raised.value.hint


@pytest.mark.parametrize("content", [b"", b"no database at all" * 100])
def test_another_file_in_its_place_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(TrustlogError) as raised:
        KeptView.open(tmp_path, TrustPolicy.parse(trust_text().encode()))
    assert raised.value.code == "STORAGE_FAILED"


def test_what_was_kept_of_another_log_is_refused(tmp_path: Path) -> None:
    KeptView.open(tmp_path, TrustPolicy.parse(trust_text().encode())).close()
    other = keys.fixture_note_key("another.test/log")
    trust = TrustPolicy.parse(trust_text(log_policy=f"log {other.key.encode()}\nquorum none\n").encode())
    with pytest.raises(Refused) as raised:
        KeptView.open(tmp_path, trust)
    assert raised.value.code == "ORIGIN_MISMATCH"


def test_what_was_kept_under_another_trust_policy_is_taken_only_on_purpose(tmp_path: Path) -> None:
    trust = TrustPolicy.parse(trust_text().encode())
    changed = TrustPolicy.parse(trust_text(roles={"gateways": []}).encode())
    KeptView.open(tmp_path, trust).close()
    with pytest.raises(Refused) as raised:
        KeptView.open(tmp_path, changed)
    assert (raised.value.code, "--adopt-trust" in raised.value.hint) == ("TRUST_POLICY_INVALID", True)
    KeptView.open(tmp_path, changed, adopt_trust=True).close()
    KeptView.open(tmp_path, changed).close()


def test_one_process_holds_it_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    trust = TrustPolicy.parse(trust_text().encode())
    place = tmp_path / "state"
    kept = KeptView.open(place, trust)
    assert place.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in place.iterdir()} == {0o600}
    with pytest.raises(TrustlogError) as raised:
        KeptView.open(place, trust)
    assert raised.value.code == "LOG_LOCKED"
    kept.close()
    KeptView.open(place, trust).close()
