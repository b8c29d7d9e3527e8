"""The policy that an argument names: a file, or the hash of one in a log, which is then read and proven."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from trustlog.cli.files import read_input
from trustlog.cli.session import LogAccess
from trustlog.errors import Refused
from trustlog.formats.base64 import decode_b64u, encode_b64u
from trustlog.formats.jsontext import canonicalize, describe, parse_json
from trustlog.limits import MAX_ENVELOPE_BYTES
from trustlog.policy.paths import CLAWSIG_BLOCK
from trustlog.policy.paths import Path as MemberPath
from trustlog.policy.standing import Standing
from trustlog.records.work_policy_contract import ChangeManagement, WorkPolicyContract, policy_from_text

if TYPE_CHECKING:
    from trustlog.client.log import LogClient

_HASH: Final = re.compile(r"(?:b64u:)?([A-Za-z0-9_-]{43})")
QUICK_NOT_PROVEN: Final = (
    "that the log named every revocation, every newer policy and every revoked key (proven without --quick)",
    "that the newer policies that it named have their quorum",
)


@dataclass(frozen=True, slots=True)
class Named:
    """A policy: `text` is what is published, byte for byte. One of a log has a `standing`, and what is not proven of it."""

    text: bytes
    policy: WorkPolicyContract
    standing: Standing | None = None
    not_proven: tuple[str, ...] = ()

    @property
    def policy_hash(self) -> str:
        """Its address, 43 characters."""
        return encode_b64u(hashlib.sha256(self.text).digest())

    @property
    def rules(self) -> ChangeManagement | None:
        """What a gate enforces."""
        return self.policy.rules

    @property
    def name(self) -> str:
        """How it is called."""
        if self.policy.rules is not None:
            return self.policy.rules.policy_name
        assert self.policy.clawsig is not None
        return self.policy.clawsig.policy_id

    @property
    def document(self) -> Any:
        """Its JSON value."""
        return parse_json(self.text, "policy")

    @property
    def place_of_rules(self) -> MemberPath:
        """Where the rules stand in the document."""
        return () if self.policy.clawsig is None else CLAWSIG_BLOCK


def hash_in(text: str) -> str | None:
    """The hash that an argument is, without ``b64u:``; None for a file's name. A file with such a name is ``./NAME``."""
    found = _HASH.fullmatch(text)
    if found is None:
        return None
    decode_b64u(found[1], 32, "HASH")
    return found[1]


def read_named(texts: Sequence[str], open_access: Callable[[], LogAccess], *, quick: bool = False) -> list[Named]:
    """The policies that arguments name, in order; a log is read once for all of them.

    Raises Refused: what the file or the log gives cause for; ``POLICY_NOT_FOUND``, ``PAYLOAD_UNREADABLE``, ``LOG_LIES``.
    """
    hashes = [found for text in texts if (found := hash_in(text)) is not None]
    logged = open_access().run(lambda client: _load(client, hashes, quick=quick)) if hashes else {}
    named = []
    for text in texts:
        address = hash_in(text)
        named.append(_of_file(Path(text)) if address is None else logged[address])
    return named


def read_draft(text: bytes) -> dict[str, Any]:
    """The policy that a draft is, without its ``policy_hash``.

    Raises Refused: ``JSON_…``, ``POLICY_INVALID``, ``POLICY_VERSION_UNKNOWN``, ``POLICY_MISMATCH`` (a stated hash is another).
    """
    draft = parse_json(text, "policy")
    if not isinstance(draft, dict):
        raise Refused("POLICY_INVALID", "a policy is an object", param="policy", expected="object", found=describe(draft))
    value = {name: member for name, member in draft.items() if name != "policy_hash"}
    canonical = canonicalize(value)
    policy_from_text(canonical)
    computed = "b64u:" + encode_b64u(hashlib.sha256(canonical).digest())
    stated = draft.get("policy_hash", computed)
    if stated != computed:
        raise Refused(
            "POLICY_MISMATCH",
            "the draft states another hash than its own",
            param="policy_hash",
            expected=computed,
            found=describe(stated),
            hint="the draft was edited after its hash was written: look at the change, then remove or renew policy_hash",
        )
    return value


def _of_file(path: Path) -> Named:
    text = canonicalize(read_draft(read_input(path, max_bytes=MAX_ENVELOPE_BYTES)))
    return Named(text, policy_from_text(text))


async def _load(client: LogClient, hashes: Sequence[str], *, quick: bool) -> dict[str, Named]:
    from trustlog.cli.policy_log import named_in_view, read_view  # noqa: PLC0415 (loads what a gate needs)
    from trustlog.client.policies import prove_policy  # noqa: PLC0415

    if not quick:
        view = await read_view(client)
        return {one: named_in_view(view, one) for one in hashes}
    proven = {one: await prove_policy(client, one) for one in dict.fromkeys(hashes)}
    return {
        one: Named(found.text, policy_from_text(found.text), found.standing, QUICK_NOT_PROVEN)
        for one, found in proven.items()
    }
