"""``/v1/evidence``: evidence packs, where the application was given a builder for them."""

from __future__ import annotations

from aiohttp import web

from trustlog.service.context import BuildEvidence, Handler, log_of, parameter_invalid, read_query


def make_get_evidence(build: BuildEvidence) -> Handler:
    """The handler that answers with what `build` makes of the query."""

    async def get_evidence(request: web.Request) -> web.StreamResponse:
        """The evidence pack of a ticket or a bundle."""
        query = read_query(request, "ticket", "bundle")
        if len(query) != 1:
            raise parameter_invalid("ticket", "name one change", expected="either ticket or bundle", found=", ".join(query))
        pack = await build(log_of(request), query)
        return web.Response(body=pack, content_type="application/json", headers={"Cache-Control": "no-store"})

    return get_evidence
