"""``trustlog policy list``: the policies of a log, each with its standing, proven."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from trustlog.cli.answer import narrate, show
from trustlog.cli.options import json_option
from trustlog.cli.policy_answers import describe_standing
from trustlog.cli.policy_source import QUICK_NOT_PROVEN, Named
from trustlog.cli.session import LogAccess, log_options
from trustlog.errors import Refused, printable
from trustlog.records.work_policy_contract import policy_from_text

if TYPE_CHECKING:
    from trustlog.client.log import LogClient

QUICK = ("that the log listed every policy", *QUICK_NOT_PROVEN)


@click.command("list", epilog="\b\nExample:\n  trustlog policy list --log URL --trust trust.toml")
@click.option("--name", metavar="NAME", help="Only policies of exactly this name.")
@click.option("--quick", is_flag=True, help="Prove what the log's registry lists, without reading the whole log.")
@log_options
@json_option
def list_policies(*, name: str | None, quick: bool, access: LogAccess, as_json: bool) -> None:
    """List the policies of the log, oldest first: hash, name, and since when each is in force or no longer is.

    All of the log is read, so the list is complete and every standing proven. A policy that cannot be read says why.
    """
    rows = access.run(lambda client: _claimed(client, name) if quick else _all(client, name))
    for row in rows:
        show(row, [printable(_line(row))], as_json=as_json)
    if quick:
        narrate(f"not proven: {'; '.join(QUICK)}")
    if not rows:
        narrate("no policy" if name is None else f"no policy is called {name}")


async def _all(client: LogClient, name: str | None) -> list[dict[str, Any]]:
    from trustlog.cli.policy_log import named_in_view, policies_in_view, read_view  # noqa: PLC0415 (as a gate reads)

    view = await read_view(client)
    rows = []
    for policy_hash in policies_in_view(view):
        try:
            row = _row(named_in_view(view, policy_hash))
        except Refused as refused:
            row = _unreadable(policy_hash, refused)
        rows.append(row)
    return list(_called(rows, name))


async def _claimed(client: LogClient, name: str | None) -> list[dict[str, Any]]:
    from trustlog.client.policies import claimed_policies, prove_policy  # noqa: PLC0415 (aiohttp takes time to load)

    listed, _complete_to = await claimed_policies(client, name=name)
    rows = []
    for one in listed:
        proven = await prove_policy(client, one.policy_hash_b64u)
        rows.append(_row(Named(proven.text, policy_from_text(proven.text), proven.standing)))
    return list(_called(rows, name))


def _called(rows: list[dict[str, Any]], name: str | None) -> Iterator[dict[str, Any]]:
    """Those of a name; one that cannot be read may have any."""
    yield from (row for row in rows if name is None or row["policy_name"] in (name, None))


def _row(named: Named) -> dict[str, Any]:
    assert named.standing is not None
    return {
        "policy_hash_b64u": named.policy_hash,
        "policy_name": named.name,
        **describe_standing(named.standing),
    }


def _unreadable(policy_hash: str, refused: Refused) -> dict[str, Any]:
    return {
        "policy_hash_b64u": policy_hash,
        "policy_name": None,
        "status": "unreadable",
        "reason_code": refused.code,
        "reason": refused.detail,
    }


def _line(row: dict[str, Any]) -> str:
    if row["status"] == "unreadable":
        return f"{row['policy_hash_b64u']}  unreadable  {row['reason_code']}: {row['reason']}"
    since = "" if row["in_force_at"] is None else f" since index {row['in_force_at']}"
    ended = [*row["revoked_at"], *(one["index"] for one in row["superseded_by"])]
    until = f" until index {min(ended)}" if ended else ""
    return f"{row['policy_hash_b64u']}  {row['status'].replace('_', ' ')}{since}{until}  {row['policy_name']}"
