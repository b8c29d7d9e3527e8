"""Answers that are given again: for a minute, and of bounded size, whoever fills it."""

from __future__ import annotations

import asyncio

from trustlog.formats.timestamp import NS
from trustlog.gate.answered import Answered, size_of
from trustlog.gate.decision import Decision
from trustlog.gate.identify import GateRequest
from trustlog.limits import DECISION_TTL_S
from trustlog.policy.finding import Finding

NO = (Finding("TOKEN_EXPIRED", "a", "b"),)
RECORD = b"x" * 10_000


class Decider:
    """Decides everything in the same way, and counts what it was asked."""

    def __init__(self, *, allow: bool = False, decided: bool = True, record: bytes = RECORD) -> None:
        self.asked: list[str] = []
        self._allow, self._decided, self._record = allow, decided, record

    async def decide(self, request: GateRequest) -> Decision:
        self.asked.append(request.nonce)
        await asyncio.sleep(0)
        found = () if self._allow else NO
        return Decision(self._allow, found, request, {}, "", "", envelope=self._record, decided=self._decided)

    async def repeat(self, _request: GateRequest, given: Decision) -> Decision | None:
        return given


def request(nonce: str) -> GateRequest:
    return GateRequest(action="a", ticket="t:1", token="t" * 100, audience="d", nonce=nonce)


async def ask(answered: Answered, decider: Decider, *nonces: str) -> None:
    for nonce in nonces:
        await answered.answer(request(nonce), decider.decide, decider.repeat)


async def test_the_same_request_is_decided_once_a_minute_even_while_it_is_being_decided() -> None:
    now_ns = [0]
    answered, decider = Answered(lambda: now_ns[0]), Decider()
    await asyncio.gather(*(ask(answered, decider, "n") for _ in range(5)))
    await ask(answered, decider, "n", "n")
    assert decider.asked == ["n"]
    now_ns[0] = (DECISION_TTL_S + 1) * NS
    await ask(answered, decider, "n")
    assert decider.asked == ["n", "n"]


async def test_what_could_not_be_decided_is_asked_again_and_takes_no_room() -> None:
    answered, decider = Answered(lambda: 0), Decider(decided=False)
    await ask(answered, decider, "n", "n")
    assert decider.asked == ["n", "n"]
    assert (len(answered), answered.size) == (0, 0)


async def test_bytes_are_bounded_and_the_oldest_deny_is_forgotten_first() -> None:
    answered, decider = Answered(lambda: 0, most_bytes=100_000), Decider()
    await ask(answered, decider, *(f"n{number}" for number in range(50)))
    assert 80_000 < answered.size <= 100_000
    assert 5 < len(answered) < 10
    await ask(answered, decider, "n49")  # still known
    await ask(answered, decider, "n0")
    assert decider.asked[50:] == ["n0"]


async def test_how_many_are_bounded_too() -> None:
    answered, decider = Answered(lambda: 0, most=7), Decider(record=b"")
    await ask(answered, decider, *(f"n{number}" for number in range(50)))
    assert len(answered) == 7


async def test_a_flood_of_denies_takes_no_allow_away() -> None:
    answered, allows, denies = Answered(lambda: 0, most=20, most_bytes=100_000), Decider(allow=True), Decider()
    await ask(answered, allows, "allowed")
    await ask(answered, denies, *(f"n{number}" for number in range(50)))
    await ask(answered, allows, "allowed")
    assert allows.asked == ["allowed"]


async def test_allows_alone_are_bounded() -> None:
    answered, decider = Answered(lambda: 0, most_bytes=100_000), Decider(allow=True)
    await ask(answered, decider, *(f"n{number}" for number in range(50)))
    assert answered.size <= 100_000


async def test_an_answer_whose_caller_has_gone_is_kept_and_weighed() -> None:
    answered, decider = Answered(lambda: 0), Decider()
    asking = asyncio.create_task(ask(answered, decider, "n"))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.wait({asking})
    for _ in range(5):
        await asyncio.sleep(0)
    assert (len(answered), decider.asked) == (1, ["n"])
    assert answered.size == size_of(await decider.decide(request("n")))
    await ask(answered, decider, "n")
    assert len(decider.asked) == 2  # the one that this test asked itself


async def test_forgetting_gives_all_room_back() -> None:
    now_ns = [0]
    answered, decider = Answered(lambda: now_ns[0]), Decider()
    await ask(answered, decider, "a", "b")
    now_ns[0] = (DECISION_TTL_S + 1) * NS
    await ask(answered, Decider(decided=False), "c")
    assert (len(answered), answered.size) == (0, 0)
