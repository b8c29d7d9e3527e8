"""How fresh a gate's view is: read up to the log's checkpoint of now, and what stood in the way when that failed."""

from __future__ import annotations

import time

from trustlog.errors import TrustlogError
from trustlog.gate.decision import ViewOfLog
from trustlog.gate.failing import Failing, finding_of
from trustlog.gate.follow import Reading
from trustlog.gate.restrictions import Restrictions
from trustlog.policy.finding import Finding


class Freshness:
    """One gate's catching up. `trouble` is why the last time failed; `caught_up_s` when the last good one ended, monotonic."""

    def __init__(self, reading: Reading, restrictions: Restrictions, failing: Failing) -> None:
        self._reading = reading
        self._restrictions = restrictions
        self._failing = failing
        self.trouble: Finding | None = None
        self.caught_up_s: float | None = None

    async def catch_up(self) -> ViewOfLog:
        """Read what is new, and forget the restrictions that the log holds by now. Raises what reading raises."""
        try:
            checkpoint = (await self._reading.catch_up()).checkpoint
        except TrustlogError as error:
            self.trouble = finding_of(error)
            raise
        except BaseException:
            self.trouble = self._failing.too_late()
            raise
        self.trouble, self.caught_up_s = None, time.monotonic()
        self._restrictions.drop_logged()
        return ViewOfLog(checkpoint.size, checkpoint.root)
