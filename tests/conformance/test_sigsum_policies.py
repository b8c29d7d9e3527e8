"""The trust policies that the Sigsum project ships. Theirs have bare keys; with vkeys instead they are C2SP policies."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from tests.conformance.shared import VECTORS, needs_vectors
from trustlog.errors import Refused
from trustlog.formats.note import ED25519, ED25519_COSIGNATURE, VerifierKey
from trustlog.formats.tlogpolicy import parse_log_policy

pytestmark = needs_vectors

POLICIES = sorted((VECTORS / "sigsum" / "pkg" / "policy" / "builtin").glob("*.builtin-policy"))


def with_vkeys(text: str) -> bytes:
    def log(match: re.Match[str]) -> str:
        return "log " + VerifierKey(f"sigsum.org/v1/tree/{match[1]}", ED25519, bytes.fromhex(match[1])).encode()

    def witness(match: re.Match[str]) -> str:
        return match[1] + VerifierKey(match[2], ED25519_COSIGNATURE, bytes.fromhex(match[3])).encode()

    text = re.sub(r"^log ([0-9a-f]{64})", log, text, flags=re.MULTILINE)
    return re.sub(r"^(witness (\S+) +)([0-9a-f]{64})", witness, text, flags=re.MULTILINE).encode()


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_shipped_policies_are_read(path: Path) -> None:
    policy = parse_log_policy(with_vkeys(path.read_text(encoding="utf-8")))
    assert policy.quorum == "quorum-rule"
    assert policy.groups[-1].name == "quorum-rule"
    assert 1 <= len(policy.logs) <= 2
    names = [w.name for w in policy.witnesses]
    assert policy.is_met(names)
    assert not policy.is_met([])
    assert not policy.is_met(names[:1])
    assert not policy.is_met(["unknown", *(log.key.name for log in policy.logs)])


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_bare_keys_are_refused(path: Path) -> None:
    with pytest.raises(Refused, match="TRUST_POLICY_INVALID"):
        parse_log_policy(path.read_bytes())


def test_the_nested_quorum_is_counted_as_its_comments_say() -> None:
    path = next(p for p in POLICIES if p.name.startswith("sigsum-test-2025-3"))
    policy = parse_log_policy(with_vkeys(path.read_text(encoding="utf-8")))
    inner = set(policy.groups[0].members)
    outer = set(policy.groups[1].members) - {policy.groups[0].name}
    names = [w.name for w in policy.witnesses]
    assert len(names) == 8
    for count in range(len(names) + 1):
        for cosigners in itertools.combinations(names, count):
            votes = len(outer & set(cosigners)) + (len(inner & set(cosigners)) >= 2)
            assert policy.is_met(cosigners) is (votes >= 4)
