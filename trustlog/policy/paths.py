"""Where a member stands in a policy document, as a JSONPath (RFC 9535): ``$.tools['change.execute'].environments[0]``."""

from __future__ import annotations

import re
from typing import Final, TypeAlias

Path: TypeAlias = tuple[str | int, ...]
"""The names and positions that lead from the rules to a member."""

_SHORT: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
CLAWSIG_BLOCK: Final[Path] = ("metadata", "change_management")  # where the rules stand in a Clawsig policy


def json_path(path: Path) -> str:
    """The normalised spelling, with the short form of names that have one."""
    return "$" + "".join(map(_step, path))


def _step(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    if _SHORT.fullmatch(step):
        return f".{step}"
    escaped = step.replace("\\", "\\\\").replace("'", "\\'")
    return f"['{escaped}']"
