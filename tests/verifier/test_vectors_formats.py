"""Published cases for notes, log proofs, canonical JSON, Ed25519 and policies."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from tests.verifier.logbuilder import Key
from tests.verifier.vectors import VECTORS, load, needs_vectors
from verifier.ed25519 import is_signature
from verifier.errors import Refused
from verifier.jsonforms import canonicalize
from verifier.jsontext import parse_json
from verifier.logproof import parse_log_proof
from verifier.note import check_signatures, parse_note, parse_verifier_key
from verifier.policy_text import parse_log_policy


@needs_vectors
def test_signed_note_cases() -> None:
    document = load(VECTORS / "derived/signed_note_cases.json")
    assert len(document["cases"]) >= 10
    for case in document["cases"]:
        data = base64.b64decode(case["note_b64"]) if "note_b64" in case else case["note"].encode()
        keys = [parse_verifier_key(text) for text in case["keys"]]
        if case["ok"]:
            verified, unverified = check_signatures(parse_note(data), keys)
            assert (len(verified), unverified) == (case["verified"], case["unverified"]), case["id"]
        else:
            with pytest.raises(Refused, match="NOTE_"):
                check_signatures(parse_note(data), keys)
    for case in document["bad_vkeys"]:
        with pytest.raises(Refused, match="TRUST_POLICY_INVALID"):
            parse_verifier_key(case["vkey"])


@needs_vectors
def test_log_proof_syntax_cases() -> None:
    cases = load(VECTORS / "derived/tlog_proof_syntax.json")["cases"]
    assert cases
    for case in cases:
        if case["ok"]:
            proof = parse_log_proof(case["proof"].encode())
            assert case["proof"].encode().endswith(b"\n\n" + proof.checkpoint)
        else:
            with pytest.raises(Refused, match="LOG_PROOF_MALFORMED"):
                parse_log_proof(case["proof"].encode())


JCS = VECTORS / "jcs_rfc8785/testdata"


@needs_vectors
@pytest.mark.parametrize("name", ["arrays", "french", "structures", "unicode", "values", "weird"])
def test_canonical_json_pairs(name: str) -> None:
    value = parse_json((JCS / f"input/{name}.json").read_bytes())
    expected = bytes.fromhex((JCS / f"outhex/{name}.txt").read_text())
    assert canonicalize(value) == expected == (JCS / f"output/{name}.json").read_bytes()
    assert parse_json(expected) == value


def libsodium_accepts(flags: list[str]) -> bool:
    """libsodium refuses small-order A and R and non-canonical A, and checks without the cofactor."""
    refused = {"low_order_A", "low_order_R", "non_canonical_A", "non_canonical_R", "low_order_residue"}
    return not refused & set(flags or [])


@needs_vectors
def test_ed25519_accepts_exactly_what_libsodium_accepts() -> None:
    cases: list[dict[str, Any]] = load(VECTORS / "cctv/ed25519/ed25519vectors.json")
    assert len(cases) == 914
    accepted = 0
    for case in cases:
        outcome = is_signature(bytes.fromhex(case["key"]), case["msg"].encode(), bytes.fromhex(case["sig"]))
        assert outcome == libsodium_accepts(case["flags"]), case["number"]
        accepted += outcome
    assert 0 < accepted < 914


@pytest.mark.parametrize(("key", "signature"), [(b"", bytes(64)), (bytes(31), bytes(64)), (bytes(32), bytes(63))])
def test_a_key_or_signature_of_another_length_is_no_signature(key: bytes, signature: bytes) -> None:
    assert not is_signature(key, b"message", signature)


@needs_vectors
@pytest.mark.parametrize("path", sorted((VECTORS / "sigsum").rglob("*.builtin-policy")), ids=lambda path: path.stem)
def test_sigsum_policies_with_their_keys_written_as_vkeys(path: Any) -> None:
    """Sigsum writes bare hex keys; with vkeys in their place the text is a C2SP policy."""
    lines = []
    for line in path.read_text(encoding="utf-8").split("\n"):
        words = line.split()
        if words[:1] == ["log"]:
            words[1] = Key(words[1]).vkey("log.example/" + words[1][:8])
        elif words[:1] == ["witness"]:
            words[2] = Key(words[2]).vkey(words[1], 4)
        lines.append(" ".join(words))
    policy = parse_log_policy("\n".join(lines).encode())
    assert policy.witnesses
    everybody = {key for _, key in policy.witnesses}
    assert policy.is_met(everybody)
    assert not policy.is_met(set())


W1, W2, W3, W4 = (Key(f"witness {number}") for number in range(4))
GROUPS = "\n".join(
    [
        f"log {Key('log').vkey('log.example')} https://log.example",
        "# a comment",
        f"  witness a {W1.vkey('a.example', 4)}\t",
        f"witness b {W2.vkey('b.example', 4)} https://b.example",
        f"witness c {W3.vkey('c.example', 4)}",
        f"witness d {W4.vkey('d.example', 4)}",
        "group two 2 a b c",
        "group both all two d",
        "quorum both",
        "",
    ]
)


@pytest.mark.parametrize(
    ("cosigners", "met"),
    [("abcd", True), ("abd", True), ("bcd", True), ("ab", False), ("ad", False), ("abc", False), ("", False)],
)
def test_nested_groups(cosigners: str, met: bool) -> None:
    policy = parse_log_policy(GROUPS.encode())
    keys = dict(policy.witnesses)
    assert policy.is_met({keys[name] for name in cosigners}) is met


@pytest.mark.parametrize(
    "text",
    [
        "",
        "quorum none\nquorum none",
        "quorum nobody",
        f"witness none {W1.vkey('a.example', 4)}\nquorum none",
        f"witness a {W1.vkey('a.example', 4)}\nwitness b {W1.vkey('b.example', 4)}\nquorum none",
        f"witness a {W1.vkey('a.example', 4)}\ngroup g 2 a\nquorum g",
        f"witness a {W1.vkey('a.example', 4)}\ngroup g 0 a\nquorum g",
        f"witness a {W1.vkey('a.example', 4)}\ngroup g all a\ngroup h all a\nquorum h",
        f"witness a {W1.vkey('a.example', 4)}\ngroup g all a a\nquorum g",
        "group g any later\nquorum g",
        f"witness a {W1.vkey('a.example', 1)}\nquorum none",
        f"log {W1.vkey('a.example', 4)}\nquorum none",
        "quorum none\r\n",
        "policy x\nquorum none",
    ],
)
def test_a_policy_that_breaks_a_rule_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="TRUST_POLICY_INVALID"):
        parse_log_policy(text.encode())
