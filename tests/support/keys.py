"""Throw-away keys: anyone can compute them from their names, so they are worth nothing outside tests."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Final

from trustlog.formats.note import ED25519, NoteSigner
from trustlog.keys.signer import SeedSigner


def fixture_seed(name: str) -> bytes:
    """The 32-byte seed of the fixture key `name`."""
    return hashlib.sha256(b"trustlog fixture key, worthless: " + name.encode()).digest()


@cache
def fixture_key(name: str) -> SeedSigner:
    """The signer of the fixture key `name`: the same in every run."""
    return SeedSigner(fixture_seed(name))


def fixture_note_key(name: str, *, key_type: int = ED25519) -> NoteSigner:
    """The note signer (a log's, or a witness's) of the fixture key `name`, which is the key's name too."""
    return NoteSigner(name, fixture_seed(name), key_type=key_type)


# One key a role of the trust policy, and people of the roster.
GATEWAY: Final = fixture_key("gateway")
POLICY_ISSUER: Final = fixture_key("policy issuer")
TOKEN_ISSUER: Final = fixture_key("token issuer")
ROSTER_AUTHORITY: Final = fixture_key("roster authority")
AGENT: Final = fixture_key("agent")
RUNNER: Final = fixture_key("runner")
GATE: Final = fixture_key("gate")
CUSTODIAN: Final = fixture_key("custodian")
ALICE: Final = fixture_key("alice")
BOB: Final = fixture_key("bob")
CAROL: Final = fixture_key("carol")
STRANGER: Final = fixture_key("stranger")
