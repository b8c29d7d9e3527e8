"""How long a client may take, and how much of what clients send is in memory at once: one front end's bounds, in one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MAX_FIELD_BYTES: Final = 4096  # a header field, or the request line: the longest that is of use is a query of some refs


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bounds of one front end. Times are in seconds, rates in bytes a second.

    A client is slow, not hostile, as long as it moves `rate` bytes a second: both ways, on top of what each time allows.
    """

    idle_s: float = 75.0  # a connection without a request, or with a part of its head; longer than proxies keep theirs
    body_s: float = 60.0  # from a request's head to its body's end; in a batch, from one whole line to the next
    unread_s: float = 30.0  # an answer that is not taken
    rate: int = 16 * 1024
    linger_s: float = 3.0  # for a body that nobody needs, so that its sender comes to read why
    stall_s: float = 5.0  # a batch whose client sends on and takes no answer at all
    sweep_s: float = 1.0  # how often connections are looked after
    batches: int = 64  # at once: each holds some megabytes
    body_bytes: int = 256 * 1024 * 1024  # of bodies, and of lines, that have not come whole


DEFAULT_BOUNDS: Final = Bounds()
