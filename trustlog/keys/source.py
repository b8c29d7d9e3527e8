"""Where a user says that a key is: a file, ``env:NAME`` for an environment variable, or ``ssh-agent:WHICH`` for an agent's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from trustlog.keys.environment import read_environment_key
from trustlog.keys.file import read_key_file
from trustlog.keys.signer import Signer
from trustlog.keys.ssh_agent import open_agent_signer

ENVIRONMENT_PREFIX: Final = "env:"
AGENT_PREFIX: Final = "ssh-agent:"


def open_signer(source: str, environment: Mapping[str, str]) -> Signer:
    """The signer that `source` names. Raises Refused (``INPUT_UNREADABLE``) if there is no usable key."""
    if source.startswith(ENVIRONMENT_PREFIX):
        return read_environment_key(source.removeprefix(ENVIRONMENT_PREFIX), environment)
    if source.startswith(AGENT_PREFIX):
        return open_agent_signer(source.removeprefix(AGENT_PREFIX), environment)
    return read_key_file(Path(source))
