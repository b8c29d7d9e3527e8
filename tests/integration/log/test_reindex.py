"""The derived index can be lost at any time: nothing else notices, and it comes back."""

from __future__ import annotations

import pytest

from tests.integration.log.actors import receipt
from tests.integration.log.conftest import Service, serving
from tests.integration.log.damage import execute
from tests.integration.log.test_service import fill
from tests.integration.log.test_start import grow
from trustlog.errors import TrustlogError
from trustlog.log.directory import LogDirectory
from trustlog.log.reindex import reindex


async def find(service: Service, receipt_id: str, size: int) -> list[int]:
    answer = (await service.get(f"/v1/entries?receipt={receipt_id}&min_size={size}")).json()
    assert answer["complete_to"] >= size
    return [entry["index"] for entry in answer["entries"]]


@pytest.mark.parametrize("damage", ["delete", "garbage", "wrong rows", "none"])
async def test_it_is_built_again_whatever_was_there(directory: LogDirectory, damage: str) -> None:
    await grow(directory, 2100)
    if damage == "delete":
        directory.index_path.unlink()
    elif damage == "garbage":
        directory.index_path.write_bytes(b"not a database")
    elif damage == "wrong rows":
        execute(directory.index_path, "UPDATE chunks SET id = id + 100000")
    told: list[tuple[int, int]] = []
    assert reindex(directory, lambda done, total: told.append((done, total))) == 2100
    assert told[-1] == (2100, 2100)
    assert len(told) > 1
    async with serving(directory) as service:
        assert service.log.indexing.value == 2100
        assert await find(service, "r-1234", 2100) == [1234]


async def test_of_an_empty_log_it_is_empty(directory: LogDirectory) -> None:
    assert reindex(directory) == 0


async def test_only_what_is_published_is_indexed(directory: LogDirectory) -> None:
    await grow(directory, 10)
    await grow(directory, 5, "more")
    execute(directory.log_path, "DELETE FROM checkpoints WHERE size > 10")
    assert reindex(directory) == 10


async def test_a_served_log_is_left_alone(directory: LogDirectory) -> None:
    async with serving(directory) as service:
        await fill(service, 3)
        with pytest.raises(TrustlogError) as raised:
            reindex(directory)
        assert raised.value.code == "LOG_LOCKED"
        assert "stop the server" in raised.value.hint
        assert await find(service, "r-1", 3) == [1]


async def test_deleted_under_a_server_it_comes_back_with_the_next_entry(directory: LogDirectory) -> None:
    async with serving(directory) as service:
        await fill(service, 20)
        assert await find(service, "r-13", 20) == [13]
        for path in directory.path.glob("index.db*"):
            path.unlink()
        assert (await service.post(receipt("new"))).json()["index"] == 20
        assert await find(service, "new", 21) == [20]
        assert await find(service, "r-13", 21) == [13]
    async with serving(directory) as service:
        assert await find(service, "new", 21) == [20]
        assert await find(service, "r-13", 21) == [13]
