"""Inclusion and consistency proofs from the server, for those who do not read tiles.

A proof between sizes that the request names never changes, so caches may keep it.
"""

from __future__ import annotations

from aiohttp import web

from trustlog.errors import Refused
from trustlog.formats.base64 import decode_b64u, encode_b64, encode_b64u
from trustlog.limits import MIN_SIZE_WAIT_S
from trustlog.log.log import Log
from trustlog.service.context import IMMUTABLE, UNCACHED, json_response, log_of, parameter_invalid, read_number, read_query


async def get_inclusion_proof(request: web.Request) -> web.StreamResponse:
    """That an entry is in the tree of a size."""
    log = log_of(request)
    query = read_query(request, "leaf_hash", "index", "tree_size")
    tree = log.published
    size = read_number(query.get("tree_size", str(tree.size)), "tree_size", most=tree.size)
    if ("leaf_hash" in query) == ("index" in query):
        raise parameter_invalid("index", "name one entry", expected="either index or leaf_hash", found=", ".join(query))
    index = (
        read_number(query["index"], "index") if "index" in query else await _find_leaf(log, query["leaf_hash"], tree.size)
    )
    if index >= size:
        raise parameter_invalid(
            "tree_size" if "leaf_hash" in query else "index",
            "the entry is not in that tree",
            expected=f"a tree of more than {index} entries",
            found=size,
        )
    return json_response(
        {
            "index": index,
            "leaf_hash_b64u": encode_b64u(log.verified.leaf_hash(index, tree)),
            "tree_size": size,
            "inclusion_proof": [encode_b64(node) for node in log.verified.inclusion(index, tree, size=size)],
        },
        cache=IMMUTABLE if "tree_size" in query else UNCACHED,
    )


async def get_consistency_proof(request: web.Request) -> web.StreamResponse:
    """That the tree of one size begins the tree of another."""
    log = log_of(request)
    query = read_query(request, "from", "to")
    tree = log.published
    new = read_number(query.get("to", str(tree.size)), "to", most=tree.size)
    old = read_number(query.get("from", str(tree.size)), "from", most=new)
    proof = log.verified.consistency(old, tree, size=new)
    return json_response(
        {"from": old, "to": new, "consistency_proof": [encode_b64(node) for node in proof]},
        cache=IMMUTABLE if {"from", "to"} <= query.keys() else UNCACHED,
    )


async def _find_leaf(log: Log, leaf_hash: str, size: int) -> int:
    decode_b64u(leaf_hash, 32, "leaf_hash")
    indexed = await log.indexing.reached(size, MIN_SIZE_WAIT_S)
    found = log.index.search({"leaf_hash": leaf_hash}, 0, size, 1)
    if found:
        return found[0]
    if not indexed:
        raise Refused("UNAVAILABLE", "the index is behind, so nobody knows yet", param="leaf_hash", found=leaf_hash)
    raise Refused("NOT_FOUND", "no entry has this leaf hash", param="leaf_hash", found=leaf_hash)
