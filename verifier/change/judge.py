"""judge: from a pack's bytes, pinned trust and a time to a report. Pure: no network, no files, no clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from verifier.change.case import Case
from verifier.change.closure_rules import check_closures
from verifier.change.decision_rules import check_decision, judged_decisions
from verifier.change.evidence_rules import check_in_pack, check_listed, check_view
from verifier.change.execution_rules import check_executions, decision_named
from verifier.change.findings import Findings
from verifier.change.packed import Included, build_history, check_entries, check_payloads, check_unread
from verifier.change.sighting import check_checkpoint, check_views, collect_sightings
from verifier.encodings import encode_b64u
from verifier.errors import Refused, Unavailable
from verifier.ledger.history import History
from verifier.pack import Pack, parse_pack
from verifier.records.token import TokenIssued
from verifier.report import Report, conclude, error_report
from verifier.tree import EMPTY_ROOT, hash_leaf
from verifier.trust import TrustPolicy
from verifier.trustedcheckpoint import TrustedCheckpoint
from verifier.unproven import ALWAYS_NOT_PROVEN, NO_EARLIER, backdated, unwitnessed

_WHOLE_LOG = "log.whole_log"


@dataclass(frozen=True, slots=True)
class WholeLog:
    """A log whose tree was read whole: its history, size and root, and its roots at the sizes that were asked for.

    `flaw` is what kept its payloads from being read: then the tree can be compared, and the history carries no absence.
    `continues` says whether it was compared with a checkpoint that was seen before.
    """

    history: History
    size: int
    roots: Mapping[int, bytes]
    leaf_hashes: Mapping[int, bytes]
    checked: str
    flaw: Refused | Unavailable | None = None
    continues: bool = False


Beside = WholeLog | Refused | Unavailable
"""What was read of the log beside a pack: the log, or why it could not be read."""


def judge(
    pack_bytes: bytes,
    trust: TrustPolicy,
    *,
    at_ns: int,
    whole_log: Beside | None = None,
    max_age_s: int | None = None,
    allow_demo: bool = False,
) -> Report:
    """The verdict on one change.

    `at_ns` is the time of judging in nanoseconds since 1970; it never fails a pack for being old. `whole_log`
    turns absences from attested or undecided into proven ones; if it could not be read, the pack is judged alone, and does
    not pass. `max_age_s` demands a checkpoint that witnesses
    had cosigned at most that long before `at_ns`.
    """
    try:
        pack = parse_pack(pack_bytes)
    except Refused as error:
        return error_report(error.code, error.say(), trust_policy_sha256=trust.sha256)
    findings = Findings()
    _judge(pack, trust, findings, at_ns=at_ns, whole_log=whole_log, max_age_s=max_age_s, allow_demo=allow_demo)
    return conclude(
        findings.checks,
        not_proven=[*findings.not_proven, *ALWAYS_NOT_PROVEN, *backdated(trust), *unwitnessed(trust)],
        trust_policy_sha256=trust.sha256,
        passed=f"{pack.subject.ticket}: simulated, approved, executed and closed as its policy demands",
    )


def _judge(
    pack: Pack,
    trust: TrustPolicy,
    findings: Findings,
    *,
    at_ns: int,
    whole_log: Beside | None,
    max_age_s: int | None,
    allow_demo: bool,
) -> None:
    trusted = check_checkpoint(findings, pack, trust, at_ns=at_ns, max_age_s=max_age_s, allow_demo=allow_demo)
    if trusted is None:
        return
    check_views(findings, pack, trusted.checkpoint)
    sightings = collect_sightings(findings, pack, trust, trusted)
    included = check_entries(findings, pack, trusted.checkpoint)
    payloads = check_payloads(findings, pack)
    whole = _check_whole_log(findings, pack, trusted, whole_log)
    if findings.has_failed():
        return
    history = whole.history if whole is not None else build_history(pack, included, trust, trusted.checkpoint.origin)
    if whole is None:
        findings.not_proven.append("that this log never showed another history: no earlier checkpoint was compared")
    elif not whole.continues:
        findings.not_proven += NO_EARLIER
    case = Case(
        history=history,
        trust=trust,
        at_ns=at_ns,
        ticket=pack.subject.ticket,
        job_id=pack.subject.job,
        run_id=pack.subject.run,
        bundle_b64u=pack.subject.bundle,
        payloads=payloads,
        seen=sightings,
    )
    _judge_change(case, findings, pack, included)


def _judge_change(case: Case, findings: Findings, pack: Pack, included: Sequence[Included]) -> None:
    check_unread(findings, case.history, pack)
    _report_void(case, findings)
    packed = {item.index: encode_b64u(item.leaf_hash) for item in included}
    if not _check_subject(case, findings, packed):
        return
    views = {view.size: view.root_b64u for view in pack.views}
    for item, decision in case.decisions:
        if item.index not in packed:
            continue
        check_listed(findings, item, decision, packed)
        check_view(findings, item, decision, views)
    for decision_b64u, index in judged_decisions(case).items():
        named = decision_named(case.history, decision_b64u)
        if not isinstance(named, Refused):
            check_in_pack(findings, named[0], packed)
        check_decision(case, findings, decision_b64u, relied_on_at=index)
    check_executions(case, findings)
    check_closures(case, findings)
    _report_others(case, findings)


def _check_subject(case: Case, findings: Findings, packed: Mapping[int, str]) -> bool:
    """The pack's subject is the job of a valid token record in it; its closures are of that ticket, run and bundle.

    The record ties receipts to the job: of a whole log no others are remembered than the pack's entries point to.
    """
    if not case.tokens:
        item = next((item for item in case.history.named_refs("token_issued", "job", case.job_ref)), None)
        if item is not None and item.fault is not None:
            findings.refused("evidence.subject", item.fault, index=item.index)
        else:
            findings.failed("evidence.subject", "TOKEN_NOT_LOGGED", expected=f"a token record of job {case.job_id}")
        return False
    token: TokenIssued = case.tokens[0][1]
    if token.ticket != case.ticket:
        expected = f"ticket {token.ticket}, that of the job's token"
        findings.failed("evidence.subject", "EVIDENCE_FOREIGN", expected=expected, found=f"ticket {case.ticket}")
        return False
    if not any(item.index in packed for item, _ in case.tokens):
        expected = f"a token record of job {case.job_id} in the pack"
        findings.undecided("evidence.subject", "EVIDENCE_INCOMPLETE", expected=expected, found="only in the log")
        return False
    for item, closure in case.closures:
        if closure.job_id != case.job_id:
            continue
        if closure.run_id != case.run_id or case.bundle_b64u not in (None, closure.bundle_b64u):
            findings.failed(
                "evidence.subject",
                "EVIDENCE_FOREIGN",
                expected=f"run {closure.run_id}, bundle {closure.bundle_b64u}, as in the closure",
                found=f"run {case.run_id}, bundle {case.bundle_b64u}",
                index=item.index,
            )
            return False
    findings.passed("evidence.subject", f"{case.ticket}, job {case.job_id}, run {case.run_id}")
    return True


def _report_void(case: Case, findings: Findings) -> None:
    void = [item for item in case.history if item.fault is not None]
    if void:
        listed = ", ".join(f"{item.index} {item.fault.code}" for item in void[:20] if item.fault)
        findings.passed("evidence.void_entries", f"{len(void)} without effect: {listed}")


def _report_others(case: Case, findings: Findings) -> None:
    judged = set(judged_decisions(case))
    others = [item for item, _ in case.allows if item.entry.payload_hash_b64u not in judged]
    if others:
        found = ", ".join(str(item.index) for item in others[:20])
        findings.passed("policy.unused_allows", f"not judged, because nothing relies on them: entries {found}")
    violations = [item for item in case.history.valid("violation") if case.is_tied(item)]
    for item in violations:
        findings.passed("execution.violation", "a violation of this job is logged", index=item.index)


def _check_whole_log(findings: Findings, pack: Pack, trusted: TrustedCheckpoint, whole: Beside | None) -> WholeLog | None:
    """Compare the pack with the log that was read; None if the log cannot carry absence.

    Its tree comes first: what is withheld must not hide that it is another one.
    """
    if isinstance(whole, WholeLog) and not _is_same_log(findings, pack, trusted, whole):
        return None
    flaw = whole.flaw if isinstance(whole, WholeLog) else whole
    if isinstance(flaw, Refused):
        findings.refused("log.read", flaw)
    elif flaw is not None:
        findings.unavailable("log.read", flaw)
    elif isinstance(whole, WholeLog):
        findings.passed(_WHOLE_LOG, whole.checked)
        return whole
    return None


def _is_same_log(findings: Findings, pack: Pack, trusted: TrustedCheckpoint, whole: WholeLog) -> bool:
    """Whether the pack's entries and checkpoint are those of this log; what contradicts it is a failure."""
    checkpoint = trusted.checkpoint
    for item in pack.entries:
        leaf = whole.leaf_hashes.get(item.index)
        if leaf is not None and leaf != hash_leaf(item.entry.encode("utf-8")):
            findings.failed(
                _WHOLE_LOG, "CHECKPOINT_INCONSISTENT", expected="the pack's entry", found="another", index=item.index
            )
            return False
    if whole.history.origin != checkpoint.origin:
        findings.failed(_WHOLE_LOG, "ORIGIN_MISMATCH", expected=checkpoint.origin, found=whole.history.origin)
        return False
    if whole.size < checkpoint.size:
        findings.undecided(
            _WHOLE_LOG, "CHECKPOINT_STALE", expected=f"at least {checkpoint.size} entries", found=f"{whole.size} entries"
        )
        return False
    root = EMPTY_ROOT if checkpoint.size == 0 else whole.roots.get(checkpoint.size)
    if root != checkpoint.root:
        findings.failed(
            _WHOLE_LOG, "CHECKPOINT_INCONSISTENT", expected=f"the pack's root at {checkpoint.size} entries", found="another"
        )
        return False
    return True
