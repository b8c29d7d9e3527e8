"""Which logs and witnesses are trusted, and how many witnesses are enough (C2SP tlog-policy).

A policy is text: a line ``log <vkey> [<url>]`` a log, ``witness <name> <vkey> [<url>]`` a witness, ``group <name>
all|any|<k> <member>…`` a group of witnesses or earlier groups, and exactly one ``quorum <name>|none``. Names are opaque octets
and mean nothing outside the file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from trustlog.errors import Refused
from trustlog.formats.note import ED25519, ED25519_COSIGNATURE, ML_DSA_44_COSIGNATURE, VerifierKey

MAX_POLICY_BYTES: Final = 256 * 1024
MAX_POLICY_LINES: Final = 1024  # the specification asks for 32 logs, 32 witnesses and 32 groups

_LOG_TYPES: Final = frozenset({ED25519, ML_DSA_44_COSIGNATURE})
_WITNESS_TYPES: Final = frozenset({ED25519_COSIGNATURE, ML_DSA_44_COSIGNATURE})
_NONE: Final = "none"

_FORBIDDEN = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")
_BLANK = re.compile(r"[ \t]+")
_THRESHOLD = re.compile(r"[1-9][0-9]{0,3}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Log:
    """A trusted log: its key, whose name is the log's origin, and where it is, if the policy says so."""

    key: VerifierKey
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Witness:
    """A trusted witness under its name in the policy, which need not be its key's name."""

    name: str
    key: VerifierKey
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """A group counts as having cosigned when at least `threshold` of its `members` have: witnesses, or earlier groups."""

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LogPolicy:
    """The trusted logs and witnesses, and the quorum: the name of a witness or group, or None where none is demanded."""

    logs: tuple[Log, ...]
    witnesses: tuple[Witness, ...]
    groups: tuple[Group, ...]
    quorum: str | None

    def is_met(self, cosigners: Iterable[str]) -> bool:
        """Whether cosignatures of the witnesses with these names (in the policy) make the quorum."""
        if self.quorum is None:
            return True
        cosigned = {w.name for w in self.witnesses}.intersection(cosigners)
        for group in self.groups:  # members stand before the groups they are in
            if len(cosigned.intersection(group.members)) >= group.threshold:
                cosigned.add(group.name)
        return self.quorum in cosigned

    def earliest_quorum_time(self, times: Mapping[str, int]) -> int | None:
        """The time by which a quorum had cosigned, from each witness's time: no quorum did before. None without a quorum.

        It bounds from above when a checkpoint, and so what it covers, came to be.
        """
        return self._quorum_time(sorted(times.values()), lambda t: (n for n in times if times[n] <= t))

    def latest_quorum_time(self, times: Mapping[str, int]) -> int | None:
        """The last time at or after which a quorum cosigned: the log was seen to be no larger then. None without a quorum.

        It bounds a checkpoint's age. A few witnesses with a clock ahead cannot move it, for they are not a quorum.
        """
        return self._quorum_time(sorted(times.values(), reverse=True), lambda t: (n for n in times if times[n] >= t))

    def _quorum_time(self, candidates: list[int], names_at: Callable[[int], Iterable[str]]) -> int | None:
        if self.quorum is None:
            return None
        return next((t for t in candidates if self.is_met(names_at(t))), None)


def parse_log_policy(text: bytes) -> LogPolicy:
    """The policy that `text` is. Raises Refused(TRUST_POLICY_INVALID), which names the line.

    The last line may lack its newline, since a policy is often a string in another document.
    """
    if len(text) > MAX_POLICY_BYTES or text.count(b"\n") > MAX_POLICY_LINES:
        raise Refused("TRUST_POLICY_INVALID", "the log policy is too long", expected=f"at most {MAX_POLICY_LINES} lines")
    reader = _Reader()
    for number, line in enumerate(text.split(b"\n"), start=1):
        if _FORBIDDEN.search(line):
            raise _invalid(number, "a control character", "tab and newline only", "another")
        # What is not UTF-8 stays distinct: names are octets, compared as such.
        items = _BLANK.split(line.decode("utf-8", "surrogateescape").strip(" \t"))
        if items[0] and not items[0].startswith("#"):
            reader.read(number, items)
    return reader.finish()


class _Reader:
    """Reads lines in their order, so that a name is known before it is used."""

    def __init__(self) -> None:
        self._logs: list[Log] = []
        self._witnesses: list[Witness] = []
        self._groups: list[Group] = []
        self._names: set[str] = {_NONE}
        self._grouped: set[str] = set()
        self._quorums: list[str] = []

    def read(self, number: int, items: list[str]) -> None:
        """One line that says something."""
        match items:
            case ["log", vkey, *url] if len(url) <= 1:
                key = self._key(number, vkey, _LOG_TYPES, [log.key for log in self._logs])
                self._logs.append(Log(key, *url))
            case ["witness", name, vkey, *url] if len(url) <= 1:
                self._define(number, name)
                key = self._key(number, vkey, _WITNESS_TYPES, [witness.key for witness in self._witnesses])
                self._witnesses.append(Witness(name, key, *url))
            case ["group", name, threshold, *members] if members:
                self._groups.append(Group(name, _threshold(number, threshold, len(members)), tuple(members)))
                for member in members:
                    self._join(number, member)
                self._define(number, name)
            case ["quorum", name]:
                if name not in self._names:
                    raise _invalid(number, "the quorum is not defined", "a name defined above, or none", name)
                self._quorums.append(name)
            case _:
                raise _invalid(number, "not a line of a policy", "log, witness, group or quorum", " ".join(items))

    def finish(self) -> LogPolicy:
        """The policy read."""
        if len(self._quorums) != 1:
            found = f"{len(self._quorums)} quorum lines"
            raise Refused("TRUST_POLICY_INVALID", "a policy has exactly one quorum line", expected="one", found=found)
        quorum = None if self._quorums == [_NONE] else self._quorums[0]
        return LogPolicy(tuple(self._logs), tuple(self._witnesses), tuple(self._groups), quorum)

    def _define(self, number: int, name: str) -> None:
        if name in self._names:
            raise _invalid(number, "the name is taken", "a new name, other than none", name)
        self._names.add(name)

    def _join(self, number: int, member: str) -> None:
        """A member is defined above and in no group yet, so that a witness counts in one way only."""
        if member not in self._names - {_NONE}:
            raise _invalid(number, "the member is not defined", "a witness or group defined above", member)
        if member in self._grouped:
            raise _invalid(number, "the member is in a group already", "each name in one group at most", member)
        self._grouped.add(member)

    def _key(self, number: int, vkey: str, types: frozenset[int], others: list[VerifierKey]) -> VerifierKey:
        try:
            key = VerifierKey.parse(vkey)
        except Refused as refused:
            raise _invalid(number, refused.detail, refused.expected or "a vkey", vkey) from None
        if key.type not in types:
            expected = "type " + " or ".join(f"{t:#04x}" for t in sorted(types))
            raise _invalid(number, "a key of a type that does not serve here", expected, f"type {key.type:#04x}")
        if any(key.public_key == other.public_key for other in others):
            raise _invalid(number, "the key is listed twice", "each key once, whatever its name", key.name)
        return key


def _threshold(number: int, text: str, count: int) -> int:
    """How many of `count` members are enough."""
    named = {"any": 1, "all": count}
    if text in named:
        return named[text]
    if not _THRESHOLD.fullmatch(text) or int(text) > count:
        raise _invalid(number, "not a threshold", f"all, any, or 1 … {count}", text)
    return int(text)


def _invalid(number: int, detail: str, expected: str, found: str) -> Refused:
    return Refused("TRUST_POLICY_INVALID", detail, param=f"policy line {number}", expected=expected, found=found)
