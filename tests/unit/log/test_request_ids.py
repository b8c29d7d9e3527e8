"""Request ids: sixteen hexadecimal digits, and never the same twice, however many are taken."""

from __future__ import annotations

import re

from trustlog.service.requestids import RequestIds


def test_ids_are_sixteen_digits_and_differ_beyond_what_is_drawn_at_once() -> None:
    ids, others = RequestIds(), RequestIds()
    taken = [each.take() for _ in range(1000) for each in (ids, others)]
    assert all(re.fullmatch("[0-9a-f]{16}", each) for each in taken)
    assert len(set(taken)) == len(taken)
