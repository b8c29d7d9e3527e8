"""The input and output pairs of RFC 8785's author."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.shared import VECTORS, needs_vectors
from trustlog.formats.jsontext import canonicalize, parse_json

pytestmark = needs_vectors

DATA = VECTORS / "jcs_rfc8785" / "testdata"
INPUTS = sorted((DATA / "input").glob("*.json"))


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: path.stem)
def test_each_input_has_its_canonical_form(path: Path) -> None:
    canonical = canonicalize(parse_json(path.read_bytes()))
    assert canonical == (DATA / "output" / path.name).read_bytes()
    assert canonical == bytes.fromhex((DATA / "outhex" / path.with_suffix(".txt").name).read_text())
    assert canonicalize(parse_json(canonical)) == canonical


def test_all_pairs_are_there() -> None:
    assert [path.stem for path in INPUTS] == ["arrays", "french", "structures", "unicode", "values", "weird"]
