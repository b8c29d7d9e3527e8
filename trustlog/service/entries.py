"""``/v1/entries``: submit one, submit many, look up."""

from __future__ import annotations

from aiohttp import web

from trustlog.errors import Refused, TrustlogError
from trustlog.formats.entry import REF_NAMES
from trustlog.limits import MAX_BUNDLE_ENVELOPE_BYTES, MIN_SIZE_WAIT_S
from trustlog.log.commit import Place
from trustlog.log.logged import prove_stored
from trustlog.log.lookup import find_page
from trustlog.service.answers import answer_of
from trustlog.service.bodies import read_body
from trustlog.service.context import (
    ANSWERS,
    UNCACHED,
    json_response,
    log_of,
    metrics_of,
    read_number,
    read_query,
)
from trustlog.service.lookups import check_terms, listing
from trustlog.service.ndjson import answer_lines
from trustlog.service.paging import PAGING, take_paging


async def submit(request: web.Request) -> web.StreamResponse:
    """Submit one envelope (JSON), or one a line (NDJSON)."""
    log = log_of(request)
    log.check_writable()
    content_type = request.content_type
    if content_type == "application/x-ndjson":
        return await answer_lines(request, log)
    if content_type != "application/json":
        raise Refused(
            "CONTENT_TYPE_UNSUPPORTED",
            "an envelope is JSON",
            param="Content-Type",
            expected="application/json or application/x-ndjson",
            found=content_type,
        )
    submitted = await log.submit(await read_body(request, MAX_BUNDLE_ENVELOPE_BYTES))
    metrics_of(request).count_logged(submitted)
    answer = request.app[ANSWERS].write(submitted, 0)
    if isinstance(answer, TrustlogError):
        raise answer
    (outcome,) = submitted.outcomes
    is_new = isinstance(outcome, Place) and not outcome.already_logged
    return web.Response(
        status=201 if is_new else 200, body=answer, headers={"Content-Type": "application/json", "Cache-Control": UNCACHED}
    )


async def get_entry(request: web.Request) -> web.StreamResponse:
    """One entry, with its proof under the current checkpoint."""
    log = log_of(request)
    tree = log.published
    index = read_number(request.match_info["index"], "index")
    if index >= tree.size:
        raise Refused(
            "NOT_FOUND", "the log is not that long", param="index", expected=f"an index below {tree.size}", found=index
        )
    return json_response(answer_of(prove_stored(log.verified, index, tree)))


async def list_entries(request: web.Request) -> web.StreamResponse:
    """Look up entries by kind, leaf hash and refs, all of which must match; ``next_cursor`` goes on, also after an empty page."""
    log = log_of(request)
    query = read_query(request, "leaf_hash", "kind", *REF_NAMES, *PAGING)
    limit, min_size, start = take_paging(query)
    check_terms(query)
    await log.indexing.reached(min_size, MIN_SIZE_WAIT_S)
    page = await log.read(find_page, log.reader, log.index, query, start=start, end=log.indexing.value, limit=limit)
    return json_response(listing(page))
