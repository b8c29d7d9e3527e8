"""Pure functions of libraries whose results the forks find ready: tests spend most of their time making what is judged.

The results that the first run of the tests computed are in the memory of every fork. Nothing of the verifier is remembered.
"""

from __future__ import annotations

import marshal
from collections.abc import Callable
from typing import Any

import rfc8785
from nacl import bindings


def remember_libraries() -> None:
    """Replace the canonical form of JSON, and Ed25519's keys, signatures and checks, by ones that remember."""
    rfc8785.dumps = _remembering(rfc8785.dumps)
    for name in ("crypto_sign_seed_keypair", "crypto_sign", "crypto_sign_open"):
        setattr(bindings, name, _remembering(getattr(bindings, name)))


def _remembering(function: Callable[..., Any]) -> Callable[..., Any]:
    known: dict[bytes, Any] = {}

    def remembering(*args: Any) -> Any:
        try:
            key = marshal.dumps(args, 2)  # the version without references: equal values are spelled alike
        except ValueError:
            return function(*args)  # not of plain values
        if key not in known:
            known[key] = function(*args)  # what is refused is refused anew
        return known[key]

    return remembering
