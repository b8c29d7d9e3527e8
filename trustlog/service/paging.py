"""How every list is asked for: how many, from where, and from which state of the index on."""

from __future__ import annotations

from typing import Final, NamedTuple

from trustlog.limits import MAX_LIST_LIMIT
from trustlog.service.context import parameter_invalid, read_number

PAGING: Final = ("limit", "min_size", "cursor")
DEFAULT_LIMIT: Final = 100


class Paging(NamedTuple):
    """At most `limit` rows from index `start` on, once the index has come as far as `min_size`."""

    limit: int
    min_size: int
    start: int


def take_paging(query: dict[str, str]) -> Paging:
    """The members of :data:`PAGING`, which are removed from `query`. Raises Refused(PARAMETER_INVALID)."""
    limit = read_number(query.pop("limit", str(DEFAULT_LIMIT)), "limit", most=MAX_LIST_LIMIT)
    if limit == 0:
        raise parameter_invalid("limit", "nothing is asked for", expected=f"1 to {MAX_LIST_LIMIT}", found=0)
    min_size = read_number(query.pop("min_size", "0"), "min_size")
    return Paging(limit, min_size, read_number(query.pop("cursor", "0"), "cursor"))
