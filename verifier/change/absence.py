"""Absence: how far it carries that nothing adverse was found.

PROVEN     the whole log was read, past the decision.
ATTESTED   a trusted gate's decision covers it. A decision attests only what is below its view; that nothing adverse
           stands between view and index, and that it was not withdrawn, is attested only by a later record of a
           trusted gate: an allow of the job that lists the decision in its evidence, or a closure that names it.
UNDECIDED  otherwise.
"""

from __future__ import annotations

from verifier.change.case import Allow, Case
from verifier.change.findings import Findings
from verifier.encodings import encode_b64u
from verifier.errors import Refused
from verifier.ledger.logged import Logged
from verifier.report import Status


def check_absent(case: Case, findings: Findings, allow: Allow, name: str, *, expected: str, adverse: Refused | None) -> None:
    """One absence check of an allow: FAIL on adverse evidence, else as far as absence carries."""
    full_name = allow.name(name)
    if adverse is not None:
        findings.refused(full_name, adverse, expected=expected, index=allow.index)
        return
    status, found = _carries(case, allow)
    findings.absent(full_name, status, found, expected=f"{expected} [{allow.scope.action}]", index=allow.index)


def adverse_at(code: str, what: str, became: str, index: int | None) -> Refused | None:
    """The adverse evidence that `what` became so (revoked, superseded) at `index`; None if there is no such index."""
    return None if index is None else Refused(code, what, found=f"{became} at index {index}")


def _carries(case: Case, allow: Allow) -> tuple[Status, str]:
    complete_to = case.history.complete_to
    if complete_to is not None and complete_to > allow.index:
        return Status.PROVEN, f"the whole log was read, {complete_to} entries"
    if not case.trust.gate_attests_absence:
        return Status.UNDECIDED, "only the whole log would prove it (--log)"
    later = _later_record(case, allow)
    if later is None:
        return Status.UNDECIDED, "no later record of a trusted gate attests it"
    gates = sorted({allow.item.entry.signer_did, later.entry.signer_did})
    return Status.ATTESTED, f"attested by {' and '.join(gates)}, entries {allow.index} and {later.index}"


def _later_record(case: Case, allow: Allow) -> Logged | None:
    for item, closure in case.closures:
        if closure.decision_b64u == allow.payload_hash and item.index > allow.index:
            return item
    return case.listed_by.get((allow.index, encode_b64u(allow.item.entry.leaf_hash)))
