"""A checkpoint: its text, and what each signature of a pinned key covers."""

from __future__ import annotations

from verifier.ed25519 import is_signature
from verifier.encodings import decode_b64
from verifier.errors import Refused
from verifier.explain.step import Chapter, Step, Value, as_hex, shown
from verifier.note import KeyType, Signature, VerifierKey, parse_note
from verifier.trust import TrustPolicy


def explain_checkpoint(note_bytes: bytes, trust: TrustPolicy, *, title: str = "the checkpoint") -> Chapter:
    """The chapter on a signed note. Never raises: a note that cannot be parsed is said to be one."""
    try:
        note = parse_note(note_bytes)
    except Refused as refused:
        return Chapter(title, (Step("not a signed note", note=f"{refused.code}: {refused.detail}", holds=False),))
    text = note.text.encode("utf-8")
    steps = [
        Step(
            "the text that is signed: origin, number of entries, root hash in base64",
            inputs=(shown("checkpoint", text), *_root(note.text)),
        )
    ]
    keys = {(key.name, key.key_id): key for key in _pinned(trust)}
    others = 0
    for line in note.signatures:
        key = keys.get((line.name, line.key_id))
        if key is None:
            others += 1
            continue
        steps += _signature(key, line, text)
    if others:
        steps.append(Step(f"{others} signature lines of keys that are not pinned", note="they count for nothing"))
    return Chapter(title, tuple(steps))


def _pinned(trust: TrustPolicy) -> list[VerifierKey]:
    return [*trust.log_policy.logs, *(key for _, key in trust.log_policy.witnesses)]


def _root(text: str) -> tuple[Value, ...]:
    lines = text.split("\n")
    try:
        return (as_hex("root", decode_b64(lines[2], "root hash", length=32)),)
    except (Refused, IndexError):
        return ()


def _signature(key: VerifierKey, line: Signature, text: bytes) -> list[Step]:
    steps = [
        Step(
            f"the key ID of {key.name}, pinned by the trust policy",
            f"SHA-256(name ‖ LF ‖ 0x{key.type:02x} ‖ public key)[:4]",
            (shown("name", key.name.encode()), as_hex("public key", key.public_key)),
            (as_hex("key ID", key.key_id),),
            note="it is the first 4 bytes of the signature line",
        )
    ]
    if key.type is KeyType.ED25519:
        message, signature, what = text, line.data, f"the signature of {key.name}"
    elif key.type is KeyType.ED25519_COSIGNATURE:
        time_s = int.from_bytes(line.data[:8], "big")
        message = f"cosignature/v1\ntime {time_s}\n".encode() + text
        signature, what = line.data[8:], f"the cosignature of {key.name}, {time_s} s after 1970 by its clock"
    else:
        return [*steps, Step(f"the signature of {key.name}", note="not Ed25519; not written out here")]
    holds = is_signature(key.public_key, message, signature)
    steps.append(
        Step(
            what,
            "Ed25519(public key, message, signature)",
            (as_hex("public key", key.public_key), shown("message", message), as_hex("signature", signature)),
            note="the signature is valid",
            holds=holds,
        )
    )
    return steps
