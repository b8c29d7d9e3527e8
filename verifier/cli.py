"""The command line: `trustlog-verify`, also `python3 -m verifier`. Parses, dispatches, and exits by the report.

Modules are imported where they are used, so that `--help` answers at once.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

from verifier.arguments import UsageError, build_parser
from verifier.output import Unwritable, accept_any_text, complain, write_out

INTERRUPTED = 130  # 128 + SIGINT, as shells say it


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
    except UsageError as usage:
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


def _refuse_usage(usage: UsageError, *, as_json: bool) -> int:
    complain(str(usage), f"see {usage.program} --help")
    if as_json:
        from verifier.display import to_json_line  # noqa: PLC0415 - keeps --help fast
        from verifier.report import error_report  # noqa: PLC0415

        report = error_report("PARAMETER_INVALID", str(usage))
        write_out(to_json_line(report.to_json()))
    return 2


if __name__ == "__main__":
    program()
