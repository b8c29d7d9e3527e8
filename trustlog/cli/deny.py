"""``trustlog deny``: a person says no, and that ends the job."""

from __future__ import annotations

from typing import Any

import click

from trustlog.cli.approval import approval_options, put_to_person


@click.command(
    epilog="""\b
Example:
  trustlog deny --job job-17 --action change.execute --key alice.key --log URL --trust trust.toml"""
)
@approval_options
def deny(**options: Any) -> int:
    """Show what would be done, ask, sign the denial, and log it. It ends the job for ever.

    The plan's bytes stay denied in every job; a change that is still wanted starts a new one.
    """
    return put_to_person("explicit_deny", **options)
