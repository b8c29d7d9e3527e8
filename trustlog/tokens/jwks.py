"""The keys of token issuers as a JWK set, for whoever checks tokens with a JOSE library (RFC 7517; Ed25519 as in RFC 8037).

A token that such a library accepts was signed by an issuer, and no more: whether its issuance is in the log, and what it may
do, only a gate says.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from trustlog.formats.base64 import encode_b64u
from trustlog.formats.didkey import parse_did_key
from trustlog.formats.jsontext import canonicalize
from trustlog.tokens.scoped_token import key_id

MEDIA_TYPE: Final = "application/jwk-set+json"


def jwk_of(public_key: bytes) -> dict[str, str]:
    """The JWK of a 32-byte Ed25519 public key; its ``kid`` is that of the tokens which it signs."""
    return {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": encode_b64u(public_key),
        "kid": key_id(public_key),
        "alg": "EdDSA",
        "use": "sig",
    }


def encode_jwks(dids: Iterable[str]) -> bytes:
    """The JWK set of these keys, each once, sorted by ``kid``, as RFC 8785 JSON. ``INVALID_DID_FORMAT``."""
    keys = {key_id(key): jwk_of(key) for key in map(parse_did_key, dids)}
    return canonicalize({"keys": [keys[kid] for kid in sorted(keys)]})
