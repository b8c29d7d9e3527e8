"""``/v1/entries``: submit one, submit many, look up."""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web

from trustlog.errors import Refused, TrustlogError
from trustlog.formats.base64 import encode_b64, encode_b64u
from trustlog.formats.entry import REF_NAMES
from trustlog.limits import MAX_BUNDLE_ENVELOPE_BYTES, MAX_LIST_LIMIT, MIN_SIZE_WAIT_S
from trustlog.log.commit import Logged
from trustlog.log.log import Log
from trustlog.log.lookup import find_entries
from trustlog.log.proving import Prover
from trustlog.merkle.hashing import hash_leaf
from trustlog.service.bodies import read_body
from trustlog.service.context import json_response, log_of, metrics_of, parameter_invalid, read_number, read_query
from trustlog.service.ndjson import answer_lines
from trustlog.storage.guard import SignedTree

DEFAULT_LIMIT = 100


async def submit(request: web.Request) -> web.StreamResponse:
    """Submit one envelope (JSON), or one a line (NDJSON)."""
    log = log_of(request)
    log.check_writable()
    if request.content_type == "application/x-ndjson":
        return await answer_lines(request, log, answer_of)
    if request.content_type != "application/json":
        raise Refused(
            "CONTENT_TYPE_UNSUPPORTED",
            "an envelope is JSON",
            param="Content-Type",
            expected="application/json or application/x-ndjson",
            found=request.content_type,
        )
    logged = await log.submit(await read_body(request, MAX_BUNDLE_ENVELOPE_BYTES))
    metrics_of(request).count_logged(already_logged=logged.already_logged)
    return json_response(answer_of(logged), status=200 if logged.already_logged else 201)


async def get_entry(request: web.Request) -> web.StreamResponse:
    """One entry, with its proof under the current checkpoint."""
    log = log_of(request)
    tree = log.published
    index = read_number(request.match_info["index"], "index")
    if index >= tree.size:
        raise Refused(
            "NOT_FOUND", "the log is not that long", param="index", expected=f"an index below {tree.size}", found=index
        )
    return json_response(answer_of(await log.read(_read_logged, log, index, tree)))


async def list_entries(request: web.Request) -> web.StreamResponse:
    """Look up entries by kind, leaf hash and refs, all of which must match."""
    log = log_of(request)
    query = read_query(request, "leaf_hash", "kind", *REF_NAMES, "limit", "min_size", "cursor")
    limit = read_number(query.pop("limit", str(DEFAULT_LIMIT)), "limit", most=MAX_LIST_LIMIT)
    if limit == 0:
        raise parameter_invalid("limit", "nothing is asked for", expected=f"1 to {MAX_LIST_LIMIT}", found=0)
    min_size = read_number(query.pop("min_size", "0"), "min_size")
    start = read_number(query.pop("cursor", "0"), "cursor")
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


def answer_of(logged: Logged) -> dict[str, Any]:
    """What the submitter of an entry gets."""
    answer: dict[str, Any] = {
        "index": logged.index,
        "leaf_hash_b64u": encode_b64u(logged.leaf_hash),
        "entry": logged.entry.decode("ascii"),
        "already_logged": logged.already_logged,
        "tree_size": logged.tree.size,
        "checkpoint": logged.tree.note.decode("utf-8"),
        "inclusion_proof": [encode_b64(node) for node in logged.inclusion_proof],
    }
    if logged.attachments is not None:
        answer["attachments"] = msgspec.Raw(logged.attachments)
    return answer


def _read_logged(log: Log, index: int, tree: SignedTree) -> Logged:
    stored = log.reader.stored(index)
    if stored is None:
        raise TrustlogError("LOG_CORRUPT", f"entry {index} is missing")
    return Logged(
        index=index,
        entry=stored.entry,
        leaf_hash=hash_leaf(stored.entry),
        already_logged=True,
        attachments=stored.attachments,
        tree=tree,
        inclusion_proof=Prover(log.reader, tree.size).inclusion(index),
    )
