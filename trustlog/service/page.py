"""``/``: one plain page for a person: which log this is, how it does, and where things are. No scripts."""

from __future__ import annotations

from html import escape
from typing import Final

from aiohttp import web

from trustlog.log.log import Log
from trustlog.service.context import SHORT, log_of

_STYLE: Final = (
    ":root{color-scheme:light dark}"
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#111;background:#fff}"
    "pre,code{font:14px/1.4 ui-monospace,monospace;background:#f3f3f3;overflow-wrap:anywhere;white-space:pre-wrap}"
    "@media(prefers-color-scheme:dark){body{color:#e6e6e6;background:#14161a}pre,code{background:#22262d}a{color:#8ab4f8}}"
    "pre{padding:.8rem}dt{font-weight:600}table{border-collapse:collapse}td{padding:.1rem 1rem .1rem 0;vertical-align:top}"
)
NEED_A_QUERY: Final = frozenset(
    {"/v1/evidence", "/v1/proofs/inclusion", "/v1/search"}
)  # a bare link to them would be refused
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    "Cache-Control": SHORT,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


async def get_page(request: web.Request) -> web.StreamResponse:
    """The status page."""
    log = log_of(request)
    tree = log.published
    facts = {
        "Origin": log.origin,
        "Verifier key": log.vkey,
        "Entries": str(tree.size),
        "Root hash": tree.root.hex(),
        "State": _state(log),
        "Looked up by refs": f"entries below {log.indexing.value}",
    }
    rows = "".join(f"<dt>{escape(name)}</dt><dd><code>{escape(value)}</code></dd>" for name, value in facts.items())
    routes = "".join(f"<tr><td>{_link(path)}</td><td>{escape(text)}</td></tr>" for path, text in _routes(request))
    note = escape(tree.note.decode("utf-8"))
    html = (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(log.origin)}</title><style>{_STYLE}</style>"
        f"<h1>{escape(log.origin)}</h1><p>A transparency log. Nothing on this page is proof: check with your own copy of the"
        f" verifier key.</p><dl>{rows}</dl><h2>Checkpoint</h2><pre>{note}</pre><h2>What is here</h2><table>{routes}</table></html>"
    )
    return web.Response(text=html, content_type="text/html", headers=_HEADERS)


def _state(log: Log) -> str:
    if log.read_only is not None:
        return f"read-only: {log.read_only}"
    return "takes entries" if log.trouble is None else f"takes no entries at the moment: {log.trouble.error()}"


def _routes(request: web.Request) -> list[tuple[str, str]]:
    """The paths that can be read, each with the first line of what its handler says."""
    routes = {
        route.resource.canonical: (route.handler.__doc__ or "").split("\n")[0]
        for route in request.app.router.routes()
        if route.method == "GET" and route.resource is not None
    }
    return sorted(routes.items())


def _link(path: str) -> str:
    text = f"<code>{escape(path)}</code>"
    return text if "{" in path or path in NEED_A_QUERY else f'<a href="{escape(path, quote=True)}">{text}</a>'
