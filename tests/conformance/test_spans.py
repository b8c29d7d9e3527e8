"""The spans of every bundle that we built are one tree, as Clawsig's reference verifier demands by default.

It refuses a bundle as CAUSAL_GRAPH_DISCONNECTED, CAUSAL_REFERENCE_DANGLING, CAUSAL_CYCLE_DETECTED or CAUSAL_CLOCK_CONTRADICTION
where the spans of its gateway receipts have more than one root, name an unknown parent, go in a circle or begin before their
parent. Nobody can mend that in a bundle, since the gateway signed the spans.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from trustlog.formats.timestamp import parse_timestamp

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"


def bundles(pack: Path) -> Iterator[list[dict[str, Any]]]:
    """The gateway receipts of each bundle in a pack, as payloads."""
    try:
        entries = json.loads(pack.read_bytes())["entries"]
    except ValueError:  # the fixture that is no JSON
        return
    for item in entries:
        if json.loads(item["entry"])["kind"] == "proof_bundle" and "payload" in item:
            yield [receipt["payload"] for receipt in json.loads(item["payload"]).get("receipts", [])]


PACKS = sorted(pack for pack in FIXTURES.glob("**/change.evidence.json") if any(len(one) > 1 for one in bundles(pack)))


@pytest.mark.parametrize("pack", PACKS, ids=lambda pack: pack.parent.name)
def test_the_spans_of_a_bundle_are_one_tree(pack: Path) -> None:
    for receipts in bundles(pack):
        if len(receipts) < 2:
            continue
        spans = {payload["binding"]["span_id"]: payload for payload in receipts}
        assert len(spans) == len(receipts)
        assert sum("parent_span_id" not in payload["binding"] for payload in receipts) == 1, "one root"
        for payload in receipts:
            seen, at = set(), payload
            while "parent_span_id" in at["binding"]:
                assert at["binding"]["span_id"] not in seen, "a circle"
                seen.add(at["binding"]["span_id"])
                parent = spans[at["binding"]["parent_span_id"]]
                assert parse_timestamp(parent["timestamp"], "timestamp") <= parse_timestamp(at["timestamp"], "timestamp")
                at = parent


def test_there_are_bundles_of_several_calls() -> None:
    assert len(PACKS) > 20
