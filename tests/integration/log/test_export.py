"""An exported log can be checked from its files alone."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.integration.log.conftest import Service
from tests.integration.log.damage import change_entry
from tests.integration.log.test_service import fill, open_checkpoint
from trustlog.errors import TrustlogError
from trustlog.formats.bundle import parse_bundle
from trustlog.log.export import export
from trustlog.merkle.edge import Edge
from trustlog.merkle.hashing import hash_leaf
from trustlog.merkle.tiles import entry_bundle_path, tiles_of_size


@pytest.mark.parametrize("size", [0, 1, 256, 600])
async def test_the_files_are_the_whole_tree_and_every_payload(service: Service, tmp_path: Path, size: int) -> None:
    if size:
        await fill(service, size)
    await service.post(b"a plan", path="/v1/payloads", content_type="application/octet-stream")
    out = tmp_path / "out"
    exported = await service.log.read(export, service.log.directory, out)
    checkpoint = open_checkpoint(service, (out / "checkpoint").read_bytes())
    assert (checkpoint.size, exported.payloads) == (size, size + 1)
    entries: list[bytes] = []
    for start in range(0, size, 256):
        width = min(256, size - start)
        entries += parse_bundle((out / entry_bundle_path(start // 256, width)).read_bytes(), width)
    edge, _ = Edge.empty().append([hash_leaf(entry) for entry in entries])
    assert edge.root() == checkpoint.root
    named = {out / tile.path() for tile in tiles_of_size(size)}
    assert {path for path in (out / "tile").rglob("*") if path.is_file() and "entries" not in path.parts} == named
    payloads = [path for path in (out / "payloads").rglob("*") if path.is_file()]
    assert len(payloads) == size + 1
    for path in payloads:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        assert (path.parent.name, path.name) == (digest[:2], digest)


async def test_nothing_is_overwritten_unless_told(service: Service, tmp_path: Path) -> None:
    await fill(service, 3)
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine").write_text("keep me")
    with pytest.raises(TrustlogError):
        await service.log.read(export, service.log.directory, out)
    assert (out / "mine").read_text() == "keep me"
    await service.log.read(export, service.log.directory, out, force=True)
    assert (out / "checkpoint").exists()
    assert not (out / "mine").exists()


async def test_a_damaged_log_is_not_exported(service: Service, tmp_path: Path) -> None:
    await fill(service, 300)
    change_entry(service.log.directory.log_path, 17, lambda entry: entry.replace(b"gateway", b"gatewax"))
    with pytest.raises(TrustlogError) as raised:
        await service.log.read(export, service.log.directory, tmp_path / "out")
    assert raised.value.code == "LOG_CORRUPT"
    assert not (tmp_path / "out").exists()
