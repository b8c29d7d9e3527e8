"""The application: every route, in one table."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from typing import Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from trustlog.limits import MAX_BUNDLE_ENVELOPE_BYTES
from trustlog.log.log import Log
from trustlog.log.shared import Slot
from trustlog.service import entries, health, jwks, openapi, page, payloads, policies, proofs, search, tiles
from trustlog.service.answers import AnswerWriter
from trustlog.service.bounds import DEFAULT_BOUNDS, MAX_FIELD_BYTES, Bounds
from trustlog.service.connections import Connections
from trustlog.service.context import ANSWERS, CONNECTIONS, LOG, METRICS, REQUEST_IDS, UPLOADS, BuildEvidence
from trustlog.service.credentials import to_read, to_submit
from trustlog.service.evidence import build_evidence_of_log, make_get_evidence
from trustlog.service.metrics import Metrics
from trustlog.service.problems import answer_problems
from trustlog.service.requestids import RequestIds
from trustlog.service.uploads import Uploads

_HTTP_LOGGER: Final = logging.getLogger("trustlog.http")
READ_BYTES: Final = 256 * 1024  # of a body, before its sender is slowed down: one chunk of a batch
DRAIN_S: Final = 10.0  # how long open connections may take to finish at a stop


def create_app(
    log: Log,
    *,
    build_evidence: BuildEvidence = build_evidence_of_log,
    peers: Sequence[Slot] = (),
    bounds: Bounds = DEFAULT_BOUNDS,
) -> web.Application:
    """The service of an open log, which stays the caller's to close. `peers` show what other front ends of it have counted."""
    app = web.Application(middlewares=[answer_problems], client_max_size=MAX_BUNDLE_ENVELOPE_BYTES)
    app[LOG] = log
    app[UPLOADS] = uploads = Uploads(bounds)
    app[CONNECTIONS] = connections = Connections(bounds)
    app.on_response_prepare.append(connections.note_answer)
    app.on_shutdown.append(uploads.stop)
    app.cleanup_ctx.append(look_after_connections)
    app[METRICS] = Metrics(peers)
    app[REQUEST_IDS] = RequestIds()
    app[ANSWERS] = AnswerWriter(log.verified)
    app.add_routes(
        [
            web.get("/", page.get_page),
            web.get("/checkpoint", tiles.get_checkpoint),
            web.get("/tile/entries/{path:.+}", tiles.get_entry_bundle),
            web.get("/tile/{level}/{path:.+}", tiles.get_tile),
            web.post("/v1/entries", to_submit(entries.submit)),
            web.get("/v1/entries", entries.list_entries),
            web.get("/v1/entries/{index}", entries.get_entry),
            web.get("/v1/search", to_read(search.search)),
            web.post("/v1/payloads", to_submit(payloads.put_payload)),
            web.get("/v1/payloads/{sha256_b64u}", to_read(payloads.get_payload)),
            web.get("/v1/policies", to_read(policies.list_policies)),
            web.get("/v1/policies/{sha256_b64u}", to_read(policies.get_policy)),
            web.get("/v1/policies/{sha256_b64u}/standing", to_read(policies.get_standing)),
            web.get("/v1/checkpoints/{size}", tiles.get_checkpoint_of_size),
            web.get("/v1/proofs/inclusion", proofs.get_inclusion_proof),
            web.get("/v1/proofs/consistency", proofs.get_consistency_proof),
            web.get("/v1/evidence", to_read(make_get_evidence(build_evidence))),
            web.get("/.well-known/jwks.json", jwks.get_jwks),
            web.get("/healthz", health.get_health),
            web.get("/readyz", health.get_readiness),
            web.get("/metrics", health.get_metrics),
            web.get("/openapi.json", openapi.get_openapi),
        ]
    )
    return app


async def look_after_connections(app: web.Application) -> AsyncIterator[None]:
    """Sweep the connections of an application while it serves."""
    task = asyncio.create_task(app[CONNECTIONS].look_after(), name="look after connections")
    yield
    task.cancel()
    await asyncio.wait([task])


def make_runner(app: web.Application, *, bounds: Bounds = DEFAULT_BOUNDS) -> web.AppRunner:
    """What serves the application on sockets. It expands no bodies, and is silent about bytes that are not HTTP."""
    _HTTP_LOGGER.addFilter(_is_worth_a_line)
    return web.AppRunner(
        app,
        access_log=None,
        auto_decompress=False,
        logger=_HTTP_LOGGER,
        keepalive_timeout=bounds.idle_s,
        lingering_time=bounds.linger_s,
        max_line_size=MAX_FIELD_BYTES,
        max_field_size=MAX_FIELD_BYTES,
        read_bufsize=READ_BYTES,
        shutdown_timeout=DRAIN_S,
    )


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    """Anyone may send bytes that are not HTTP; aiohttp answers 400 and would print a stack."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))
