"""The directory of a log: which files it has, and how a new one comes to be.

=================  ====================================================================================
``log.key``        the log's private key in C2SP note form, mode 0600; its name is the origin
``config.toml``    origin, and the credentials that the service asks for
``trust.toml``     the trust policy that governs admission
``log.db``         entries, payloads, tiles, keys, checkpoints
``guard.db``       the last checkpoint signed: never in a backup, never restored
``index.db``       derived; may be deleted at any time
``keys.cache``     derived from ``log.db``; may be deleted at any time
``lock``           held by the one process that may write
=================  ====================================================================================
"""

from __future__ import annotations

import os
import re
import tempfile
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from trustlog.errors import Refused
from trustlog.formats.note import NoteSigner
from trustlog.formats.trustpolicy import TrustPolicy
from trustlog.log.commit import sign_tree
from trustlog.merkle.hashing import EMPTY_ROOT
from trustlog.storage.connection import create_database, storage_errors
from trustlog.storage.guard import Guard
from trustlog.storage.key_cache import NAME
from trustlog.storage.log_writer import LogWriter
from trustlog.storage.schema import LOG

_SHA256_HEX: Final = re.compile("[0-9a-fA-F]{64}")
_ORIGIN: Final = re.compile(
    "[A-Za-z0-9][A-Za-z0-9._~:/-]{0,199}"
)  # a URL without its scheme; it stands in TOML and in notes

_CONFIG_TEMPLATE: Final = """\
origin = "{origin}"

[credentials]
# SHA-256 (64 hex digits) of each bearer token that is accepted; an empty list asks for none.
submit_sha256 = []   # to submit entries and payloads
read_sha256 = []     # to read payloads, policies and evidence packs
"""

_TRUST_TEMPLATE: Final = '''\
# Whose records this log admits. Every role starts empty, so everything is refused: trustlog trust add ROLE DID.

# A new log has no witnesses, and "quorum none" needs this to be said aloud. With witnesses in the policy below and a
# quorum of them, set it to false.
allow_unwitnessed = true
absence = "log"

[log]
policy = """
log {vkey}
quorum none
"""
max_checkpoint_age_s = 300

[roles]
gateways = []
policy_issuers = []
token_issuers = []
roster_authorities = []
agents = []
runners = []
gates = []
custodians = []

[quorums]
roster = 1
policy = 1
'''


@dataclass(frozen=True, slots=True)
class Configuration:
    """What ``config.toml`` says. Credentials are the SHA-256 (32 bytes) of accepted tokens; none means that none is asked."""

    origin: str
    submit_credentials: frozenset[bytes] = frozenset()
    read_credentials: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True)
class LogDirectory:
    """Names the files of a log."""

    path: Path

    @property
    def key_path(self) -> Path:
        """The private key."""
        return self.path / "log.key"

    @property
    def config_path(self) -> Path:
        """The configuration."""
        return self.path / "config.toml"

    @property
    def trust_path(self) -> Path:
        """The trust policy that governs admission."""
        return self.path / "trust.toml"

    @property
    def log_path(self) -> Path:
        """The log itself."""
        return self.path / "log.db"

    @property
    def guard_path(self) -> Path:
        """The last checkpoint signed."""
        return self.path / "guard.db"

    @property
    def index_path(self) -> Path:
        """The derived index."""
        return self.path / "index.db"

    @property
    def key_cache_path(self) -> Path:
        """What spares a start the reading of all keys."""
        return self.path / NAME

    @property
    def lock_path(self) -> Path:
        """Held by the one writer."""
        return self.path / "lock"

    def read_signer(self) -> NoteSigner:
        """The log's key. Refuses (INPUT_UNREADABLE) a file that others may read, and a key of another origin."""
        self.check_key_file()
        text = self._read(self.key_path)
        signer = NoteSigner.parse(text.decode("utf-8", "replace"))
        origin = self.read_configuration().origin
        if signer.key.name != origin:
            raise Refused("ORIGIN_MISMATCH", "log.key is the key of another log", expected=origin, found=signer.key.name)
        return signer

    def check_key_file(self) -> None:
        """Refuse what :meth:`read_signer` refuses about the file, without reading it: for a process that shall not have the key."""
        try:
            mode = self.key_path.stat().st_mode & 0o777
        except OSError as error:
            raise self._cannot_read(self.key_path, error) from error
        if mode & 0o077:
            raise _unreadable(self.key_path, "others may read the log's key", expected="mode 0600", found=f"mode {mode:04o}")

    def read_configuration(self) -> Configuration:
        """What ``config.toml`` says. Raises Refused(INPUT_UNREADABLE)."""
        return parse_configuration(self._read(self.config_path))

    def read_trust(self) -> TrustPolicy:
        """What ``trust.toml`` says. Raises Refused(TRUST_POLICY_INVALID or INPUT_UNREADABLE)."""
        return TrustPolicy.parse(self._read(self.trust_path))

    def _read(self, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise self._cannot_read(path, error) from error

    def _cannot_read(self, path: Path, error: OSError) -> Refused:
        hint = f"trustlog init {self.path} makes a new log"
        if self.log_path.exists():
            hint = "this directory has a log: put the file back; a backup has log.key only if it was made with it"
        return _unreadable(path, f"cannot read {path}: {error.strerror}", hint=hint)


def init_directory(path: Path, origin: str, *, random_bytes: Callable[[int], bytes] = os.urandom) -> NoteSigner:
    """Make a new log, of size 0 and with a fresh key, in a directory that does not exist or is empty; its signer.

    All or nothing: the directory appears complete, or not at all. `random_bytes` gives as many unpredictable bytes as asked.
    Raises Refused for a bad origin or a directory in use, and StorageFailed.
    """
    if not _ORIGIN.fullmatch(origin) or "://" in origin:
        raise Refused(
            "PARAMETER_INVALID", "not an origin", param="origin", expected="like log.example.org/changes", found=origin
        )
    signer = NoteSigner(origin, random_bytes(32))
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise _unreadable(path, f"{path} is not empty", expected="no such directory, or an empty one")
    with storage_errors(f"make {path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as unfinished:
            made = LogDirectory(Path(unfinished) / "log")
            made.path.mkdir(mode=0o700)
            _fill(made, signer)
            made.path.rename(path)
    return signer


def _fill(directory: LogDirectory, signer: NoteSigner) -> None:
    directory.key_path.touch(mode=0o600)
    directory.key_path.write_text(signer.encode_private() + "\n", encoding="utf-8")
    directory.config_path.write_text(_CONFIG_TEMPLATE.format(origin=signer.key.name), encoding="utf-8")
    directory.trust_path.write_text(_TRUST_TEMPLATE.format(vkey=signer.key.encode()), encoding="utf-8")
    create_database(directory.log_path, LOG)
    empty = sign_tree(signer, 0, EMPTY_ROOT)
    Guard.create(directory.guard_path, empty)
    writer = LogWriter.open(directory.log_path)
    writer.record_checkpoint(empty.size, empty.note)
    writer.close()


def parse_configuration(text: bytes) -> Configuration:
    """Read ``config.toml``, strictly. Raises Refused(INPUT_UNREADABLE) naming the member."""
    path = Path("config.toml")
    try:
        document: dict[str, Any] = tomllib.loads(text.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _unreadable(path, f"not TOML: {error}") from error
    credentials = document.pop("credentials", {})
    origin = document.pop("origin", None)
    if document or not isinstance(credentials, dict) or not isinstance(origin, str):
        raise _unreadable(
            path, "another shape", expected="origin and [credentials]", found=", ".join(document) or "no origin"
        )
    unknown = credentials.keys() - {"submit_sha256", "read_sha256"}
    if unknown:
        raise _unreadable(path, "an unknown member", expected="submit_sha256, read_sha256", found=", ".join(sorted(unknown)))
    return Configuration(
        origin,
        submit_credentials=_digests(credentials.get("submit_sha256", []), "submit_sha256"),
        read_credentials=_digests(credentials.get("read_sha256", []), "read_sha256"),
    )


def _digests(value: object, name: str) -> frozenset[bytes]:
    digests = (
        [each for each in value if isinstance(each, str) and _SHA256_HEX.fullmatch(each)] if isinstance(value, list) else []
    )
    if digests != value:
        raise _unreadable(Path("config.toml"), f"{name} is not a list of SHA-256", expected="64 hex digits each")
    return frozenset(bytes.fromhex(digest) for digest in digests)


def _unreadable(
    path: Path, detail: str, *, expected: str | None = None, found: str | None = None, hint: str | None = None
) -> Refused:
    return Refused("INPUT_UNREADABLE", detail, param=path.name, expected=expected, found=found, hint=hint)
