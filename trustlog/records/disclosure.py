"""Tool receipts, version 2: salted commitments to arguments and result, parts of which may be disclosed (Clawsig).

The committed hash is the SHA-256 of the RFC 8785 form of the sorted list of leaf hashes, and a leaf's hash is the SHA-256 of
``<path>:`` and the RFC 8785 form of ``{salt_b64u, type, value}``; hashes as base64url. That is the reference verifier's rule
for ``vir_v2_typed_lexicographical``. It is a hash of a list, whatever its name says: there is no tree.
"""

from __future__ import annotations

import hashlib
from typing import Any, Literal

from trustlog.errors import Refused
from trustlog.formats.base64 import encode_b64u
from trustlog.formats.jsontext import TYPE_NAMES, canonicalize
from trustlog.records.fields import UNSET, Instant, LooseHash, Number, Struct, Text, UnsetType
from trustlog.records.receipts import NO_BINDING, ReceiptBinding

JsonType = Literal["string", "number", "boolean", "null", "array", "object"]


class Leaf(Struct, frozen=True, kw_only=True):
    """One disclosed part, with its declared type and its salt."""

    type: JsonType
    value: Any
    salt_b64u: LooseHash


class Disclosure(Struct, frozen=True, kw_only=True):
    """What is disclosed of a committed value: leaves by path, and the hashes of those kept back."""

    disclosure_algorithm: Literal["vir_v2_typed_lexicographical"]
    merkle_root_b64u: LooseHash
    redacted_leaf_hashes_b64u: list[LooseHash]
    disclosed_leaves: dict[str, Leaf]


class ToolReceiptV2(Struct, frozen=True, kw_only=True):
    """One tool call, with salted commitments. Only inside a bundle: alone it is not admitted."""

    receipt_version: Literal["2"]
    receipt_id: Text
    tool_name: Text
    args_hash_b64u: LooseHash
    result_hash_b64u: LooseHash
    hash_algorithm: Literal["SHA-256"]
    agent_did: Text
    timestamp: Instant
    latency_ms: Number
    args_salt_b64u: LooseHash
    result_salt_b64u: LooseHash
    tool_version: str | UnsetType = UNSET
    result_status: Literal["success", "error", "timeout"] | UnsetType = UNSET
    binding: ReceiptBinding = NO_BINDING
    args_disclosure: Disclosure | UnsetType = UNSET
    result_disclosure: Disclosure | UnsetType = UNSET


def check_disclosures(receipt: ToolReceiptV2, param: str) -> None:
    """Check that what is disclosed is what was committed to; `param` is the receipt's path.

    Raises Refused: ``DISCLOSURE_TYPE_MISMATCH`` (a leaf's value is not of its type), ``DISCLOSURE_ROOT_MISMATCH``.
    """
    pairs = (
        ("args", receipt.args_disclosure, receipt.args_hash_b64u),
        ("result", receipt.result_disclosure, receipt.result_hash_b64u),
    )
    for name, disclosure, committed in pairs:
        if not isinstance(disclosure, UnsetType):
            _check_disclosure(disclosure, committed, f"{param}.{name}_disclosure")


def _check_disclosure(disclosure: Disclosure, committed: str, param: str) -> None:
    for path, leaf in disclosure.disclosed_leaves.items():
        found = TYPE_NAMES[type(leaf.value)]
        if found != leaf.type:
            where = f"{param}.disclosed_leaves.{path}"
            detail = "a disclosed value is not of its declared type"
            raise Refused("DISCLOSURE_TYPE_MISMATCH", detail, param=where, expected=leaf.type, found=found)
    for expected, found in (
        (committed, disclosure.merkle_root_b64u),
        (compute_root(disclosure), disclosure.merkle_root_b64u),
    ):
        if found != expected:
            where = f"{param}.merkle_root_b64u"
            detail = "what is disclosed is not what was committed to"
            raise Refused("DISCLOSURE_ROOT_MISMATCH", detail, param=where, expected=expected, found=found)


def compute_root(disclosure: Disclosure) -> str:
    """The hash to which the leaves, disclosed and kept back, commit."""
    leaves = [_leaf_hash(path, leaf) for path, leaf in disclosure.disclosed_leaves.items()]
    return _hash(canonicalize(sorted([*disclosure.redacted_leaf_hashes_b64u, *leaves])))


def _leaf_hash(path: str, leaf: Leaf) -> str:
    return _hash(f"{path}:".encode() + canonicalize({"type": leaf.type, "value": leaf.value, "salt_b64u": leaf.salt_b64u}))


def _hash(data: bytes) -> str:
    return encode_b64u(hashlib.sha256(data).digest())
