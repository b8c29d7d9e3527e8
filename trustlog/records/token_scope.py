"""The scope hash of a scoped token: what it authorises, whenever it was issued.

base64url SHA-256 of the RFC 8785 form of ``token_version``, ``sub`` (trimmed), ``aud`` and ``scope`` (arrays, trimmed,
de-duplicated, sorted by UTF-16 code unit) and whichever of the members below are present (Clawsig scoped_token_claims v1). It
leaves out ``iat exp jti nonce``: a renewed token has the same one.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

from trustlog.formats.base64 import encode_b64u
from trustlog.formats.jsontext import canonicalize

OPTIONAL_MEMBERS: Final = (
    "owner_ref",
    "owner_did",
    "controller_did",
    "agent_did",
    "policy_hash_b64u",
    "control_plane_policy_hash_b64u",
    "payment_account_did",
    "spend_cap",
    "mission_id",
    "delegation_id",
    "delegator_did",
    "delegate_did",
    "delegation_policy_hash_b64u",
    "delegation_spend_cap_minor",
    "delegation_expires_at",
)

# What ECMAScript's trim takes away (White_Space without U+0085, with U+FEFF): token services elsewhere run JavaScript.
_TRIMMED: Final = "\t\n\v\f\r \u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff" + "".join(map(chr, range(0x2000, 0x200B)))


def compute_token_scope_hash(claims: Mapping[str, Any]) -> str:
    """The scope hash of a token's claims, as base64url text; `claims` may hold members that it does not cover."""
    aud = claims["aud"]
    covered: dict[str, Any] = {
        "token_version": claims["token_version"],
        "sub": claims["sub"].strip(_TRIMMED),
        "aud": sort_names([aud] if isinstance(aud, str) else aud),
        "scope": sort_names(claims["scope"]),
    }
    covered |= {name: claims[name] for name in OPTIONAL_MEMBERS if name in claims}
    if "delegation_expires_at" in covered:
        covered["delegation_expires_at"] = math.floor(covered["delegation_expires_at"])
    return encode_b64u(hashlib.sha256(canonicalize(covered)).digest())


def sort_names(names: Iterable[str]) -> list[str]:
    """Trimmed as in ECMAScript, de-duplicated, sorted by UTF-16 code unit; empty names dropped."""
    return sorted({name.strip(_TRIMMED) for name in names} - {""}, key=lambda name: name.encode("utf-16-be"))
