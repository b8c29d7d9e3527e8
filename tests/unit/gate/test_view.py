"""A view: when witnesses had seen what, what is foreseen on top of it, and what is still to be read."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.support import keys, payloads
from tests.support.trust import ORIGIN, trust_policy
from tests.unit.gate.story import EXECUTE, Story
from trustlog.formats.envelope import parse_envelope
from trustlog.gate.standing import revocations
from trustlog.gate.view import LogView
from trustlog.records.candidate import Candidate, read_candidate

SIGHTINGS = st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), max_size=12)


@given(SIGHTINGS)
def test_an_entry_was_seen_by_the_earliest_time_of_any_tree_that_holds_it(sightings: list[tuple[int, int]]) -> None:
    view = LogView(trust_policy())
    for size, ns in sightings:
        view.note_sighting(size, ns)
    for index in range(10):
        assert view.seen_by(index) == min((ns for size, ns in sightings if size > index), default=None)


@given(SIGHTINGS)
def test_a_view_says_when_something_was_seen_earlier_than_was_thought(sightings: list[tuple[int, int]]) -> None:
    view = LogView(trust_policy())
    for size, ns in sightings:
        before, moved = [view.seen_by(index) for index in range(10)], view.sightings_moved
        is_news = view.note_sighting(size, ns)
        after = [view.seen_by(index) for index in range(10)]
        assert is_news == (before != after)
        earlier = any(b is not None and a is not None and a < b for b, a in zip(before, after, strict=True))
        assert not earlier or view.sightings_moved > moved


def last(story: Story) -> Candidate:
    """What the story would log next; it is not in its view."""
    return read_candidate(parse_envelope(story.envelopes[-1]), origin=ORIGIN)


def test_what_is_foreseen_is_looked_up_like_an_entry_and_leaves_the_view_as_it_was() -> None:
    told, view = Story().up_to_approvals(), Story().up_to_approvals().view
    told.revoke(f"job:{told.job}")
    told.revoke(f"key:{keys.ALICE.did}")
    pending = [read_candidate(parse_envelope(one), origin=ORIGIN) for one in told.envelopes[-2:]]
    size = view.size
    above = view.foresee(pending)
    assert (above.size, view.size) == (size + 2, size)
    assert [one.index for one in revocations(above, f"job:{told.job}", above.size)] == [size]
    assert [one.index for one in above.of_kind("revocation", above.size)] == [size, size + 1]
    assert above.named(pending[0].payload_hash_b64u, "revocation", above.size)[0].index == size
    assert above.is_key_revoked(keys.ALICE.did, above.size)
    assert not above.is_key_revoked(keys.ALICE.did, size + 1)
    assert not view.is_key_revoked(keys.ALICE.did, above.size)
    assert list(view.of_kind("revocation", above.size)) == []
    assert revocations(view, f"job:{told.job}", above.size) == []


def test_a_judgement_on_what_is_foreseen_is_the_one_that_comes() -> None:
    expected = Story().up_to_approvals()
    expected.revoke(f"job:{expected.job}")
    story = Story().up_to_approvals()
    story.view = story.view.foresee([last(expected)])
    assert story.codes(EXECUTE) == expected.codes(EXECUTE) >= {"JOB_REVOKED"}


def test_the_next_entry_is_checked_as_the_log_would() -> None:
    story = Story().up_to_approvals()
    assert story.view.check_next(last(story)) == story.view.size - 1
    other = Story().up_to_approvals()
    other.revoke("job:new")
    assert story.view.check_next(last(other)) is None


def test_a_bundle_is_to_be_read_and_then_the_tool_receipts_in_it_each_once() -> None:
    story = Story()
    end = story.up_to_execution()
    binding = story.bound(token_scope_hash_b64u=None)  # tied to the job by nothing but the bundle
    receipt = payloads.tool_receipt(binding=binding)
    below, above = story.log("tool_receipt", receipt), story.view.size
    bundle = story.bundle(end, tool_receipts=[payloads.envelope("tool_receipt", receipt, keys.AGENT)])
    view = LogView(story.view.trust)
    for index in range(story.view.size):
        logged = story.view.at(index)
        assert logged is not None
        view.add(logged.data, None)

    def unread(size: int) -> list[int]:
        return [one.index for one in view.unread(size, refs={}, bundles_of=keys.AGENT.did)]

    assert unread(above) == []
    assert unread(above + 1) == [bundle.index]
    view.read_late(bundle.index, story.text_of(bundle))
    assert unread(above + 1) == unread(above + 1) == [below.index]
    view.read_late(below.index, story.text_of(below))
    assert unread(above + 1) == unread(above + 1) == []
