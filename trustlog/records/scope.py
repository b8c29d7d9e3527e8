"""The scope: exactly what a person approves and a gate decides.

The scope document is the RFC 8785 form of an object with the thirteen members below, each a non-empty string, plus
``bundle_b64u`` exactly when the tool demands a proof bundle. Its SHA-256 is an approval's ``scope_hash_b64u``, so an approval
serves one plan, one policy, one job, one ticket, one action and one round, and no other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from trustlog.formats.base64 import encode_b64u
from trustlog.formats.plainjson import canonicalize_plain

SCOPE_MEMBERS: Final = (
    "scope_version",
    "origin",
    "job_id",
    "agent_did",
    "requester",
    "ticket",
    "action",
    "change_type",
    "environment",
    "policy_hash_b64u",
    "plan_hash_b64u",
    "simulation_b64u",
    "round",
)
BUNDLE_MEMBER: Final = "bundle_b64u"


def is_complete_scope(scope: Mapping[str, str]) -> bool:
    """Whether every member is there and none is empty."""
    return all(scope.get(name) for name in SCOPE_MEMBERS) and all(scope.values())


def compute_scope_hash(scope: Mapping[str, str]) -> str:
    """The base64url SHA-256 of a complete scope document."""
    return _hash_members(frozenset(scope.items()))


@lru_cache(maxsize=1024)
def _hash_members(members: frozenset[tuple[str, str]]) -> str:
    """One scope is hashed many times: when it is asked for, decided, logged, indexed and relied on."""
    scope = {name: str(value) for name, value in members}
    assert is_complete_scope(scope)
    return encode_b64u(hashlib.sha256(canonicalize_plain(scope)).digest())
