"""``trustlog policy show``: a policy in sentences, and for one of a log what became of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import click

from trustlog.cli.answer import FAIL, PASS, report_error
from trustlog.cli.answer import show as show_result
from trustlog.cli.options import json_option
from trustlog.cli.policy_answers import describe_policy, describe_standing, not_proven_lines, policy_lines, standing_lines
from trustlog.cli.policy_source import Named, read_named
from trustlog.cli.session import LogAccess, optional_log_options
from trustlog.errors import Refused, printable
from trustlog.policy.standing import Standing, validity_fault

_CODES = {"revoked": "POLICY_REVOKED", "superseded": "POLICY_SUPERSEDED", "awaiting_signatures": "POLICY_NOT_IN_FORCE"}


@click.command(epilog="\b\nExample:\n  trustlog policy show b64u:HASH --log URL --trust trust.toml")
@click.argument("policy", metavar="HASH|FILE")
@click.option("--raw", is_flag=True, help="Print the exact bytes that are published, and nothing else.")
@click.option("--quick", is_flag=True, help="Prove what the log's registry names, without reading the whole log.")
@optional_log_options
@json_option
def show(policy: str, *, raw: bool, quick: bool, open_access: Callable[[], LogAccess], as_json: bool) -> int:
    """Say what a policy demands. One named by its HASH is read from the log and proven, and its standing is said.

    Proven are its bytes, the signatures of trusted policy issuers, their quorum, and its place under the log's checkpoint; also
    that nothing revokes or replaces it, for all of the log is read. Exit code 1 where it does not stand now.
    """
    if raw and as_json:
        raise Refused("PARAMETER_INVALID", "--raw prints bytes, not JSON", param="--raw", hint="leave one of the two out")
    (named,) = read_named([policy], open_access, quick=quick)
    fault = against(named, time.time_ns())
    if raw:
        sys.stdout.buffer.write(named.text)
        sys.stdout.buffer.flush()
    else:
        _show(named, as_json=as_json)
    if fault is not None:
        report_error(fault, as_json=False)
    return PASS if fault is None else FAIL


def against(named: Named, at_ns: int) -> Refused | None:
    """Why a policy of a log permits nothing now; None for one that stands, and for a file, which stands nowhere yet."""
    standing = named.standing
    if standing is None:
        return None
    expected = f"policy {named.policy_hash} to stand"
    code = _CODES.get(standing.status)
    if code is not None:
        detail = f"the policy is {standing.status.replace('_', ' ')}"
        return Refused(code, detail, param="policy", expected=expected, found=_what_ended_it(standing))
    fault = validity_fault(named.rules, at_ns)
    return None if fault is None else Refused("POLICY_NOT_IN_FORCE", fault, param="policy", expected=expected)


def _what_ended_it(standing: Standing) -> str:
    if standing.revoked_at:
        return f"its revocation at index {standing.revoked_at[0]}"
    if standing.status == "superseded":
        return ", ".join(f"policy {name} at index {index}" for index, name in standing.superseded_by)
    return f"{len({did for _, did in standing.signers})} of {standing.quorum} signatures"


def _show(named: Named, *, as_json: bool) -> None:
    said = describe_policy(named)
    standing = named.standing
    result = {
        **said,
        "standing": None if standing is None else describe_standing(standing),
        "not_proven": list(named.not_proven),
    }
    lines = [
        *policy_lines(said),
        *([] if standing is None else standing_lines(standing)),
        *not_proven_lines(named.not_proven),
    ]
    show_result(result, [printable(line) for line in lines], as_json=as_json)
