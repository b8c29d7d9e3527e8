"""Is it up, does it take writes, how does it do."""

from __future__ import annotations

from aiohttp import web

from trustlog.errors import Refused
from trustlog.service.context import json_response, log_of, metrics_of
from trustlog.service.metrics import CONTENT_TYPE


async def get_health(_request: web.Request) -> web.StreamResponse:
    """The process answers."""
    return json_response({"status": "ok"})


async def get_readiness(request: web.Request) -> web.StreamResponse:
    """The log takes writes; 503 with the reason if it does not."""
    log = log_of(request)
    log.check_writable()
    if log.link.stopping.done():
        raise Refused("UNAVAILABLE", "the log is stopping")
    if log.trouble is not None:
        raise log.trouble.error()
    return json_response({"status": "ready", "origin": log.origin, "vkey": log.vkey, "tree_size": log.published.size})


async def get_metrics(request: web.Request) -> web.StreamResponse:
    """Counters and gauges."""
    log, metrics = log_of(request), metrics_of(request)
    metrics.set_gauge("trustlog_queue_length", log.link.open_entries)
    text = metrics.render(log)
    return web.Response(body=text.encode(), headers={"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"})
