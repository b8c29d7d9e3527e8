"""``/v1/search``: records by the words in them. For people: what decides anything is found by refs, and proven."""

from __future__ import annotations

from aiohttp import web

from trustlog.formats.entry import REF_NAMES
from trustlog.service.context import json_response, log_of, read_query
from trustlog.service.lookups import check_terms, listing
from trustlog.service.paging import take_paging


async def search(request: web.Request) -> web.StreamResponse:
    """Find entries whose record has every word of ``text``, and every term, below ``complete_to``; ``next_cursor`` goes on."""
    log = log_of(request)
    query = read_query(request, "text", "kind", *REF_NAMES, "limit", "cursor")
    text = query.pop("text", "")
    limit, _, start = take_paging(query)
    check_terms(query)
    page = await log.read(log.index.find_texts, text, query, start=start, end=log.published.size, limit=limit)
    return json_response(listing(page))
