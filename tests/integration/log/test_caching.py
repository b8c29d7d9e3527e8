"""What caches between the log and its readers may keep, for how long, and under which name."""

from __future__ import annotations

import asyncio
import gzip

import pytest

from tests.integration.log.actors import receipt
from tests.integration.log.conftest import Answer, Service
from trustlog.service.encodings import accepts_gzip

FOREVER = "public, max-age=31536000, immutable"
SHORTLY = "public, max-age=2"
SIZE = 300
FULL = ["/tile/0/000", "/tile/entries/000"]
PARTIAL = ["/tile/0/001.p/44", "/tile/entries/001.p/44", "/tile/0/000.p/7", "/tile/1/000.p/1"]


@pytest.fixture
async def filled(service: Service) -> Service:
    """Of 300 entries."""
    await service.post_lines([receipt(f"r-{i}") for i in range(SIZE)])
    return service


async def head(service: Service, path: str, **headers: str) -> Answer:
    async with service.http.head(service.url + path, headers=headers) as response:
        return await Answer.read(response)


async def plain(service: Service, path: str, **headers: str) -> Answer:
    return await service.get(path, **{"Accept-Encoding": "identity", **headers})


async def coded(service: Service, path: str, **headers: str) -> Answer:
    """Bodies as they were sent: the session expands nothing."""
    request = {"Accept-Encoding": "gzip", **headers}
    async with service.http.get(service.url + path, headers=request, auto_decompress=False) as response:
        return await Answer.read(response)


@pytest.mark.parametrize(
    ("path", "cache"),
    [
        *((path, FOREVER) for path in FULL),
        *((path, SHORTLY) for path in PARTIAL),
        ("/checkpoint", SHORTLY),
        (f"/v1/checkpoints/{SIZE}", FOREVER),
        (f"/v1/proofs/inclusion?index=3&tree_size={SIZE}", FOREVER),
        ("/v1/proofs/inclusion?index=3", "no-store"),
        (f"/v1/proofs/consistency?from=7&to={SIZE}", FOREVER),
        ("/v1/proofs/consistency?from=7", "no-store"),
        ("/v1/entries/3", "no-store"),
        ("/v1/entries?limit=1", "no-store"),
        ("/metrics", "no-store"),
        ("/readyz", "no-store"),
    ],
)
async def test_only_what_never_changes_is_kept_for_ever(filled: Service, path: str, cache: str) -> None:
    answer = await filled.get(path)
    assert answer.status == 200, answer
    assert answer.headers["Cache-Control"] == cache


@pytest.mark.parametrize("path", ["/tile/0/002", "/tile/entries/001", "/tile/0/001.p/45", "/v1/checkpoints/299", "/nothing"])
async def test_that_something_is_not_there_is_never_kept(filled: Service, path: str) -> None:
    answer = await filled.get(path)
    assert answer.status == 404
    assert answer.headers["Cache-Control"] == "no-store"
    assert "ETag" not in answer.headers


@pytest.mark.parametrize("path", [*FULL, *PARTIAL, "/checkpoint", f"/v1/checkpoints/{SIZE}"])
async def test_a_copy_that_is_held_is_not_sent_again(filled: Service, path: str) -> None:
    answer = await plain(filled, path)
    tag = answer.headers["ETag"]
    assert tag.startswith('"')
    for held in (tag, f'"other", {tag}', "*", f"W/{tag}"):
        again = await plain(filled, path, **{"If-None-Match": held})
        assert (again.status, again.body, again.headers["ETag"]) == (304, b"", tag)
        assert again.headers["Cache-Control"] == answer.headers["Cache-Control"]
    assert (await plain(filled, path, **{"If-None-Match": '"other"'})).body == answer.body


@pytest.mark.parametrize("path", [*FULL, *PARTIAL, "/checkpoint", f"/v1/checkpoints/{SIZE}"])
async def test_head_says_what_get_would(filled: Service, path: str) -> None:
    got, asked = await plain(filled, path), await head(filled, path, **{"Accept-Encoding": "identity"})
    assert (asked.status, asked.body) == (200, b"")
    for name in ("ETag", "Cache-Control", "Content-Length", "Content-Type"):
        assert asked.headers[name] == got.headers[name]


async def test_a_tag_names_bytes_and_nothing_else(filled: Service) -> None:
    tags = [(await plain(filled, path)).headers["ETag"] for path in (*FULL, *PARTIAL)]
    assert len(set(tags)) == len(tags)
    before = (await filled.get("/checkpoint")).headers["ETag"]
    await filled.post(receipt("another"))
    assert (await filled.get("/checkpoint")).headers["ETag"] != before
    assert (await plain(filled, PARTIAL[0])).headers["ETag"] == tags[len(FULL)]


@pytest.mark.parametrize("path", ["/tile/entries/000", "/tile/entries/001.p/44"])
async def test_bundles_are_compressed_for_those_who_take_it(filled: Service, path: str) -> None:
    as_is, small = await plain(filled, path), await coded(filled, path)
    assert small.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(small.body) == as_is.body
    assert len(small.body) < len(as_is.body) * 0.7
    assert "Content-Encoding" not in as_is.headers
    assert as_is.headers["Vary"] == small.headers["Vary"] == "Accept-Encoding"
    assert as_is.headers["ETag"] != small.headers["ETag"]
    assert (await coded(filled, path)).body == small.body
    held = await coded(filled, path, **{"If-None-Match": small.headers["ETag"]})
    assert (held.status, held.headers["ETag"], held.headers["Vary"]) == (304, small.headers["ETag"], "Accept-Encoding")
    assert (await coded(filled, path, **{"If-None-Match": as_is.headers["ETag"]})).body == small.body


@pytest.mark.parametrize("path", ["/tile/0/000", "/checkpoint", "/v1/entries/3"])
async def test_hashes_and_signatures_are_not_compressed(filled: Service, path: str) -> None:
    answer = await coded(filled, path)
    assert "Content-Encoding" not in answer.headers
    assert "Vary" not in answer.headers


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        (None, False),
        ("", False),
        ("identity", False),
        ("gzip", True),
        ("GZIP", True),
        ("br, gzip;q=0.5", True),
        ("x-gzip", True),
        ("*", True),
        ("*;q=0", False),
        ("gzip;q=0", False),
        ("gzip; q=0.0, *", False),
        ("gzip;q=nonsense", False),
        ("gzipped", False),
    ],
)
def test_what_a_client_takes_is_read_as_it_is_written(accepted: str | None, expected: bool) -> None:
    assert accepts_gzip(accepted) is expected


async def test_every_checkpoint_that_was_answered_stays_under_its_size(service: Service) -> None:
    answers = [(await service.post(receipt(f"r-{i}"))).json() for i in range(5)]
    kept = await asyncio.gather(*(service.get(f"/v1/checkpoints/{answer['tree_size']}") for answer in answers))
    assert [each.body.decode() for each in kept] == [answer["checkpoint"] for answer in answers]
