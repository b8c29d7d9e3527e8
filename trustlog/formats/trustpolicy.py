"""Trust policies: whom a relying party believes, and from which index on. One TOML file, pinned, never fetched.

::

    allow_unwitnessed = false    # "quorum none" is refused unless this is true
    absence = "log"              # "log": absence is proven from the whole log; "gate": a trusted gate's decision may attest it
    [log]
    policy = "…"                 # the text of a C2SP tlog-policy, with the key of the one log this file is about
    max_checkpoint_age_s = 300   # by witness time; unknown where there are no witnesses
    [roles]                      # a DID, or {did, from_index, until_index}: trusted for from ≤ index < until
    gateways = ["did:key:…", {did = "did:key:…", until_index = 70}]
    [quorums]                    # how many different trusted signers bring a roster or policy into force
    roster = 1
    policy = 1
    [[identity_providers]]
    issuer = "https://…"
    audience = "…"
    algorithms = ["RS256"]

Every key of the file is known here: an unknown one is refused, for what it meant to restrict would not be. One public key has
one role only, and a log's or witness's key has none of these.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar

from trustlog.errors import Refused
from trustlog.formats.checkpoint import MAX_TREE_SIZE, Checkpoint, parse_checkpoint
from trustlog.formats.didkey import parse_did_key
from trustlog.formats.note import VerifierKey, open_note
from trustlog.formats.tlogpolicy import LogPolicy, parse_log_policy

T = TypeVar("T")

ROLES: Final = (
    "gateways",
    "policy_issuers",
    "token_issuers",
    "roster_authorities",
    "agents",
    "runners",
    "gates",
    "custodians",
)
MAX_TRUST_POLICY_BYTES: Final = 1024 * 1024
DEFAULT_MAX_CHECKPOINT_AGE_S: Final = 300


@dataclass(frozen=True, slots=True)
class Window:
    """A DID trusted for from_index ≤ index < until_index; for ever after where `until_index` is None."""

    did: str
    from_index: int = 0
    until_index: int | None = None

    def covers(self, index: int) -> bool:
        """Whether what the DID signed at `index` counts."""
        return self.from_index <= index and (self.until_index is None or index < self.until_index)


@dataclass(frozen=True, slots=True)
class IdentityProvider:
    """An identity provider whose step-up evidence may be believed, with the algorithms pinned."""

    issuer: str
    audience: str
    algorithms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TrustPolicy:
    """A parsed trust policy. `sha256` (32 bytes) is over the file's bytes; `origin` is the log's."""

    sha256: bytes
    origin: str
    policy: LogPolicy
    allow_unwitnessed: bool
    absence: Literal["log", "gate"]
    max_checkpoint_age_s: int
    roles: Mapping[str, tuple[Window, ...]]
    quorums: Mapping[str, int]
    identity_providers: tuple[IdentityProvider, ...]

    @classmethod
    def parse(cls, body: bytes) -> TrustPolicy:
        """The trust policy that a TOML file holds. Raises Refused(TRUST_POLICY_INVALID)."""
        return _parse(body)

    @property
    def log_keys(self) -> tuple[VerifierKey, ...]:
        """The keys of the log, all under its origin."""
        return tuple(log.key for log in self.policy.logs)

    def role_at(self, did: str, index: int) -> str | None:
        """The role that `did` is trusted for at `index`: one of :data:`ROLES`, or None."""
        for role, windows in self.roles.items():
            if any(window.did == did and window.covers(index) for window in windows):
                return role
        return None

    def role_of(self, did: str) -> str | None:
        """The role that `did` has at any index, or None: a key that ever had one is never a person's."""
        return next((role for role, windows in self.roles.items() if any(w.did == did for w in windows)), None)


# Checkpoints under a trust policy.


@dataclass(frozen=True, slots=True)
class TrustedCheckpoint:
    """A checkpoint that a trust policy accepts, the note it came in, and its witnesses: name in the policy → POSIX time."""

    checkpoint: Checkpoint
    note: bytes
    cosigned_by: Mapping[str, int]


def open_checkpoint(note: bytes, trust: TrustPolicy) -> TrustedCheckpoint:
    """The checkpoint that `note` holds, if the log signed it and the quorum of witnesses cosigned it.

    Raises Refused: NOTE_MALFORMED, NOTE_UNVERIFIED (no signature of the log, or a bad one of any known key),
    CHECKPOINT_MALFORMED, ORIGIN_MISMATCH, QUORUM_NOT_MET.
    """
    names = {witness.key: witness.name for witness in trust.policy.witnesses}
    opened = open_note(note, (*trust.log_keys, *names))
    if not any(signed.key in trust.log_keys for signed in opened.verified):
        raise Refused("NOTE_UNVERIFIED", "the log did not sign the checkpoint", expected=f"a signature of {trust.origin}")
    checkpoint = parse_checkpoint(opened.text)
    if checkpoint.origin != trust.origin:
        raise Refused("ORIGIN_MISMATCH", "another log's checkpoint", expected=trust.origin, found=checkpoint.origin)
    cosigned_by = {names[s.key]: s.time_s for s in opened.verified if s.key in names and s.time_s is not None}
    if not trust.policy.is_met(cosigned_by):
        found = ", ".join(sorted(cosigned_by)) or "no cosignature"
        raise Refused("QUORUM_NOT_MET", "too few witnesses", expected=f"the quorum {trust.policy.quorum}", found=found)
    return TrustedCheckpoint(checkpoint, note, cosigned_by)


def check_checkpoint_age(trusted: TrustedCheckpoint, trust: TrustPolicy, now_s: int, max_age_s: int | None = None) -> bool:
    """Check by witness time that the checkpoint is fresh at `now_s` (POSIX). Raises Refused(CHECKPOINT_STALE).

    Returns False where no quorum is demanded: the age is then unknown, was not checked, and must be listed as not proven.
    `max_age_s` overrides the policy's.
    """
    seen_s = trust.policy.latest_quorum_time(trusted.cosigned_by)
    if seen_s is None:
        return False
    limit_s = trust.max_checkpoint_age_s if max_age_s is None else max_age_s
    if now_s - seen_s > limit_s:
        found = f"{now_s - seen_s} s"
        raise Refused(
            "CHECKPOINT_STALE", "the witnesses saw this too long ago", expected=f"at most {limit_s} s", found=found
        )
    return True


# Reading the file. `where` is the path of a value in it, for refusals.


def _parse(body: bytes) -> TrustPolicy:
    document = _decode(body)
    _check_names(document, {"allow_unwitnessed", "absence", "log", "roles", "quorums", "identity_providers"}, "")
    log = _table(document, "log", {"policy", "max_checkpoint_age_s"})
    roles = _table(document, "roles", set(ROLES))
    quorums = _table(document, "quorums", {"roster", "policy"})
    policy = parse_log_policy(_typed(log.get("policy"), str, "log.policy").encode("utf-8"))
    allow_unwitnessed = _typed(document.get("allow_unwitnessed", False), bool, "allow_unwitnessed")
    if policy.quorum is None and not allow_unwitnessed:
        raise _invalid("log.policy", "no witness is demanded", "a quorum, or allow_unwitnessed = true", "quorum none")
    trust = TrustPolicy(
        sha256=hashlib.sha256(body).digest(),
        origin=_origin(policy),
        policy=policy,
        allow_unwitnessed=allow_unwitnessed,
        absence=_absence(document.get("absence", "log")),
        max_checkpoint_age_s=_count(
            log.get("max_checkpoint_age_s", DEFAULT_MAX_CHECKPOINT_AGE_S), "log.max_checkpoint_age_s"
        ),
        roles={role: _windows(roles.get(role, []), f"roles.{role}") for role in ROLES},
        quorums={name: _count(quorums.get(name, 1), f"quorums.{name}", least=1) for name in ("roster", "policy")},
        identity_providers=_identity_providers(document.get("identity_providers", [])),
    )
    _check_one_role_a_key(trust)
    return trust


def _decode(body: bytes) -> dict[str, Any]:
    if len(body) > MAX_TRUST_POLICY_BYTES:
        raise _invalid("", "the file is too long", f"at most {MAX_TRUST_POLICY_BYTES} bytes", f"{len(body)} bytes")
    try:
        return tomllib.loads(body.decode("utf-8"))
    except UnicodeDecodeError:
        raise _invalid("", "the file is not UTF-8", "UTF-8", "other bytes") from None
    except tomllib.TOMLDecodeError as error:
        raise _invalid("", "the file is not TOML", "TOML 1.0", str(error)) from None
    except (RecursionError, ValueError):  # nested too deep; a number or date that Python cannot hold
        raise _invalid("", "the file is not TOML that can be read", "TOML 1.0", "a value out of range") from None


def _origin(policy: LogPolicy) -> str:
    """The one origin of the log's keys: windows of indexes mean nothing over two logs."""
    origins = {log.key.name for log in policy.logs}
    if len(origins) != 1:
        raise _invalid("log.policy", "the policy names another number of logs", "one origin", f"{len(origins)} origins")
    if not any(log.key.is_supported for log in policy.logs):
        raise _invalid("log.policy", "no key of the log is of a supported type", "an Ed25519 key", "others")
    return origins.pop()


def _absence(value: object) -> Literal["log", "gate"]:
    if value == "log":
        return "log"
    if value == "gate":
        return "gate"
    raise _invalid("absence", "not a way to know of an absence", "log or gate", repr(value))


def _windows(value: object, where: str) -> tuple[Window, ...]:
    return tuple(_window(item, f"{where}[{i}]") for i, item in enumerate(_typed(value, list, where)))


def _window(value: object, where: str) -> Window:
    table = {"did": value} if isinstance(value, str) else _typed(value, dict, where)
    _check_names(table, {"did", "from_index", "until_index"}, where)
    did = _typed(table.get("did"), str, f"{where}.did")
    _public_key(did, f"{where}.did")
    from_index = _count(table.get("from_index", 0), f"{where}.from_index")
    until_index = _count(table["until_index"], f"{where}.until_index") if "until_index" in table else None
    if until_index is not None and until_index <= from_index:
        raise _invalid(where, "the window is empty", f"until_index above {from_index}", str(until_index))
    return Window(did, from_index, until_index)


def _identity_providers(value: object) -> tuple[IdentityProvider, ...]:
    providers = []
    for i, item in enumerate(_typed(value, list, "identity_providers")):
        where = f"identity_providers[{i}]"
        table = _typed(item, dict, where)
        _check_names(table, {"issuer", "audience", "algorithms"}, where)
        algorithms = tuple(
            _text(name, f"{where}.algorithms") for name in _typed(table.get("algorithms"), list, f"{where}.algorithms")
        )
        if not algorithms or "none" in {name.lower() for name in algorithms}:
            raise _invalid(
                f"{where}.algorithms", "no algorithm is pinned", "names of signature algorithms", repr(algorithms)
            )
        issuer, audience = (_text(table.get(name), f"{where}.{name}") for name in ("issuer", "audience"))
        providers.append(IdentityProvider(issuer, audience, algorithms))
    if len({provider.issuer for provider in providers}) != len(providers):
        raise _invalid("identity_providers", "an issuer stands twice", "each issuer once", "two of one issuer")
    return tuple(providers)


def _check_one_role_a_key(trust: TrustPolicy) -> None:
    """Each of the 32 bytes of a key has one use: a log's, a witness's, or one role."""
    use: dict[bytes, str] = {}
    named = [(log.key.public_key, "log") for log in trust.policy.logs]
    named += [(witness.key.public_key, "witness") for witness in trust.policy.witnesses]
    named += [(_public_key(w.did, role), role) for role, windows in trust.roles.items() for w in windows]
    for key, name in named:
        if use.setdefault(key, name) != name:
            raise _invalid(f"roles.{name}", "a key has two uses", "each key in one role only", f"{use[key]} and {name}")


def _public_key(did: str, where: str) -> bytes:
    try:
        return parse_did_key(did, where)
    except Refused as refused:
        raise _invalid(where, refused.detail, refused.expected or "a did:key", did) from None


def _table(document: Mapping[str, Any], name: str, known: set[str]) -> dict[str, Any]:
    table = _typed(document.get(name, {}), dict, name)
    _check_names(table, known, name)
    return table


def _check_names(table: Mapping[str, Any], known: set[str], where: str) -> None:
    for name in table:
        if name not in known:
            path = f"{where}.{name}" if where else name
            raise _invalid(path, "an unknown key", ", ".join(sorted(known)), name)


def _count(value: object, where: str, *, least: int = 0) -> int:
    number = _typed(value, int, where)
    if not least <= number <= MAX_TREE_SIZE:
        raise _invalid(where, "a number out of range", f"{least} … 2^63 - 1", str(number))
    return number


def _text(value: object, where: str) -> str:
    text = _typed(value, str, where)
    if not text or len(text) > 1024:
        raise _invalid(where, "a text of a wrong length", "1 … 1024 characters", f"{len(text)} characters")
    return text


def _typed(value: object, wanted: type[T], where: str) -> T:
    if type(value) is not wanted:  # a TOML boolean is not an integer
        names = {str: "a string", int: "an integer", bool: "true or false", list: "an array", dict: "a table"}
        found = "absent" if value is None else type(value).__name__
        raise _invalid(where, "a value of a wrong type", names[wanted], found)
    return value


def _invalid(where: str, detail: str, expected: str, found: str) -> Refused:
    return Refused("TRUST_POLICY_INVALID", detail, param=where or None, expected=expected, found=found)
