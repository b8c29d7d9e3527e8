"""A role key that a running ssh-agent holds: it signs, and the key stays with it (draft-miller-ssh-agent).

An agent signs the bytes that it is given, raw, so its signature over a payload hash is like any other here. Only ``ssh-ed25519``
keys do: RSA and ECDSA are other algorithms, and a hardware key (``sk-ssh-ed25519``) signs more than it is given. Nothing that the
agent says is believed: sizes and times are bounded, and every signature is verified before it is used.

A key that signs here should sign nothing else, a login least of all, and should not be reachable from other machines by agent
forwarding; ``ssh-add -c`` makes the agent ask its owner each time.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from trustlog.errors import Refused
from trustlog.formats.didkey import encode_did_key
from trustlog.formats.ed25519 import verify_ed25519
from trustlog.keys.ssh_wire import (
    ED25519,
    WireError,
    WireReader,
    encode_public_key,
    encode_string,
    fingerprint,
    key_type,
    parse_public_key,
)

SOCKET_VARIABLE: Final = "SSH_AUTH_SOCK"
LIST_WITHIN_S: Final = 5.0
SIGN_WITHIN_S: Final = 60.0  # the agent may be asking its owner
MAX_MESSAGE_BYTES: Final = 256 * 1024  # as OpenSSH's own
MAX_IDENTITIES: Final = 2048  # as OpenSSH's own
SIGNATURE_BYTES: Final = 64

FAILURE: Final = 5
REQUEST_IDENTITIES: Final = 11
IDENTITIES_ANSWER: Final = 12
SIGN_REQUEST: Final = 13
SIGN_RESPONSE: Final = 14


@dataclass(frozen=True, slots=True)
class Identity:
    """One key that an agent offers: its blob, and what its owner called it."""

    blob: bytes
    comment: str

    @property
    def fingerprint(self) -> str:
        """``SHA256:…``, as ``ssh-add -l`` shows it."""
        return fingerprint(self.blob)

    @property
    def key(self) -> bytes | None:
        """The 32-byte Ed25519 key; None for a key of another type."""
        try:
            return parse_public_key(self.blob)
        except WireError:
            return None


class AgentSigner:
    """A signer whose key the agent at the Unix socket `path` holds."""

    __slots__ = ("_blob", "_key", "_path", "did")

    def __init__(self, path: str, key: bytes) -> None:
        self._path = path
        self._key = key
        self._blob = encode_public_key(key)
        self.did: str = encode_did_key(key)

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature over `message`; ``INPUT_UNREADABLE`` where the agent refuses, lies or does not answer."""
        request = bytes([SIGN_REQUEST]) + encode_string(self._blob) + encode_string(message) + bytes(4)  # no flags
        reader = WireReader(_ask(self._path, request, within_s=SIGN_WITHIN_S))
        try:
            if reader.byte() != SIGN_RESPONSE:
                hint = (
                    "unlock the agent (ssh-add -X), or say yes when it asks; ssh-add -l shows whether it still has the key"
                )
                raise _unusable("it would not sign", hint=hint)
            inner = WireReader(reader.string())
            reader.end()
            algorithm, signature = inner.string(), inner.string()
            inner.end()
        except WireError as error:
            raise _unusable(f"its signature is none: {error}") from None
        if algorithm != ED25519.encode("ascii") or not verify_ed25519(self._key, message, signature):
            raise _unusable("its signature does not verify under the key that was asked for")
        return signature

    def __repr__(self) -> str:
        return f"<signer {self.did} in ssh-agent>"


def open_agent_signer(named: str, environment: Mapping[str, str]) -> AgentSigner:
    """The signer that `named` picks among the agent's keys: a fingerprint ``SHA256:…``, a DID, or a comment, exactly.

    Raises Refused (``INPUT_UNREADABLE``): no agent, no such key, several, or one of another type than ``ssh-ed25519``.
    """
    path = environment.get(SOCKET_VARIABLE)
    if not path:
        hint = 'start one with: eval "$(ssh-agent)", and add the key: ssh-add -c FILE'
        raise _unusable(f"{SOCKET_VARIABLE} is not set", hint=hint)
    identities = list_identities(path)
    found = [one for one in identities if _is_named(one, named)]
    if len(found) != 1:
        what = "no key" if not found else f"{len(found)} keys"
        hint = "name one of these by its fingerprint, or add the key: ssh-add -c FILE"
        offered = ", ".join(_say(one) for one in found or identities) or "it has no keys"
        raise _unusable(f"it has {what} of that name", hint=hint, expected=named or "a name", found=offered)
    key = found[0].key
    if key is None:
        hint = "make a key for this alone: ssh-keygen -t ed25519 -f approver, then ssh-add -c approver"
        raise _unusable("that key cannot sign here", hint=hint, expected=ED25519, found=_type_of(found[0]))
    return AgentSigner(path, key)


def list_identities(path: str) -> Sequence[Identity]:
    """Every key that the agent at the socket `path` offers, of whatever type."""
    reader = WireReader(_ask(path, bytes([REQUEST_IDENTITIES]), within_s=LIST_WITHIN_S))
    try:
        if reader.byte() != IDENTITIES_ANSWER:
            raise _unusable("it would not list its keys", hint="is it locked? ssh-add -X unlocks it")
        count = reader.uint32()
        if count > MAX_IDENTITIES:
            raise _unusable(f"it claims {count} keys")
        found = [Identity(reader.string(), reader.string().decode("utf-8", "replace")) for _ in range(count)]
        reader.end()
    except WireError as error:
        raise _unusable(f"its list of keys is none: {error}") from None
    return found


def _is_named(one: Identity, named: str) -> bool:
    return bool(named) and named in (
        one.comment,
        one.fingerprint,
        None if one.key is None else encode_did_key(one.key),
    )


def _say(one: Identity) -> str:
    return f"{one.fingerprint} ({one.comment}, {_type_of(one)})"


def _type_of(one: Identity) -> str:
    try:
        return key_type(one.blob)
    except WireError:
        return "an unreadable key"


def _ask(path: str, message: bytes, *, within_s: float) -> bytes:
    """The agent's answer to one message, whole within `within_s` seconds."""
    ends_at_s = time.monotonic() + within_s
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(within_s)
            connection.connect(path)
            connection.sendall(encode_string(message))
            size = int.from_bytes(_receive(connection, 4, ends_at_s), "big")
            if not 0 < size <= MAX_MESSAGE_BYTES:
                raise _unusable(f"it answers with {size} bytes")
            return _receive(connection, size, ends_at_s)
    except TimeoutError:
        raise _unusable(f"it did not answer within {within_s:g} s", hint="does it ask you for something?") from None
    except OSError as error:
        hint = f"{SOCKET_VARIABLE} names its socket; ssh-add -l shows whether it answers"
        raise _unusable(error.strerror or "it cannot be reached", hint=hint) from None


def _receive(connection: socket.socket, count: int, ends_at_s: float) -> bytes:
    data = b""
    while len(data) < count:
        left_s = ends_at_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        connection.settimeout(left_s)
        more = connection.recv(count - len(data))
        if not more:
            raise _unusable("it hung up")
        data += more
    return data


def _unusable(why: str, *, hint: str | None = None, expected: str | None = None, found: str | None = None) -> Refused:
    detail = f"the ssh-agent cannot be used: {why}"
    hint = hint or "ssh-add -l shows what the agent has; a key file can be named instead"
    return Refused("INPUT_UNREADABLE", detail, param="key", expected=expected, found=found, hint=hint)
