"""Two jobs in one log take keys of their own, and what one pack says of its log depends on whether the log was read."""

from __future__ import annotations

from tests.verifier.changebuilder import Change, trust_toml
from tests.verifier.judging import assert_passes, verdict
from tests.verifier.test_log_beside import beside
from verifier.ledger.history import History
from verifier.trust import parse_trust_policy

ANOTHER_HISTORY = "that this log never showed another history: no earlier checkpoint was compared"


def test_another_job_takes_another_key() -> None:
    """A job's key holds its ticket, agent and scope: without the job's id no second job could have any."""
    first = Change().build()
    second = Change(log=first.log, job="job-8", run="run-8", ticket="jira.example:CHG-8", clock=100).build()
    history = History(parse_trust_policy(trust_toml()), second.log.origin)
    for index, item in enumerate(second.log.items):
        history.add(index, item.entry, item.payload)
    assert [item.index for item in history.valid("token_issued")] == [
        second.log.index_of(change.hashes["token"]) for change in (first, second)
    ]


def test_only_a_pack_alone_leaves_another_history_open() -> None:
    change = Change().build()
    alone = verdict(change)
    assert_passes(alone)
    assert ANOTHER_HISTORY in alone.not_proven
    read = verdict(change, trust=trust_toml(absence="log"), whole_log=beside(change.log))
    assert_passes(read)
    assert ANOTHER_HISTORY not in read.not_proven
