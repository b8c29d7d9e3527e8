"""``trustlog policy diff``: what becomes stricter, looser or merely different between two policies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final

import click

from trustlog.cli.answer import FAIL, PASS, USAGE, report_error, show
from trustlog.cli.options import json_option
from trustlog.cli.policy_source import Named, read_named
from trustlog.cli.session import LogAccess, optional_log_options
from trustlog.errors import TrustlogError, printable
from trustlog.policy.difference import Difference, find_differences, find_other_differences
from trustlog.policy.paths import json_path

ORDER: Final = ("looser", "stricter", "different")  # what needs a second look comes first
ABSENT: Final = object()


@click.command(epilog="\b\nExample:\n  trustlog policy diff b64u:HASH revised.json --log URL --trust trust.toml")
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
@optional_log_options
@json_option
def diff(before: str, after: str, *, open_access: Callable[[], LogAccess], as_json: bool) -> int:
    """Compare two policies, each a FILE or the HASH of one in the log: from A to B, member by member, and what it means.

    Looser changes come first. Exit code 0 if the policies are the same, 1 if they differ, 2 for any trouble.
    """
    try:
        one, other = read_named([before, after], open_access)
    except TrustlogError as error:
        report_error(error, as_json=as_json)
        return USAGE
    found = [*compare(one, other)]
    counts = Counter(row["effect"] for row in found)
    result = {
        "same": one.policy_hash == other.policy_hash,
        "before": {"policy_hash_b64u": one.policy_hash, "policy_name": one.name},
        "after": {"policy_hash_b64u": other.policy_hash, "policy_name": other.name},
        **{effect: counts[effect] for effect in ORDER},
        "differences": found,
    }
    show(
        result,
        [printable(line) for line in _lines(found, counts, same=one.policy_hash == other.policy_hash)],
        as_json=as_json,
    )
    return PASS if result["same"] else FAIL


def compare(one: Named, other: Named) -> Iterator[dict[str, Any]]:
    """Every difference as JSON, looser ones first; ``before`` and ``after`` are what stands there, where something does."""
    old, new = one.document, other.document
    old_rules, new_rules = _at(old, one.place_of_rules), _at(new, other.place_of_rules)
    if one.rules is None or other.rules is None:
        yield from _only_one_has_rules(one, other)
    else:
        found = find_differences(one.rules, other.rules)
        found += find_other_differences(old_rules, new_rules, found)
        for effect in ORDER:
            for each in (each for each in found if each.effect == effect):
                yield _row(each, json_path((*other.place_of_rules, *each.path)), old_rules, new_rules)
    if one.place_of_rules == other.place_of_rules != ():
        outside = find_other_differences(old, new, [Difference(other.place_of_rules, "different", "")])
        for each in outside:
            yield _row(each, json_path(each.path), old, new)


def _only_one_has_rules(one: Named, other: Named) -> Iterator[dict[str, Any]]:
    if (one.rules is None) != (other.rules is None):
        looser = one.rules is None
        said = (
            "It has rules for changes, and had none." if looser else "It has no rules for changes any more: all is denied."
        )
        place = (other if looser else one).place_of_rules
        yield {"effect": "looser" if looser else "stricter", "path": json_path(place), "sentence": said}


def _row(difference: Difference, path: str, old: Any, new: Any) -> dict[str, Any]:
    row: dict[str, Any] = {"effect": difference.effect, "path": path, "sentence": difference.sentence}
    for name, document in (("before", old), ("after", new)):
        value = _at(document, difference.path)
        if value is not ABSENT:
            row[name] = value
    return row


def _at(document: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        if not isinstance(document, dict) or step not in document:
            return ABSENT
        document = document[step]
    return document


def _lines(found: list[dict[str, Any]], counts: Counter[str], *, same: bool) -> Iterator[str]:
    for row in found:
        effect = str(row["effect"])
        yield f"{effect.upper() if effect == 'looser' else effect:<9}  {row['path']}"
        yield f"           {row['sentence']}"
    if not found:
        yield "no difference" if same else "the rules are the same, and the documents around them differ"
        return
    yield ", ".join(f"{counts[effect]} {effect}" for effect in ORDER)
