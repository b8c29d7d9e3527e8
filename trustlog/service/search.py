"""``/v1/search``: records by the words in them. For people: what decides anything is found by refs, and proven."""

from __future__ import annotations

from aiohttp import web

from trustlog.formats.base64 import encode_b64u
from trustlog.formats.entry import REF_NAMES
from trustlog.limits import MAX_LIST_LIMIT
from trustlog.merkle.hashing import hash_leaf
from trustlog.service.context import json_response, log_of, parameter_invalid, read_number, read_query
from trustlog.service.lookups import check_terms

DEFAULT_LIMIT = 100


async def search(request: web.Request) -> web.StreamResponse:
    """Find entries whose record has every word of ``text``, and every term, below ``complete_to``; ``next_cursor`` goes on."""
    log = log_of(request)
    query = read_query(request, "text", "kind", *REF_NAMES, "limit", "cursor")
    text = query.pop("text", "")
    limit = read_number(query.pop("limit", str(DEFAULT_LIMIT)), "limit", most=MAX_LIST_LIMIT)
    if limit == 0:
        raise parameter_invalid("limit", "nothing is asked for", expected=f"1 to {MAX_LIST_LIMIT}", found=0)
    start = read_number(query.pop("cursor", "0"), "cursor")
    check_terms(query)
    page = await log.read(log.index.find_texts, text, query, start=start, end=log.published.size, limit=limit)
    return json_response(
        {
            "entries": [
                {"index": index, "leaf_hash_b64u": encode_b64u(hash_leaf(entry)), "entry": entry.decode("ascii")}
                for index, entry in page.entries
            ],
            "complete_to": page.complete_to,
            "next_cursor": str(page.searched_to) if page.searched_to < page.complete_to else None,
        }
    )
