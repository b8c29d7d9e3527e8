"""Who plays: throw-away keys for every role, three people, one policy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from trustlog.keys.file import generate_key_file
from trustlog.keys.signer import SeedSigner

ORIGIN: Final = "trustlog.example/demo"  # the verifier refuses origins that end in /demo unless told otherwise
TICKET: Final = "tickets.example:CHG-1"
SECOND_TICKET: Final = "tickets.example:CHG-2"
REQUESTER: Final = "change-manager-1"
OWNER: Final = "service-owner-1"
SECURITY: Final = "platform-security-1"
AUDIENCE: Final = ["model-proxy", "trustlog-gate"]
TOKEN_SCOPE: Final = ["change:execute", "proxy:call", "ticket:close"]

ROLE_OF: Final = {
    "gateway": "gateways",
    "policy_issuer": "policy_issuers",
    "token_issuer": "token_issuers",
    "roster_authority": "roster_authorities",
    "agent": "agents",
    "runner": "runners",
    "gate": "gates",
}
PEOPLE: Final = {REQUESTER: ["change_manager"], OWNER: ["service_owner"], SECURITY: ["platform_security"]}

_TWO_PEOPLE: Final = {
    "step_up_approvals": 2,
    "two_person_rule": True,
    "approver_constraints": ["service_owner", "platform_security"],
}
POLICY: Final[dict[str, Any]] = {
    "wpc_version": "1",
    "policy_name": "production-changes",
    "enforcement": {"fail_closed": True, "require_gateway_receipts": True, "require_proof_bundle": True},
    "token_requirements": {
        "require_cst": True,
        "optional_policy_hash_pinning": False,
        "job_scoped_binding": True,
        "max_ttl_s": 900,
    },
    "tools": {
        "ticket.read": {"allowed": True},
        "ticket.comment": {"allowed": True},
        "change.simulate": {"allowed": True, "required_before": ["change.execute", "ticket.approve", "ticket.close"]},
        "ticket.approve": {"allowed": True, **_TWO_PEOPLE},
        "change.execute": {
            "allowed": True,
            "requires_plan_fingerprint_match": True,
            "required_before": ["ticket.close"],
            "change_types": ["config"],
            "environments": ["staging", "production"],
            "approval_ttl_s": 3600,
            **_TWO_PEOPLE,
        },
        "ticket.close": {"allowed": True, "requires_proof_bundle_reference": True, **_TWO_PEOPLE},
    },
}

_TRUST: Final = '''\
# Demonstration only: throw-away keys. No witness saw this log, so split views and times are not proven; and the gate's own
# word is taken for what is absent from the log (absence = "gate").
allow_unwitnessed = true
absence = "gate"

[log]
policy = """
log {vkey}
quorum none
"""

[roles]
{roles}
'''


@dataclass(frozen=True, slots=True)
class Cast:
    """A signer for every role, by its short name, and for every person, by their subject."""

    roles: dict[str, SeedSigner]
    people: dict[str, SeedSigner]

    @classmethod
    def in_directory(cls, keys: Path) -> Cast:
        """Fresh keys, one file each in the directory `keys`, which is made."""
        keys.mkdir(mode=0o700)
        return cls(
            roles={name: generate_key_file(keys / f"{name}.key") for name in ROLE_OF},
            people={subject: generate_key_file(keys / f"{subject}.key") for subject in PEOPLE},
        )

    def trust_policy(self, vkey: str) -> str:
        """The trust policy of the demo's log, its gate and its auditor."""
        roles = "\n".join(f'{role} = ["{self.roles[name].did}"]' for name, role in ROLE_OF.items())
        return _TRUST.format(vkey=vkey, roles=roles)

    def roster(self) -> dict[str, Any]:
        """The members of roster 1."""
        people = [
            {"subject": subject, "keys": [self.people[subject].did], "roles": roles, "idp": []}
            for subject, roles in PEOPLE.items()
        ]
        return {"number": 1, "previous_b64u": None, "people": people}


def plan_of(ticket: str, replicas: int) -> dict[str, Any]:
    """The change that is asked for: a number in a configuration."""
    return {
        "plan_version": "1",
        "change_type": "config",
        "environment": "production",
        "ticket": ticket,
        "body": {"service": "checkout", "set": {"replicas": replicas}},
    }
