"""The facts of one question: what the rules look at, and all that they look at.

A gate establishes them from its view of the log (:mod:`trustlog.gate.establish`); nothing here knows where they came from. A fact
that could not be had is a :class:`Missing`, which cannot be made without a finding: whatever rule needs it then denies.

Every hash is base64url, every time nanoseconds since 1970, every index that of a log entry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from trustlog.policy.finding import Finding
from trustlog.records.approval import HumanApprovalReceipt
from trustlog.records.plan import Plan
from trustlog.records.proof_bundle import ProofBundle
from trustlog.records.roster import Person, Roster
from trustlog.records.simulation import Simulation
from trustlog.records.token_issued import TokenIssued
from trustlog.records.work_policy_contract import ChangeManagement, Tool


@dataclass(frozen=True, slots=True)
class Missing:
    """A fact that could not be had, and why: at least one finding, so that it denies whatever needs it."""

    why: tuple[Finding, ...]

    def __post_init__(self) -> None:
        assert self.why, "a missing fact says why"


@dataclass(frozen=True, slots=True)
class Lie:
    """An entry that is not what the log says it is: the reason code of what it breaks, what that expected, and what it found."""

    index: int
    code: str
    param: str | None = None
    expected: str | None = None
    found: str | None = None

    @property
    def what(self) -> str:
        """What is wrong with it, in one line."""
        known = (("field", self.param), ("expected", self.expected), ("found", self.found))
        said = "; ".join(f"{name} {value}" for name, value in known if value is not None)
        return f"the entry at index {self.index}: {self.code}" + (f" ({said})" if said else "")


@dataclass(frozen=True, slots=True)
class PolicyFact:
    """The policy that the token is pinned to, in force: its rules, its revocations and the policies in force that supersede it."""

    policy_hash: str
    rules: ChangeManagement
    revoked_at: tuple[int, ...] = ()
    superseded_by: tuple[tuple[str, int], ...] = ()  # payload hash and index of each


@dataclass(frozen=True, slots=True)
class PresentedToken:
    """What the caller presented, against the issuance in the log: its claims by the names of the issuance's members."""

    token_hash: str
    kid: str
    is_signed_by_issuer: bool
    issuer_did: str
    claims: Mapping[str, object]
    issued: Mapping[str, object]
    issued_ticket: str
    asked_ticket: str


@dataclass(frozen=True, slots=True)
class RevocationFact:
    """A revocation that counts, of ``job:…``, ``token:…`` or ``approval:…``."""

    target: str
    index: int


@dataclass(frozen=True, slots=True)
class DenialFact:
    """A person's denial; without `denial_type` an approval record whose payload cannot be read, which counts as one."""

    index: int
    denial_type: str | None = None
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class RecordFact:
    """One entry of the job, or of the rosters: its kind, and the run that it names."""

    index: int
    kind: str
    run_ref: str | None = None


@dataclass(frozen=True, slots=True)
class Misstatement:
    """What a decision at `index` says of the log, and is not so: of its view, or of an entry that it lists."""

    index: int
    code: str
    expected: str
    found: str


@dataclass(frozen=True, slots=True)
class JobFact:
    """What the log holds of the job, all of it.

    ``revocations`` are of the job, of any of its tokens and of any approval that an allow used. ``records`` has the
    first entry of each kind and run among those of the job, ``unreadable`` each whose payload could not be had, ``misstated``
    what decisions about it, or about its plan, say of the log and is not so. ``ahead`` are index and time of each allow that was
    used and was decided later than any clock can say by now.
    """

    revocations: tuple[RevocationFact, ...] = ()
    denials: tuple[DenialFact, ...] = ()
    plan_denials: tuple[DenialFact, ...] = ()
    closures: tuple[int, ...] = ()
    unreadable: tuple[RecordFact, ...] = ()
    records: tuple[RecordFact, ...] = ()
    misstated: tuple[Misstatement, ...] = ()
    ahead: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class SimulationFact:
    """One simulation of the job."""

    index: int
    payload_hash: str
    record: Simulation


class ReceiptFact(msgspec.Struct, frozen=True, gc=False):
    """One gateway receipt that names the job's token scope; `run_ref` and `policy` are what its binding says, as refs."""

    index: int
    signer_did: str
    payload_hash: str
    run_ref: str | None
    policy: str | None


@dataclass(frozen=True, slots=True)
class ExecutionsFact:
    """What stands open or broken among the executions of the job.

    ``unknown``: payload hash and index of each ``begin`` with neither ``end`` nor resolution. ``unfounded``: phase and index of
    each record that no allow, or no ``begin``, carries. ``ill_founded``: the index of each executed allow that does not hold, that
    of its ``begin``, and the first code against it.
    """

    unknown: tuple[tuple[str, int], ...] = ()
    unfounded: tuple[tuple[str, int], ...] = ()
    ill_founded: tuple[tuple[int, int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ExecutedFact:
    """The last execution of the job, under an allow that holds: payload hashes, and the index of its ``begin``.

    `succeeded` is False where it ended with failure, or somebody had to look into it.
    """

    decision: str
    end: str
    begun_at: int
    succeeded: bool = True


@dataclass(frozen=True, slots=True)
class BundleFact:
    """The bundle that the closing reason names, logged by the job's agent.

    `closed_at` are the closures that name it; `unlogged_tool_receipts` the ids of its signed tool receipts that the log has not
    below it.
    """

    index: int
    payload_hash: str
    record: ProofBundle
    closed_at: tuple[int, ...] = ()
    unlogged_tool_receipts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RosterFact:
    """The roster in force. `revoked_keys` are those (DIDs) whose revocation is logged: they stay in the roster and sign nothing."""

    payload_hash: str
    record: Roster
    revoked_keys: frozenset[str] = frozenset()

    def person(self, subject: str) -> Person | None:
        """The person with this subject."""
        return next((person for person in self.record.people if person.subject == subject), None)


@dataclass(frozen=True, slots=True)
class ScopeFact:
    """The complete scope document, and its hash: what is approved and decided."""

    members: Mapping[str, str]
    scope_hash: str


@dataclass(frozen=True, slots=True)
class ApprovalFact:
    """One approval record of the scope.

    `person_then` and `person_now` are whose key signed it, by the roster in force at its own index and at the decision's.
    `seen_ns` is the earliest time by which witnesses had seen it, where that is known.
    """

    index: int
    payload_hash: str
    signer_did: str
    record: HumanApprovalReceipt
    person_then: Person | None
    person_now: Person | None
    seen_ns: int | None = None
    revoked_at: tuple[int, ...] = ()
    key_revoked_at: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ApprovalCase:
    """The facts by which it is judged whether one approval counts. `above` is the index of what is approved."""

    approval: ApprovalFact | Missing
    at_ns: int
    token: TokenIssued
    tool: Tool | Missing
    simulation: SimulationFact | Missing
    scope: ScopeFact | Missing
    above: int | Missing


@dataclass(frozen=True, slots=True)
class CountedFact:
    """The approvals that count, one a person, in index order; and every finding against the rest.

    `again` are those that would count too, were their person not counted already.
    `roster` says who they are, and who else could be asked; None where no roster is in force.
    """

    approvals: tuple[ApprovalFact, ...]
    roster: RosterFact | None
    against: tuple[Finding, ...] = ()
    again: tuple[ApprovalFact, ...] = ()

    @property
    def subjects(self) -> list[str]:
        """Who approved, sorted."""
        return sorted(one.record.approver_subject for one in self.approvals)

    @property
    def roles(self) -> dict[str, frozenset[str]]:
        """Their roles, by subject."""
        return {
            one.record.approver_subject: frozenset(() if one.person_now is None else one.person_now.roles)
            for one in self.approvals
        }


@dataclass(frozen=True, slots=True)
class DecisionFact:
    """An allow that is logged: what it says, what it says of the log and is not so, and the indexes that it had to list too."""

    index: int
    view_size: int
    scope: Mapping[str, str]
    run_id: str
    roster_b64u: str
    token_scope_hash_b64u: str
    approvals: frozenset[str]
    misstated: tuple[Misstatement, ...] = ()
    omitted: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts of one question. A rule names those that it needs as its parameters."""

    at_ns: int
    action: str
    lies: tuple[Lie, ...]
    token: TokenIssued
    policy: PolicyFact | Missing
    tool: Tool | Missing
    job: JobFact
    simulation: SimulationFact | Missing
    plan: Plan | Missing | None  # None: an action that needs none, and none was named
    receipts: tuple[ReceiptFact, ...]
    steps_done: frozenset[str]
    executions: ExecutionsFact | Missing
    executed: ExecutedFact | Missing
    bundle: BundleFact | Missing
    roster: RosterFact | Missing
    scope: ScopeFact | Missing
    counted: CountedFact | Missing
    decision: DecisionFact | Missing  # only where an allow that is logged is judged
