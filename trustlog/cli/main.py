"""``trustlog``: the table of commands, and the one place where exceptions become lines and exit codes.

Exit codes: 0 pass or allow, 1 fail or deny, 2 usage or unreadable input, 3 undecided.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

import click

from trustlog import __version__
from trustlog.cli.answer import PASS, USAGE, report, report_error
from trustlog.cli.lazy import Command, LazyGroup
from trustlog.errors import Refused, TrustlogError

COMMANDS: Final[dict[str, Command]] = {
    "demo": Command("trustlog.cli.demo:demo", "One whole change on a throw-away log: refusals, a verdict."),
    "init": Command("trustlog.cli.init:init", "Make a log directory: key, configuration, trust policy."),
    "serve": Command("trustlog.cli.serve:serve", "Serve a log over HTTP."),
    "trust": Command("trustlog.cli.trust:trust", "Who is trusted for which role: add, remove, show."),
    "backup": Command("trustlog.cli.backup:backup", "Copy a log while it is served."),
    "restore": Command("trustlog.cli.restore:restore", "A log from its backup: read-only until told what is newest."),
    "export": Command("trustlog.cli.export:export", "Write a log as a directory of tiles and payloads."),
    "reindex": Command("trustlog.cli.reindex:reindex", "Build a log's lookup index again."),
    "keygen": Command("trustlog.cli.keygen:keygen", "Make a role key in a file; print its DID."),
    "sign": Command("trustlog.cli.sign:sign", "Sign a payload: an envelope on standard output."),
    "submit": Command("trustlog.cli.submit:submit", "Log envelopes; check and keep their proofs."),
    "policy": Command("trustlog.cli.policy:policy", "Work policy contracts: check, publish, show, diff, list."),
    "roster": Command("trustlog.cli.roster:roster", "The people who may approve: publish, show."),
    "token": Command("trustlog.cli.token:token", "Scoped tokens: mint, inspect, jwks."),
    "simulate": Command("trustlog.cli.simulate:simulate", "Log a dry run of a plan."),
    "approve": Command("trustlog.cli.approve:approve", "Look at one exact action, and approve it."),
    "deny": Command("trustlog.cli.deny:deny", "Look at it, and say no: that ends the job."),
    "gate": Command("trustlog.cli.gate:gate", "May this be done? check: allow or deny; serve: over HTTP."),
    "execute": Command("trustlog.cli.execute:execute", "Apply exactly the approved plan, between two records."),
    "resolve": Command("trustlog.cli.resolve:resolve", "Say what became of an execution whose outcome was lost."),
    "bundle": Command("trustlog.cli.bundle:bundle", "Build and log the proof bundle of a change."),
    "close": Command("trustlog.cli.close:close", "Ask the gate to close a ticket, and log the closure."),
    "revoke": Command("trustlog.cli.revoke:revoke", "Void a token, job, policy, approval or key from here on."),
    "evidence": Command("trustlog.cli.evidence:evidence", "One change as one file, verified before it is written."),
    "bench": Command("trustlog.cli.bench:bench", "Load a log with signed receipts, prove every answer, measure."),
    "explain": Command("trustlog.cli.explain:explain", "What a reason code means and what to do next."),
}

EXAMPLE: Final = """\b
Example, a log of your own:
  trustlog init ./log --origin log.example/changes
  trustlog keygen gateway.key
  trustlog trust add gateways gateway.key --trust ./log/trust.toml
  trustlog serve ./log --listen 127.0.0.1:8080
"""

trustlog = LazyGroup(
    "trustlog",
    COMMANDS,
    summary="A transparency log and a gate for changes that AI agents draft and people approve.",
    epilog=EXAMPLE,
)
click.version_option(__version__, prog_name="trustlog")(trustlog)


def main() -> NoReturn:
    """Run the command that ``sys.argv`` names, and exit."""
    code = run(sys.argv[1:])
    try:
        if sys.stdout is not None:  # it is None where it was closed before we began
            sys.stdout.flush()
    except BrokenPipeError:  # the reader left: nothing to say, and nobody to say it to
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        report(f"the answer could not be written: {error.strerror}", "make room where standard output goes, and ask again")
        code = code or USAGE
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run one command; its exit code. Nothing is raised: every failure ends as two lines on standard error."""
    ours = list(arguments)[: list(arguments).index("--")] if "--" in arguments else arguments
    as_json = "--json" in ours
    try:
        result = trustlog.main(list(arguments), prog_name="trustlog", standalone_mode=False)
    except TrustlogError as error:
        return report_error(error, as_json=as_json)
    except click.ClickException as error:
        return report_error(_usage_error(error), as_json=as_json)
    except (KeyboardInterrupt, click.Abort):
        return 128 + signal.SIGINT
    except BrokenPipeError:
        return 128 + signal.SIGPIPE
    except Exception as error:  # noqa: BLE001 (the last resort: a traceback helps no user)
        report(
            f"unexpected {type(error).__name__}: {error}" if str(error) else f"unexpected {type(error).__name__}",
            "this is a defect of trustlog; please report the command and this line",
        )
        return USAGE
    return result if isinstance(result, int) else PASS


def _usage_error(error: click.ClickException) -> Refused:
    """A mistake in the command line, as the error that it is."""
    path = "trustlog"
    if isinstance(error, click.UsageError) and error.ctx is not None:
        path = error.ctx.command_path
    hint = f"{path} --help shows the options and an example"
    return Refused("PARAMETER_INVALID", " ".join(error.format_message().split()), hint=hint)
