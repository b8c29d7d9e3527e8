"""One target a parser: bytes in, nothing out. A defect is any exception but a refusal with a registered code.

What is accepted must encode to the same bytes again, and a judged pack passes only if it is the honest one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

from tests.verifier.logbuilder import encode_entry
from verifier.change.judge import judge
from verifier.checkpoint import parse_checkpoint
from verifier.didkey import encode_did_key, parse_did_key
from verifier.encodings import decode_b64, decode_b64u, encode_b64, encode_b64u
from verifier.entry import parse_entry
from verifier.errors import Refused
from verifier.jsonforms import canonicalize, stringify
from verifier.jsontext import parse_json
from verifier.logproof import parse_log_proof
from verifier.note import parse_note, parse_verifier_key
from verifier.pack import parse_pack
from verifier.payloadtext import check_payload_text
from verifier.policy_text import parse_log_policy
from verifier.reasons import REASONS
from verifier.records.conflicts import conflict_keys
from verifier.records.envelope import open_envelope
from verifier.records.kinds import KINDS, compute_refs, payload_hash, read_record
from verifier.records.plan import parse_plan
from verifier.report import Status
from verifier.tiles import check_tile_size, parse_tile_path, split_bundle
from verifier.times import NS, parse_time
from verifier.trust import parse_trust_policy

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
CORPUS = Path(__file__).resolve().parent / "corpus"
ORIGIN = "log.example/fixtures"
AT_NS = 1_780_272_000 * NS  # 2026-06-01, when the fixtures are judged
KIND_NAMES = sorted(KINDS)

Run = Callable[[bytes], object]


@dataclass(frozen=True, slots=True)
class Target:
    """A parser with its invariant, the longest input worth trying, and where its seeds are in the fixtures."""

    run: Run
    max_bytes: int
    fixtures: tuple[str, ...] = ()
    seeds: Callable[[], list[bytes]] = list

    def __call__(self, data: bytes) -> bool:
        """Whether `data` is accepted. Raises whatever is a defect."""
        try:
            self.run(data)
        except Refused as refused:
            if refused.code not in REASONS:
                raise AssertionError(f"{refused.code} is not registered") from refused
            return False
        return True


def all_seeds(name: str) -> list[bytes]:
    """What fuzzing of a target starts from: fixtures, computed seeds, and the corpus beside this file."""
    target = TARGETS[name]
    found = [path.read_bytes() for pattern in target.fixtures for path in sorted(FIXTURES.glob(pattern)) if path.is_file()]
    found += target.seeds()
    found += [path.read_bytes() for path in sorted((CORPUS / name).glob("*"))]
    return [data for data in found if len(data) <= target.max_bytes]


def _text(data: bytes) -> str:
    """Text as a JSON string could hold it; anything else is no input of a text parser."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("JSON_INVALID", "input", expected="UTF-8") from None


def _note(data: bytes) -> None:
    note = parse_note(data)
    lines = (f"\u2014 {line.name} {encode_b64(line.key_id + line.data)}\n" for line in note.signatures)
    assert f"{note.text}\n{''.join(lines)}".encode() == data


def _checkpoint(data: bytes) -> None:
    text = _text(data)
    found = parse_checkpoint(text)
    assert "\n".join([found.origin, str(found.size), encode_b64(found.root), *found.extensions, ""]) == text


def _log_proof(data: bytes) -> None:
    proof = parse_log_proof(data)
    lines = ["c2sp.org/tlog-proof@v1"]
    lines += [f"extra {encode_b64(proof.extra)}"] if proof.extra is not None else []
    lines += [f"index {proof.index}", *map(encode_b64, proof.hashes)]
    assert "\n".join(lines).encode() + b"\n\n" + proof.checkpoint == data


def _pack(data: bytes) -> None:
    parse_pack(data)
    assert canonicalize(parse_json(data)) == data


@cache
def _honest() -> bytes:
    return (FIXTURES / "change" / "change.evidence.json").read_bytes()


def _judge(data: bytes) -> None:
    trust = parse_trust_policy((FIXTURES / "change" / "trust.toml").read_bytes())
    report = judge(data, trust, at_ns=AT_NS)
    assert report.reason_code == "OK" or report.reason_code in REASONS
    assert (report.status is Status.PASS) <= (data == _honest())
    assert (report.exit_code == 0) == (report.status is Status.PASS)


def _entry(data: bytes) -> None:
    entry = parse_entry(data)
    signed = {"signature_b64u": entry.signature_b64u, "signer_did": entry.signer_did}
    assert encode_entry(entry.kind, entry.payload_hash_b64u, entry.refs, **signed) == data


def _entry_bundle(data: bytes) -> None:
    width, rest = (data[0] + 1 if data else 1), data[1:]
    entries = split_bundle(rest, width)
    assert len(entries) == width
    assert b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries) == rest


def _tile(data: bytes) -> None:
    width, rest = (data[0] + 1 if data else 1), data[1:]
    check_tile_size(rest, width)
    assert len(rest) == width * 32


def _tile_path(data: bytes) -> None:
    text = _text(data)
    assert parse_tile_path(text).path == text


def _json(data: bytes) -> None:
    value = parse_json(data)
    assert value == json.loads(data)
    for text in (stringify(value), canonicalize(value)):
        assert parse_json(text) == value
    assert canonicalize(parse_json(stringify(value))) == canonicalize(value)


def _payload_text(data: bytes) -> None:
    value = check_payload_text(data)
    assert data in (stringify(value), canonicalize(value))


def _trust_policy(data: bytes) -> None:
    trust = parse_trust_policy(data)
    assert trust.log_policy.logs
    assert trust.log_policy.quorum is not None or trust.allow_unwitnessed
    assert len(trust.reserved_keys()) >= 1


def _policy_text(data: bytes) -> None:
    policy = parse_log_policy(data)
    assert policy.is_met(()) == (policy.quorum is None)
    keys = [key for _, key in policy.witnesses]
    assert not policy.groups or policy.is_met(keys[:1]) <= policy.is_met(keys)


def _vkey(data: bytes) -> None:
    text = _text(data)
    key = parse_verifier_key(text)
    assert f"{key.name}+{key.key_id.hex()}+{encode_b64(bytes([key.type]) + key.public_key)}" == text


def _did(data: bytes) -> None:
    text = _text(data)
    assert encode_did_key(parse_did_key(text)) == text


def _base64(data: bytes) -> None:
    text = _text(data[1:])
    if data[:1] == b"u":
        assert encode_b64u(decode_b64u(text, "text")) == text
    else:
        assert encode_b64(decode_b64(text, "text")) == text


def _time(data: bytes) -> None:
    text = _text(data)
    moment = parse_time(text, "time")
    assert moment // NS == int(datetime.fromisoformat(text).replace(microsecond=0).timestamp())


def _plan(data: bytes) -> None:
    parse_plan(data)
    assert canonicalize(parse_json(data)) == data


def _envelope(data: bytes) -> None:
    sealed = open_envelope(parse_json(data), "envelope", kind="gateway_receipt")
    assert sealed.payload_hash_b64u in (
        payload_hash(stringify(dict(sealed.payload))),
        payload_hash(canonicalize(dict(sealed.payload))),
    )


def _record(data: bytes) -> None:
    kind, payload = KIND_NAMES[(data[0] if data else 0) % len(KIND_NAMES)], data[1:]
    record = read_record(kind, payload, signer_did=_agent_did(), origin=ORIGIN)
    name = payload_hash(payload)
    conflict_keys(kind, record, signer_did=_agent_did(), payload_hash_b64u=name)
    signed = {"signature_b64u": "A" * 86, "signer_did": _agent_did()}
    refs = compute_refs(record, name)
    assert parse_entry(encode_entry(kind, name, refs, **signed)).refs == refs


@cache
def _agent_did() -> str:
    bundle = json.loads((FIXTURES / "payloads" / "proof_bundle.json").read_bytes())
    return str(bundle["agent_did"])


# --- seeds that are parts of fixtures


def _record_seeds() -> list[bytes]:
    """A payload of every kind, written as it would be signed, after the kind as a byte."""
    files = [FIXTURES / "payloads" / f"{kind}.json" for kind in KIND_NAMES]
    return [bytes([number]) + canonicalize(parse_json(file.read_bytes())) for number, file in enumerate(files)]


def _prefixed(pattern: str) -> list[bytes]:
    """Tiles and entry bundles, each after its width, less one, as a byte."""
    return [
        bytes([int(path.name) - 1]) + path.read_bytes()
        for path in sorted(FIXTURES.glob(pattern))
        if path.parent.suffix == ".p"
    ]


def _checkpoint_seeds() -> list[bytes]:
    return [parse_note(path.read_bytes()).text.encode() for path in sorted(FIXTURES.glob("consistency*/*.checkpoint"))]


def _envelope_seeds() -> list[bytes]:
    bundle = json.loads((FIXTURES / "payloads" / "proof_bundle.json").read_bytes())
    return [json.dumps(item).encode() for item in bundle.get("receipts", ())]


def _policy_seeds() -> list[bytes]:
    texts = [path.read_text().partition('policy = """')[2].partition('"""')[0] for path in FIXTURES.glob("*/trust.toml")]
    return sorted({text.encode() for text in texts})


def _vkey_seeds() -> list[bytes]:
    words = {word for text in _policy_seeds() for word in text.split() if word.count(b"+") >= 2}
    return sorted(words)


TARGETS: Mapping[str, Target] = {
    "note": Target(_note, 8192, ("consistency*/*.checkpoint", "log/export/checkpoint")),
    "checkpoint": Target(_checkpoint, 2048, seeds=_checkpoint_seeds),
    "log_proof": Target(_log_proof, 8192, ("proof*/*.tlog-proof",)),
    "pack": Target(_pack, 1 << 17, ("change/*.evidence.json", "change_one_approval_fail/*.evidence.json")),
    "judge": Target(_judge, 1 << 17, ("change/*.evidence.json", "change_denied_fail/*.evidence.json")),
    "entry": Target(_entry, 2048, ("proof*/*.entry",)),
    "entry_bundle": Target(_entry_bundle, 1 << 16, seeds=lambda: _prefixed("log/export/tile/entries/**/*")),
    "tile": Target(_tile, 8200, seeds=lambda: _prefixed("log/export/tile/0/**/*")),
    "tile_path": Target(_tile_path, 128),
    "json": Target(_json, 16_384, ("payloads/*.json",)),
    "payload_text": Target(_payload_text, 16_384, ("payloads/*.json",)),
    "trust_policy": Target(_trust_policy, 8192, ("change*/trust.toml",)),
    "policy_text": Target(_policy_text, 4096, seeds=_policy_seeds),
    "vkey": Target(_vkey, 2048, seeds=_vkey_seeds),
    "did": Target(_did, 256),
    "base64": Target(_base64, 256),
    "time": Target(_time, 64),
    "plan": Target(_plan, 4096, ("payloads/plan.json",)),
    "envelope": Target(_envelope, 16_384, seeds=_envelope_seeds),
    "record": Target(_record, 16_384, seeds=_record_seeds),
}
