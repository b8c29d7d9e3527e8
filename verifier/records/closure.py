"""Closures: a ticket was closed, with which bundle and under which decision. Closing reasons."""

from __future__ import annotations

import re
from dataclasses import dataclass

from verifier import schema as s
from verifier.limits import MAX_NOTE_CHARACTERS
from verifier.records.own import OwnRecord

_BUNDLE_TOKEN = re.compile(r"(?<![A-Za-z0-9_-])bundle:([A-Za-z0-9_-]{43})(?![A-Za-z0-9_-])", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Closure(OwnRecord):
    """A closed ticket."""

    ticket: str = s.member(s.ticket)
    job_id: str = s.member(s.identifier)
    run_id: str = s.member(s.identifier)
    decision_b64u: str = s.member(s.hash43)
    bundle_b64u: str = s.member(s.hash43)
    closing_reason: str = s.member(s.text_of(1, MAX_NOTE_CHARACTERS))
    closed_at: int = s.member(s.time)

    def refs(self) -> dict[str, str]:
        """`job run ticket bundle`."""
        return {
            "job": self.job_id,
            "run": self.run_id,
            "ticket": self.ticket,
            "bundle": self.bundle_b64u,
        }


def bundles_named(closing_reason: str) -> list[str]:
    """The hashes of every `bundle:<43>` token that touches no other character of `[A-Za-z0-9_-]`."""
    return _BUNDLE_TOKEN.findall(closing_reason)
