"""Our tokens and key sets are what others' JOSE libraries take for such, and theirs are read here."""

from __future__ import annotations

import json
import time

import jwt
import pytest

from tests.support import keys
from tests.support.payloads import hash_of
from trustlog.errors import Refused
from trustlog.formats.base64 import encode_b64u
from trustlog.formats.didkey import parse_did_key
from trustlog.keys.signer import SeedSigner
from trustlog.tokens.jwks import encode_jwks, jwk_of
from trustlog.tokens.scoped_token import key_id, mint_token, parse_token


def mint(exp: int) -> str:
    return mint_token(
        keys.TOKEN_ISSUER,
        agent_did=keys.AGENT.did,
        aud=["proxy.example", "gate.example"],
        scope=["change:execute"],
        job_id="job-1",
        policy_hash_b64u=hash_of("a policy"),
        iat=int(time.time()),
        exp=exp,
        jti="1",
    )


def test_the_key_of_rfc_8037_is_written_as_that_rfc_writes_it() -> None:
    public = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
    key = parse_did_key(SeedSigner(bytes.fromhex(seed)).did)
    assert {name: jwk_of(key)[name] for name in ("kty", "crv", "x")} == {"kty": "OKP", "crv": "Ed25519", "x": public}


def test_a_library_of_others_takes_our_token_under_our_key_set() -> None:
    compact = mint(int(time.time()) + 3600)
    known = jwt.PyJWKSet.from_json(encode_jwks([keys.TOKEN_ISSUER.did, keys.AGENT.did]).decode())
    kid = jwt.get_unverified_header(compact)["kid"]
    claims = jwt.decode(compact, known[kid], algorithms=["EdDSA"], audience="gate.example")
    assert (claims["sub"], claims["mission_id"]) == (keys.AGENT.did, "job-1")
    with pytest.raises(jwt.InvalidAudienceError):
        jwt.decode(compact, known[kid], algorithms=["EdDSA"], audience="another.example")
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(compact, known[key_id(parse_did_key(keys.AGENT.did))], algorithms=["EdDSA"], audience="gate.example")
    with pytest.raises(jwt.ExpiredSignatureError):
        jwt.decode(mint(int(time.time()) - 1), known[kid], algorithms=["EdDSA"], audience="gate.example")


def test_a_token_that_a_library_of_others_wrote_is_read_here() -> None:
    ours = mint(int(time.time()) + 3600)
    claims = jwt.decode(ours, options={"verify_signature": False})
    seed = jwt.PyJWK({**jwk_of(parse_did_key(keys.TOKEN_ISSUER.did)), "d": seed_b64u()}).key
    kid = key_id(parse_did_key(keys.TOKEN_ISSUER.did))
    theirs = jwt.encode(claims, seed, algorithm="EdDSA", headers={"kid": kid})
    read = parse_token(theirs)
    assert read.is_signed_by(keys.TOKEN_ISSUER.did)
    assert read.token_scope_hash_b64u == parse_token(ours).token_scope_hash_b64u


def seed_b64u() -> str:
    return encode_b64u(keys.fixture_seed("token issuer"))


def test_a_key_set_has_each_key_once_sorted_and_nothing_private() -> None:
    dids = [keys.AGENT.did, keys.TOKEN_ISSUER.did, keys.AGENT.did]
    found = json.loads(encode_jwks(dids))["keys"]
    assert [one["kid"] for one in found] == sorted(key_id(parse_did_key(did)) for did in set(dids))
    assert all(one.keys() == {"kty", "crv", "x", "kid", "alg", "use"} for one in found)
    assert encode_jwks([]) == b'{"keys":[]}'
    with pytest.raises(Refused, match="INVALID_DID_FORMAT"):
        encode_jwks(["did:web:example"])
