"""A role key in an environment variable, for services whose secrets arrive that way."""

from __future__ import annotations

from collections.abc import Mapping

from trustlog.errors import Refused
from trustlog.keys.signer import SeedSigner, parse_seed


def read_environment_key(name: str, environment: Mapping[str, str]) -> SeedSigner:
    """The signer whose seed (64 hex digits) is the value of the variable `name`; ``INPUT_UNREADABLE`` if there is none."""
    value = environment.get(name)
    if value is None:
        raise Refused(
            "INPUT_UNREADABLE",
            f"the environment variable {name} is not set",
            param="key",
            hint=f"set {name} to a seed of 64 hex digits, or name a key file",
        )
    return SeedSigner(parse_seed(value, source=f"the environment variable {name}"))
