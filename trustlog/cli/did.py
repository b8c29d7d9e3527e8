"""Whose key is meant: a DID, something that holds one, or something that it can be told from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from trustlog.cli.files import read_input
from trustlog.keys.file import read_key_file
from trustlog.keys.public import did_of_public_key, is_public_key
from trustlog.keys.source import AGENT_PREFIX, open_signer

MAX_DID_FILE_BYTES: Final = 1024  # a .pub line is some 100 characters and its comment


def read_did(who: str, param: str = "DID") -> str:
    """The DID that is meant.

    `who` is the DID itself; an ``ssh-ed25519 …`` line; ``ssh-agent:WHICH``; or a file that holds a DID, such a line, or a key.
    Raises Refused: ``INVALID_DID_FORMAT``, ``INPUT_UNREADABLE``.
    """
    if who.startswith(AGENT_PREFIX):
        return open_signer(who, os.environ).did
    if is_public_key(who):
        return did_of_public_key(who.strip(), param)
    path = Path(who)
    text = read_input(path, max_bytes=MAX_DID_FILE_BYTES, may_be_key=True).decode("utf-8", "replace").strip()
    if is_public_key(text):
        return did_of_public_key(text, f"the key in {path}")
    return read_key_file(path).did
