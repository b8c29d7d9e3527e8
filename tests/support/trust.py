"""The trust policy of the test log: one key in every role, no witness, unless a test says otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from tests.support import keys
from trustlog.formats.trustpolicy import TrustPolicy

ORIGIN: Final = "trustlog.test/records"
LOG_KEY: Final = keys.fixture_note_key(ORIGIN)

# A DID, or a DID and its window [from_index, until_index); None: no end.
RoleHolder = str | tuple[str, int, int | None]

ROLE_HOLDERS: Final[Mapping[str, Sequence[RoleHolder]]] = {
    "gateways": [keys.GATEWAY.did],
    "policy_issuers": [keys.POLICY_ISSUER.did],
    "token_issuers": [keys.TOKEN_ISSUER.did],
    "roster_authorities": [keys.ROSTER_AUTHORITY.did],
    "agents": [keys.AGENT.did],
    "runners": [keys.RUNNER.did],
    "gates": [keys.GATE.did],
    "custodians": [keys.CUSTODIAN.did],
}


def trust_text(
    *,
    log_policy: str = f"log {LOG_KEY.key.encode()}\nquorum none\n",
    absence: str = "log",
    roster_quorum: int = 1,
    policy_quorum: int = 1,
    roles: Mapping[str, Sequence[RoleHolder]] = MappingProxyType({}),
) -> str:
    """The TOML of a trust policy. A role in `roles` has these holders instead of the usual one."""
    unknown = set(roles) - set(ROLE_HOLDERS)
    assert not unknown, unknown
    lines = [
        f"allow_unwitnessed = {'true' if 'quorum none' in log_policy else 'false'}",
        f'absence = "{absence}"',
        "[log]",
        f'policy = """\n{log_policy}"""',
        "[roles]",
        *(f"{role} = [{', '.join(map(_holder, holders))}]" for role, holders in {**ROLE_HOLDERS, **roles}.items()),
        "[quorums]",
        f"roster = {roster_quorum}",
        f"policy = {policy_quorum}",
    ]
    return "\n".join(lines) + "\n"


def trust_policy(
    *,
    absence: str = "log",
    roster_quorum: int = 1,
    policy_quorum: int = 1,
    roles: Mapping[str, Sequence[RoleHolder]] = MappingProxyType({}),
) -> TrustPolicy:
    """The trust policy of :func:`trust_text`, parsed."""
    text = trust_text(absence=absence, roster_quorum=roster_quorum, policy_quorum=policy_quorum, roles=roles)
    return TrustPolicy.parse(text.encode())


def _holder(holder: RoleHolder) -> str:
    if isinstance(holder, str):
        return f'"{holder}"'
    did, from_index, until_index = holder
    until = "" if until_index is None else f", until_index = {until_index}"
    return f'{{did = "{did}", from_index = {from_index}{until}}}'
