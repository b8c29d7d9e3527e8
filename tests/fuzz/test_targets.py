"""Every target holds over its seeds and their mutations, with or without a fuzzer. `run.py` goes on from here."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.run import fuzz_plainly
from tests.fuzz.targets import CORPUS, KIND_NAMES, TARGETS, all_seeds
from verifier.errors import Refused

CHANGES_OF_A_TARGET = 200
MAX_CORPUS_BYTES = 100_000


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_accepts_a_seed(name: str) -> None:
    """Otherwise mutations would only ever try the first check of a parser."""
    assert any(TARGETS[name](seed) for seed in all_seeds(name))


def test_every_kind_of_record_is_among_the_seeds() -> None:
    accepted = [seed[0] for seed in all_seeds("record") if TARGETS["record"](seed)]
    assert accepted == list(range(len(KIND_NAMES)))


@pytest.mark.parametrize("name", TARGETS)
def test_no_mutation_of_a_seed_is_a_defect(name: str) -> None:
    outcome = fuzz_plainly(name, 60, limit=CHANGES_OF_A_TARGET)
    assert outcome == (CHANGES_OF_A_TARGET, None)


@given(name=st.sampled_from(sorted(TARGETS)), data=st.binary(max_size=300))
def test_no_bytes_are_a_defect(name: str, data: bytes) -> None:
    TARGETS[name](data)


@given(
    name=st.sampled_from(["json", "payload_text", "plan", "envelope", "record", "time", "tile_path", "did"]), text=st.text()
)
def test_no_text_is_a_defect(name: str, text: str) -> None:
    TARGETS[name](text.encode("utf-8", "surrogatepass"))


def test_a_defect_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def raising(data: bytes) -> None:
        raise KeyError(data)

    def unregistered(data: bytes) -> None:
        raise Refused("NO_SUCH_CODE", "input")

    for run, found in ((raising, "KeyError"), (unregistered, "AssertionError")):
        broken = type(TARGETS["did"])(run, 100)
        monkeypatch.setattr("tests.fuzz.targets.TARGETS", {**TARGETS, "did": broken})
        assert str(fuzz_plainly("did", 60, limit=5).defect).startswith(found)


def test_the_corpus_is_small_and_belongs_to_targets() -> None:
    assert {path.name for path in CORPUS.iterdir()} <= set(TARGETS)
    assert sum(path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()) < MAX_CORPUS_BYTES
