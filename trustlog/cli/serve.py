"""``trustlog serve``: the log's service."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import click

from trustlog.cli.options import FILE
from trustlog.errors import Refused

DEFAULT_LISTEN = "127.0.0.1:8080"


@click.command(epilog="\b\nExample:\n  trustlog serve ./log --listen 127.0.0.1:8080")
@click.argument("directory", type=FILE, metavar="DIR")
@click.option(
    "--listen", default=DEFAULT_LISTEN, show_default=True, metavar="H:P", help="Address and port; port 0 picks a free one."
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    metavar="N",
    help="Front ends, each a process: HTTP, admission [default: one a core].",
)
@click.option("--json", "_as_json", is_flag=True, help="The one line on standard output is JSON in any case.")
def serve(directory: Path, *, listen: str, workers: int | None, _as_json: bool) -> int:
    """Serve the log in DIR until interrupted.

    Prints one JSON line {"url", "vkey", "pid"} on standard output when it listens. The process named there is the one writer; its
    front ends and the follower that fills index.db are processes beside it, and end with it. If one of those ends unasked, the
    service stops with exit code 1: let a supervisor start it again. SIGTERM stops it gracefully, SIGHUP
    reads the trust policy again.
    """
    from trustlog.log.directory import LogDirectory  # noqa: PLC0415 (loaded when they are used)
    from trustlog.service.server import serve as run_server  # noqa: PLC0415

    host, port = parse_listen(listen)
    log = LogDirectory(directory)
    log.check_key_file()  # what is unreadable is said before anything is opened; the key itself is only the writer's to read
    log.read_configuration()
    log.read_trust()
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    return run_server(directory, host, port, workers=workers)


def parse_listen(text: str) -> tuple[str, int]:
    """Host and port of ``H:P``; an IPv6 address stands in brackets. Raises Refused (``PARAMETER_INVALID``)."""
    host, _, port = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    is_port = port.isascii() and port.isdecimal() and len(port) <= 5 and int(port) <= 65535
    if not bare or not is_port or (":" in bare and bare == host):
        raise Refused(
            "PARAMETER_INVALID",
            "not an address to listen on",
            param="listen",
            expected="host:port, or [address]:port",
            found=text,
        )
    return bare, int(port)
