"""The independent verifier on packs that trustlog made: PASS for the honest one, and for nothing that differs by a byte."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.evidence.conftest import Honest
from tests.integration.evidence.stage import judge
from tests.waiting import PATIENCE_S
from trustlog.formats.jsontext import canonicalize
from trustlog.log.directory import LogDirectory
from trustlog.log.export import export

PROJECT = Path(__file__).resolve().parents[3]
CHANGES_A_REGION = 80


def test_the_honest_pack_passes_in_a_process_of_its_own(honest: Honest) -> None:
    command = [sys.executable, "-m", "verifier", "evidence", str(honest.pack), "--trust", str(honest.trust), "--json"]
    ended = subprocess.run([*command, "--allow-demo"], cwd=PROJECT, capture_output=True, timeout=PATIENCE_S, check=False)
    verdict = json.loads(ended.stdout)
    assert (ended.returncode, verdict["status"], verdict["reason_code"]) == (0, "PASS", "OK"), verdict["reason"]
    assert any("attested" in line for line in verdict["not_proven"])
    refused = subprocess.run(command, cwd=PROJECT, capture_output=True, timeout=PATIENCE_S, check=False)
    assert refused.returncode in (1, 2)
    assert json.loads(refused.stdout)["reason_code"] == "DEMO_ORIGIN_REFUSED"


def test_absence_is_proven_from_the_whole_log(honest: Honest, tmp_path: Path) -> None:
    exported = tmp_path / "export"
    export(LogDirectory(honest.log), exported)
    strict = tmp_path / "strict.toml"
    strict.write_text(honest.trust.read_text().replace('absence = "gate"', 'absence = "log"'))
    assert judge(honest.pack, strict).status == "UNDECIDED"
    verdict = judge(honest.pack, strict, "--log", str(exported))
    assert (verdict.code, verdict.status) == (0, "PASS"), verdict.document["reason"]
    assert not any("attested" in line for line in verdict.document["not_proven"])


# One byte.

REGIONS: dict[str, Callable[[Any], Iterator[Any]]] = {
    "entry": lambda pack: (entry["entry"] for entry in pack["entries"]),
    "payload": lambda pack: (entry["payload"] for entry in pack["entries"]),
    "inclusion proof": lambda pack: (node for entry in pack["entries"] for node in entry["inclusion_proof"]),
    "consistency proof": lambda pack: (node for view in pack["views"] for node in view["consistency_proof"]),
    "view": lambda pack: (view["root_b64u"] for view in pack["views"]),
    "checkpoint": lambda pack: iter([pack["checkpoint"]]),
    "stored payload": lambda pack: (one[name] for one in pack["payloads"] for name in ("text", "sha256_b64u")),
    "subject": lambda pack: iter(pack["subject"].values()),
    "anywhere": lambda pack: iter([pack]),
}


@pytest.mark.parametrize("region", REGIONS)
def test_no_changed_byte_passes(region: str, honest: Honest, tmp_path: Path) -> None:
    body = honest.body
    spans = list(_spans(body, region))
    assert spans
    rng = random.Random(f"one byte of {region}")  # noqa: S311 (which bytes to try is no secret)
    for _ in range(CHANGES_A_REGION):
        changed = _change_one_byte(body, rng.choice(spans), rng)
        path = tmp_path / "changed.json"
        path.write_bytes(changed)
        verdict = judge(path, honest.trust)
        found = (verdict.code, verdict.status)
        at = next(i for i, (old, new) in enumerate(zip(body, changed, strict=True)) if old != new)
        assert found in {(1, "FAIL"), (2, "ERROR")}, (verdict.document["reason"], at, body[at - 40 : at + 20])


def _spans(body: bytes, region: str) -> Iterator[range]:
    """Where the values of a region stand in the file, quotes left out."""
    for value in REGIONS[region](json.loads(body)):
        text = canonicalize(value)
        start = body.index(text)
        yield range(start + 1, start + len(text) - 1)


def _change_one_byte(body: bytes, span: range, rng: random.Random) -> bytes:
    """Another byte at one place: half of the time one that keeps the text plausible."""
    at = rng.choice(span)
    plausible = b"ABCDEFGHabcdefgh0123456789+/-_"
    new = rng.choice([byte for byte in (plausible if rng.random() < 0.5 else range(256)) if byte != body[at]])
    return body[:at] + bytes([new]) + body[at + 1 :]


# One entry, one view, one plan.


def test_no_pack_passes_without_one_of_its_entries(honest: Honest, tmp_path: Path) -> None:
    for position in range(len(json.loads(honest.body)["entries"])):
        pack = json.loads(honest.body)
        left_out = pack["entries"].pop(position)
        verdict = _judge_value(pack, honest, tmp_path)
        assert verdict in {"FAIL", "UNDECIDED"}, left_out["entry"]


def test_no_pack_passes_without_one_of_its_payloads(honest: Honest, tmp_path: Path) -> None:
    for position in range(len(json.loads(honest.body)["entries"])):
        pack = json.loads(honest.body)
        del pack["entries"][position]["payload"]
        assert _judge_value(pack, honest, tmp_path) == "FAIL", pack["entries"][position]["entry"]


def test_no_pack_passes_without_a_view_or_with_entries_swapped(honest: Honest, tmp_path: Path) -> None:
    pack = json.loads(honest.body)
    pack["views"].pop()
    assert _judge_value(pack, honest, tmp_path) == "FAIL"
    pack = json.loads(honest.body)
    first, second = pack["entries"][7], pack["entries"][8]
    first["index"], second["index"] = second["index"], first["index"]
    pack["entries"][7], pack["entries"][8] = second, first
    assert _judge_value(pack, honest, tmp_path) == "FAIL"


def test_without_its_plan_a_change_is_undecided(honest: Honest, tmp_path: Path) -> None:
    pack = json.loads(honest.body)
    plans = {json.loads(entry["entry"])["refs"].get("plan") for entry in pack["entries"]} - {None}
    kept = [one for one in pack["payloads"] if one["sha256_b64u"] not in plans]
    assert len(kept) == len(pack["payloads"]) - 1
    pack["payloads"] = kept
    assert _judge_value(pack, honest, tmp_path) == "UNDECIDED"
    pack["payloads"] = [one for one in json.loads(honest.body)["payloads"] if one["sha256_b64u"] in plans]
    assert _judge_value(pack, honest, tmp_path) == "PASS"  # artefacts are optional


def _judge_value(pack: Any, honest: Honest, tmp_path: Path) -> str:
    path = tmp_path / "changed.json"
    path.write_bytes(canonicalize(pack))
    return judge(path, honest.trust).status
