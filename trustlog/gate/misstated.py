"""What a decision says of the log it was made on, held against the log: its view, and the entries that it lists.

Whoever shows a decision shows all that it lists, and what the decisions among that list. So what one of them misstates stands
against every decision that leads to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from trustlog.formats.base64 import encode_b64u
from trustlog.merkle.past import PastTrees
from trustlog.policy.facts import Misstatement


def misstatements_behind(
    past: PastTrees, index: int, decision: Any, known: Mapping[int, Sequence[Misstatement]]
) -> tuple[Misstatement, ...]:
    """What a decision (its record) at `index` says otherwise than the log, else what a decision says that it leads to.

    `known` has the same of each decision below.
    """
    own = tuple(find_misstatements(past, index, decision))
    if own or not known:
        return own
    return tuple(next((known[listed.index] for listed in decision.evidence if listed.index in known), ()))


def find_misstatements(past: PastTrees, index: int, decision: Any) -> Iterator[Misstatement]:
    """What a decision (its record) at `index` says otherwise than the log, of which everything below `index` was read.

    What a view has that could not have been there is not looked at any further.
    """
    view = decision.view
    if view.size > index:
        yield Misstatement(index, "VIEW_INVALID", f"a view of at most {index} entries", f"{view.size} entries")
        return
    root = encode_b64u(past.root_at(view.size))
    if view.root_b64u != root:
        yield Misstatement(index, "VIEW_INVALID", f"root {root} of {view.size} entries", view.root_b64u)
    for listed in decision.evidence:
        if listed.index >= view.size:
            expected, found = f"entries below the view of {view.size}", f"index {listed.index}"
        elif listed.leaf_hash_b64u != (leaf_hash := encode_b64u(past.leaf_hash(listed.index))):
            expected, found = f"leaf hash {leaf_hash} of entry {listed.index}", listed.leaf_hash_b64u
        else:
            continue
        yield Misstatement(index, "EVIDENCE_INCOMPLETE", expected, found)
        return  # one is enough
