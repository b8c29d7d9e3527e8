"""The trust policy: everything that an auditor pins, in one TOML file. Unknown keys are refused."""

from __future__ import annotations

import codecs
import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from verifier.didkey import parse_did_key
from verifier.errors import Refused
from verifier.limits import MAX_TREE_SIZE, MAX_TRUST_BYTES
from verifier.policy_text import LogPolicy, parse_log_policy


class Role(StrEnum):
    """What a pinned DID is trusted to sign."""

    GATEWAY = "gateways"
    POLICY_ISSUER = "policy_issuers"
    TOKEN_ISSUER = "token_issuers"  # noqa: S105 - a role, not a password
    ROSTER_AUTHORITY = "roster_authorities"
    AGENT = "agents"
    RUNNER = "runners"
    GATE = "gates"
    CUSTODIAN = "custodians"


@dataclass(frozen=True, slots=True)
class Window:
    """A DID is trusted at every index with from_index ≤ index < until_index."""

    did: str
    from_index: int = 0
    until_index: int = MAX_TREE_SIZE


@dataclass(frozen=True, slots=True)
class TrustPolicy:
    """Pinned keys and rules. `sha256` is the hex digest of the file. Ages are in seconds."""

    sha256: str
    log_policy: LogPolicy
    max_checkpoint_age_s: int
    allow_unwitnessed: bool
    gate_attests_absence: bool
    windows: Mapping[Role, tuple[Window, ...]]
    roster_quorum: int
    policy_quorum: int

    def has_role(self, did: str, role: Role, index: int) -> bool:
        """Whether `did` is trusted in `role` at `index`."""
        return any(
            window.did == did and window.from_index <= index < window.until_index for window in self.windows.get(role, ())
        )

    def had_role(self, did: str, role: Role, index: int) -> bool:
        """Whether `did` is trusted in `role` at `index` or was at a lower one."""
        return any(window.did == did and window.from_index <= index for window in self.windows.get(role, ()))

    def reserved_keys(self) -> frozenset[bytes]:
        """The 32-byte keys that can never be a person's: every role key, log key and witness key."""
        roles = {parse_did_key(window.did) for windows in self.windows.values() for window in windows}
        log = {key.public_key for key in self.log_policy.logs}
        witnesses = {key.public_key for _, key in self.log_policy.witnesses}
        return frozenset(roles | log | witnesses)


def parse_trust_policy(data: bytes) -> TrustPolicy:
    """The trust policy in a TOML file. Raises Refused TRUST_POLICY_INVALID."""
    if len(data) > MAX_TRUST_BYTES:
        raise Refused("TRUST_POLICY_INVALID", "file", expected=f"at most {MAX_TRUST_BYTES} bytes")
    try:
        document = tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise Refused("TRUST_POLICY_INVALID", "file", expected="UTF-8") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        if data.startswith(codecs.BOM_UTF8):
            raise Refused("TRUST_POLICY_INVALID", "file", expected="no byte order mark before it") from None
        raise Refused("TRUST_POLICY_INVALID", "file", found=str(error)[:200]) from None
    top = {"allow_unwitnessed", "absence", "log", "roles", "quorums", "identity_providers"}
    _check_closed(document, top, "file")
    log = _table(document, "log", {"policy", "max_checkpoint_age_s"})
    quorums = _table(document, "quorums", {"roster", "policy"})
    absence = document.get("absence", "log")
    if absence not in ("log", "gate"):
        raise Refused("TRUST_POLICY_INVALID", "absence", expected='"log" or "gate"')
    _check_identity_providers(document.get("identity_providers", []))
    log_policy = parse_log_policy(_string(log, "policy", "log.policy").encode("utf-8"))
    allow_unwitnessed = _flag(document, "allow_unwitnessed")
    if len({key.name for key in log_policy.logs}) != 1:
        raise Refused("TRUST_POLICY_INVALID", "log.policy", expected="log lines of exactly one origin")
    if log_policy.quorum is None and not allow_unwitnessed:
        raise Refused("TRUST_POLICY_INVALID", "log.policy", expected="a quorum, or allow_unwitnessed = true")
    return TrustPolicy(
        sha256=hashlib.sha256(data).hexdigest(),
        log_policy=log_policy,
        max_checkpoint_age_s=_integer(log, "max_checkpoint_age_s", 300, 1),
        allow_unwitnessed=allow_unwitnessed,
        gate_attests_absence=absence == "gate",
        windows=_parse_roles(_table(document, "roles", {role.value for role in Role}), log_policy),
        roster_quorum=_integer(quorums, "roster", 1, 1),
        policy_quorum=_integer(quorums, "policy", 1, 1),
    )


def _parse_roles(table: Mapping[str, object], log_policy: LogPolicy) -> dict[Role, tuple[Window, ...]]:
    owners: dict[bytes, str] = {key.public_key: "a log" for key in log_policy.logs}
    for _, key in log_policy.witnesses:
        if owners.setdefault(key.public_key, "a witness") != "a witness":
            raise Refused("TRUST_POLICY_INVALID", "log.policy", expected="different log and witness keys")
    result: dict[Role, tuple[Window, ...]] = {}
    for role in Role:
        items = table.get(role.value, [])
        if not isinstance(items, list):
            raise Refused("TRUST_POLICY_INVALID", f"roles.{role}", expected="an array")
        windows = tuple(_parse_window(item, f"roles.{role}") for item in items)
        for window in windows:
            owner = owners.setdefault(parse_did_key(window.did), role.value)
            if owner != role.value:
                raise Refused("TRUST_POLICY_INVALID", f"roles.{role}", expected="a key of one role only", found=owner)
        result[role] = windows
    return result


def _parse_window(item: object, where: str) -> Window:
    if isinstance(item, str):
        item = {"did": item}
    if not isinstance(item, dict):
        raise Refused("TRUST_POLICY_INVALID", where, expected="a DID or {did, from_index, until_index}")
    _check_closed(item, {"did", "from_index", "until_index"}, where)
    did = _string(item, "did")
    try:
        parse_did_key(did)
    except Refused:
        raise Refused("TRUST_POLICY_INVALID", where, expected="did:key of an Ed25519 key") from None
    first = _integer(item, "from_index", 0, 0)
    return Window(did, first, _integer(item, "until_index", MAX_TREE_SIZE, first))


def _check_identity_providers(items: object) -> None:
    if not isinstance(items, list):
        raise Refused("TRUST_POLICY_INVALID", "identity_providers", expected="an array of tables")
    for item in items:
        if not isinstance(item, dict):
            raise Refused("TRUST_POLICY_INVALID", "identity_providers", expected="a table")
        _check_closed(item, {"issuer", "audience", "algorithms"}, "identity_providers")
        _string(item, "issuer")
        _string(item, "audience")
        algorithms = item.get("algorithms")
        if not isinstance(algorithms, list) or not algorithms:
            raise Refused("TRUST_POLICY_INVALID", "identity_providers.algorithms", expected="an array")
        if not all(isinstance(name, str) and name.lower() != "none" for name in algorithms):
            raise Refused("TRUST_POLICY_INVALID", "identity_providers.algorithms", expected="names but none")


def _check_closed(table: Mapping[str, object], known: set[str], where: str) -> None:
    for key in table:
        if key not in known:
            raise Refused("TRUST_POLICY_INVALID", where, expected="known keys only", found=key[:64])


def _table(document: Mapping[str, object], name: str, known: set[str]) -> dict[str, object]:
    table = document.get(name, {})
    if not isinstance(table, dict):
        raise Refused("TRUST_POLICY_INVALID", name, expected="a table")
    _check_closed(table, known, name)
    return table


def _string(table: Mapping[str, object], name: str, where: str | None = None) -> str:
    value = table.get(name)
    if not isinstance(value, str) or not value:
        raise Refused("TRUST_POLICY_INVALID", where or name, expected="a string")
    return value


def _flag(table: Mapping[str, object], name: str) -> bool:
    value = table.get(name, False)
    if not isinstance(value, bool):
        raise Refused("TRUST_POLICY_INVALID", name, expected="true or false")
    return value


def _integer(table: Mapping[str, object], name: str, default: int, minimum: int) -> int:
    value = table.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not minimum <= value <= MAX_TREE_SIZE:
        raise Refused("TRUST_POLICY_INVALID", name, expected=f"an integer from {minimum}")
    return value
