"""Throw-away keys of a log and its witnesses."""

from __future__ import annotations

from trustlog.formats.checkpoint import Checkpoint
from trustlog.formats.didkey import encode_did_key
from trustlog.formats.note import ED25519_COSIGNATURE, Note, NoteSigner, parse_note, sign_note

ORIGIN = "log.example/changes"
LOG = NoteSigner(ORIGIN, bytes([1]) * 32)
OTHER_LOG = NoteSigner(ORIGIN, bytes([2]) * 32)
WITNESSES = {
    name: NoteSigner(f"{name}.example", bytes([10 + i]) * 32, key_type=ED25519_COSIGNATURE)
    for i, name in enumerate(["w1", "w2", "w3"])
}
ROOT = bytes(range(32))
CHECKPOINT = Checkpoint(ORIGIN, 1234, ROOT)


def did(number: int) -> str:
    return encode_did_key(bytes([number]) * 32)


def cosigned(checkpoint: Checkpoint = CHECKPOINT, **times: int) -> bytes:
    """The checkpoint, signed by the log and by witnesses at these times."""
    note = parse_note(sign_note(checkpoint.encode(), LOG))
    lines = [WITNESSES[name].cosign(note.text, time_s) for name, time_s in times.items()]
    return Note(note.text, (*note.signatures, *lines)).encode()


def trust_text(policy: str, rest: str = "", head: str = "") -> bytes:
    return f"{head}\n[log]\npolicy = '''\n{policy}'''\n{rest}".encode()


def log_policy(quorum: str = "quorum g") -> str:
    lines = [f"log {LOG.key.encode()} https://log.example/"]
    lines += [f"witness {name} {signer.key.encode()}" for name, signer in WITNESSES.items()]
    return "\n".join([*lines, "group g 2 w1 w2 w3", quorum, ""])
