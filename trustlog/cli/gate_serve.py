"""``trustlog gate serve``: the gate as a service."""

from __future__ import annotations

import hashlib
import logging
import os
import sys
from pathlib import Path

import click

from trustlog.cli.answer import narrate
from trustlog.cli.options import FILE, key_option, trust_option
from trustlog.cli.serve import parse_listen
from trustlog.cli.session import read_credential, read_trust, trust_file
from trustlog.keys.source import open_signer

DEFAULT_LISTEN = "127.0.0.1:8081"
EXAMPLE = """\b
Example:
  trustlog gate serve --key gate.key --log http://127.0.0.1:8080 --trust trust.toml --state ./gate-state
  curl -s -d @request.json -H 'Content-Type: application/json' http://127.0.0.1:8081/v1/decisions"""


@click.command(epilog=EXAMPLE)
@key_option
@click.option("--log", envvar="TRUSTLOG_LOG", metavar="URL", required=True, help="Where the log is served.")
@trust_option
@click.option(
    "--state", type=FILE, metavar="DIR", required=True, help="Where the gate keeps what it read; one gate a directory."
)
@click.option(
    "--listen", default=DEFAULT_LISTEN, show_default=True, metavar="H:P", help="Address and port; port 0 picks a free one."
)
@click.option(
    "--credential-file",
    envvar="TRUSTLOG_CREDENTIAL_FILE",
    type=FILE,
    metavar="FILE",
    help="A bearer token for the log, one line.",
)
@click.option(
    "--caller-file",
    "caller_files",
    type=FILE,
    metavar="FILE",
    multiple=True,
    help="A bearer token that callers must have to ask for decisions, one line; may be given again.",
)
@click.option("--adopt-trust", is_flag=True, help="The trust policy was changed on purpose: judge all that is kept again.")
@click.option("--json", "_as_json", is_flag=True, help="The one line on standard output is JSON in any case.")
def serve(
    *,
    key: str,
    log: str,
    trust: Path,
    state: Path,
    listen: str,
    credential_file: Path | None,
    caller_files: tuple[Path, ...],
    adopt_trust: bool,
    _as_json: bool,
) -> int:
    """Decide for callers over HTTP until interrupted: POST /v1/decisions, POST /v1/restrictions.

    Prints one JSON line {"url", "did", "origin", "pid"} on standard output when it listens. What it reads of the log is kept in
    the directory --state, so that it starts again without reading all of it. SIGTERM stops it gracefully. SIGHUP reads the trust
    policy again, and judges all that was read by it; a file that cannot be taken is refused, and the old policy stays in force.
    """
    from trustlog.gate.service.running import GateSettings  # noqa: PLC0415 (loaded when they are used)
    from trustlog.gate.service.server import serve_gate  # noqa: PLC0415 (loaded when they are used)

    host, port = parse_listen(listen)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    signer, policy = open_signer(key, os.environ), read_trust(trust)
    if policy.role_of(signer.did) != "gates":
        narrate(
            "warning: the key is not trusted as a gate, so no decision of it can be logged: trustlog trust add gates DID"
        )
    serve_gate(
        GateSettings(
            signer=signer,
            trust=policy,
            log_url=log,
            state=state,
            host=host,
            port=port,
            log_credential=None if credential_file is None else read_credential(credential_file),
            callers=frozenset(hashlib.sha256(read_credential(file).encode()).digest() for file in caller_files),
            adopt_trust=adopt_trust,
            trust_path=trust_file(trust),
        )
    )
    return 0
