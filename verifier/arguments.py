"""The command line of every command: its words, its options, and the help that says them."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

from verifier.output import write_out

EXIT_CODES = "exit codes: 0 pass, 1 fail, 2 usage or unreadable input, 3 undecided"
NOTES = """\
documents: verifier/README.md says what each command checks and never can,
  and how to write a trust policy
single file: python3 -m verifier.single_file trustlog-verify.pyz
network: only for a log at a URL, through the proxy of HTTP_PROXY, HTTPS_PROXY
  and NO_PROXY if the environment names one
needs: pynacl and rfc8785 (python3 -m pip install pynacl rfc8785)"""
_FOLDER = """

Of a folder, every *.evidence.json is judged, the log of --log is read once
for all, and the exit code is that of the worst verdict: any FAIL 1, else any
unreadable pack 2, else any undecided 3, else 0."""
_MAX_DIGITS = 15


class UsageError(Exception):
    """The command line cannot be understood; `program` is the command whose help says how."""

    def __init__(self, message: str, program: str) -> None:
        super().__init__(message)
        self.program = program


class _Layout(argparse.RawDescriptionHelpFormatter):
    """Lines that were broken by hand stay, and commands and options stand in one column."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26)
        self._action_max_length = 15  # else argparse breaks the line of the longest command


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one `error:` line and one `hint:` line. Options are spelled out: a verdict names its command."""

    def __init__(self, prog: str, **settings: Any) -> None:
        super().__init__(prog, allow_abbrev=False, formatter_class=_Layout, **settings)

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, self.prog)

    def _print_message(self, message: str, file: object = None) -> None:
        """Help is written as everything else is: a closed standard output is said, never a traceback."""
        del file
        write_out(message)


def build_parser() -> argparse.ArgumentParser:
    """The parser of every command."""
    parser = _Parser(
        prog="trustlog-verify",
        description="Verify evidence of changes, log proofs and whole logs, offline, against keys that you pinned.",
        epilog=f"{EXIT_CODES}\n{NOTES}",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Parser)
    _add_evidence(commands)
    _add_proof(commands)
    _add_consistency(commands)
    _add_log(commands)
    _add_explain(commands)
    return parser


def _add(commands: argparse._SubParsersAction[_Parser], name: str, what: str, *examples: str, more: str = "") -> _Parser:
    lines = [f"example: trustlog-verify {example}" for example in examples]
    command: _Parser = commands.add_parser(
        name,
        help=what,
        description=what[0].upper() + what[1:] + "." + more,
        epilog="\n".join([*lines, EXIT_CODES]),
    )
    command.add_argument("--json", action="store_true", help="print JSON on standard output: one object, or one a line")
    return command


def _count(text: str) -> int:
    """A whole number from 0. Raises ArgumentTypeError."""
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        raise argparse.ArgumentTypeError(f"expected a whole number from 0, found {text[:64]!r}")
    return int(text)


def _add_explain(commands: argparse._SubParsersAction[_Parser]) -> None:
    command = _add(
        commands,
        "explain",
        "say what a reason code means, or list them all",
        "explain APPROVALS_INSUFFICIENT",
        "explain --json",
    )
    command.add_argument("code", metavar="CODE", nargs="?", help="a code as a verdict names it (default: list all)")


def _add_trust(command: _Parser) -> None:
    command.add_argument(
        "--trust", metavar="FILE", required=True, help="the trust policy (TOML) that you hold; see verifier/README.md"
    )


def _add_at(command: _Parser) -> None:
    command.add_argument(
        "--at",
        metavar="TIME",
        help="time of judging: 2026-06-01T12:00:00Z, or a date, its first instant in UTC (default: now)",
    )


def _add_output(command: _Parser, *, explain: bool = True) -> None:
    if explain:
        command.add_argument("--explain", action="store_true", help="write out every hash step, to follow with a calculator")
    command.add_argument("--report", metavar="FILE", help="also write the verdict as one HTML page, after judging")
    command.add_argument("--force", action="store_true", help="replace the file of --report")


def _add_evidence(commands: argparse._SubParsersAction[_Parser]) -> None:
    command = _add(
        commands,
        "evidence",
        "verify the evidence pack of one change, or all packs of a folder",
        "evidence CHG-1.evidence.json --trust trust.toml --log ./export",
        "evidence CHG-1.evidence.json --trust trust.toml --explain --report CHG-1.html",
        "evidence ./packs --trust trust.toml --json",
        more=_FOLDER,
    )
    command.add_argument("pack", metavar="PACK|DIR", help="an evidence pack, or a folder of them")
    _add_trust(command)
    command.add_argument("--log", metavar="URL|DIR", help="also read the whole log, so that absence is proven")
    _add_at(command)
    command.add_argument(
        "--max-age", metavar="S", type=_count, help="demand a checkpoint cosigned at most S seconds before --at"
    )
    command.add_argument("--allow-demo", action="store_true", help="accept an origin that ends in /demo")
    command.add_argument(
        "--state", metavar="FILE", help="remember the newest checkpoint of --log here, and demand that the log continues it"
    )
    _add_workers(command)
    _add_output(command)
    command.add_argument("--explain-entry", metavar="INDEX", type=_count, help="explain this entry (default: the closure)")


def _add_proof(commands: argparse._SubParsersAction[_Parser]) -> None:
    command = _add(
        commands,
        "proof",
        "verify that an entry is in a log",
        "proof receipt.tlog-proof --entry receipt.entry --trust trust.toml",
    )
    command.add_argument("proof", metavar="FILE.tlog-proof", help="the log proof (c2sp.org/tlog-proof)")
    command.add_argument("--entry", metavar="FILE", required=True, help="the entry's exact bytes")
    _add_trust(command)
    _add_output(command)


def _add_consistency(commands: argparse._SubParsersAction[_Parser]) -> None:
    command = _add(
        commands,
        "consistency",
        "verify that one checkpoint continues another",
        "consistency old.checkpoint new.checkpoint --log ./export --trust trust.toml",
    )
    command.add_argument("old", metavar="OLD", help="the checkpoint seen first")
    command.add_argument("new", metavar="NEW", help="the checkpoint that must continue it")
    command.add_argument("--log", metavar="URL|DIR", required=True, help="where to read tiles from")
    _add_trust(command)
    command.add_argument(
        "--state", metavar="FILE", help="remember the newest checkpoint here, and demand that it is continued"
    )
    _add_output(command)


def _add_log(commands: argparse._SubParsersAction[_Parser]) -> None:
    command = _add(
        commands,
        "log",
        "verify a whole log: checkpoint, entry bundles, tiles",
        "log https://log.example/ --trust trust.toml --deep",
    )
    command.add_argument("log", metavar="URL|DIR", help="a running log, or what trustlog export wrote")
    _add_trust(command)
    command.add_argument("--entries", action="store_true", help="also check the grammar of every entry")
    command.add_argument("--deep", action="store_true", help="also check signatures, payloads, refs, conflicts and order")
    command.add_argument("--any-entries", action="store_true", help="take a log whose entries are not trustlog's")
    command.add_argument("--since", metavar="CHECKPOINT", help="a checkpoint seen before: the log must continue it")
    command.add_argument(
        "--state", metavar="FILE", help="remember the newest checkpoint here, and demand that it is continued"
    )
    command.add_argument("--resume", metavar="FILE", help="keep the progress here, and go on from it after an interruption")
    _add_workers(command)
    _add_at(command)
    _add_output(command, explain=False)


def _add_workers(command: _Parser) -> None:
    command.add_argument("--workers", metavar="N", type=_count, help="processes that read the log (default: one a core)")
