"""``trustlog policy check``: what a policy allows, in sentences, and what its writer may not have meant."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from trustlog.cli.answer import FAIL, PASS, show
from trustlog.cli.options import json_option
from trustlog.cli.policy_answers import describe_policy, describe_traps, policy_lines, trap_lines
from trustlog.cli.policy_help import MEMBERS_HELP
from trustlog.cli.policy_source import hash_in, read_named
from trustlog.cli.roster_file import read_roster
from trustlog.cli.session import LogAccess, optional_log_options
from trustlog.errors import Refused, printable
from trustlog.policy.traps import find_traps
from trustlog.records.own import SALT_BYTES, own_payload
from trustlog.records.roster import ROSTER, Roster

if TYPE_CHECKING:
    from trustlog.client.log import LogClient

NO_ROSTER: Final = "whether there are people who can approve: give --roster"


@click.command(
    epilog="\b\nExample:\n  trustlog policy check policy.json --roster roster.json --strict\n\n" + MEMBERS_HELP,
)
@click.argument("policy", metavar="FILE|HASH")
@click.option("--roster", metavar="FILE|HASH", help="The people: a file as for trustlog roster publish, or one of the log.")
@click.option("--strict", is_flag=True, help="Exit with 1 if there is any warning.")
@optional_log_options
@json_option
def check(policy: str, *, roster: str | None, strict: bool, open_access: Callable[[], LogAccess], as_json: bool) -> int:
    """Say what the policy in FILE (JSON, any layout) will and will not allow, and warn of its traps.

    Exit code 0 for a valid policy, 1 for an invalid one, which names the field, 2 for a file that cannot be read. A hash stands
    for a policy, or a roster, of the log that --log and --trust name.
    """
    try:
        (named,) = read_named([policy], open_access)
    except Refused as refused:
        if refused.code == "POLICY_INVALID" and hash_in(policy) is None:
            refused.hint = f"correct the field that is named, then look again: trustlog policy check {policy}"
        raise
    people = None if roster is None else read_people(roster, open_access)
    traps = find_traps(named.policy, time.time_ns(), people)
    warnings = describe_traps(named, (trap for trap in traps if trap.is_warning))
    notes = describe_traps(named, (trap for trap in traps if not trap.is_warning))
    open_points = [NO_ROSTER] if people is None else []
    said = describe_policy(named)
    verdict = f"valid; {len(warnings)} warning{'' if len(warnings) == 1 else 's'}"
    lines = [
        *policy_lines(said),
        *trap_lines("Warnings:", warnings),
        *trap_lines("Worth knowing:", notes),
        *(f"not checked: {point}" for point in open_points),
        verdict,
    ]
    result = {"valid": True, **said, "warnings": warnings, "notes": notes, "not_checked": open_points}
    show(result, [printable(line) for line in lines], as_json=as_json)
    return FAIL if strict and warnings else PASS


def read_people(text: str, open_access: Callable[[], LogAccess]) -> Roster:
    """The roster that an argument names: a draft or a whole roster in a file, or the hash of one in the log.

    Raises Refused: ``SCHEMA_VALIDATION_FAILED``, ``ROSTER_INVALID``, ``ROSTER_MISSING``.
    """
    address = hash_in(text)
    if address is not None:
        return open_access().run(lambda client: _roster_of_log(client, address))
    draft = read_roster(Path(text))
    if "record" not in draft:
        members = {"number": 1, "previous_b64u": None, **draft}
        draft = own_payload("roster", members, origin="draft", at_ns=0, salt=bytes(SALT_BYTES))
    record = ROSTER.read(draft, b"")  # no text: by the schema, which says what is wrong
    ROSTER.check(record, "", b"")
    assert isinstance(record, Roster)
    return record


async def _roster_of_log(client: LogClient, address: str) -> Roster:
    from trustlog.cli.policy_log import read_view  # noqa: PLC0415 (loads what a gate needs)

    view = await read_view(client)
    in_force = {one.payload_hash_b64u: one.record for one in view.rosters.up_to(view.size)}
    if address not in in_force:
        detail = "no roster with this hash came into force in the log"
        raise Refused("ROSTER_MISSING", detail, param="roster", expected="the hash of a roster", found=address)
    return in_force[address]
