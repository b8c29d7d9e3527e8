"""Scoped tokens: exactly one form, one scope hash however they are written, and nothing of them in a refusal."""

from __future__ import annotations

import base64
import json
import unicodedata
from typing import Any

import pytest

from tests.support import keys
from tests.support.payloads import hash_of
from trustlog.errors import Refused
from trustlog.formats.didkey import parse_did_key
from trustlog.records.token_scope import compute_token_scope_hash, sort_names
from trustlog.tokens.scoped_token import issuance_members, key_id, mint_token, parse_token

POLICY_HASH = hash_of("a policy")


def mint(**changes: Any) -> str:
    claims = {
        "agent_did": keys.AGENT.did,
        "aud": ["gate", "proxy"],
        "scope": ["change:execute"],
        "job_id": "job-1",
        "policy_hash_b64u": POLICY_HASH,
        "iat": 1_000,
        "exp": 1_600,
        "jti": "1",
    }
    return mint_token(keys.TOKEN_ISSUER, **{**claims, **changes})


def encode(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return base64.urlsafe_b64encode(text.encode("utf-8", "surrogatepass")).decode().rstrip("=")


def decode(part: str) -> dict[str, Any]:
    value = json.loads(base64.urlsafe_b64decode(part + "=="))
    assert isinstance(value, dict)
    return value


def rewritten(*, header: Any = None, claims: Any = None) -> str:
    """A token by the issuer with these members changed; None removes one."""
    parts = mint().split(".")
    values = []
    for part, changes in zip(parts[:2], (header, claims), strict=True):
        if isinstance(changes, str):
            values.append(encode(changes))
        else:
            members = {**decode(part), **(changes or {})}
            values.append(encode({name: value for name, value in members.items() if value is not None}))
    signing_input = ".".join(values)
    return f"{signing_input}.{encode_bytes(keys.TOKEN_ISSUER.sign(signing_input.encode()))}"


def encode_bytes(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


# The published vector.


def test_the_scope_hash_is_the_published_one() -> None:
    claims = {
        "token_version": "1",
        "sub": " did:key:zWorker ",
        "aud": ["b.example", "a.example", "a.example"],
        "scope": ["proxy:call", "clawproxy:call", "proxy:call"],
        "policy_hash_b64u": "a" * 43,
        "mission_id": "m1",
        "spend_cap": 1.5,
        "delegation_expires_at": 1700000000.9,
    }
    assert compute_token_scope_hash(claims) == "RSP_YMZ27YqI6SVIJ8Xv8PLMpcGCX5iZz6I5e28ARDg"


def test_names_are_trimmed_of_what_ecmascript_calls_white_space() -> None:
    white = {mark for mark in map(chr, range(0x10000)) if unicodedata.category(mark) in ("Zs", "Zl", "Zp")}
    white |= set("\t\n\v\f\r\ufeff")
    for mark in map(chr, {*range(0xD800), *range(0xE000, 0x10000)}):
        assert (sort_names([f"{mark}a{mark}"]) == ["a"]) == (mark in white), hex(ord(mark))


# Mint and parse.


def test_what_is_minted_is_parsed_and_signed() -> None:
    token = parse_token(mint())
    assert token.is_signed_by(keys.TOKEN_ISSUER.did)
    assert not token.is_signed_by(keys.AGENT.did)
    assert (token.claims.mission_id, token.claims.sub) == ("job-1", keys.AGENT.did)
    assert token.kid == key_id(parse_did_key(keys.TOKEN_ISSUER.did))


def test_a_renewed_token_has_the_same_scope_hash_and_another_token_hash() -> None:
    first, second = parse_token(mint()), parse_token(mint(iat=2_000, exp=2_500, jti="2"))
    assert first.token_scope_hash_b64u == second.token_scope_hash_b64u
    assert first.token_hash != second.token_hash


@pytest.mark.parametrize(
    "changes", [{"job_id": "job-2"}, {"aud": ["gate"]}, {"scope": ["x"]}, {"policy_hash_b64u": hash_of("p")}], ids=str
)
def test_another_job_audience_scope_or_policy_is_another_scope_hash(changes: dict[str, Any]) -> None:
    assert parse_token(mint()).token_scope_hash_b64u != parse_token(mint(**changes)).token_scope_hash_b64u


def test_the_order_of_names_makes_no_difference() -> None:
    shuffled = mint(aud=[" proxy", "gate", "gate"])
    assert parse_token(mint()).token_scope_hash_b64u == parse_token(shuffled).token_scope_hash_b64u


def test_an_issuance_says_what_the_token_says() -> None:
    members = issuance_members(mint(), ticket="a:b", requester="p-dora")
    assert members["token_hash"] == parse_token(mint()).token_hash
    assert members["token_scope_hash_b64u"] == parse_token(mint()).token_scope_hash_b64u
    assert mint() not in json.dumps(members)


# What is no token.


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "HS256"},
        {"alg": "eddsa"},
        {"typ": "jwt"},
        {"typ": None},
        {"kid": None},
        {"kid": "0" * 15},
        {"kid": "A" * 16},
        {"kid": 7},
        {"crit": ["x"]},
        {"jwk": {}},
        {"alg": ["EdDSA"]},
        "[]",
        "{",
        '{"alg":"EdDSA","alg":"EdDSA","typ":"JWT","kid":"0123456789abcdef"}',
        "null",
        "\ud800",
    ],
    ids=repr,
)
def test_another_header_is_refused(header: Any) -> None:
    refused_as_malformed(rewritten(header=header))


@pytest.mark.parametrize(
    "claims",
    [
        {"token_version": "2"},
        {"sub": None},
        {"sub": "did:key:zNobody"},
        {"aud": None},
        {"aud": 7},
        {"scope": []},
        {"scope": "change:execute"},
        {"iat": "1000"},
        {"iat": -1},
        {"exp": 1.5},
        {"exp": None},
        {"unknown": 1},
        {"mission_id": "a b"},
        {"policy_hash_b64u": "A" * 42 + "B"},
        {"token_scope_hash_b64u": "A" * 43},
        "[]",
        "{",
        '{"iat":1,"iat":2}',
        "[" * 100,
        '{"iat":NaN}',
    ],
    ids=repr,
)
def test_other_claims_are_refused(claims: Any) -> None:
    refused_as_malformed(rewritten(claims=claims))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "..",
        "a.b",
        "a.b.c.d",
        mint() + "=",
        mint() + ".",
        mint()[:-1],
        mint() + "A",
        " " + mint(),
        mint() + "\n",
        mint().replace(".", ".="),
        "é" + mint(),
        "A" * 8193,
        mint() + "A" * 8192,
    ],
    ids=lambda text: repr(text)[-20:],
)
def test_another_text_is_refused(text: str) -> None:
    refused_as_malformed(text)


def test_signature_bits_that_mean_nothing_are_refused() -> None:
    """86 characters hold four bits more than 64 bytes: a second spelling would be a second token hash."""
    token = mint()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = alphabet.index(token[-1])
    refused_as_malformed(token[:-1] + alphabet[last + 1])


def refused_as_malformed(text: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_token(text)
    assert refused.value.code == "TOKEN_MALFORMED"
    said = f"{refused.value} {refused.value.detail} {refused.value.expected} {refused.value.found}"
    assert len(text) < 20 or text not in said


def test_every_flipped_character_of_a_token_is_noticed() -> None:
    token = mint()
    for position in range(0, len(token), 7):
        other = token[:position] + ("A" if token[position] != "A" else "B") + token[position + 1 :]
        try:
            parsed = parse_token(other)
        except Refused:
            continue
        assert not parsed.is_signed_by(keys.TOKEN_ISSUER.did)
