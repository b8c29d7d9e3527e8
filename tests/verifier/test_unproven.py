"""What a signed checkpoint leaves open without witnesses is said with every verdict, and not where a quorum closes it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.verifier.changebuilder import Change, trust_toml
from tests.verifier.logbuilder import Key, b64, path
from tests.verifier.test_whole_log import Desk, desk, witnessed

__all__ = ["desk"]  # a fixture

WITNESS = Key("witness")
COSIGNERS = (("witness.example", WITNESS, 1_772_360_000),)
OPEN = ("split views", "any time")

Verdict = Callable[[Desk, Change], tuple[int, dict[str, Any]]]


def two_checkpoints(desk: Desk, change: Change) -> tuple[int, dict[str, Any]]:
    folder = desk.export(change.log, note=change.log.note(cosigners=COSIGNERS))
    old, new = (desk.write(str(size), change.log.note(size, COSIGNERS)) for size in (5, 17))
    return desk.run("consistency", old, new, "--log", folder)


def a_log_proof(desk: Desk, change: Change) -> tuple[int, dict[str, Any]]:
    log = change.log
    hashes = "".join(b64(node) + "\n" for node in path(7, log.leaves()))
    proof = desk.write("a.tlog-proof", f"c2sp.org/tlog-proof@v1\nindex 7\n{hashes}\n{log.note(cosigners=COSIGNERS)}")
    return desk.run("proof", proof, "--entry", desk.write("entry", log.items[7].entry))


def a_whole_log(desk: Desk, change: Change) -> tuple[int, dict[str, Any]]:
    desk.export(change.log, note=change.log.note(cosigners=COSIGNERS))
    return desk.log("--deep")


def a_pack_and_its_log(desk: Desk, change: Change) -> tuple[int, dict[str, Any]]:
    return desk.judge(change, "--log", desk.export(change.log, note=change.log.note(cosigners=COSIGNERS)))


def a_pack_and_no_log(desk: Desk, change: Change) -> tuple[int, dict[str, Any]]:
    (desk.folder / "log").mkdir()
    return desk.judge(change, "--log", desk.path("log"))


VERDICTS = {
    two_checkpoints: 0,
    a_log_proof: 0,
    a_whole_log: 0,
    a_pack_and_its_log: 0,
    a_pack_and_no_log: 3,
}


@pytest.mark.parametrize(("judge", "code"), VERDICTS.items(), ids=lambda value: getattr(value, "__name__", str(value)))
@pytest.mark.parametrize("quorum", [None, "witness.example"])
def test_split_views_and_times_are_open_without_witnesses_and_only_then(
    desk: Desk, judge: Verdict, code: int, quorum: str | None
) -> None:
    if quorum is not None:
        desk.trust(trust_toml(absence="log", witnesses=((quorum, WITNESS),), quorum=quorum))
    else:
        desk.trust(trust_toml(absence="log"))
    found, report = judge(desk, Change(cosigners=COSIGNERS).build())
    assert found == code, report["reason"]
    said = "\n".join(report["not_proven"])
    assert [words in said for words in OPEN] == [quorum is None] * 2


def test_a_verdict_that_a_policy_of_witnesses_fails_leaves_no_doubt_which_quorum(tmp_path: Path, desk: Desk) -> None:
    trust, cosigners = witnessed(1_772_360_000)
    desk.trust(trust)
    old = desk.write("old", Change().build().log.note(cosigners=cosigners))
    code, report = desk.run("consistency", old, old, "--log", str(tmp_path))
    assert (code, report["reason_code"]) == (1, "QUORUM_NOT_MET")
    assert "quorum g" in report["reason"]
