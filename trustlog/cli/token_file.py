"""Tokens as files: bearer secrets, so nobody but their owner may reach the file, and nothing ever shows what is in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import click

from trustlog.cli.files import STANDARD_INPUT, read_input
from trustlog.cli.options import FILE, F
from trustlog.errors import Refused
from trustlog.keys.private import read_private_file
from trustlog.tokens.scoped_token import MAX_TOKEN_CHARACTERS

TOKEN_FILE_MODE: Final = 0o600
MAX_TOKEN_FILE_BYTES: Final = MAX_TOKEN_CHARACTERS + 1  # and its line end


def token_option(*, required: bool) -> Callable[[F], F]:
    """``--token``: passes `token`, the path of a token file."""

    def with_option(command: F) -> F:
        text = "The job's token: a file of mode 0600, or - for standard input."
        return click.option("--token", type=FILE, metavar="FILE", required=required, help=text)(command)

    return with_option


def read_token_file(path: Path) -> str:
    """The compact token in a file, not yet judged. Raises Refused (``INPUT_UNREADABLE``), which never shows any of it."""
    if path == STANDARD_INPUT:
        data = read_input(path, max_bytes=MAX_TOKEN_FILE_BYTES)
    else:
        if_open = "if somebody may have read it, revoke the token"
        data = read_private_file(path, "token file", max_bytes=MAX_TOKEN_FILE_BYTES, param="token", if_open=if_open)
    text = data.decode("latin-1").removesuffix("\n")
    if text.count(".") != 2 or len(data) > MAX_TOKEN_FILE_BYTES:
        hint = "name the file that trustlog token mint --out wrote"
        raise Refused("INPUT_UNREADABLE", f"{path} does not hold a token", param="token", hint=hint)
    return text
