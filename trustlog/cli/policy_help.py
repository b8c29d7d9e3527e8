"""The members of a policy, as a part of a command's help."""

from __future__ import annotations

from typing import Final

from trustlog.policy.members import member_lines

MEMBERS_HELP: Final = "\b\nMembers of a policy (any other is refused):\n" + "\n".join(f"  {line}" for line in member_lines())
