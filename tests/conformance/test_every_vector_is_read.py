"""Every public file beside the project is read by a test that is named here, or stands here with the reason why none does."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from tests.conformance.shared import CLAW, SHARED, VECTORS

TESTS = Path(__file__).resolve().parents[1]

READ: Mapping[str, tuple[str, str]] = {  # files -> a test that reads them, and the words by which it finds them
    "vectors/cctv/ed25519/ed25519vectors.json": ("verifier/test_vectors_formats.py", "cctv/ed25519/ed25519vectors.json"),
    "vectors/cose_receipts_examples/examples/*.cbor": ("conformance/test_cose_receipts.py", "cose_receipts_examples"),
    "vectors/cose_receipts_examples/examples/*.diag": ("conformance/test_cose_receipts.py", "cose_receipts_examples"),
    "vectors/derived/rfc6962_reference_tree.json": ("conformance/test_rfc6962_vectors.py", "rfc6962_reference_tree.json"),
    "vectors/derived/signed_note_cases.json": ("verifier/test_vectors_formats.py", "signed_note_cases.json"),
    "vectors/derived/sigsum_proofs.json": ("conformance/test_sigsum_proofs.py", "sigsum_proofs.json"),
    "vectors/derived/tile_paths.json": ("verifier/test_vectors_tree.py", "tile_paths.json"),
    "vectors/derived/tlog_proof_syntax.json": ("verifier/test_vectors_formats.py", "tlog_proof_syntax.json"),
    "vectors/jcs_rfc8785/testdata/input/*": ("conformance/test_jcs_vectors.py", '"input"'),
    "vectors/jcs_rfc8785/testdata/output/*": ("conformance/test_jcs_vectors.py", '"output"'),
    "vectors/jcs_rfc8785/testdata/outhex/*": ("conformance/test_jcs_vectors.py", '"outhex"'),
    "vectors/sigsum/pkg/policy/builtin/*": ("conformance/test_sigsum_policies.py", "*.builtin-policy"),
    "vectors/tessera_testlog/testdata/log/checkpoint*": ("conformance/test_tessera_log.py", "checkpoint.{size}"),
    "vectors/tessera_testlog/testdata/log/tile/*": ("conformance/test_tessera_log.py", "tile.path()"),
    "vectors/transparency-dev_merkle/testdata/inclusion/*": ("conformance/test_rfc6962_vectors.py", '"inclusion"'),
    "vectors/transparency-dev_merkle/testdata/consistency/*": ("conformance/test_rfc6962_vectors.py", '"consistency"'),
    "vectors/transparency-dev_merkle/testdata/subtreeinclusion/*": (
        "conformance/test_subtree_vectors.py",
        '"subtreeinclusion"',
    ),
    "vectors/transparency-dev_merkle/testdata/subtreeconsistency/*": (
        "conformance/test_subtree_vectors.py",
        '"subtreeconsistency"',
    ),
    "claw/fixtures/*": ("property/records/test_fast_admission.py", '(CLAW / "fixtures").rglob("*.json")'),
}
UNREAD: Mapping[str, str] = {
    "*/LICENSE*": "a licence",
    "*/README.md": "words about the other files",
    "vectors/cose_receipts_examples/examples/*.cddl": "grammars; the items that they describe are read",
    "vectors/tessera_testlog/testdata/log/.state/*": "Tessera's own bookkeeping, in no published format",
    "claw/schema/*": "mixed drafts of JSON Schema on two hosts; the rules written from them are tested one by one",
}
FILES = [
    path.relative_to(SHARED).as_posix() for folder in (VECTORS, CLAW) for path in sorted(folder.rglob("*")) if path.is_file()
]

pytestmark = pytest.mark.skipif(not FILES, reason="the public vectors are not beside the project")


def test_every_file_is_read_or_listed_with_a_reason() -> None:
    for file in FILES:
        listed = [pattern for pattern in (*READ, *UNREAD) if fnmatchcase(file, pattern)]
        assert len(listed) == 1, (file, listed)


@pytest.mark.parametrize("pattern", [*READ, *UNREAD])
def test_every_pattern_still_names_a_file(pattern: str) -> None:
    assert any(fnmatchcase(file, pattern) for file in FILES)


@pytest.mark.parametrize("pattern", READ)
def test_the_test_that_is_named_looks_for_it(pattern: str) -> None:
    file, words = READ[pattern]
    assert words in (TESTS / file).read_text(encoding="utf-8")
