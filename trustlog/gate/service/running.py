"""The gate that is being served, over what is kept in one directory, and how it changes from one trust policy to another."""

from __future__ import annotations

import gc
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp

from trustlog.client.log import LogClient
from trustlog.errors import Refused
from trustlog.formats.envelope import Signer
from trustlog.formats.trustpolicy import MAX_TRUST_POLICY_BYTES, TrustPolicy
from trustlog.gate.answered import Answered
from trustlog.gate.gate import Gate
from trustlog.gate.kept_view import KeptView
from trustlog.gate.service.context import Service
from trustlog.gate.service.metrics import GateMetrics

ANSWER_WITHIN_S: Final = 10.0  # a deny LOG_UNREACHABLE by then
LOG_TIMEOUT_S: Final = 5.0  # of one request to the log

LOGGER: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class GateSettings:
    """What a gate is served with. `callers` are SHA-256 values of bearer tokens; `log_credential` is the gate's own at the log.

    `trust_path` is where `trust` was read, to be read again when told so; None where it comes from no file.
    """

    signer: Signer
    trust: TrustPolicy
    log_url: str
    state: Path
    host: str
    port: int
    log_credential: str | None = None
    callers: frozenset[bytes] = frozenset()
    adopt_trust: bool = False
    trust_path: Path | None = None


class RunningGate:
    """A gate over its directory, as `service` shows it to the handlers. To be closed, also after a failure."""

    def __init__(self, settings: GateSettings, session: aiohttp.ClientSession, kept: KeptView, service: Service) -> None:
        self._settings = settings
        self._session = session
        self._kept = kept
        self._is_open = True
        self.service = service

    @classmethod
    async def open(cls, settings: GateSettings, session: aiohttp.ClientSession) -> RunningGate:
        """Go on where an earlier process ended. Raises TrustlogError: as KeptView.open, and for a damaged file."""
        kept, gate, answered = await _open(settings, session, settings.trust, adopt_trust=settings.adopt_trust)
        service = Service(
            gate, settings.trust, settings.signer.did, answered, GateMetrics(), settings.callers, time.monotonic
        )
        return cls(settings, session, kept, service)

    async def close(self) -> None:
        """End the round under way, and let the next process in."""
        if not self._is_open:
            return
        self._is_open = False
        try:
            await self.service.gate.close()
        finally:
            self._kept.close()

    async def reload_trust(self) -> None:
        """Judge all that was read again, by what the file of the trust policy says now.

        A file that cannot be taken is said, and the old policy stays in force. What was asked before is answered under the old one;
        what is asked meanwhile is ``UNAVAILABLE``. Raises TrustlogError where nothing can be served any more.
        """
        service = self.service
        try:
            trust = read_trust_again(self._settings.trust_path, service.trust)
        except Refused as refused:
            LOGGER.error("the trust policy was not taken, the old one stays in force: %s; %s", refused, refused.hint)  # noqa: TRY400
            return
        if trust.sha256 != service.trust.sha256:
            service.is_changing = True
            await service.wait_until_idle()
            await self.close()
            kept, gate, answered = await _open(self._settings, self._session, trust, adopt_trust=True)
            self._kept, self._is_open = kept, True
            service.gate, service.answered, service.trust = gate, answered, trust
            service.is_changing = False
        LOGGER.warning("the trust policy was read again: SHA-256 %s", trust.sha256.hex())


def read_trust_again(path: Path | None, old: TrustPolicy) -> TrustPolicy:
    """The trust policy in the file as it is now. Raises Refused for one that cannot be read, and for one of another log."""
    if path is None:
        raise Refused("INPUT_UNREADABLE", "this gate's trust policy came from no file", param="trust")
    try:
        with path.open("rb") as file:
            text = file.read(MAX_TRUST_POLICY_BYTES + 1)
    except OSError as error:
        raise Refused("INPUT_UNREADABLE", f"{path}: {error.strerror}", param="trust") from None
    new = TrustPolicy.parse(text)
    if new.origin != old.origin or {key.encode() for key in new.log_keys} != {key.encode() for key in old.log_keys}:
        raise Refused(
            "ORIGIN_MISMATCH",
            f"{path} is about another log, or names other keys of it",
            param="trust",
            expected=old.origin,
            found=new.origin,
            hint="a gate follows one log: serve another gate for another log",
        )
    return new


async def _open(
    settings: GateSettings, session: aiohttp.ClientSession, trust: TrustPolicy, *, adopt_trust: bool
) -> tuple[KeptView, Gate, Answered]:
    kept = KeptView.open(settings.state, trust, adopt_trust=adopt_trust)
    try:
        client = LogClient(
            settings.log_url,
            trust,
            session,
            credential=settings.log_credential,
            memory=kept.memory,
            timeout_s=LOG_TIMEOUT_S,
        )
        gate = Gate(client, settings.signer, kept=kept, answer_within_s=ANSWER_WITHIN_S)
        answered = Answered(time.time_ns)
        for digest, decision in (await gate.start()).items():
            answered.restore(digest, decision)
    except BaseException:
        kept.close()
        raise
    gc.freeze()  # what was read stays: no collection needs to look at it again
    return kept, gate, answered
