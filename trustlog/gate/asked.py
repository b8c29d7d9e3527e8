"""A request on its way through a gate: asked, judged, sent to the log."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from trustlog.gate.decision import Decision
from trustlog.gate.identify import GateRequest
from trustlog.gate.question import Judgement
from trustlog.gate.sealing import Sealed
from trustlog.tokens.scoped_token import ScopedToken


@dataclass(eq=False, slots=True)
class Asked:
    """A request, and where its answer goes; `abandoned` once its caller was told something else, or has gone."""

    request: GateRequest
    answer: asyncio.Future[Decision]
    abandoned: bool = False

    @classmethod
    def now(cls, request: GateRequest) -> Asked:
        """A request that nobody has answered yet."""
        return cls(request, asyncio.get_running_loop().create_future())

    @property
    def is_over(self) -> bool:
        """Whether its caller was told something, or has gone."""
        return self.abandoned or self.answer.done()

    def give(self, decision: Decision) -> None:
        """Answer it, unless it was answered before."""
        if not self.answer.done():
            self.answer.set_result(decision)


@dataclass(frozen=True, slots=True)
class Judged:
    """A request that was judged. `token` and `job_id` are None where the token is not to be believed."""

    asked: Asked
    judgement: Judgement
    token: ScopedToken | None = None
    job_id: str | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """A record that went to the log, to be looked for there; `sightings_moved` is the view's when it was judged."""

    judged: Judged
    sealed: Sealed
    sightings_moved: int

    @property
    def asked(self) -> Asked:
        """The request that it answers."""
        return self.judged.asked
