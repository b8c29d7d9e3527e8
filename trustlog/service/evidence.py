"""``/v1/evidence``: evidence packs of the log that is served, or of whoever else the application was given to build them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from trustlog.errors import Refused
from trustlog.evidence.collect import collect
from trustlog.evidence.local import LocalSource
from trustlog.evidence.subject import Sought
from trustlog.log.log import Log
from trustlog.service.context import BuildEvidence, Handler, log_of, parameter_invalid, read_query

PACKS_AT_ONCE: Final = 2  # a pack may take 64 MiB and some seconds; who comes meanwhile is asked to come again


async def build_evidence_of_log(log: Log, query: Mapping[str, str]) -> bytes:
    """The pack of the change that `query` names by ``ticket`` or ``bundle``. Raises Refused."""
    sought = Sought(ticket=query.get("ticket"), bundle=query.get("bundle"))
    sought.check()
    pack = await collect(await LocalSource.open(log), sought)
    return await asyncio.to_thread(pack.encode)


def make_get_evidence(build: BuildEvidence) -> Handler:
    """The handler that answers with what `build` makes of the query."""
    turns = asyncio.Semaphore(PACKS_AT_ONCE)

    async def get_evidence(request: web.Request) -> web.StreamResponse:
        """The evidence pack of a ticket or a bundle."""
        query = read_query(request, "ticket", "bundle")
        if len(query) != 1:
            raise parameter_invalid("ticket", "name one change", expected="either ticket or bundle", found=", ".join(query))
        if turns.locked():
            raise Refused("UNAVAILABLE", "other evidence packs are being made", hint="try again in a moment")
        async with turns:
            pack = await build(log_of(request), query)
        return web.Response(body=pack, content_type="application/json", headers={"Cache-Control": "no-store"})

    return get_evidence
