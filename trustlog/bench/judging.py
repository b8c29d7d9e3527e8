"""Judging the answers to submissions: each by a cheap exact test, a sample and every new checkpoint by full proof, at once.

The cheap test: the line is JSON of the right shape; it has the leaf hash of our entry, which we computed before; it is new; its
index lies in the tree that it names; and the signed checkpoint beside it was accepted already, at that size. A full proof
recomputes the leaf hash from the entry's bytes and the root from the inclusion proof. That no two receipts have one index is
checked after the run.
"""

from __future__ import annotations

import random
import time
from array import array
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from typing import Final

import msgspec

from trustlog.bench.answer import Answer
from trustlog.bench.load import Load
from trustlog.client.answers import EntryAnswer, parse_line, parse_problem, response_invalid
from trustlog.client.checking import accept_checkpoint, check_entry
from trustlog.errors import Refused
from trustlog.formats.trustpolicy import TrustedCheckpoint, TrustPolicy

NOT_LOGGED: Final = -1
_RECENT_CHECKPOINTS: Final = 64  # answers under way at once name few
_KEPT_CHECKPOINTS: Final = 64  # to be proven consistent afterwards


class _Line(msgspec.Struct, frozen=True, gc=False):
    """What the cheap test looks at; the rest is skipped by the decoder."""

    index: int
    leaf_hash_b64u: str
    already_logged: bool
    tree_size: int
    checkpoint: str


_LINE: Final = msgspec.json.Decoder(_Line)
_WHOLE: Final = msgspec.json.Decoder(EntryAnswer)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something was not logged, or not provably: a registered code and one line."""

    code: str
    detail: str


@dataclass(slots=True)
class Judged:
    """What the answers say. `indexes[n]` is where receipt n was logged, or NOT_LOGGED."""

    indexes: array[int]
    logged: int = 0
    proven: int = 0  # of these, by full proof at once
    checkpoints_seen: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    first_refusal: Refusal | None = None
    checkpoints: list[TrustedCheckpoint] = field(
        default_factory=list
    )  # some of those named, in the order in which they came

    def refuse(self, refusal: Refused, count: int) -> None:
        """Count receipts that were not logged, or not provably."""
        self.refused[refusal.code] += count
        self.first_refusal = self.first_refusal or Refusal(refusal.code, refusal.detail)

    @property
    def total(self) -> int:
        """How many receipts were judged."""
        return self.logged + self.refused.total()


class Judge:
    """Judges answers by a trust policy. One in `check_every` receipts, drawn by `seed`, is proven in full."""

    def __init__(self, load: Load, trust: TrustPolicy, *, check_every: int, seed: int) -> None:
        self._load = load
        self._trust = trust
        self._trees: OrderedDict[str, TrustedCheckpoint] = OrderedDict()
        self._drawn = _draw(load.count, check_every, seed)
        self.judged = Judged(array("q", [NOT_LOGGED]) * load.count)

    def judge(self, answer: Answer, start: int, end: int, *, lines: bool) -> None:
        """Count what the answer to the receipts [start, end) says; of a batch (`lines`) it has one line for each."""
        if answer.status not in {200, 201}:
            self.judged.refuse(parse_problem(answer.body, answer.status, None), end - start)
            return
        answers = answer.lines() if lines else [answer.body]
        if len(answers) != end - start:
            refusal = response_invalid("another number of answers than of lines", expected=end - start, found=len(answers))
            self.judged.refuse(refusal, end - start)
            return
        self._judge_lines(answers, start, self._load.leaf_hash_texts(start, end))

    def _judge_lines(self, answers: list[bytes], start: int, leaf_hashes: list[str]) -> None:
        decode, trees, drawn, judged = _LINE.decode, self._trees, self._drawn, self.judged
        for number, (line, leaf_hash) in enumerate(zip(answers, leaf_hashes, strict=True), start=start):
            try:
                answer = decode(line)
                tree = trees.get(answer.checkpoint)
                if tree is None or drawn[number]:
                    self._prove(line, answer.checkpoint)
                    tree = trees[answer.checkpoint]
                if (
                    answer.leaf_hash_b64u != leaf_hash
                    or answer.already_logged
                    or answer.tree_size != tree.checkpoint.size
                    or not 0 <= answer.index < answer.tree_size
                ):
                    raise _why_not(answer, leaf_hash, tree)
            except msgspec.DecodeError as error:
                judged.refuse(_read_refusal(line, error), 1)
            except Refused as refusal:
                judged.refuse(refusal, 1)
            else:
                judged.indexes[number] = answer.index
                judged.logged += 1

    def _prove(self, line: bytes, note: str) -> None:
        """Prove all that the answer says, under its checkpoint, which is accepted now if it is new."""
        tree = self._trees.get(note)
        if tree is None:
            tree = accept_checkpoint(note.encode("utf-8"), self._trust, now_s=time.time())
        check_entry(_WHOLE.decode(line), tree)
        if note not in self._trees:
            self._remember(note, tree)
        self.judged.proven += 1

    def _remember(self, note: str, tree: TrustedCheckpoint) -> None:
        self._trees[note] = tree
        if len(self._trees) > _RECENT_CHECKPOINTS:
            self._trees.popitem(last=False)
        self.judged.checkpoints_seen += 1
        kept = self.judged.checkpoints
        kept.append(tree)
        if (
            len(kept) > _KEPT_CHECKPOINTS
        ):  # keep the newest, and of the others every second, fourth, eighth … as they become many
            del kept[1:-1:2]


def _draw(count: int, check_every: int, seed: int) -> bytes:
    """A byte for each receipt: 1 for those to be proven in full."""
    chance = random.Random(seed)  # noqa: S311 - the same draw again for the same seed
    drawn = bytearray(count)
    for number in chance.sample(range(count), -(-count // check_every)):
        drawn[number] = 1
    return bytes(drawn)


def _why_not(answer: _Line, leaf_hash: str, tree: TrustedCheckpoint) -> Refused:
    if answer.leaf_hash_b64u != leaf_hash:
        found = answer.leaf_hash_b64u
        return Refused("LOG_LIES", "the log answers with another entry", expected=leaf_hash, found=found)
    if answer.already_logged:
        return response_invalid("the log says that a receipt of this run was there before")
    if answer.tree_size != tree.checkpoint.size:
        expected = tree.checkpoint.size
        return response_invalid("the answer contradicts itself", expected=expected, found=answer.tree_size)
    return Refused("INCLUSION_PROOF_INVALID", "the index is outside the tree", found=answer.index)


def _read_refusal(line: bytes, error: msgspec.DecodeError) -> Refused:
    """The refusal that a line is, or that it is nothing that a log answers."""
    try:
        refusal = parse_line(line).refusal
    except Refused as unreadable:
        return unreadable
    return refusal or response_invalid(f"the answer has another shape: {error}")
