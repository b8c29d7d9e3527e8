"""The four header members of every payload that trustlog defines, the policy apart."""

from __future__ import annotations

from dataclasses import dataclass

from verifier import schema as s


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnRecord:
    """`record` is `trustlog/<kind>/v1`; under another `origin` the record is void; times in ns since 1970."""

    record: str = s.member(s.string)
    origin: str = s.member(s.string)
    issued_at: int = s.member(s.time)
    salt: str = s.member(s.salt)
