"""Options that several commands have, spelled and explained once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

FILE = click.Path(path_type=Path)


def json_option(command: F) -> F:
    """``--json``: passes `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Answer as JSON: one object, or one a line.")(command)


def key_option(command: F) -> F:
    """``--key``: passes `key`, the text that :func:`trustlog.keys.source.open_signer` reads."""
    return click.option(
        "--key",
        envvar="TRUSTLOG_KEY",
        metavar="FILE",
        required=True,
        help="The signer's key: a file, env:NAME, or ssh-agent:WHICH (fingerprint SHA256:…, comment or DID).",
    )(command)


def trust_option(command: F, *, required: bool = True) -> F:
    """``--trust``: passes `trust`, the path of a trust policy."""
    return click.option(
        "--trust",
        envvar="TRUSTLOG_TRUST",
        type=FILE,
        metavar="FILE",
        required=required,
        help="The trust policy (TOML): which log, and whose signatures count.",
    )(command)


def force_option(command: F) -> F:
    """``--force``: passes `force`."""
    return click.option("--force", is_flag=True, help="Overwrite files that exist.")(command)


def gate_key_option(*, required: bool) -> Callable[[F], F]:
    """``--gate-key``: passes `gate_key`, the text that :func:`trustlog.keys.source.open_signer` reads."""

    def with_option(command: F) -> F:
        text = "The key of a gate in this process: a file, or env:NAME."
        return click.option("--gate-key", envvar="TRUSTLOG_GATE_KEY", metavar="FILE", required=required, help=text)(command)

    return with_option
