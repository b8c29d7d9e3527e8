"""The case: everything that the rules of a change look at, gathered once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, TypeVar

from verifier.entry import ref_value
from verifier.ledger.history import History
from verifier.ledger.logged import Logged, State
from verifier.limits import MAX_TREE_SIZE
from verifier.records.approval import Approval
from verifier.records.closure import Closure
from verifier.records.decision import Decision, Scope
from verifier.records.execution import Execution, Resolution
from verifier.records.kinds import KINDS
from verifier.records.policy import Policy, Tool
from verifier.records.token import TokenIssued
from verifier.trust import TrustPolicy

R = TypeVar("R")
_NAMES_A_RUN = frozenset(("gateway_receipt", "tool_receipt", "side_effect_receipt", "simulation", "execution", "closure"))


@dataclass(frozen=True, slots=True)
class RevokedPart:
    """Something of a job that was revoked at some time: the index at which it became the job's, and that of its revocation."""

    code: str
    what: str
    index: int
    revoked_at: int


class Ran(Protocol):
    """What was executed in one job, as far as it was read: of a :class:`Case`, or of a log that streams by."""

    @property
    def history(self) -> History:
        """What was read."""

    @property
    def begins(self) -> Sequence[tuple[Logged, Execution]]:
        """The valid begins of the job, in index order."""

    @property
    def unknown_outcomes(self) -> Sequence[tuple[int, int]]:
        """Of each begin its index, and that from where on its outcome is known."""

    def is_resolved(self, begin_b64u: str | None, index: int) -> bool:
        """Whether somebody looked into a begin below `index`: it then counts as ended with failure."""


def find_unknown_outcomes(
    executions: Sequence[tuple[Logged, Execution]], looked_into: Mapping[str, int]
) -> list[tuple[int, int]]:
    """Of each begin its index, and that of its first end or resolution. `looked_into` has the latter, by begin."""
    ends = {end.begin_b64u: item.index for item, end in reversed(executions) if end.phase == "end"}
    begins = [(item.index, item.entry.payload_hash_b64u) for item, record in executions if record.phase == "begin"]
    never = MAX_TREE_SIZE
    return [(at, min(ends.get(name, never), looked_into.get(name, never))) for at, name in begins]


@dataclass(frozen=True)
class Case:
    """One change: history, trust, the judging time, plans by hash, and when trees were seen by a quorum.

    `seen` holds (size, seconds since 1970) of checkpoints that a quorum had cosigned.
    """

    history: History
    trust: TrustPolicy
    at_ns: int
    ticket: str
    job_id: str
    run_id: str
    bundle_b64u: str | None
    payloads: Mapping[str, bytes]
    seen: tuple[tuple[int, int], ...]

    def records(self, kind: str, record_type: type[R]) -> list[tuple[Logged, R]]:
        """The valid entries of a kind with their records, in index order."""
        return [(item, item.record) for item in self.history.valid(kind) if isinstance(item.record, record_type)]

    @cached_property
    def tokens(self) -> list[tuple[Logged, TokenIssued]]:
        """The token records of the job."""
        return [pair for pair in self.records("token_issued", TokenIssued) if pair[1].job_id == self.job_id]

    @cached_property
    def decisions(self) -> list[tuple[Logged, Decision]]:
        """Every valid decision, of any job."""
        return self.records("gate_decision", Decision)

    @cached_property
    def allows(self) -> list[tuple[Logged, Decision]]:
        """The valid allows of the job."""
        return [pair for pair in self.decisions if pair[1].is_allow and pair[1].scope["job_id"] == self.job_id]

    @cached_property
    def allow_of_scope(self) -> dict[str, Logged]:
        """The allows of the job by the hash of their scope: one each, because it is a conflict key."""
        return {decision.scope_hash() or "": item for item, decision in self.allows}

    @cached_property
    def rounds(self) -> dict[int, int]:
        """By index, the round of each allow of the job: 1 and the allows of its action below it."""
        so_far: Counter[str] = Counter()
        found = {}
        for item, decision in self.allows:
            so_far[decision.scope["action"]] += 1
            found[item.index] = so_far[decision.scope["action"]]
        return found

    @cached_property
    def listed_by(self) -> dict[tuple[int, str], Logged]:
        """By index and leaf hash in base64url, the first allow of the job above an entry that lists it."""
        found: dict[tuple[int, str], Logged] = {}
        for item, decision in self.allows:
            for seen in decision.evidence:
                if seen.index < item.index:
                    found.setdefault((seen.index, seen.leaf_hash_b64u), item)
        return found

    @cached_property
    def executions(self) -> list[tuple[Logged, Execution]]:
        """The valid begins and ends of the job."""
        return [pair for pair in self.records("execution", Execution) if pair[1].job_id == self.job_id]

    @cached_property
    def begins(self) -> list[tuple[Logged, Execution]]:
        """The valid begins of the job."""
        return [pair for pair in self.executions if pair[1].phase == "begin"]

    @cached_property
    def unknown_outcomes(self) -> list[tuple[int, int]]:
        """Of each begin of the job its index, and that of its first end or resolution, from where on its outcome is known."""
        return find_unknown_outcomes(self.executions, self._looked_into)

    @cached_property
    def closures(self) -> list[tuple[Logged, Closure]]:
        """Every valid closure, of any job."""
        return self.records("closure", Closure)

    @cached_property
    def _looked_into(self) -> dict[str, int]:
        """Each begin of the job that somebody looked into afterwards, with the index of the first resolution above it.

        Who logs one beforehand has looked into nothing, and nobody could tell whether it is the requester.
        """
        begun = {item.entry.payload_hash_b64u: item.index for item, _ in self.begins}
        found: dict[str, int] = {}
        for item, record in self.records("resolution", Resolution):
            if item.index > begun.get(record.begin_b64u, item.index):
                found.setdefault(record.begin_b64u, item.index)
        return found

    def is_resolved(self, begin_b64u: str | None, index: int) -> bool:
        """Whether somebody looked into a begin below `index`: it then counts as ended with failure."""
        return self._looked_into.get(begin_b64u or "", index) < index

    @cached_property
    def denials(self) -> list[Logged]:
        """Every denial, of anything, and every approval record whose payload is not there."""
        records = [item for item in self.history if item.entry.kind == "human_approval_receipt"]
        return [
            item
            for item in records
            if item.state is State.UNREAD or (isinstance(item.record, Approval) and item.record.is_denial)
        ]

    @cached_property
    def runs_named(self) -> dict[str | None, Logged]:
        """By the run that they name, the first of the job's records that name one or should.

        A violation tells what was seen, of whatever run, and changes no verdict. A receipt that was erased is taken at its refs.
        """
        found: dict[str | None, Logged] = {}
        for item in self.history:
            if item.entry.kind == "violation" or not self.is_tied(item) or not (item.is_valid or self.is_erased(item)):
                continue
            if item.ref("run") is not None or item.entry.kind in _NAMES_A_RUN:
                found.setdefault(item.ref("run"), item)
        return found

    @cached_property
    def revoked_parts(self) -> list[RevokedPart]:
        """The tokens of the job, then the approvals that its allows used, which were revoked at any time."""
        parts = [
            ("TOKEN_REVOKED", f"token {token.token_hash}", item.index, f"token:{token.token_hash}")
            for item, token in self.tokens
        ]
        for item, decision in self.allows:
            used = dict.fromkeys(decision.approvals)
            parts += [("APPROVAL_REVOKED", f"approval {one}", item.index, f"approval:{one}") for one in used]
        found = []
        for code, what, index, target in parts:
            revoked_at = self.history.revocations.first_below(target, MAX_TREE_SIZE)
            if revoked_at is not None:
                found.append(RevokedPart(code, what, index, revoked_at))
        return found

    @cached_property
    def job_ref(self) -> str:
        """The job id as a ref."""
        return ref_value(self.job_id)

    @cached_property
    def token_scopes(self) -> frozenset[str]:
        """The token scope hashes of the job: one, because a job holds one tuple."""
        return frozenset(token.token_scope_hash_b64u for _, token in self.tokens)

    def is_erased(self, item: Logged) -> bool:
        """Whether an entry's payload is not there, and its signer had the role for it where it was logged."""
        roles = KINDS[item.entry.kind].roles
        return item.state is State.UNREAD and any(
            self.trust.has_role(item.entry.signer_did, role, item.index) for role in roles
        )

    def is_tied(self, item: Logged) -> bool:
        """Whether an entry's refs tie it to the job: by job or token scope. A run alone ties nothing."""
        return item.ref("job") == self.job_ref or item.ref("token_scope") in self.token_scopes

    def earliest_seen_s(self, index: int) -> int | None:
        """The earliest time by which a quorum had cosigned a tree that holds `index`, or None."""
        return min((time_s for size, time_s in self.seen if size > index), default=None)


@dataclass(frozen=True, slots=True)
class Allow:
    """An allow that is judged: its entry, its record and scope, and the policy and tool that it falls under."""

    item: Logged
    decision: Decision
    scope: Scope
    scope_hash: str
    policy: Policy | None
    tool: Tool | None

    @property
    def index(self) -> int:
        """Where it stands; restrictions below count."""
        return self.item.index

    @property
    def view(self) -> int:
        """The size of the tree that its gate had read; permissions below count."""
        return self.decision.view.size

    @property
    def payload_hash(self) -> str:
        """How later records name it."""
        return self.item.entry.payload_hash_b64u

    def name(self, name: str) -> str:
        """A check's name for this allow."""
        return f"{name}[{self.scope.action}]"
