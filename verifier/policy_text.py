"""C2SP tlog-policy text: which logs, which witnesses, and which sets of witnesses are a quorum.

Source: c2sp.org/tlog-policy. The text is octets; names are compared as octets (here: Latin-1 strings).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from verifier.errors import Refused
from verifier.limits import MAX_POLICY_KEYS
from verifier.note import KeyType, VerifierKey, parse_verifier_key

_ALLOWED = re.compile(rb"[\x09\x0a\x20-\x7e\x80-\xff]*")
_THRESHOLD = re.compile(r"[1-9][0-9]{0,3}", re.ASCII)
_LOG_TYPES = (KeyType.ED25519, KeyType.ML_DSA_44_COSIGNATURE)
_WITNESS_TYPES = (KeyType.ED25519_COSIGNATURE, KeyType.ML_DSA_44_COSIGNATURE)


@dataclass(frozen=True, slots=True)
class Group:
    """A group has witnessed a checkpoint if at least `threshold` of its members have."""

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LogPolicy:
    """A parsed policy. `quorum` names a witness or group, or is None for `quorum none`."""

    logs: tuple[VerifierKey, ...]
    log_urls: tuple[str | None, ...]
    witnesses: tuple[tuple[str, VerifierKey], ...]
    groups: tuple[Group, ...]
    quorum: str | None

    def is_met(self, cosigners: Collection[VerifierKey]) -> bool:
        """Whether the witnesses whose keys are in `cosigners` are a quorum."""
        if self.quorum is None:
            return True
        witnessed = {name for name, key in self.witnesses if key in cosigners}
        for group in self.groups:  # members are always defined on earlier lines
            if sum(member in witnessed for member in group.members) >= group.threshold:
                witnessed.add(group.name)
        return self.quorum in witnessed


def parse_log_policy(data: bytes) -> LogPolicy:
    """The policy in `data`. Raises Refused TRUST_POLICY_INVALID with the line number."""
    if not _ALLOWED.fullmatch(data):
        raise Refused("TRUST_POLICY_INVALID", "log policy", found="a control character")
    reader = _Reader()
    for number, line in enumerate(data.decode("latin-1").split("\n"), start=1):
        words = re.split(r"[ \t]+", line.strip(" \t"))
        if words[0] and not words[0].startswith("#"):
            reader.read(words, f"log policy, line {number}")
    return reader.finish()


class _Reader:
    """Collects the lines of one policy; every name must be defined before it is used."""

    def __init__(self) -> None:
        self.logs: list[VerifierKey] = []
        self.urls: list[str | None] = []
        self.witnesses: list[tuple[str, VerifierKey]] = []
        self.groups: list[Group] = []
        self.members: set[str] = set()
        self.quorums: list[str] = []

    def read(self, words: list[str], where: str) -> None:
        lines = {"log": self._log, "witness": self._witness, "group": self._group, "quorum": self._quorum}
        handler = lines.get(words[0])
        if handler is None:
            raise Refused("TRUST_POLICY_INVALID", where, expected="log, witness, group or quorum")
        handler(words[1:], where)
        if max(len(self.logs), len(self.witnesses), len(self.groups)) > MAX_POLICY_KEYS:
            raise Refused("TRUST_POLICY_INVALID", where, expected=f"at most {MAX_POLICY_KEYS} of a kind")

    def finish(self) -> LogPolicy:
        if len(self.quorums) != 1:
            raise Refused("TRUST_POLICY_INVALID", "log policy", expected="exactly one quorum line")
        quorum = None if self.quorums[0] == "none" else self.quorums[0]
        return LogPolicy(tuple(self.logs), tuple(self.urls), tuple(self.witnesses), tuple(self.groups), quorum)

    def _log(self, words: list[str], where: str) -> None:
        if len(words) not in (1, 2):
            raise Refused("TRUST_POLICY_INVALID", where, expected="log <vkey> [<url>]")
        self.logs.append(self._new_key(words[0], _LOG_TYPES, [*self.logs], where))
        self.urls.append(words[1] if len(words) == 2 else None)

    def _witness(self, words: list[str], where: str) -> None:
        if len(words) not in (2, 3):
            raise Refused("TRUST_POLICY_INVALID", where, expected="witness <name> <vkey> [<url>]")
        self._check_new_name(words[0], where)
        key = self._new_key(words[1], _WITNESS_TYPES, [known for _, known in self.witnesses], where)
        self.witnesses.append((words[0], key))

    def _group(self, words: list[str], where: str) -> None:
        if len(words) < 3:
            raise Refused("TRUST_POLICY_INVALID", where, expected="group <name> all|any|<k> <name>…")
        name, rule, *members = words
        self._check_new_name(name, where)
        for member in members:
            if member not in self._names() or member in self.members:
                raise Refused("TRUST_POLICY_INVALID", where, expected="members defined before, each in one group once")
            self.members.add(member)
        self.groups.append(Group(name, _threshold(rule, len(members), where), tuple(members)))

    def _quorum(self, words: list[str], where: str) -> None:
        if len(words) != 1 or (words[0] != "none" and words[0] not in self._names()):
            raise Refused("TRUST_POLICY_INVALID", where, expected="quorum none|<name defined before>")
        self.quorums.append(words[0])

    def _names(self) -> set[str]:
        return {name for name, _ in self.witnesses} | {group.name for group in self.groups}

    def _check_new_name(self, name: str, where: str) -> None:
        if name == "none" or name in self._names():
            raise Refused("TRUST_POLICY_INVALID", where, expected="a new name other than none")

    def _new_key(self, text: str, types: tuple[KeyType, ...], known: list[VerifierKey], where: str) -> VerifierKey:
        key = parse_verifier_key(text.encode("latin-1").decode("utf-8", "replace"))
        if key.type not in types:
            raise Refused("TRUST_POLICY_INVALID", where, found=f"key type {key.type:#04x}")
        if any(key.public_key == other.public_key for other in known):
            raise Refused("TRUST_POLICY_INVALID", where, expected="each public key once")
        return key


def _threshold(rule: str, size: int, where: str) -> int:
    if rule == "all":
        return size
    if rule == "any":
        return 1
    if not _THRESHOLD.fullmatch(rule) or int(rule) > size:
        raise Refused("TRUST_POLICY_INVALID", where, expected=f"a threshold from 1 to {size}")
    return int(rule)
