"""The writer: batches form by themselves, a lone submitter never waits, a failure is told to everyone, a stop finishes all.

A real sequencer on a real directory, in a thread; the test is its front ends.
"""

from __future__ import annotations

import re
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.integration.log.actors import ACTORS, ORIGIN, make_log_directory, own_record, receipt
from tests.waiting import PATIENCE_S, wait_until
from trustlog.errors import Fatal, TrustlogError
from trustlog.log import sequencer as sequencer_module
from trustlog.log.admission import admit
from trustlog.log.directory import LogDirectory
from trustlog.log.messages import (
    FROM_WRITER,
    STATE,
    Done,
    Ended,
    FromWriter,
    Put,
    PutDone,
    Ready,
    State,
    Stop,
    Submit,
    ToWriter,
    encode_message,
    take_messages,
)
from trustlog.log.offer import Offer, Problem, make_offer
from trustlog.log.sequencer import Sequencer
from trustlog.log.shared import SharedSlots
from trustlog.merkle.hashing import hash_leaf
from trustlog.merkle.proofs import check_inclusion
from trustlog.storage.log_reader import LogReader


def offer(name: str) -> Offer:
    return offer_of(receipt(name))


def offer_of(envelope: bytes) -> Offer:
    return make_offer(admit(envelope, origin=ORIGIN, now_ns=time.time_ns()))


class FrontEnd:
    """The other end of a channel, with plain blocking calls."""

    def __init__(self, connected: socket.socket) -> None:
        connected.settimeout(PATIENCE_S)
        self.socket = connected
        self._received = bytearray()
        self._messages: list[FromWriter] = []

    def say(self, *messages: ToWriter) -> None:
        self.socket.sendall(b"".join(map(encode_message, messages)))

    def hear(self) -> FromWriter | None:
        """The next message; None at the end."""
        while not self._messages:
            data = self.socket.recv(1 << 20)
            if not data:
                return None
            self._received += data
            self._messages += [FROM_WRITER.decode(body) for body in take_messages(self._received)]
        return self._messages.pop(0)

    def hear_done(self) -> Done:
        message = self.hear()
        assert isinstance(message, Done), message
        return message

    def log(self, *offers: Offer) -> list[int | Problem]:
        """Offer, and wait for what becomes of it."""
        self.say(Submit(1, list(offers)))
        ((number, outcomes),) = self.hear_done().outcomes
        assert number == 1
        return outcomes

    def put(self, sha256: bytes, data: bytes) -> PutDone:
        self.say(Put(5, sha256, data))
        message = self.hear()
        assert isinstance(message, PutDone)
        return message


class Running:
    """A sequencer, its front ends, and the thread that runs it once it is started."""

    def __init__(self, directory: LogDirectory, front_ends: int) -> None:
        self.directory = directory
        self.slot = SharedSlots(1).slot(0)
        self.sequencer = Sequencer.open(directory, self.slot)
        self.front_ends: list[FrontEnd] = []
        self.lost: list[int] = []
        self.failure: TrustlogError | None = None
        self._asked, self._ask = socket.socketpair()
        self._orders: list[Callable[[], object]] = []
        self.sequencer.watch(self._asked.fileno(), self._obey)
        self._thread = threading.Thread(target=self._run, name="writer")
        for number in range(front_ends):
            ours, theirs = socket.socketpair()
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # so that answers rarely fit at once
            self.sequencer.add_channel(theirs, lost=lambda number=number: self.lost.append(number))  # type: ignore[misc]
            self.front_ends.append(FrontEnd(ours))

    @property
    def state(self) -> State:
        return STATE.decode(self.slot.read())

    def start(self) -> None:
        self._thread.start()

    def order(self, call: Callable[[], object]) -> None:
        """Have the writer's thread call something."""
        self._orders.append(call)
        self._ask.send(b".")

    def join(self) -> None:
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()

    def close(self) -> None:
        for front_end in self.front_ends:
            front_end.socket.close()
        if self._thread.ident is not None:
            self.join()
        self.sequencer.close()
        self._asked.close()
        self._ask.close()

    def _obey(self) -> None:
        self._asked.recv(1)
        self._orders.pop(0)()

    def _run(self) -> None:
        try:
            self.sequencer.run()
        except TrustlogError as failure:
            self.failure = failure


@contextmanager
def running(directory: LogDirectory, *, front_ends: int = 1, started: bool = True) -> Iterator[Running]:
    opened = Running(directory, front_ends)
    try:
        for front_end in opened.front_ends:
            ready = front_end.hear()
            assert isinstance(ready, Ready)
            assert ready.read_only is None
        if started:
            opened.start()
        yield opened
    finally:
        opened.close()


@pytest.fixture
def directory(tmp_path: Path) -> LogDirectory:
    return make_log_directory(tmp_path / "log")


def refusal(outcome: int | Problem) -> str:
    assert isinstance(outcome, Problem)
    return outcome.code


def test_a_front_end_is_told_whose_log_it_is(directory: LogDirectory) -> None:
    opened = Running(directory, 1)
    assert opened.front_ends[0].hear() == Ready(ORIGIN, directory.read_signer().key.encode(), None)
    assert opened.state.size == 0
    opened.close()


def test_a_lone_submitter_gets_a_batch_of_its_own(directory: LogDirectory) -> None:
    with running(directory) as log:
        (client,) = log.front_ends
        for index in range(3):
            assert client.log(offer(f"r-{index}")) == [index]
            assert log.state.size == index + 1, "who is answered can fetch the checkpoint"


def test_what_arrives_while_the_writer_is_busy_is_one_batch_up_to_its_bound(
    directory: LogDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sequencer_module, "MAX_BATCH_ENTRIES", 8)
    with running(directory, started=False) as log:
        (client,) = log.front_ends
        client.say(*(Submit(number, [offer(f"{number}-{i}") for i in range(3)]) for number in range(5)))
        log.start()
        batches = [client.hear_done(), client.hear_done()]
    assert [batch.size for batch in batches] == [9, 15]
    assert [number for batch in batches for number, _ in batch.outcomes] == [0, 1, 2, 3, 4]
    assert [index for batch in batches for _, outcomes in batch.outcomes for index in outcomes] == list(range(15))


def test_a_batch_is_bounded_in_bytes_too(directory: LogDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequencer_module, "MAX_BATCH_BYTES", 1)
    with running(directory, started=False) as log:
        (client,) = log.front_ends
        client.say(*(Submit(number, [offer(f"{number}")]) for number in range(3)))
        log.start()
        assert [client.hear_done().size for _ in range(3)] == [1, 2, 3]


def test_front_ends_share_a_batch_and_each_gets_its_own_outcomes_and_all_proofs(directory: LogDirectory) -> None:
    with running(directory, front_ends=2, started=False) as log:
        offers = [[offer("a")], [offer("b"), offer("c")]]
        for client, of_client in zip(log.front_ends, offers, strict=True):
            client.say(Submit(7, of_client))
        log.start()
        for client, of_client in zip(log.front_ends, offers, strict=True):
            done = client.hear_done()
            ((number, outcomes),) = done.outcomes
            growth = done.growth
            assert growth is not None
            assert (number, done.size, len(outcomes)) == (7, 3, len(of_client))
            for index in outcomes:
                assert isinstance(index, int)
                check_inclusion(growth.inclusion_proof(index), index, 3, growth.leaf_hashes[index], done.root)


def test_the_same_thing_gets_one_index_in_a_batch_across_batches_and_after_a_restart(directory: LogDirectory) -> None:
    same, other = offer("same"), offer("other")
    with running(directory, front_ends=2, started=False) as log:
        first, second = log.front_ends
        first.say(Submit(1, [other, same, same]))
        second.say(Submit(1, [same]))
        log.start()
        heard = [outcome for client in (first, second) for outcome in client.hear_done().outcomes[0][1]]
        new = [outcome for outcome in heard[1:] if isinstance(outcome, int) and outcome >= 0]
        assert len(new) == 1, "it is new once"
        assert sorted(heard[1:]) == [~new[0], ~new[0], new[0]]  # type: ignore[type-var]
        assert first.log(same) == [~new[0]]
    with running(directory) as log:
        assert log.front_ends[0].log(same, other) == [~new[0], ~(1 - new[0])]
        assert log.state.size == 2


def test_another_content_under_a_taken_id_is_a_conflict_within_a_batch_and_later(directory: LogDirectory) -> None:
    first, changed, changed_again = (
        offer("r"),
        offer_of(receipt("r", tokens_input=11)),
        offer_of(receipt("r", tokens_input=12)),
    )
    with running(directory) as log:
        (client,) = log.front_ends
        outcomes = client.log(first, changed)
        assert outcomes[0] == 0
        for outcome in (outcomes[1], *client.log(changed_again)):
            assert isinstance(outcome, Problem)
            assert (outcome.code, outcome.index) == ("CONFLICT", 0)
            assert outcome.leaf_hash == leaf_hash(directory, 0)


def leaf_hash(directory: LogDirectory, index: int) -> bytes:
    with closing(LogReader(directory.log_path)) as reader:
        entry = reader.entry(index)
    assert entry is not None
    return hash_leaf(entry)


def test_a_record_that_the_writer_cannot_read_is_that_ones_refusal_alone(directory: LogDirectory) -> None:
    """The writer reads the records of some kinds again; a front end that sent rubbish must not take others with it."""
    revocation = offer_of(own_record("revocation", ACTORS.issuer, target="job:job-1", reason="test"))
    broken = msgspec.structs.replace(revocation, payload=b"{}")
    with running(directory) as log:
        (client,) = log.front_ends
        outcomes = client.log(offer("a"), broken, offer("b"))
        assert (outcomes[0], outcomes[2]) == (0, 1)
        assert isinstance(outcomes[1], Problem)
        assert outcomes[1].is_refusal
        assert client.log(revocation) == [2], "nothing of the refused one stayed behind"


def test_a_front_end_that_is_gone_is_noticed_and_what_it_said_is_logged(directory: LogDirectory) -> None:
    with running(directory, front_ends=2) as log:
        gone, stays = log.front_ends
        for number in range(40):  # more than is read at once
            gone.say(Submit(number, [offer(f"{number}-{i}") for i in range(50)]))
        gone.socket.close()
        assert wait_until(lambda: log.lost == [0])
        assert wait_until(lambda: log.state.size == 2000)
        assert stays.log(offer("later")) == [2000]


def test_a_front_end_that_does_not_read_holds_up_nobody(directory: LogDirectory) -> None:
    with running(directory, front_ends=2) as log:
        silent, other = log.front_ends
        again = [offer(f"r-{number}") for number in range(20)]
        for number in range(600):
            silent.say(Submit(number, again))
        assert other.log(offer("other"))[0] in (0, 20)
        heard: list[Done] = []
        while sum(len(done.outcomes) for done in heard) < 600:
            heard.append(silent.hear_done())
        assert [number for done in heard for number, _ in done.outcomes] == list(range(600))


def test_a_payload_is_stored_once(directory: LogDirectory) -> None:
    with running(directory) as log:
        (client,) = log.front_ends
        assert [client.put(b"s" * 32, b"data"), client.put(b"s" * 32, b"data")] == [
            PutDone(5, created=True),
            PutDone(5, created=False),
        ]


@pytest.mark.parametrize("front_ends", [1, 3])
def test_a_failure_after_signing_began_is_told_to_everyone_and_ends_the_writer(
    directory: LogDirectory, front_ends: int
) -> None:
    with running(directory, front_ends=front_ends) as log:
        assert log.front_ends[0].log(offer("before")) == [0]
        with closing(sqlite3.connect(directory.guard_path)) as guard, guard:
            guard.execute("UPDATE guard SET size = 7")
        log.front_ends[0].say(Submit(2, [offer("a")]), Submit(3, [offer("b")]))
        for client in log.front_ends:
            ended = client.hear()
            assert isinstance(ended, Ended), "and nobody is answered with success"
            assert ended.problem.code == "GUARD_MISMATCH"
        log.join()
        assert isinstance(log.failure, Fatal)
        assert log.state.size == 1, "nothing more was published"


def test_a_defect_ends_the_writer_as_a_failure_does(directory: LogDirectory) -> None:
    def fail() -> None:
        raise ValueError("a defect")

    with running(directory, front_ends=2) as log:
        log.order(fail)
        for client in log.front_ends:
            ended = client.hear()
            assert isinstance(ended, Ended)
            assert ended.problem.code == "INTERNAL_ERROR"
        log.join()
        assert isinstance(log.failure, Fatal)


def test_a_front_end_that_does_not_read_does_not_keep_the_farewell_from_the_others(
    directory: LogDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sequencer_module, "FAREWELL_S", 0.05)
    with running(directory, front_ends=2) as log:
        silent, other = log.front_ends
        offers = [offer(f"r-{number}") for number in range(300)]
        for number in range(60):  # far more answers than a socket holds
            silent.say(Submit(number, offers))
        assert wait_until(lambda: log.state.size == 300)
        assert wait_until(lambda: log.sequencer._channels[0].has_unsent)
        log.order([].pop)
        assert isinstance(other.hear(), Ended)
        log.join()


def test_a_stop_finishes_what_is_queued(directory: LogDirectory) -> None:
    with running(directory, started=False) as log:
        (client,) = log.front_ends
        client.say(*(Submit(number, [offer(f"r-{number}")]) for number in range(20)))
        log.order(log.sequencer.stop)
        log.start()
        heard: list[Any] = []
        while sum(len(message.outcomes) for message in heard if isinstance(message, Done)) < 20:
            heard.append(client.hear())
        if not any(isinstance(message, Stop) for message in heard):
            assert isinstance(client.hear(), Stop)
        client.say(Submit(20, [offer("under way")]))
        assert client.hear_done().outcomes == [(20, [20])]
        client.socket.close()
        log.join()
        assert log.failure is None


def test_a_front_end_that_never_finishes_does_not_hold_up_a_stop_for_ever(directory: LogDirectory) -> None:
    with running(directory) as log:
        log.order(lambda: log.sequencer.stop(within_s=0.0))
        log.join()
        assert isinstance(log.failure, Fatal)


def test_trouble_is_shown_until_something_was_written_again(
    directory: LogDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sequencer_module, "IDLE_S", 0.02)
    aside = directory.path / "aside"
    with running(directory) as log:
        (client,) = log.front_ends
        known = offer("known")
        assert client.log(known) == [0]
        directory.log_path.rename(aside)
        assert refusal(client.log(offer("new"))[0]) == "STORAGE_FAILED"
        assert refusal(client.put(b"s" * 32, b"data").problem or 0) == "STORAGE_FAILED"
        for _ in range(3):
            trouble = log.state.trouble
            assert trouble is not None
            assert trouble.code == "STORAGE_FAILED"
            assert client.log(known) == [~0], "what repeats the log needs no store, and proves nothing about it"
        assert log.state.trouble is not None
        assert log.state.size == 1
        aside.rename(directory.log_path)
        assert wait_until(lambda: log.state.trouble is None)
        assert client.log(offer("new")) == [1]


def test_the_newest_checkpoint_is_kept_when_nothing_follows_and_at_the_end(directory: LogDirectory) -> None:
    with closing(LogReader(directory.log_path)) as reader:
        with running(directory) as log:
            (client,) = log.front_ends
            client.log(offer("a"))
            assert wait_until(lambda: reader.checkpoint(1) is not None)
            client.log(offer("b"))
        assert reader.checkpoint(2) is not None


def test_a_batch_that_failed_leaves_nothing_behind(directory: LogDirectory) -> None:
    """Neither its keys nor its place: the next batch starts where it did."""
    with running(directory) as log:
        (client,) = log.front_ends
        failed = [offer(f"r-{number}") for number in range(3)]
        with closing(sqlite3.connect(directory.log_path, isolation_level=None)) as other:
            other.execute("CREATE TRIGGER refuse BEFORE INSERT ON keys BEGIN SELECT raise(ABORT, 'no'); END")
            assert {refusal(outcome) for outcome in client.log(*failed)} == {"STORAGE_FAILED"}
            other.execute("DROP TRIGGER refuse")
        assert client.log(*reversed(failed)) == [0, 1, 2]
        assert client.log(*failed) == [~2, ~1, ~0]


def test_the_trust_policy_is_read_again_without_a_restart(directory: LogDirectory) -> None:
    text = directory.trust_path.read_text()
    with running(directory) as log:
        (client,) = log.front_ends
        assert client.log(offer("a")) == [0]
        directory.trust_path.write_text(re.sub(r"^gateways = .*$", "gateways = []", text, flags=re.MULTILINE))
        log.order(log.sequencer.reload_trust)
        assert refusal(client.log(offer("b"))[0]) == "SIGNER_NOT_TRUSTED"


def test_a_log_without_its_guard_says_that_it_is_read_only(directory: LogDirectory) -> None:
    directory.guard_path.unlink()
    opened = Running(directory, 1)
    ready = opened.front_ends[0].hear()
    assert isinstance(ready, Ready)
    assert ready.read_only is not None
    assert ready.read_only.code == "GUARD_MISMATCH"
    opened.close()


def test_a_second_sequencer_of_a_directory_is_refused(directory: LogDirectory) -> None:
    with running(directory) as log:
        with pytest.raises(TrustlogError, match="LOG_LOCKED"):
            Sequencer.open(directory, SharedSlots(1).slot(0))
        assert log.front_ends[0].log(offer("a")) == [0]
