"""``trustlog approve``: a person approves one exact action."""

from __future__ import annotations

from typing import Any

import click

from trustlog.cli.approval import approval_options, put_to_person


@click.command(
    epilog="""\b
Example:
  trustlog approve --job job-17 --action change.execute --plan plan.json --key alice.key --log URL --trust trust.toml"""
)
@approval_options
def approve(**options: Any) -> int:
    """Show exactly what is to be approved, ask, sign it, and log the approval.

    It holds for this plan, dry run, policy, job, ticket, action and round alone, and only until a decision used it.
    """
    return put_to_person("explicit_approve", **options)
