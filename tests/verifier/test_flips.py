"""No single changed byte of a pack passes: entry, payload, proof, view, checkpoint, plan, subject or syntax."""

from __future__ import annotations

import random

import pytest

from tests.verifier.changebuilder import Change
from tests.verifier.judging import assert_passes, verdict
from tests.verifier.logbuilder import jcs
from verifier.report import Status

FLIPS = 600


@pytest.fixture(scope="module")
def pack() -> bytes:
    data = Change().build().pack_bytes()
    assert_passes(verdict(data))
    return data


def test_single_byte_flips_all_over_the_pack(pack: bytes) -> None:
    """Every flip is FAIL or ERROR; only an added or changed unknown note line could differ, and there is none."""
    generator = random.Random(20260301)  # noqa: S311 - a reproducible sample
    for _ in range(FLIPS):
        at = generator.randrange(len(pack))
        changed = pack[:at] + bytes([pack[at] ^ generator.randrange(1, 256)]) + pack[at + 1 :]
        report = verdict(changed)
        assert report.status in (Status.FAIL, Status.ERROR), (at, pack[at - 20 : at + 20])
        assert report.exit_code in (1, 2)


@pytest.mark.parametrize("part", ["entry", "payload"])
def test_every_entry_and_payload(part: str) -> None:
    change = Change().build()
    for position in range(len(change.log.items)):
        pack = change.pack()
        text = pack["entries"][position][part]
        middle = len(text) // 2
        pack["entries"][position][part] = text[:middle] + chr(ord(text[middle]) ^ 1) + text[middle + 1 :]
        assert verdict(jcs(pack)).status in (Status.FAIL, Status.ERROR)


def test_swapped_payloads() -> None:
    pack = Change().build().pack()
    first, second = pack["entries"][7], pack["entries"][8]
    first["payload"], second["payload"] = second["payload"], first["payload"]
    assert verdict(pack).reason_code == "HASH_MISMATCH"


def test_swapped_entries() -> None:
    pack = Change().build().pack()
    first, second = pack["entries"][7], pack["entries"][8]
    for part in ("entry", "payload"):
        first[part], second[part] = second[part], first[part]
    assert verdict(pack).reason_code == "INCLUSION_PROOF_INVALID"


def test_every_bit_of_a_part_of_every_kind() -> None:
    """Each bit, one after another, of an entry, a payload, a proof, a view, the plan, the checkpoint and the subject."""
    pack = Change().build().pack()
    parts = {
        "entry": pack["entries"][9]["entry"],
        "payload": pack["entries"][10]["payload"],
        "proof": pack["entries"][9]["inclusion_proof"][0],
        "view": pack["views"][0]["root_b64u"],
        "view's proof": pack["views"][1]["consistency_proof"][0],
        "plan": pack["payloads"][0]["text"],
        "plan's name": pack["payloads"][0]["sha256_b64u"],
        "checkpoint": pack["checkpoint"],
        "job": pack["subject"]["job"],
    }
    data = jcs(pack)
    for name, text in parts.items():
        written = jcs(text)[1:-1][:48]
        first = data.index(written)
        for bit in range(len(written) * 8):
            at = first + bit // 8
            changed = data[:at] + bytes([data[at] ^ 1 << bit % 8]) + data[at + 1 :]
            assert verdict(changed).status in (Status.FAIL, Status.ERROR), (name, bit)
