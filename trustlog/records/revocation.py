"""A token, job, policy, approval or key is void from here on. Irrevocable."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta

from trustlog.errors import Refused
from trustlog.formats.base64 import decode_b64u
from trustlog.formats.didkey import parse_did_key
from trustlog.records.fields import Note
from trustlog.records.kind import ANY_PERMITTED, Kind, OwnRecord, by_schema

Target = Annotated[
    str,
    Meta(
        pattern=r"^(token:[0-9a-f]{64}|job:[A-Za-z0-9._:-]{1,128}|(policy|approval):[A-Za-z0-9_-]{43}"
        r"|key:did:key:z[1-9A-HJ-NP-Za-km-z]{1,64})\Z"
    ),
]


class Revocation(OwnRecord, frozen=True, kw_only=True):
    """``target``: ``token:<64 hex>``, ``job:<id>``, ``policy:<hash>``, ``approval:<hash>`` or ``key:<did>``."""

    record: Literal["trustlog/revocation/v1"]
    target: Target
    reason: Note

    @property
    def sort(self) -> str:
        """``token``, ``job``, ``policy``, ``approval`` or ``key``."""
        return self.target.partition(":")[0]

    @property
    def subject(self) -> str:
        """The id, hash or key that is revoked."""
        return self.target.partition(":")[2]


def may_revoke(sort: str) -> tuple[str, ...]:
    """The trust policy's roles whose keys may revoke a target of this sort.

    Besides them, an approval may be revoked by its own signer and a key by itself.
    """
    return {
        "token": ("token_issuers",),
        "job": ("token_issuers",),
        "policy": ("policy_issuers",),
        "approval": ("roster_authorities",),
        "key": ("roster_authorities",),
    }[sort]


def _check(record: Revocation, _signer_did: str, _payload_text: bytes) -> None:
    try:
        if record.sort == "key":
            parse_did_key(record.subject, "payload.target")
        elif record.sort in ("policy", "approval"):
            decode_b64u(record.subject, 32, "payload.target")
    except Refused as refused:
        raise Refused(
            "SCHEMA_VALIDATION_FAILED",
            refused.detail,
            param="payload.target",
            expected=f"{record.sort}: and {refused.expected}",
            found=record.target,
        ) from None


REVOCATION: Final = Kind(
    "revocation",
    by_schema(Revocation),
    (ANY_PERMITTED,),
    own=True,
    refs=lambda record, _payload_hash: {"target": record.target},
    check=_check,
)
