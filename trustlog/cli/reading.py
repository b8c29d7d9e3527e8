"""How far the reading of a whole log has come, on a terminal: policies, tokens and approvals rest on all of it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

from trustlog.cli.progress import QUIET_S, ProgressBar
from trustlog.errors import Refused
from trustlog.formats.checkpoint import parse_checkpoint
from trustlog.formats.note import parse_note
from trustlog.limits import MAX_NOTE_BYTES

if TYPE_CHECKING:
    from trustlog.client.log import LogClient

LOOK_S: Final = 0.2
WHAT: Final = "entries read"


@asynccontextmanager
async def showing_progress(
    client: LogClient, read: Callable[[], int], *, bar: ProgressBar | None = None, quiet_s: float = QUIET_S
) -> AsyncIterator[None]:
    """While this lasts, say on standard error how many entries were read (`read`), if it takes longer and that is a terminal."""
    if bar is None and not sys.stderr.isatty():
        yield
        return
    shown = ProgressBar() if bar is None else bar
    watching = asyncio.create_task(_watch(client, read, shown, quiet_s), name="say how far it has come")
    try:
        yield
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        shown.close()


async def _watch(client: LogClient, read: Callable[[], int], bar: ProgressBar, quiet_s: float) -> None:
    """Until all is read. How much there is, the log only says: it is not believed, and nothing rests on it."""
    await asyncio.sleep(quiet_s)
    try:
        reply = await client.http.get("checkpoint", max_bytes=MAX_NOTE_BYTES)
        total = parse_checkpoint(parse_note(reply.body).text).size
    except Refused:
        return  # whoever reads finds out, and says so
    while (done := read()) < total:
        bar(WHAT, done, total)
        await asyncio.sleep(LOOK_S)
