"""What is put before a person who is asked to approve or deny, as lines: exactly what their signature will cover."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Final

from trustlog.change.approve import Matter
from trustlog.change.desk import Desk
from trustlog.errors import Refused
from trustlog.formats.base64 import decode_b64u
from trustlog.formats.jsontext import parse_json
from trustlog.policy.sentences import tool_sentences
from trustlog.records.plan import compute_fingerprint
from trustlog.records.simulation import Artefact, Simulation

SHOWN_ARTEFACT_BYTES: Final = 64 * 1024
SHOWN_MEDIA_TYPES: Final = ("text/", "application/json")


def simulation_of(matter: Matter) -> tuple[int, Simulation] | None:
    """The dry run that the scope names, and its index."""
    named = matter.scope.get("simulation_b64u")
    found = None if named is None else matter.job.view.first(named, "simulation", matter.job.size)
    return None if found is None else (found.index, found.record)


async def artefact_texts(desk: Desk, matter: Matter) -> dict[str, str]:
    """What the dry run showed, as far as it is text of a size to be read: text by base64url SHA-256."""
    simulation = simulation_of(matter)
    texts: dict[str, str] = {}
    for one in simulation[1].artefacts if simulation is not None else ():
        if one.size > SHOWN_ARTEFACT_BYTES or not one.media_type.startswith(SHOWN_MEDIA_TYPES):
            continue
        try:
            data = await desk.client.payload(decode_b64u(one.sha256_b64u, 32, "sha256_b64u"), max_bytes=SHOWN_ARTEFACT_BYTES)
            texts[one.sha256_b64u] = data.decode("utf-8", "backslashreplace")
        except Refused as refused:
            texts[one.sha256_b64u] = f"({refused.code}: {refused.detail})"
    return texts


def matter_lines(matter: Matter, texts: Mapping[str, str], *, deny: bool) -> Iterator[str]:
    """Every line, in the order in which a person decides: what, for whom, the plan, what it showed, the rules, who, what lacks."""
    yield from _head(matter, deny=deny)
    yield from _plan(matter)
    yield from _artefacts(matter, texts)
    yield from _policy(matter)
    yield from _approvals(matter)
    yield from _obstacles(matter)


def _head(matter: Matter, *, deny: bool) -> Iterator[str]:
    scope, terms = matter.scope, matter.job.terms
    yield f"You are asked to {'deny' if deny else 'approve'} {scope.get('action', 'an action')} for ticket {terms.ticket}."
    known = {
        "environment": scope.get("environment"),
        "change type": scope.get("change_type"),
        "job": terms.job_id,
        "run": matter.judgement.run_id,
        "round": scope.get("round"),
        "requester": terms.requester,
        "agent": terms.agent_did,
        "policy": terms.policy_hash_b64u,
        "bundle": scope.get("bundle_b64u"),
        "scope": matter.scope_hash,
    }
    for name, value in known.items():
        if value is not None:
            yield f"  {name:<12} {value}"


def _plan(matter: Matter) -> Iterator[str]:
    if matter.plan is None:
        yield "The plan: none is known."
        return
    yield f"The plan, {len(matter.plan)} bytes with the fingerprint {compute_fingerprint(matter.plan)}:"
    text = json.dumps(parse_json(matter.plan, "plan"), indent=2, ensure_ascii=False)
    yield from _indented(text)


def _artefacts(matter: Matter, texts: Mapping[str, str]) -> Iterator[str]:
    simulation = simulation_of(matter)
    if simulation is None:
        yield "The dry run: none that counts."
        return
    index, record = simulation
    yield f"The dry run at index {index} ended with {record.outcome}, and showed:"
    for one in record.artefacts:
        yield from _artefact(one, texts.get(one.sha256_b64u))
    if not record.artefacts:
        yield "  nothing"


def _artefact(one: Artefact, text: str | None) -> Iterator[str]:
    yield f"  {one.role} ({one.media_type}, {one.size} bytes, {one.sha256_b64u})"
    if text:
        yield from _indented(text, "  | ")
    elif text is None:
        yield f"  (not shown: no text, or more than {SHOWN_ARTEFACT_BYTES} bytes; the log has it at /v1/payloads/{one.sha256_b64u})"


def _policy(matter: Matter) -> Iterator[str]:
    if matter.rules is None:
        yield "The policy: it could not be read."
        return
    action = matter.scope.get("action", "the action")
    yield f"The policy {matter.rules.policy_name} on {action}:"
    yield from (f"  - {sentence}" for sentence in tool_sentences(matter.rules, action))


def _approvals(matter: Matter) -> Iterator[str]:
    yield "Approved so far:"
    for subject, index in approvers(matter).items():
        yield f"  - {subject} at index {index}"
    if not matter.judgement.approvals:
        yield "  nobody"


def _obstacles(matter: Matter) -> Iterator[str]:
    yield "What stands in the way besides approvals:"
    yield from (f"  - {obstacle}" for obstacle in matter.obstacles)
    if not matter.obstacles:
        yield "  nothing"


def approvers(matter: Matter) -> dict[str, int]:
    """Whose approvals of this scope count now, each with its index."""
    job = matter.job
    found = [job.view.first(name, "human_approval_receipt", job.size) for name in matter.judgement.approvals]
    return {one.record.approver_subject: one.index for one in found if one is not None}


def _indented(text: str, margin: str = "  ") -> Iterator[str]:
    yield from (margin + line for line in text.splitlines())
