"""Whether what came between a decision's view and its index can have any bearing on it.

A gate judges every allow of its own a second time, at the index that the log gave it. Where each entry in between is of a kind
that concerns only what its refs name, and none of them names anything of this change, the second judgement is the first.
"""

from __future__ import annotations

from typing import Final

from trustlog.gate.view import Logged, LogView

NAMING_ALL: Final = frozenset(
    {
        "gateway_receipt",
        "tool_receipt",
        "side_effect_receipt",
        "simulation",
        "token_issued",
        "human_approval_receipt",
        "gate_decision",
        "execution",
        "closure",
    }
)  # kinds whose refs name every change that they can concern
OF_A_CHANGE: Final = ("job", "ticket", "run", "token", "token_scope", "plan", "scope", "bundle", "receipt", "target")


def is_untouched(view: LogView, allow: Logged) -> bool:
    """Whether no entry between the view of a logged, valid allow and its index can change what it rests on."""
    names = {value for name, value in allow.refs.items() if name in OF_A_CHANGE}
    start = allow.record.view.size
    if any(start <= lie.index < allow.index for lie in view.lies):
        return False
    between = (view.at(index) for index in range(start, allow.index))
    return all(one is not None and _is_apart(one, names) for one in between)


def _is_apart(one: Logged, names: set[str]) -> bool:
    if one.kind not in NAMING_ALL:
        return False
    return not any(value in names for name, value in one.refs.items() if name in OF_A_CHANGE)
