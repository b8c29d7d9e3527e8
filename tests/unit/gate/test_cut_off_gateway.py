"""A gateway's key that was cut off, between the receipts that it signed and the bundle that holds them."""

from __future__ import annotations

import pytest

from tests.support import keys
from tests.support.trust import trust_policy
from tests.unit.gate.story import CLOSE, Story


def story(until_index: int) -> Story:
    """Receipts stand at 3, 4 and 5."""
    return Story(trust=trust_policy(roles={"gateways": [(keys.GATEWAY.did, 0, until_index)]}))


@pytest.mark.parametrize("until_index", [6, 8, 12])
def test_a_bundle_of_receipts_from_before_the_cut_may_close(until_index: int) -> None:
    assert story(until_index).up_to_closing().codes(CLOSE) == set()


@pytest.mark.parametrize("until_index", [4, 5])
def test_a_receipt_from_after_the_cut_is_none(until_index: int) -> None:
    assert "RECEIPT_SET_INCOMPLETE" in story(until_index).up_to_closing().codes(CLOSE)
