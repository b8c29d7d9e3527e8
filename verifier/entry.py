"""Entries: the bytes that the Merkle tree commits to, and the envelope rule that ties a payload to them.

An entry is the RFC 8785 form of `{"entry_version":"1","kind","payload_hash_b64u","refs":{…},"signature_b64u",
"signer_did"}`. Its values need no escapes and its members come sorted, so one regular expression checks it.
The signature is Ed25519 over the 43 ASCII characters of `payload_hash_b64u`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

from verifier.didkey import parse_did_key
from verifier.ed25519 import is_signature
from verifier.encodings import decode_b64u, decode_exact_b64u, encode_b64u
from verifier.errors import Refused
from verifier.limits import MAX_ENTRY_BYTES
from verifier.tree import hash_leaf

KINDS = (
    "gateway_receipt",
    "tool_receipt",
    "side_effect_receipt",
    "work_policy_contract",
    "roster",
    "token_issued",
    "simulation",
    "human_approval_receipt",
    "step_up",
    "gate_decision",
    "execution",
    "resolution",
    "proof_bundle",
    "closure",
    "revocation",
    "violation",
    "tombstone",
)
REF_NAMES = (  # in the order of RFC 8785
    "bundle",
    "job",
    "plan",
    "policy",
    "receipt",
    "roster",
    "run",
    "scope",
    "target",
    "ticket",
    "token",
    "token_scope",
)

_VALUE = "[A-Za-z0-9._:/-]{1,96}"
_REFS = "".join(f'(?:"{name}":"{_VALUE}"(?:,(?=")|(?=}})))?' for name in REF_NAMES)
HASH_PATTERN = "[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]"  # 32 bytes: the last two bits are zero
SIGNATURE_PATTERN = "[A-Za-z0-9_-]{85}[AQgw]"  # 64 bytes: the last four bits are zero
ENTRY_PATTERN = re.compile(
    (
        f'{{"entry_version":"1","kind":"({"|".join(KINDS)})","payload_hash_b64u":"({HASH_PATTERN})",'
        f'"refs":{{({_REFS})}},"signature_b64u":"({SIGNATURE_PATTERN})",'
        '"signer_did":"(did:key:z6Mk[1-9A-HJ-NP-Za-km-z]{44})"}'
    ).encode("ascii")
)
_PLAIN_REF = re.compile(_VALUE, re.ASCII)
_ONE_REF = re.compile(f'"([a-z_]+)":"({_VALUE})"', re.ASCII)


@dataclass(frozen=True, slots=True)
class Entry:
    """A parsed entry. `data` is its exact bytes."""

    data: bytes
    kind: str
    payload_hash_b64u: str
    refs: Mapping[str, str]
    signature_b64u: str
    signer_did: str

    @property
    def leaf_hash(self) -> bytes:
        """SHA-256(0x00 ‖ entry)."""
        return hash_leaf(self.data)

    @property
    def identity(self) -> tuple[str, str, str]:
        """Signer, kind and payload hash: the same thing submitted twice has one index."""
        return (self.signer_did, self.kind, self.payload_hash_b64u)


EntryMatch = re.Match[bytes]


def match_entry(data: bytes) -> EntryMatch | None:
    """The one match of the grammar of entries, or None. Its groups are kind, payload hash, refs, signature, signer."""
    return ENTRY_PATTERN.fullmatch(data) if len(data) <= MAX_ENTRY_BYTES else None


def parse_entry(data: bytes) -> Entry:
    """The entry in `data`. Raises Refused ENTRY_MALFORMED."""
    return entry_of(check_entry(data))


def check_entry(data: bytes) -> EntryMatch:
    """As `match_entry`. Raises Refused ENTRY_MALFORMED."""
    match = match_entry(data)
    if match is None:
        raise Refused("ENTRY_MALFORMED", "entry", expected="the RFC 8785 form of the six members")
    return match


def entry_of(match: EntryMatch) -> Entry:
    """The matched entry."""
    kind, payload_hash, refs, signature, signer = (part.decode("ascii") for part in match.groups())
    return Entry(match.string, kind, payload_hash, dict(_ONE_REF.findall(refs)), signature, signer)


def payload_hash_of(match: EntryMatch) -> bytes:
    """The 32 bytes of the matched entry's payload hash."""
    return decode_exact_b64u(match[2])


def ref_value(text: str) -> str:
    """A ref is the field itself if it is short and plain, else `sha256:` + base64url of its SHA-256."""
    if _PLAIN_REF.fullmatch(text):
        return text
    return "sha256:" + encode_b64u(sha256(text.encode("utf-8")).digest())


def check_match_signature(match: EntryMatch) -> None:
    """Check a matched entry's signature: the grammar has seen to it that hash and signature have their one spelling.

    Raises Refused INVALID_DID_FORMAT or SIGNATURE_INVALID.
    """
    check_signature(match[2], decode_exact_b64u(match[4]), match[5].decode("ascii"))


def is_match_signed(match: EntryMatch) -> bool:
    """Whether `check_match_signature` would pass. Nothing is remembered of it: for logs, where each stands once."""
    try:
        public_key = parse_did_key(match[5].decode("ascii"))
    except Refused:
        return False
    return is_signature(public_key, match[2], decode_exact_b64u(match[4]))


def check_envelope_signature(payload_hash_b64u: str, signature_b64u: str, signer_did: str) -> None:
    """Check an envelope's signature: Ed25519 over the 43 characters of the payload hash."""
    decode_b64u(payload_hash_b64u, "payload_hash_b64u", length=32)
    signature = decode_b64u(signature_b64u, "signature_b64u", length=64)
    check_signature(payload_hash_b64u.encode("ascii"), signature, signer_did)


@lru_cache(maxsize=4096)  # a receipt stands in the log and again in its bundle; only what verified is remembered
def check_signature(payload_hash: bytes, signature: bytes, signer_did: str) -> None:
    """Check Ed25519 over the 43 characters of a payload hash. Raises Refused INVALID_DID_FORMAT or SIGNATURE_INVALID."""
    if not is_signature(parse_did_key(signer_did), payload_hash, signature):
        raise Refused("SIGNATURE_INVALID", "signature_b64u", expected=f"a signature by {signer_did}")
