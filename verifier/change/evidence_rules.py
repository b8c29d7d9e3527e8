"""Rules of what a decision rests on: its view of the log, and the list of entries that it says it read."""

from __future__ import annotations

from collections.abc import Mapping

from verifier.change.case import Allow, Case
from verifier.change.findings import Findings
from verifier.entry import ref_value
from verifier.ledger.logged import Logged
from verifier.records.decision import Decision


def check_listed(findings: Findings, item: Logged, decision: Decision, packed: Mapping[int, str]) -> None:
    """Every entry that a decision lists is below its view, and in the pack with that leaf hash.

    `packed` maps the indexes of the pack to the entries' leaf hashes in base64url.
    """
    name = f"evidence.listed[{decision.requested.action[:64]}]"
    for seen in decision.evidence:
        leaf_hash = packed.get(seen.index)
        problem = None
        if seen.index >= decision.view.size:
            problem = "an entry at or above its view"
        elif leaf_hash is None:
            problem = "no such entry in the pack"
        elif leaf_hash != seen.leaf_hash_b64u:
            problem = "another leaf hash"
        if problem is not None:
            findings.failed(name, "EVIDENCE_INCOMPLETE", expected=f"entry {seen.index}", found=problem, index=item.index)
            return
    findings.passed(name, f"{len(decision.evidence)} entries", index=item.index)


def check_nothing_omitted(case: Case, findings: Findings, allow: Allow) -> None:
    """The list holds every entry below the view that concerns the change, as far as entries are known here."""
    listed = {seen.index for seen in allow.decision.evidence}
    known = [item for item in case.history if item.index < allow.view]
    targets = _targets(case, allow, known, listed)
    for item in known:
        if item.index not in listed and _concerns(case, allow, item, targets):
            findings.failed(
                allow.name("evidence.nothing_omitted"),
                "EVIDENCE_INCOMPLETE",
                expected=f"entry {item.index} ({item.entry.kind}) in the decision's evidence",
                found="omitted",
                index=allow.index,
            )
            return
    findings.passed(allow.name("evidence.nothing_omitted"), f"{len(listed)} listed", index=allow.index)


def _targets(case: Case, allow: Allow, known: list[Logged], listed: set[int]) -> frozenset[str]:
    """What a revocation or resolution may name to concern this change."""
    targets = [f"job:{case.job_id}", f"policy:{allow.scope.policy_hash_b64u}"]
    targets += [f"token:{token.token_hash}" for _, token in case.tokens]
    targets += [
        f"approval:{item.entry.payload_hash_b64u}"
        for item in known
        if item.index in listed and item.entry.kind == "human_approval_receipt"
    ]
    targets += [f"key:{did}" for did in {item.entry.signer_did for item in known if item.index in listed}]
    roster = case.history.rosters.at(allow.view)
    if roster is not None:
        targets += [f"key:{key}" for person in roster.roster.people for key in person.keys]
    targets += [item.entry.payload_hash_b64u for item, _ in case.begins]
    return frozenset(ref_value(target) for target in set(targets))


def _concerns(case: Case, allow: Allow, item: Logged, targets: frozenset[str]) -> bool:
    if (
        case.is_tied(item)
        or item.ref("run") == ref_value(allow.decision.run_id or "")
        or item.ref("scope") == allow.scope_hash
        or item.ref("plan") == allow.scope.plan_hash_b64u
    ):
        return True
    kind = item.entry.kind
    if kind == "roster":
        return item.is_valid
    if kind == "work_policy_contract" and item.entry.payload_hash_b64u == allow.scope.policy_hash_b64u:
        return True
    return kind in ("revocation", "resolution", "work_policy_contract") and item.ref("target") in targets
