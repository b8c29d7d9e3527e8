"""``/v1/entries``: submit one, submit many, look up."""

from __future__ import annotations

from aiohttp import web

from trustlog.errors import Refused, TrustlogError
from trustlog.formats.base64 import encode_b64u
from trustlog.formats.entry import REF_NAMES
from trustlog.limits import MAX_BUNDLE_ENVELOPE_BYTES, MIN_SIZE_WAIT_S
from trustlog.log.commit import Place
from trustlog.log.logged import prove_stored
from trustlog.log.lookup import find_entries
from trustlog.merkle.hashing import hash_leaf
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
from trustlog.service.lookups import check_terms
from trustlog.service.ndjson import answer_lines
from trustlog.service.paging import PAGING, take_paging


async def submit(request: web.Request) -> web.StreamResponse:
    """Submit one envelope (JSON), or one a line (NDJSON)."""
    log = log_of(request)
    log.check_writable()
    if request.content_type == "application/x-ndjson":
        return await answer_lines(request, log)
    if request.content_type != "application/json":
        raise Refused(
            "CONTENT_TYPE_UNSUPPORTED",
            "an envelope is JSON",
            param="Content-Type",
            expected="application/json or application/x-ndjson",
            found=request.content_type,
        )
    submitted = await log.submit(await read_body(request, MAX_BUNDLE_ENVELOPE_BYTES))
    metrics_of(request).count_logged(submitted)
    answer = request.config_dict[ANSWERS].write(submitted, 0)
    if isinstance(answer, TrustlogError):
        raise answer
    (outcome,) = submitted.outcomes
    is_new = isinstance(outcome, Place) and not outcome.already_logged
    headers = {"Cache-Control": UNCACHED}
    return web.Response(status=201 if is_new else 200, body=answer, content_type="application/json", headers=headers)


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
    """Look up entries by kind, leaf hash and refs, all of which must match."""
    log = log_of(request)
    query = read_query(request, "leaf_hash", "kind", *REF_NAMES, *PAGING)
    limit, min_size, start = take_paging(query)
    check_terms(query)
    await log.indexing.reached(min_size, MIN_SIZE_WAIT_S)
    complete_to = log.indexing.value
    found = await log.read(find_entries, log.reader, log.index, query, start=start, end=complete_to, limit=limit + 1)
    return json_response(
        {
            "entries": [
                {"index": index, "leaf_hash_b64u": encode_b64u(hash_leaf(entry)), "entry": entry.decode("ascii")}
                for index, entry in found[:limit]
            ],
            "complete_to": complete_to,
            "next_cursor": str(found[limit][0]) if len(found) > limit else None,
        }
    )
