"""The verdict for people: verdict first, then the checks in the order of reasoning, then what is not proven."""

from __future__ import annotations

import re

from verifier.reasons import REASONS
from verifier.report import GROUPS, Check, Report, Status, not_proven_line

_DID = re.compile("did:key:z6Mk[1-9A-HJ-NP-Za-km-z]{44}")
_MARKS = {
    Status.PASS: "ok",
    Status.PROVEN: "ok, proven",
    Status.ATTESTED: "ok, attested",
    Status.UNDECIDED: "undecided",
    Status.FAIL: "FAIL",
    Status.ERROR: "error",
}


def render(report: Report) -> str:
    """The whole text, ending in a newline. Control characters of the input are never passed on."""
    lines = [f"{report.status.value}  {report.reason_code}", f"  {_clean(report.reason)}"]
    reason = REASONS.get(report.reason_code)
    if reason is not None and report.status is not Status.PASS:
        lines += [f"  {reason.sentence}", f"  next step: {reason.next_step}"]
    for group in GROUPS:
        checks = [check for check in report.checks if check.group == group]
        if checks:
            lines += ["", group]
            lines += [_line(check) for check in checks]
    if report.not_proven:
        lines += ["", "not proven"]
        lines += [f"  - {_clean(line)}" for line in _not_proven(report)]
    if report.trust_policy_sha256:
        lines += ["", f"judged under the trust policy with SHA-256 {report.trust_policy_sha256}"]
    return _shorten_repeated_dids("\n".join(lines)) + "\n"


def _not_proven(report: Report) -> list[str]:
    """What is not proven, with one line for all that the same gate attests of the same action."""
    attested = {not_proven_line(check): check for check in report.checks if check.status is Status.ATTESTED}
    lines: dict[str, list[str]] = {}
    for line in report.not_proven:
        check = attested.get(line)
        if check is None:
            lines[line] = []
        else:
            what, _, action = (check.expected or "").rpartition(" [")
            head = f"only {check.found}, not proven from the whole log, for {action.removesuffix(']')}"
            lines.setdefault(head, []).append(what)
    return [f"{line}: {'; '.join(absences)}" if absences else line for line, absences in lines.items()]


def _shorten_repeated_dids(text: str) -> str:
    """Each DID in full where it first stands, then as its first 16 characters, or as many as tell it from the others."""
    every = set(_DID.findall(text))
    seen: set[str] = set()

    def show(match: re.Match[str]) -> str:
        did = match[0]
        if did not in seen:
            seen.add(did)
            return did
        length = next(n for n in range(16, len(did) + 1) if sum(other.startswith(did[:n]) for other in every) == 1)
        return did[:length] + ("…" if length < len(did) else "")

    return _DID.sub(show, text)


def _line(check: Check) -> str:
    parts = [f"  {_MARKS[check.status]:<13}{check.name}"]
    if check.code:
        parts.append(check.code)
    if check.status in (Status.FAIL, Status.UNDECIDED) and check.expected:
        parts.append(f"expected {check.expected}")
    if check.found:
        parts.append(check.found if check.status is not Status.FAIL else f"found {check.found}")
    if check.index is not None:
        parts.append(f"(entry {check.index})")
    return _clean("  ".join(parts))


def _clean(text: str) -> str:
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)
