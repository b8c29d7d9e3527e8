"""A verified client of a log, as a command's options describe it."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from trustlog.cli.files import read_input
from trustlog.cli.options import FILE, trust_option
from trustlog.errors import Refused
from trustlog.formats.trustpolicy import MAX_TRUST_POLICY_BYTES, TrustPolicy

T = TypeVar("T")
MAX_CREDENTIAL_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class LogAccess:
    """Which log, believed how: its `url`, its trust policy, where the newest checkpoint is kept, and a credential's file."""

    url: str
    trust: TrustPolicy
    state_path: Path
    credential: str | None

    def run(self, action: Callable[[Any], Awaitable[T]]) -> T:
        """Run `action` with a :class:`~trustlog.client.log.LogClient` of the log, to its end."""
        return asyncio.run(self._run(action))

    async def _run(self, action: Callable[[Any], Awaitable[T]]) -> T:
        from trustlog.client.http import open_session  # noqa: PLC0415 (aiohttp takes a quarter of a second to load)
        from trustlog.client.log import LogClient  # noqa: PLC0415
        from trustlog.client.memory import FileMemory  # noqa: PLC0415

        async with open_session() as session:
            memory = FileMemory(self.state_path)
            client = LogClient(self.url, self.trust, session, credential=self.credential, memory=memory)
            return await action(client)


def log_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options ``--log --trust --state --credential-file``; the command gets them as one `access`."""

    @functools.wraps(command)
    def with_access(*, log: str, trust: Path, state: Path | None, credential_file: Path | None, **others: object) -> object:
        return command(access=_open_access(log, trust, state, credential_file), **others)

    return _add_log_options(with_access, required=True)


def optional_log_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The same options for a command that may do without a log.

    It gets `open_access`, which reads them when it is called: ``PARAMETER_INVALID`` then, where one is missing.
    """

    @functools.wraps(command)
    def with_access(
        *, log: str | None, trust: Path | None, state: Path | None, credential_file: Path | None, **others: object
    ) -> object:
        def open_access() -> LogAccess:
            if log is None or trust is None:
                missing = "--log" if log is None else "--trust"
                hint = "a hash stands for what a log holds: name the log with --log URL and --trust FILE, or give a file"
                raise Refused("PARAMETER_INVALID", f"{missing} is needed for a hash", param=missing, hint=hint)
            return _open_access(log, trust, state, credential_file)

        return command(open_access=open_access, **others)

    return _add_log_options(with_access, required=False)


def log_options_if_given(command: Callable[..., Any]) -> Callable[..., Any]:
    """The same options for a command that asks a log only where one is named: `access` is None without ``--log``."""

    @functools.wraps(command)
    def with_access(
        *, log: str | None, trust: Path | None, state: Path | None, credential_file: Path | None, **others: object
    ) -> object:
        if log is None:
            return command(access=None, **others)
        if trust is None:
            expected = "--trust FILE, the trust policy that says whose signatures count"
            detail = "a log is not believed without a trust policy"
            raise Refused("PARAMETER_INVALID", detail, param="trust", expected=expected)
        return command(access=_open_access(log, trust, state, credential_file), **others)

    return _add_log_options(with_access, required=False)


def _open_access(log: str, trust: Path, state: Path | None, credential_file: Path | None) -> LogAccess:
    policy = read_trust(trust)
    return LogAccess(
        url=log,
        trust=policy,
        state_path=default_state_path(policy, os.environ) if state is None else state,
        credential=None if credential_file is None else read_credential(credential_file),
    )


def _add_log_options(command: Callable[..., Any], *, required: bool) -> Callable[..., Any]:
    for option in (
        click.option(
            "--credential-file",
            envvar="TRUSTLOG_CREDENTIAL_FILE",
            type=FILE,
            metavar="FILE",
            help="A bearer token for the log, one line.",
        ),
        click.option(
            "--state",
            envvar="TRUSTLOG_STATE",
            type=FILE,
            metavar="FILE",
            help="Where the newest checkpoint seen is kept (default: in the user's state directory).",
        ),
        functools.partial(trust_option, required=required),
        click.option("--log", envvar="TRUSTLOG_LOG", metavar="URL", required=required, help="Where the log is served."),
    ):
        command = option(command)
    return command


def read_trust(path: Path) -> TrustPolicy:
    """The trust policy in a file; a directory stands for the ``trust.toml`` in it. Raises Refused."""
    return TrustPolicy.parse(read_input(trust_file(path), max_bytes=MAX_TRUST_POLICY_BYTES))


def trust_file(path: Path) -> Path:
    """The file that ``--trust`` names: itself, or the ``trust.toml`` of a log's directory."""
    return path / "trust.toml" if path.is_dir() else path


def default_state_path(trust: TrustPolicy, environment: os._Environ[str] | dict[str, str]) -> Path:
    """One file for each log, told apart by its keys, so that a log made anew under an old origin is another log."""
    base = environment.get("XDG_STATE_HOME") or str(Path(environment.get("HOME") or "~").expanduser() / ".local" / "state")
    keys = "\n".join(sorted(key.encode() for key in trust.log_keys))
    return Path(base) / "trustlog" / f"{hashlib.sha256(keys.encode('utf-8')).hexdigest()[:32]}.checkpoint"


def read_credential(path: Path) -> str:
    """A bearer token: one line of printable ASCII. What it is, no error says."""
    text = read_input(path, max_bytes=MAX_CREDENTIAL_BYTES).decode("ascii", "replace").removesuffix("\n")
    if not text or any(not "!" <= c <= "~" for c in text):
        raise Refused(
            "INPUT_UNREADABLE", f"{path} does not hold a credential", param="credential", expected="one line of ASCII"
        )
    return text
