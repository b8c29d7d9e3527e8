"""Simulations: dry runs of a plan, by a runner."""

from __future__ import annotations

from dataclasses import dataclass

from verifier import schema as s
from verifier.records.own import OwnRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Artefact:
    """One artefact: its role, media type, size in bytes and SHA-256."""

    role: str = s.member(s.line)
    media_type: str = s.member(s.line)
    size: int = s.member(s.integer())
    sha256_b64u: str = s.member(s.hash43)


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation(OwnRecord):
    """A dry run of one plan for one job."""

    job_id: str = s.member(s.identifier)
    run_id: str = s.member(s.identifier)
    ticket: str = s.member(s.ticket)
    plan_hash_b64u: str = s.member(s.hash43)
    policy_hash_b64u: str = s.member(s.hash43)
    token_scope_hash_b64u: str = s.member(s.hash43)
    artefacts: tuple[Artefact, ...] = s.member(s.list_of(s.object_of(Artefact), maximum=64))
    outcome: str = s.member(s.one_of("success", "failure"))

    def refs(self) -> dict[str, str]:
        """`job run ticket policy plan token_scope`."""
        return {
            "job": self.job_id,
            "run": self.run_id,
            "ticket": self.ticket,
            "policy": self.policy_hash_b64u,
            "plan": self.plan_hash_b64u,
            "token_scope": self.token_scope_hash_b64u,
        }
