"""A story as a log that somebody serves: its evidence pack, and the verifier's verdict on that with the whole log beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tests.integration.differential.judging import read_history
from tests.support.trust import LOG_KEY, ORIGIN, trust_text
from tests.unit.gate.story import TICKET, Story
from trustlog.evidence.collect import collect
from trustlog.evidence.source import Query
from trustlog.evidence.subject import Sought
from trustlog.formats.base64 import decode_b64u
from trustlog.formats.checkpoint import Checkpoint
from trustlog.formats.note import sign_note
from trustlog.gate.logged import Logged
from trustlog.merkle.edge import Edge
from trustlog.merkle.hashing import hash_leaf
from trustlog.merkle.tiles import Tile
from verifier.change.judge import WholeLog, judge
from verifier.report import Report
from verifier.trust import parse_trust_policy


class StorySource:
    """The log of a story, as a client that builds a pack finds it (a :class:`~trustlog.evidence.source.Source`)."""

    origin = ORIGIN

    def __init__(self, story: Story) -> None:
        view = story.view
        self._logged: list[Logged] = [one for index in range(view.size) if (one := view.at(index)) is not None]
        assert len(self._logged) == view.size, "a log that holds no entries but entries"
        edge, tiles = Edge.empty().append([hash_leaf(one.data) for one in self._logged])
        self._tiles = dict(tiles)
        self.size, self.root = edge.size, edge.root()
        self.checkpoint = sign_note(Checkpoint(ORIGIN, self.size, self.root).encode(), LOG_KEY).decode()
        texts = ((one, story.text_of(one)) for one in self._logged)
        self._payloads = {one.entry.payload_hash: text for one, text in texts if text is not None}
        self._payloads |= {decode_b64u(name, 32, "plan"): plan for name, plan in story.plans.items()}

    async def find(self, query: Query) -> dict[int, bytes]:
        """The entries of which every ref named has the value named."""
        wanted = dict(query)
        kind = wanted.pop("kind", None)
        return {
            one.index: one.data
            for one in self._logged
            if kind in (None, one.kind) and all(one.refs.get(name) == value for name, value in wanted.items())
        }

    async def entries(self, indexes: Sequence[int]) -> dict[int, bytes]:
        """The entries at these indexes."""
        return {index: self._logged[index].data for index in indexes}

    async def payload(self, sha256: bytes) -> bytes | None:
        """A payload that was not withheld."""
        return self._payloads.get(sha256)

    async def tiles(self, tiles: Sequence[Tile]) -> list[bytes]:
        """The contents of tiles."""
        return [self._tiles[tile] for tile in tiles]


def judge_story(story: Story) -> Report:
    """The verifier's verdict on the job at hand, now."""
    source = StorySource(story)
    pack = asyncio.run(collect(source, Sought(ticket=TICKET, job=story.job))).encode()
    logged = [one for index in range(story.view.size) if (one := story.view.at(index)) is not None]
    data = {one.index: one.data for one in logged}
    texts = {one.index: text for one in logged if (text := story.text_of(one)) is not None}
    whole = WholeLog(
        history=read_history(data, texts),
        size=source.size,
        roots={size: story.view.root_at(size) for size in range(source.size + 1)},
        leaf_hashes={index: hash_leaf(one) for index, one in data.items()},
        checked="all of it",
    )
    return judge(pack, parse_trust_policy(trust_text().encode()), at_ns=story.now_ns, whole_log=whole)
