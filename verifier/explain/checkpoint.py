"""A checkpoint: its text, and what each signature of a pinned key covers."""

from __future__ import annotations

from verifier import mldsa
from verifier.checkpoint import parse_checkpoint
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
    if key.type is KeyType.ML_DSA_44_COSIGNATURE:
        return [*steps, *_ml_dsa(key, line, text)]
    if key.type is KeyType.ED25519:
        message, signature, what = text, line.data, f"the signature of {key.name}"
    else:
        time_s = int.from_bytes(line.data[:8], "big")
        message = f"cosignature/v1\ntime {time_s}\n".encode() + text
        signature, what = line.data[8:], f"the cosignature of {key.name}, {time_s} s after 1970 by its clock"
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


def _ml_dsa(key: VerifierKey, line: Signature, text: bytes) -> list[Step]:
    """The signed structure, part by part; whether the signature is valid only where a library can check it."""
    try:
        checkpoint = parse_checkpoint(text.decode("utf-8"))
    except Refused as refused:
        return [Step(f"the cosignature of {key.name}", note=f"it covers a checkpoint; {refused.code}", holds=False)]
    time, signature = line.data[:8], line.data[8:]
    time_s = int.from_bytes(time, "big")
    message = mldsa.encode_message(key.name, time_s, checkpoint)
    if message is None:
        return [Step(f"the cosignature of {key.name}", note="a name has no encoding of 1 to 255 bytes", holds=False)]
    clock = f"{time_s} s after 1970 by its clock" if time_s else "which says no time"
    name, origin = key.name.encode(), checkpoint.origin.encode()
    parts = (
        as_hex("label", mldsa.LABEL),
        as_hex("name length", bytes([len(name)])),
        shown("cosigner", name),
        as_hex("time", time),
        as_hex("origin length", bytes([len(origin)])),
        shown("origin", origin),
        as_hex("start", bytes(8)),
        as_hex("end", checkpoint.size.to_bytes(8, "big")),
        as_hex("root", checkpoint.root),
    )
    holds = mldsa.is_signature(key.public_key, message, signature) if mldsa.is_available() else None
    note = "the signature is valid"
    if holds is None:
        note = f"not checked, as that cannot be done {mldsa.WITHOUT}: it counts for nothing"
    return [
        Step(
            f"what {key.name} cosigned: the whole tree from 0 to {checkpoint.size}, without the checkpoint's extension lines",
            " ‖ ".join(value.label for value in parts),
            parts,
            (as_hex("message", message),),
        ),
        Step(
            f"the cosignature of {key.name}, {clock}",
            "ML-DSA-44(public key, message, signature)",
            (as_hex("public key", key.public_key), as_hex("message", message), as_hex("signature", signature)),
            note=note,
            holds=holds,
        ),
    ]
