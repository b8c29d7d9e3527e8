"""Rules of what a decision rests on: its view of the log, and the list of entries that it says it read."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from verifier.change.case import Allow, Case
from verifier.change.findings import Findings
from verifier.entry import ref_value
from verifier.ledger.logged import Logged
from verifier.records.decision import Decision

_TARGETING = frozenset(("revocation", "resolution", "work_policy_contract"))


def check_listed(findings: Findings, item: Logged, decision: Decision, packed: Mapping[int, str]) -> None:
    """Every entry that a decision lists is below its view, and in the pack with that leaf hash.

    `packed` maps the indexes of the pack to the entries' leaf hashes in base64url.
    """
    name = f"evidence.listed[{decision.requested.action[:64]}]"
    for seen in decision.evidence:
        leaf_hash, problem = packed.get(seen.index), None
        if seen.index >= decision.view.size:
            problem = "an entry at or above its view"
        elif leaf_hash is None:
            problem = "no such entry in the pack"
        elif leaf_hash != seen.leaf_hash_b64u:
            problem = "another leaf hash"
        if problem is not None:
            expected = f"entry {seen.index} as the decision lists it"
            findings.failed(name, "EVIDENCE_INCOMPLETE", expected=expected, found=problem, index=item.index)
            return
    findings.passed(name, f"{len(decision.evidence)} entries", index=item.index)


def check_view(findings: Findings, item: Logged, decision: Decision, views: Mapping[int, str]) -> None:
    """The tree that a decision says it read is one of the pack's views, which are prefixes of the log.

    `views` maps their sizes to their roots in base64url.
    """
    named, root = decision.view, views.get(decision.view.size)
    if root == named.root_b64u:
        return
    findings.failed(
        "log.decision_view",
        "VIEW_INVALID",
        expected=f"root {named.root_b64u} of {named.size} entries, as the decision says",
        found="no view of that size in the pack" if root is None else f"root {root}",
        index=item.index,
    )


def check_in_pack(findings: Findings, item: Logged, packed: Mapping[int, str]) -> None:
    """A decision that is judged is in the pack: nobody else proves its view, nor what it lists."""
    if item.index not in packed:
        findings.undecided(
            "evidence.in_pack",
            "EVIDENCE_INCOMPLETE",
            expected="every decision that is judged in the pack, with its view and all that it lists",
            found="a decision that only the log holds",
            index=item.index,
        )


def check_nothing_omitted(case: Case, findings: Findings, allow: Allow) -> None:
    """The list holds every entry below the view that concerns the change, as far as entries are known here."""
    listed = {seen.index for seen in allow.decision.evidence}
    omitted = _find_omitted(case, allow, listed)
    if omitted is not None:
        findings.failed(
            allow.name("evidence.nothing_omitted"),
            "EVIDENCE_INCOMPLETE",
            expected=f"entry {omitted.index} ({omitted.entry.kind}) in the decision's evidence",
            found="omitted",
            index=allow.index,
        )
        return
    findings.passed(allow.name("evidence.nothing_omitted"), f"{len(listed)} listed", index=allow.index)


def _find_omitted(case: Case, allow: Allow, listed: Collection[int]) -> Logged | None:
    """The first entry of the change below the view that is not listed.

    If all are: the first that revokes, supersedes or resolves any of these, or of what does.
    """
    found: list[Logged] = []
    targeting: dict[str, list[Logged]] = {}
    for item in case.history:
        if item.index >= allow.view:
            break
        if _is_of_the_change(case, allow, item):
            if item.index not in listed:
                return item
            found.append(item)
        elif item.entry.kind in _TARGETING:
            targeting.setdefault(item.ref("target") or "", []).append(item)
    if not targeting:
        return None
    omitted = []
    targets = {*_targets_of_change(case, allow), *(target for item in found for target in _targets_of(item))}
    while targets:
        for item in targeting.pop(ref_value(targets.pop()), ()):
            omitted += [item] if item.index not in listed else []
            targets.update(_targets_of(item))
    return min(omitted, key=lambda item: item.index, default=None)


def _is_of_the_change(case: Case, allow: Allow, item: Logged) -> bool:
    match item.entry.kind:
        case "roster" if item.is_valid:
            return True
        case "work_policy_contract" if item.entry.payload_hash_b64u == allow.scope.policy_hash_b64u:
            return True
    return (
        case.is_tied(item)
        or item.ref("run") == ref_value(allow.decision.run_id or "")
        or item.ref("scope") == allow.scope_hash
        or item.ref("plan") == allow.scope.plan_hash_b64u
    )


def _targets_of_change(case: Case, allow: Allow) -> list[str]:
    """What a revocation or resolution may name to concern this change."""
    targets = [f"job:{case.job_id}", f"policy:{allow.scope.policy_hash_b64u}"]
    targets += [f"token:{token.token_hash}" for item, token in case.tokens if item.index < allow.view]
    roster = case.history.rosters.at(allow.view)
    if roster is not None:
        targets += [f"key:{key}" for person in roster.roster.people for key in person.keys]
    targets += [item.entry.payload_hash_b64u for item, _ in case.begins if item.index < allow.view]
    return targets


def _targets_of(item: Logged) -> list[str]:
    """What would revoke an entry that concerns the change: its signer's key, and an approval itself."""
    key = f"key:{item.entry.signer_did}"
    return [key, f"approval:{item.entry.payload_hash_b64u}"] if item.entry.kind == "human_approval_receipt" else [key]
