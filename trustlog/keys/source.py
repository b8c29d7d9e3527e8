"""Where a user says that a key is: a file, or ``env:NAME`` for an environment variable."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from trustlog.keys.environment import read_environment_key
from trustlog.keys.file import read_key_file
from trustlog.keys.signer import Signer

ENVIRONMENT_PREFIX: Final = "env:"


def open_signer(source: str, environment: Mapping[str, str]) -> Signer:
    """The signer that `source` names. Raises Refused (``INPUT_UNREADABLE``) if there is no usable key."""
    if source.startswith(ENVIRONMENT_PREFIX):
        return read_environment_key(source.removeprefix(ENVIRONMENT_PREFIX), environment)
    return read_key_file(Path(source))
