"""What a member of a record may hold: values on the inside of each bound, and values just outside."""

from __future__ import annotations

from dataclasses import dataclass

from tests.verifier.logbuilder import Key, hash_of


@dataclass(frozen=True)
class Values:
    """Values that a member takes, the ordinary one first, and values that it refuses."""

    good: tuple[object, ...]
    bad: tuple[object, ...]


@dataclass(frozen=True)
class Optional:
    """A member that may be absent; null is no value of it."""

    values: Values


Members = dict[str, Values | Optional]

_HASH = hash_of(b"a record")
NO_TEXT = (1, None, ["x"])

STRING = Values(("", "x"), NO_TEXT)
TEXT = Values(("x", "x" * 5000), ("", *NO_TEXT))
LINE = Values(("x", "x" * 256), ("", "x" * 257, *NO_TEXT))
NOTE = Values(("", "x" * 4096), ("x" * 4097, *NO_TEXT))
HASH = Values((_HASH,), ("", _HASH[:-1], _HASH + "A", _HASH[:-1] + "B", _HASH[:-1] + "=", *NO_TEXT))
LOOSE_HASH = Values(("A" * 8, "_-" * 40), ("A" * 7, "A" * 8 + "=", *NO_TEXT))
HEX = Values(("0f" * 32,), ("0f" * 31, "0f" * 33, "0F" * 32, *NO_TEXT))
ID = Values(("job-7", "A.z_:-9", "x" * 128), ("", "x" * 129, "a b", "a/b", "\u00e9", *NO_TEXT))
TICKET = Values(
    ("jira.example:CHG-7", "s" * 64 + ":" + "I" * 128, "0.-:A._-9"),
    ("CHG-7", ":1", "a:", "A:1", "s" * 65 + ":1", "s:" + "I" * 129, "s:1:2", "s:1 ", *NO_TEXT),
)
SUBJECT = Values(("p-owner", "A.z_-9", "x" * 128), ("", "x" * 129, "a b", "a:b", "a@b", *NO_TEXT))
ROLE = Values(("owner", "A.z_-9", "x" * 64), ("", "x" * 65, "a b", "a:b", *NO_TEXT))
DID_KEY = Values((Key("agent").did,), ("", "did:web:example", Key("agent").did[:-1], *NO_TEXT))
DID = Values(("did:", "did:web:example"), ("", "web:example", *NO_TEXT))
TIME = Values(
    ("2026-03-02T09:00:00Z", "2026-03-02T09:00:00.123456789Z"), ("2026-03-02", "2026-03-02T09:00:00+01:00", *NO_TEXT)
)
ANY_TIME = Values(("2026-03-02T09:00:00Z", "2026-03-02T09:00:00+01:00"), ("", "2026-03-02", *NO_TEXT))
SALT = Values(("A" * 22,), ("A" * 21, "A" * 23, "A" * 21 + "B", *NO_TEXT))
FLAG = Values((True, False), (0, "true", None))
NUMBER = Values((0, -1.5, 10**12), (True, "1", None))
AMOUNT = Values((0, 1.5, 10**12), (-1, -0.5, True, "1", None))
ANYTHING = Values((None, 1, {"a": [1]}, "x"), ())
OBJECT = Values(({}, {"a": {"b": 1}}), (1, None, [], "x"))


def integer(low: int, high: int = 2**53 - 1) -> Values:
    """An integer from `low` to `high`."""
    return Values((low, high), (low - 1, high + 1, low + 0.5, True, str(low), None))


def choice(*texts: str) -> Values:
    """One of some texts."""
    return Values(texts, ("", "another", texts[0] + " ", 1, None, [texts[0]]))


def characters(low: int, high: int) -> Values:
    """A text of `low` to `high` characters."""
    too_short = ("x" * (low - 1),) if low else ()
    return Values(("x" * low, "\u00e9" * high), (*too_short, "x" * (high + 1), *NO_TEXT))


def array(item: Values, *, low: int = 0, high: int | None = None) -> Values:
    """An array of `low` to `high` items."""
    one = item.good[0]
    good = [[one] * max(low, 1), *([[]] if low == 0 else []), *([[one] * high] if high is not None else [])]
    bad = [*([[one] * (low - 1)] if low else []), *([[one] * (high + 1)] if high is not None else [])]
    return Values(tuple(good), (*bad, *([value] for value in item.bad), {}, "x", 1, None))


def nested(members: Members) -> Values:
    """A closed object."""
    whole = example(members)
    return Values((whole,), (whole | {"more": 1}, 1, None, [], "x", *([{}] if required(members) else [])))


def required(members: Members) -> list[str]:
    """The members that must be there."""
    return [name for name, values in members.items() if isinstance(values, Values)]


def values_of(values: Values | Optional) -> Values:
    """What a member takes if it is there."""
    return values.values if isinstance(values, Optional) else values


def example(members: Members) -> dict[str, object]:
    """An object with the ordinary value of each member that must be there."""
    return {name: values_of(members[name]).good[0] for name in required(members)}
