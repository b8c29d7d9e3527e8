"""Admission: everything about a submission that can be decided without the log. Pure; runs on any core.

It protects honest submitters. No reader of the log relies on it: each of its rules, skew and size apart, is also a rule of
reading.
"""

from __future__ import annotations

import msgspec

from trustlog.errors import Refused
from trustlog.formats.envelope import parse_envelope
from trustlog.limits import MAX_BUNDLE_ENVELOPE_BYTES, MAX_ENVELOPE_BYTES
from trustlog.records.candidate import Candidate, check_skew, read_candidate


class Admitted(msgspec.Struct, frozen=True):
    """A candidate for the log.

    `skew` is the refusal that its signed time deserves, if any: it counts only if the candidate is not in the log yet, which
    only the writer knows. `byte_size` is that of the envelope.
    """

    candidate: Candidate
    skew: Refused | None
    byte_size: int


def admit(body: bytes, *, origin: str, now_ns: int) -> Admitted:
    """Read one envelope for the log of `origin`, at `now_ns` (nanoseconds since 1970). Raises Refused."""
    check_size(len(body), MAX_BUNDLE_ENVELOPE_BYTES)
    envelope = parse_envelope(body)
    if envelope.kind != "proof_bundle":
        check_size(len(body), MAX_ENVELOPE_BYTES)
    candidate = read_candidate(envelope, origin=origin)
    try:
        check_skew(candidate, now_ns)
    except Refused as skew:
        return Admitted(candidate, skew, len(body))
    return Admitted(candidate, None, len(body))


def check_size(byte_size: int, most: int, param: str = "body") -> None:
    """Refuse (``BODY_TOO_LARGE``) what is larger than `most` bytes."""
    if byte_size > most:
        raise Refused(
            "BODY_TOO_LARGE", "larger than this kind may be", param=param, expected=f"{most} bytes at most", found=byte_size
        )
