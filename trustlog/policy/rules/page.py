"""The rules as one page of Markdown, in the order of the policy document: what a reviewer holds against it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from trustlog.policy.rules import NOT_A_RULE, RULES
from trustlog.policy.rules.rule import About, Rule

AROUND: Final = """
What has to hold before a rule is asked, and after the last one:

- The newest checkpoint is fetched after the request came, carries the log's signature and the quorum of witnesses, is no older
  than the trust policy allows, and continues the one remembered (`trustlog/client/log.py`): `NOTE_UNVERIFIED`,
  `QUORUM_NOT_MET`, `CHECKPOINT_STALE`, `CHECKPOINT_INCONSISTENT`.
- Every entry up to it is read, and their root is the signed one (`trustlog/client/follower.py`): `ROOT_MISMATCH`. A log that
  does not answer in time is `LOG_UNREACHABLE`.
- Which record counts at all: its signer in a role and within its window, schema, hash, conflicts, the roster chain, that the key
  of a role is nobody's (`trustlog/records/`). One that breaks a rule of reading is void, as if it were not there.
- No allow to execute is given while one to close may be used yet, nor the other way round (`trustlog/gate/pending.py`):
  `DECISION_PENDING`. It lasts a minute at most, and counts against no allow that another gate gave.
- An allow is released only when it is in the log, nothing that was logged before it would change it, nothing restricts it by
  now, and it has not expired (`trustlog/gate/releasing.py`): `DECISION_NOT_LOGGED`, `DECISION_WITHDRAWN`, `DECISION_EXPIRED`.
"""

ABOUT: Final[dict[About, str]] = {
    "question": "an action",
    "presented token": "the token that a caller presents",
    "approval": "one approval: whether it counts",
    "logged allow": "an allow that is in the log, and that something relies on",
}


def rules_page() -> str:
    """The whole page."""
    return "\n".join([*_head(), *(line for one in RULES for line in _rule(one)), *_tail(), ""])


def _head() -> Iterator[str]:
    yield "# The rules of the gate"
    yield ""
    yield "Written from the table `RULES` by `trustlog/policy/rules/page.py`; a test keeps the two alike. An action is allowed when"
    yield "no rule that applies to it finds anything. A rule whose facts cannot be had denies."
    yield ""
    yield AROUND.strip()


def _rule(one: Rule) -> Iterator[str]:
    summary, _, quoted = one.requirement.partition("\n\n")
    applies = "always" if one.applies is None else _first_line(one.applies.__doc__)
    yield ""
    yield f"## {one.name}"
    yield ""
    yield summary
    yield ""
    yield from (f"> {line}".rstrip() for line in quoted.split("\n"))
    yield ""
    yield f"- enforces: {', '.join(f'`{name}`' for name in one.enforces)}"
    yield f"- looks at: {', '.join(f'`{name}`' for name in one.needs)}"
    yield f"- about: {ABOUT[one.about]}"
    if one.about == "question":
        yield f"- applies: {applies}"
    yield f"- denies with: {', '.join(f'`{code}`' for code in one.codes)}"


def _tail() -> Iterator[str]:
    yield ""
    yield "## Members of the policy without a rule"
    yield ""
    yield from (f"- `{name}`: {reason}" for name, reason in NOT_A_RULE.items())


def _first_line(text: str | None) -> str:
    return (text or "").split("\n", 1)[0]
