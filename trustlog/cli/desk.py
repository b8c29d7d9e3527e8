"""An act of a change, run on the log that a command's options name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from trustlog.change.desk import Desk, Published
from trustlog.cli.reading import showing_progress
from trustlog.cli.session import LogAccess
from trustlog.errors import Refused
from trustlog.formats.base64 import decode_b64u
from trustlog.keys.signer import Signer

if TYPE_CHECKING:
    from trustlog.client.log import LogClient

T = TypeVar("T")


def at_desk(access: LogAccess, act: Callable[[Desk], Awaitable[T]]) -> T:
    """Run `act` with a :class:`~trustlog.change.desk.Desk` of the log, to its end."""

    async def run(client: LogClient) -> T:
        desk = Desk(client)
        async with showing_progress(client, lambda: desk.reading.view.size):
            return await act(desk)

    return access.run(run)


def check_hash(text: str | None, name: str) -> None:
    """Check that an option, where it is given, is a base64url SHA-256; ``BASE64URL_INVALID``."""
    if text is not None:
        decode_b64u(text, 32, name)


def check_role(access: LogAccess, signer: Signer, role: str, nothing: str) -> None:
    """Check that a key has a role in the trust policy before it is used; `nothing` says what was left alone. ``SIGNER_…``."""
    found = access.trust.role_of(signer.did)
    if found != role:
        code = "SIGNER_NOT_TRUSTED" if found is None else "SIGNER_WRONG_ROLE"
        expected = f"a key of role {role} in the trust policy"
        hint = f"trustlog trust show lists them; trustlog trust add {role} DID adds one"
        detail = f"this key does not have the role {role}; {nothing}"
        raise Refused(code, detail, param="key", expected=expected, found=found or signer.did, hint=hint)


def where(published: Published) -> dict[str, object]:
    """A record that was logged, as results name it."""
    return {
        "payload_hash_b64u": published.payload_hash,
        "index": published.index,
        "leaf_hash": published.submitted.leaf_hash.hex(),
    }
