"""A number that only grows, and those who wait for it."""

from __future__ import annotations

import asyncio


class Progress:
    """How far something has come. Lives on one event loop."""

    def __init__(self, value: int) -> None:
        self.value = value
        self._waiting: dict[asyncio.Future[None], int] = {}

    def advance(self, value: int) -> None:
        """Say that it has come as far as `value`."""
        self.value = max(self.value, value)
        for future, needed in list(self._waiting.items()):
            if needed <= self.value and not future.done():
                future.set_result(None)

    async def reached(self, value: int, timeout_s: float | None = None) -> bool:
        """Wait until it has come as far as `value`, at most `timeout_s`; whether it has."""
        if self.value >= value:
            return True
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[future] = value
        try:
            await asyncio.wait_for(future, timeout_s)
        except TimeoutError:
            return False
        finally:
            del self._waiting[future]
        return True
