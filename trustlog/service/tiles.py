"""The read path of C2SP tlog-tiles: checkpoint, tiles, entry bundles; and every checkpoint ever published, by its size."""

from __future__ import annotations

import gzip
import hashlib
from typing import Final

from aiohttp import web

from trustlog.errors import Refused
from trustlog.log.log import Log
from trustlog.log.verified import check_stored_checkpoint
from trustlog.merkle.tiles import TILE_WIDTH, Tile, parse_entry_bundle_path, parse_tile_path, tile_width
from trustlog.service.context import IMMUTABLE, SHORT, log_of, read_number
from trustlog.service.encodings import accepts_gzip
from trustlog.storage.guard import SignedTree

GZIP_LEVEL: Final = 4  # a bundle becomes half as large or less, in about a millisecond


async def get_checkpoint(request: web.Request) -> web.StreamResponse:
    """The newest published checkpoint."""
    return answer_bytes(request, log_of(request).published.note, "text/plain", SHORT)


async def get_checkpoint_of_size(request: web.Request) -> web.StreamResponse:
    """The checkpoint that was published at exactly this size."""
    log = log_of(request)
    size = read_number(request.match_info["size"], "size")
    note = find_checkpoint(log, size)
    if note is None:
        raise Refused("NOT_FOUND", "no checkpoint of this size was published", param="size", found=size)
    return answer_bytes(request, note, "text/plain", IMMUTABLE)


async def get_tile(request: web.Request) -> web.StreamResponse:
    """A tile, full or partial."""
    log = log_of(request)
    tile = parse_tile_path(request.path.removeprefix("/"))
    return _immutable(request, log.verified.tile(tile, _extent(log, tile)), full=tile.is_full)


async def get_entry_bundle(request: web.Request) -> web.StreamResponse:
    """An entry bundle, full or partial."""
    log = log_of(request)
    index, width = parse_entry_bundle_path(request.path.removeprefix("/"))
    body = log.verified.bundle(index, width, _extent(log, Tile(0, index, width)))
    cache = IMMUTABLE if width == TILE_WIDTH else SHORT
    if not accepts_gzip(request.headers.get("Accept-Encoding")):
        return answer_bytes(request, body, "application/octet-stream", cache, vary=True)
    etag = _etag(body, suffix="-gzip")
    if _is_held(request, etag):
        return answer_bytes(request, b"", "application/octet-stream", cache, vary=True, etag=etag)
    compressed = await log.read(gzip.compress, body, GZIP_LEVEL, mtime=0)
    response = answer_bytes(request, compressed, "application/octet-stream", cache, vary=True, etag=etag)
    response.headers["Content-Encoding"] = "gzip"
    return response


def find_checkpoint(log: Log, size: int) -> bytes | None:
    """The checkpoint published at exactly `size`: the newest may not be in the database yet."""
    published = log.published
    if size >= published.size:
        return published.note if size == published.size else None
    note = log.reader.checkpoint(size)
    return None if note is None else check_stored_checkpoint(note, size, log.vkey)


def _extent(log: Log, tile: Tile) -> SignedTree:
    """The published tree. Everything that is served is under it; of a partial tile also every narrower one is."""
    published = log.published
    width = tile_width(tile.level, tile.index, published.size)
    if tile.width > width:
        raise Refused(
            "NOT_FOUND", "the tree is not that large", param="path", expected=f"width {width} at most", found=tile.width
        )
    return published


def _immutable(request: web.Request, body: bytes, *, full: bool) -> web.StreamResponse:
    return answer_bytes(request, body, "application/octet-stream", IMMUTABLE if full else SHORT)


def answer_bytes(
    request: web.Request, body: bytes, content_type: str, cache: str, *, vary: bool = False, etag: str | None = None
) -> web.Response:
    """`body`, or 304 for whoever holds it; `etag` is that of another form of it."""
    etag = _etag(body) if etag is None else etag
    headers = {"Cache-Control": cache, "ETag": f'"{etag}"', "Access-Control-Allow-Origin": "*"}
    if vary:
        headers["Vary"] = "Accept-Encoding"
    if _is_held(request, etag):
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, content_type=content_type, headers=headers)


def _etag(body: bytes, *, suffix: str = "") -> str:
    return hashlib.sha256(body).hexdigest()[:32] + suffix


def _is_held(request: web.Request, etag: str) -> bool:
    return any(each.value in {etag, "*"} for each in request.if_none_match or ())
