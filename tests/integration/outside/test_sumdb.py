"""What checks the Go checksum database (golang.org/x/mod/sumdb) finds a log of 70,000 entries right, and can say no."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.integration.outside.checkers import Checker
from tests.integration.outside.damage import DAMAGES, RESOURCES
from tests.integration.outside.large_log import PARTIAL_WIDTHS, SIZE, TILES_BY_LEVEL, LargeLog
from trustlog.formats.base64 import encode_b64
from trustlog.formats.checkpoint import Checkpoint
from trustlog.formats.note import NoteSigner, sign_note

pytestmark = [
    pytest.mark.usefixtures("sumdb"),  # before the log is made: without the checker nobody needs it
    pytest.mark.timeout(1200),  # whichever comes first makes the log and compiles the checker
]


def check_report(log: LargeLog, line: str, *, served_proofs: bool) -> None:
    """The checker saw all there is: every bundle, every tile with a partial one at each level, every signed checkpoint."""
    report = json.loads(line)
    assert report["inclusion_proofs"] == report["consistency_proofs"] > 300
    assert report == {
        "origin": log.checkpoint.origin,
        "tree_size": SIZE,
        "root": encode_b64(log.checkpoint.root),
        "bundles": TILES_BY_LEVEL[0],
        "tiles_by_level": TILES_BY_LEVEL,
        "partial_widths": PARTIAL_WIDTHS,
        "inclusion_proofs": report["inclusion_proofs"],
        "consistency_proofs": report["consistency_proofs"],
        "earlier_checkpoints": len(log.signed),
        "served_proofs": 2 * report["inclusion_proofs"] if served_proofs else 0,
    }
    assert len(log.signed) > 100


def test_the_exported_log_is_right(log: LargeLog, sumdb: Checker) -> None:
    check_report(log, sumdb.accept(log.vkey, log.out, *log.signed), served_proofs=False)


def test_the_served_log_is_right_and_so_are_the_proofs_that_it_makes(log: LargeLog, sumdb: Checker) -> None:
    with log.serving() as url:
        check_report(log, sumdb.accept("-proofs", log.vkey, url, *log.signed), served_proofs=True)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("resource", RESOURCES)
def test_any_damage_is_noticed(
    log: LargeLog, sumdb: Checker, copy: Path, resource: str, damage: Callable[[Path], None]
) -> None:
    damage(copy / resource)
    found = sumdb.refuse(log.vkey, copy)
    assert "the entries have the root" in found or resource in found


def test_another_key_is_refused(log: LargeLog, sumdb: Checker) -> None:
    other = NoteSigner(log.checkpoint.origin, bytes(32)).key.encode()
    assert "note has no verifiable signatures" in sumdb.refuse(other, log.out)


@pytest.mark.parametrize("size", [1, 256, 65_536, SIZE])
def test_a_checkpoint_of_another_history_is_refused(log: LargeLog, sumdb: Checker, tmp_path: Path, size: int) -> None:
    signer = log.directory.read_signer()
    fork = tmp_path / "fork"
    fork.write_bytes(sign_note(Checkpoint(signer.key.name, size, bytes(32)).encode(), signer))
    assert "signed checkpoints: consistency of size" in sumdb.refuse(log.vkey, log.out, fork, *log.signed)


def test_a_log_smaller_than_it_was_is_refused(log: LargeLog, sumdb: Checker, tmp_path: Path) -> None:
    signer = log.directory.read_signer()
    ahead = tmp_path / "ahead"
    ahead.write_bytes(sign_note(Checkpoint(signer.key.name, SIZE + 1, bytes(32)).encode(), signer))
    assert f"size {SIZE + 1}, where the log has {SIZE}" in sumdb.refuse(log.vkey, log.out, ahead)


@contextmanager
def serving_files(directory: Path) -> Iterator[str]:
    """A server of plain files; its URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(directory))) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Standard error is for failures."""


@pytest.mark.parametrize("kind", ["inclusion", "consistency"])
def test_a_wrong_proof_that_the_log_makes_is_refused(log: LargeLog, sumdb: Checker, copy: Path, kind: str) -> None:
    """Of the first sample, entry 0 in the tree of size 1, both proofs are empty."""
    proofs = copy / "v1" / "proofs"
    proofs.mkdir(parents=True)
    for name in ("inclusion", "consistency"):
        (proofs / name).write_text(json.dumps({f"{name}_proof": [encode_b64(bytes(32))] if name == kind else []}))
    with serving_files(copy) as url:
        assert f"v1/proofs/{kind}" in sumdb.refuse("-proofs", log.vkey, url)
