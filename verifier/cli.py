"""The command line: `trustlog-verify`, also `python3 -m verifier`. Parses, dispatches, and exits by the report.

Modules are imported where they are used, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

EXIT_CODES = "exit codes: 0 pass, 1 fail, 2 usage or unreadable input, 3 undecided"
INTERRUPTED = 130  # 128 + SIGINT, as shells say it
NOTES = """\
documents: verifier/README.md says what each command checks and never can.
single file: python3 -m verifier.single_file trustlog-verify.pyz
network: only for a log at a URL, through the proxy of HTTP_PROXY, HTTPS_PROXY and NO_PROXY if the environment names one
needs: pynacl and rfc8785, installed beside it (python3 -m pip install pynacl rfc8785)"""


_FOLDER = """

Of a folder, every *.evidence.json is judged, the log of --log is read once for all, and the exit code is that of the worst
verdict: any FAIL 1, else any unreadable pack 2, else any undecided 3, else 0."""


class _Usage(Exception):
    """The command line cannot be understood."""

    def __init__(self, message: str, program: str) -> None:
        super().__init__(message)
        self.program = program


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one `error:` line and one `hint:` line."""

    def error(self, message: str) -> NoReturn:
        raise _Usage(message, self.prog)


def build_parser() -> argparse.ArgumentParser:
    """The parser of every command."""
    parser = _Parser(
        prog="trustlog-verify",
        description="Verify evidence of changes, log proofs and whole logs, offline, against keys that you pinned.",
        epilog=f"{EXIT_CODES}\n{NOTES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
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
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("--json", action="store_true", help="print JSON on standard output: one object, or one a line")
    return command


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
    command.add_argument("--trust", metavar="FILE", required=True, help="the trust policy (TOML) that you hold")


def _add_at(command: _Parser) -> None:
    command.add_argument("--at", metavar="TIME", help="time of judging, RFC 3339 or a date (default: now)")


def _add_output(command: _Parser, *, explain: bool = True) -> None:
    if explain:
        command.add_argument("--explain", action="store_true", help="write out every hash step, to follow with a calculator")
    command.add_argument("--report", metavar="FILE", help="also write the verdict as one HTML page, after judging")
    command.add_argument("--force", action="store_true", help="overwrite the file of --report")


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
    command.add_argument("pack", metavar="PACK|DIR")
    _add_trust(command)
    command.add_argument("--log", metavar="URL|DIR", help="also read the whole log, so that absence is proven")
    _add_at(command)
    command.add_argument(
        "--max-age", metavar="S", type=int, help="demand a checkpoint cosigned at most S seconds before --at"
    )
    command.add_argument("--allow-demo", action="store_true", help="accept an origin that ends in /demo")
    command.add_argument("--state", metavar="FILE", help="remember the newest checkpoint of --log here")
    _add_workers(command)
    _add_output(command)
    command.add_argument("--explain-entry", metavar="INDEX", type=int, help="explain this entry (default: the closure)")


def _add_proof(commands: argparse._SubParsersAction[_Parser]) -> None:
    command = _add(
        commands,
        "proof",
        "verify that an entry is in a log",
        "proof receipt.tlog-proof --entry receipt.entry --trust trust.toml",
    )
    command.add_argument("proof", metavar="FILE.tlog-proof")
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
    command.add_argument("old", metavar="OLD")
    command.add_argument("new", metavar="NEW")
    command.add_argument("--log", metavar="URL|DIR", required=True, help="where to read tiles from")
    _add_trust(command)
    command.add_argument("--state", metavar="FILE", help="remember the newest checkpoint here")
    _add_output(command)


def _add_log(commands: argparse._SubParsersAction[_Parser]) -> None:
    command = _add(
        commands,
        "log",
        "verify a whole log: checkpoint, entry bundles, tiles",
        "log https://log.example/ --trust trust.toml --deep",
    )
    command.add_argument("log", metavar="URL|DIR")
    _add_trust(command)
    command.add_argument("--entries", action="store_true", help="also check the grammar of every entry")
    command.add_argument("--deep", action="store_true", help="also check signatures, payloads, refs, conflicts and order")
    command.add_argument("--any-entries", action="store_true", help="take a log whose entries are not trustlog's")
    command.add_argument("--since", metavar="CHECKPOINT", help="a checkpoint seen before: the log must continue it")
    command.add_argument("--state", metavar="FILE", help="remember the newest checkpoint here")
    command.add_argument("--resume", metavar="FILE", help="keep the progress here, and go on from it after an interruption")
    _add_workers(command)
    _add_at(command)
    _add_output(command, explain=False)


def _add_workers(command: _Parser) -> None:
    command.add_argument("--workers", metavar="N", type=int, help="processes that read the log (default: one a core)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        options = build_parser().parse_args(given)
    except _Usage as usage:
        return _refuse_usage(usage, as_json="--json" in given)
    options.given = list(given)
    try:
        import nacl.bindings  # noqa: F401, PLC0415 - both are asked for here, whichever this command comes to need
        import rfc8785  # noqa: F401, PLC0415

        from verifier.commands import run  # noqa: PLC0415 - keeps --help fast
    except ModuleNotFoundError as missing:
        sys.stderr.write(
            f"error: the verifier needs pynacl and rfc8785 ({missing.name} is not installed)\n"
            "hint: python3 -m pip install pynacl rfc8785\n"
        )
        return 2
    try:
        return run(options)
    except KeyboardInterrupt:
        sys.stderr.write("error: interrupted\nhint: nothing was decided\n")
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return 2
    except Exception as error:  # noqa: BLE001 - an auditor gets a sentence and exit code 2, never a traceback
        sys.stderr.write(
            f"error: the verifier itself failed ({type(error).__name__})\n"
            "hint: this is a defect; nothing was decided; please report the input\n"
        )
        return 2


def program() -> NoReturn:
    """Run and exit. The entry point of the single file: a zipped application ignores what its function returns."""
    raise SystemExit(main())


def _refuse_usage(usage: _Usage, *, as_json: bool) -> int:
    from verifier.display import clean, to_json_line  # noqa: PLC0415

    sys.stderr.write(f"error: {clean(str(usage))}\nhint: see {usage.program} --help\n")
    if as_json:
        from verifier.report import error_report  # noqa: PLC0415

        report = error_report("PARAMETER_INVALID", str(usage))
        sys.stdout.write(to_json_line(report.to_json()))
    return 2


if __name__ == "__main__":
    program()
