"""Whether what came between a decision's view and its index can have any bearing on it.

A gate judges every allow of its own a second time, at the index that the log gave it, and looks for restrictions above that.
Where each entry since is of a kind that concerns only what its refs name, and none of them names anything of this change, the
second judgement is the first, and there are no restrictions.
"""

from __future__ import annotations

from typing import Final

from trustlog.gate.logged import Logged
from trustlog.gate.view import LogView

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
    """Whether no entry that was read since, from the view of a logged, valid allow on, can change what it rests on."""
    start = allow.record.view.size
    if any(lie.index >= start for lie in view.lies) or view.kinds_since(start) - NAMING_ALL:
        return False
    names = {value for name, value in allow.refs.items() if name in OF_A_CHANGE}
    decided = view.sharing("job", allow.record.scope["job_id"], view.size)
    names |= {one.refs["scope"] for one in decided if one.kind == "gate_decision" and "scope" in one.refs}
    return view.naming(OF_A_CHANGE, names, start) <= {allow.index}
