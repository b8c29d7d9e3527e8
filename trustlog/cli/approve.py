"""``trustlog approve``: a person approves one exact action."""

from __future__ import annotations

from typing import Any

import click

from trustlog.cli.approval import approval_options, put_to_person


@click.command(
    epilog="""\b
Example:
  trustlog approve --job job-17 --action change.execute --plan plan.json --key alice.key --log URL --trust trust.toml
  trustlog approve --job job-17 --action ticket.close --bundle HASH --key ssh-agent:approver --log URL --trust trust.toml"""
)
@click.option(
    "--despite-obstacles",
    is_flag=True,
    help="Approve although more than approvals is missing; what, is said.",
)
@approval_options
def approve(**options: Any) -> int:
    """Show exactly what is to be approved, ask, sign it, and log the approval.

    What else stands in the way is shown, and refused: an approval of what a gate denies anyway only grows old. An expired token is
    no obstacle, since a renewed one has the same terms.

    It holds for this plan, dry run, policy, job, ticket, action and round alone, and only until a decision used it.
    """
    return put_to_person("explicit_approve", **options)
