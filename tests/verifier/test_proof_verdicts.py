"""`proof` and `consistency`: what each verdict names, and that nothing passes which could not be read."""

from __future__ import annotations

import shutil
from typing import Any

from tests.verifier.logbuilder import LogBuilder, b64, path
from tests.verifier.test_whole_log import Desk, big_log, desk

__all__ = ["desk"]  # a fixture


def checks(report: dict[str, Any]) -> list[tuple[str, str, str | None, int | None]]:
    return [(check["name"], check["status"], check["found"], check["index"]) for check in report["checks"]]


def compare(desk: Desk, log: LogBuilder, old: int, new: int) -> tuple[int, dict[str, Any]]:
    files = [desk.write(name, log.note(size)) for name, size in (("old", old), ("new", new))]
    return desk.run("consistency", *files, "--log", desk.path("log"))


def test_two_checkpoints_are_named_with_what_connects_them(desk: Desk) -> None:
    log = big_log(300)
    desk.export(log)
    code, report = compare(desk, log, 5, 300)
    assert code == 0
    checkpoints, consistency = checks(report)
    assert checkpoints == ("log.checkpoints", "PASS", "5 and 300 entries of log.example/changes", None)
    assert consistency[:2] == ("log.consistency", "PASS")
    assert "hashes lead to both roots" in str(consistency[2])
    assert any("stale view" in line for line in report["not_proven"])


def test_tiles_that_cannot_be_read_leave_it_undecided(desk: Desk) -> None:
    log = big_log(300)
    desk.export(log)
    shutil.rmtree(desk.folder / "log" / "tile")
    code, report = compare(desk, log, 5, 300)
    assert (code, report["status"]) == (3, "UNDECIDED")
    assert ("log.consistency", "UNDECIDED") in [check[:2] for check in checks(report)]


def test_a_log_that_grew_meanwhile_still_has_the_tiles(desk: Desk) -> None:
    log = big_log(300)
    desk.export(log)
    assert compare(desk, log, 5, 299)[0] == 0
    (desk.folder / "log" / "checkpoint").unlink()
    assert compare(desk, log, 5, 299)[0] == 3
    assert compare(desk, log, 5, 300)[0] == 0


def test_the_newer_one_must_not_be_smaller(desk: Desk) -> None:
    log = big_log(20)
    desk.export(log)
    code, report = compare(desk, log, 20, 5)
    assert (code, report["reason_code"]) == (1, "CHECKPOINT_STALE")
    files = [desk.path("old"), desk.path("new")]
    code, report = desk.run("consistency", *files, "--log", desk.path("log"), "--explain")
    assert (code, report["reason_code"]) == (1, "CHECKPOINT_STALE")


def test_a_log_proof_is_named_with_its_entry(desk: Desk) -> None:
    log = big_log(5)
    hashes = "".join(b64(node) + "\n" for node in path(2, log.leaves()))
    proof = desk.write("a.tlog-proof", f"c2sp.org/tlog-proof@v1\nindex 2\n{hashes}\n{log.note()}")
    code, report = desk.run("proof", proof, "--entry", desk.write("entry", log.items[2].entry))
    assert code == 0
    checkpoint, inclusion = checks(report)
    assert checkpoint == ("log.checkpoint", "PASS", "log.example/changes, 5 entries", None)
    assert (inclusion[0], inclusion[1], inclusion[3]) == ("evidence.inclusion", "PASS", 2)
    assert "leaf hash" in str(inclusion[2])
