"""What commands that read a whole log say of payloads that are lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trustlog.cli.answer import narrate

if TYPE_CHECKING:
    from trustlog.log.absent import Lost


def count_lost(lost: Lost | None) -> int:
    """How many entries lack their payload without a tombstone; warns of them on standard error."""
    if lost is None:
        return 0
    narrate(
        f"warning: {lost.say()} is lost: no valid tombstone says that it was erased, and every auditor will find that."
        " If a backup still has it, restore that"
    )
    return lost.count
