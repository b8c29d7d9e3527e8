"""The command line: `trustlog-verify`, also `python3 -m verifier`. Parses, dispatches, and exits by the report.

Modules are imported where they are used, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from verifier.output import Unwritable, accept_any_text, complain, write_out

EXIT_CODES = "exit codes: 0 pass, 1 fail, 2 usage or unreadable input, 3 undecided"
INTERRUPTED = 130  # 128 + SIGINT, as shells say it
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


class _Usage(Exception):
    """The command line cannot be understood."""

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
        raise _Usage(message, self.prog)

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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    accept_any_text()
    try:
        return _run(given)
    except KeyboardInterrupt:
        complain("interrupted", "nothing was decided")
        return INTERRUPTED
    except Unwritable as error:
        complain(f"standard output cannot be written: {error}", "nobody was told the verdict; send it somewhere else")
    except Exception as error:  # noqa: BLE001 - an auditor gets a sentence and exit code 2, never a traceback
        complain(
            f"the verifier itself failed ({type(error).__name__})",
            "this is a defect; nothing was decided; please report the input",
        )
    return 2


def _run(given: Sequence[str]) -> int:
    try:
        options = build_parser().parse_args(given)
    except _Usage as usage:
        return _refuse_usage(usage, as_json="--json" in given)
    options.given = list(given)
    try:
        import nacl.bindings  # noqa: F401, PLC0415 - both are asked for here, whichever this command comes to need
        import rfc8785  # noqa: F401, PLC0415

        from verifier.commands import run  # noqa: PLC0415 - keeps --help fast
    except ImportError as missing:  # not there, or made for another Python
        complain(f"the verifier needs pynacl and rfc8785 ({missing})", "python3 -m pip install pynacl rfc8785")
        return 2
    return run(options)


def program() -> NoReturn:
    """Run and exit. The entry point of the single file: a zipped application ignores what its function returns."""
    raise SystemExit(main())


def _refuse_usage(usage: _Usage, *, as_json: bool) -> int:
    complain(str(usage), f"see {usage.program} --help")
    if as_json:
        from verifier.display import to_json_line  # noqa: PLC0415 - keeps --help fast
        from verifier.report import error_report  # noqa: PLC0415

        report = error_report("PARAMETER_INVALID", str(usage))
        write_out(to_json_line(report.to_json()))
    return 2


if __name__ == "__main__":
    program()
