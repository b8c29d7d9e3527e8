"""A public key as people hand it over: a DID, or the line of an OpenSSH ``.pub`` file."""

from __future__ import annotations

import re
from typing import Final

from trustlog.errors import Refused
from trustlog.formats.didkey import encode_did_key, parse_did_key
from trustlog.keys.ssh_wire import WireError, parse_public_line

_SSH_LINE: Final = re.compile(r"(sk-)?(ssh|ecdsa)-[a-z0-9@.-]+\s")


def is_public_key(text: str) -> bool:
    """Whether `text` sets out to be a DID or an OpenSSH public key line, good or bad."""
    return text.startswith("did:") or _SSH_LINE.match(text) is not None


def did_of_public_key(text: str, param: str) -> str:
    """The DID that `text` is or that its ``ssh-ed25519`` key has; `param` names it in a refusal.

    Raises Refused: ``INVALID_DID_FORMAT``, also for SSH keys of another type.
    """
    if text.startswith("did:"):
        parse_did_key(text, param)
        return text
    try:
        return encode_did_key(parse_public_line(text))
    except WireError as error:
        raise Refused(
            "INVALID_DID_FORMAT",
            f"{param} is not a public key that signs here",
            param=param,
            expected="a DID, or a line: ssh-ed25519 AAAA… comment",
            found=str(error),
            hint="make one with: trustlog keygen FILE, or ssh-keygen -t ed25519 (neither a hardware key nor a certificate)",
        ) from None
