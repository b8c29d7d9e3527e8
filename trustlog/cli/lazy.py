"""Groups whose commands are imported when they are called, so that ``trustlog --help`` need not load them all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module

import click


@dataclass(frozen=True, slots=True)
class Command:
    """A row of a table of commands: where the command is (``module:attribute``) and its line in the help."""

    place: str
    summary: str

    def load(self) -> click.Command:
        """The command itself; imports its module."""
        module, _, attribute = self.place.partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command


class LazyGroup(click.Group):
    """A group made from a table of name → :class:`Command`, listed in the order of the table."""

    def __init__(self, name: str, commands: Mapping[str, Command], *, summary: str, epilog: str | None = None) -> None:
        super().__init__(name, help=summary, epilog=epilog, no_args_is_help=False)
        self._table = commands

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the table."""
        return list(self._table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, loaded now."""
        row = self._table.get(cmd_name)
        return None if row is None else row.load()

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in the help, from the table alone: nothing is loaded for it."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, row.summary) for name, row in self._table.items()])
