"""Reads a printed explanation back, and computes every step again from what is printed, with hashlib alone."""

from __future__ import annotations

import base64
import hashlib
import importlib
import re
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from tests.verifier.logbuilder import ALPHABET

CONSTANTS = {"0x00": b"\x00", "0x01": b"\x01", "0x04": b"\x04", "0x06": b"\x06", "LF": b"\n"}


@dataclass
class PrintedStep:
    title: str
    inputs: dict[str, bytes] = field(default_factory=dict)
    formula: str | None = None
    outputs: list[bytes] = field(default_factory=list)
    holds: bool | None = None


def read_steps(text: str) -> list[PrintedStep]:
    """Every step of the printed text."""
    steps: list[PrintedStep] = []
    lines = text.split("\n")
    at = next(number for number, line in enumerate(lines) if line == "how it is computed")
    label: str | None = None
    for line in lines[at:]:
        title = re.fullmatch(r"  [0-9]+\. (.*)", line)
        if title:
            steps.append(PrintedStep(title[1]))
        elif line.startswith("       ") and steps:
            data = decode(line[7:16].strip(), line[17:])
            if label is None:
                steps[-1].outputs.append(data)
            else:
                steps[-1].inputs[label] = steps[-1].inputs.get(label, b"") + data
        elif line.startswith("     ") and steps:
            said = line[5:]
            if said.startswith(("SHA-256(", "base58btc(", "Ed25519(", "ML-DSA-44(", "label ‖ ")):
                steps[-1].formula, label = said.removesuffix(" ="), None
            elif said.startswith(("holds: ", "DOES NOT HOLD: ")):
                steps[-1].holds = said.startswith("holds")
            elif not said.startswith("note: "):
                assert said.endswith(":"), line
                label = said[:-1]
    return steps


def decode(encoding: str, text: str) -> bytes:
    if encoding == "hex":
        return bytes.fromhex(text)
    if encoding == "base64":
        return base64.b64decode(text, validate=True)
    if encoding == "base64url":
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    assert encoding in ("text", "lines"), encoding
    return text.encode() + (b"\n" if encoding == "lines" else b"")


def compute(step: PrintedStep) -> bytes | bool:
    """What the step's formula gives on its printed inputs."""
    assert step.formula is not None
    if step.formula.startswith("label ‖ "):
        return b"".join(step.inputs[name] for name in step.formula.split(" ‖ "))
    match = re.fullmatch(r"([A-Za-z0-9-]+)\((.*)\)(?:\[:([0-9]+)\])?", step.formula)
    assert match, step.formula
    if match[1] == "Ed25519":
        key, message, signature = (step.inputs[name] for name in ("public key", "message", "signature"))
        try:
            VerifyKey(key).verify(message, signature)
        except BadSignatureError:
            return False
        return True
    if match[1] == "ML-DSA-44":
        return is_ml_dsa_44(**{name.replace(" ", "_"): step.inputs[name] for name in ("public key", "message", "signature")})
    if match[1] == "base58btc":
        number = 0
        for digit in step.inputs[match[2]].decode():
            number = number * 58 + ALPHABET.index(digit)
        return number.to_bytes(34, "big")
    parts = [CONSTANTS[name] if name in CONSTANTS else step.inputs[name] for name in match[2].split(" ‖ ")]
    digest = hashlib.sha256(b"".join(parts)).digest()
    return digest[: int(match[3])] if match[3] else digest


def is_ml_dsa_44(*, public_key: bytes, message: bytes, signature: bytes) -> bool:
    mldsa = importlib.import_module("cryptography.hazmat.primitives.asymmetric.mldsa")
    try:
        mldsa.MLDSA44PublicKey.from_public_bytes(public_key).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def check_every_step(text: str) -> list[PrintedStep]:
    """Assert that every computed step comes out as printed; the steps that compute something."""
    computed = [step for step in read_steps(text) if step.formula is not None]
    for step in computed:
        result = compute(step)
        if isinstance(result, bool):
            assert step.holds is result, step
        else:
            assert step.outputs, step
            assert all(output == result for output in step.outputs), step
    return computed
