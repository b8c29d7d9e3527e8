"""What the policy commands say, as JSON and as lines: a policy in sentences, its traps, its standing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from trustlog.cli.policy_source import Named
from trustlog.policy.order import denied_tools
from trustlog.policy.paths import CLAWSIG_BLOCK, json_path
from trustlog.policy.sentences import policy_sentences, tool_sentences
from trustlog.policy.standing import Standing, standing_sentences
from trustlog.policy.trap import Trap

NO_RULES = "It is a Clawsig policy without rules for changes: every action under it is denied."


def describe_policy(named: Named) -> dict[str, Any]:
    """A policy as JSON: its hash, its name, what it says as a whole, and tool by tool."""
    rules = named.rules
    denied = set() if rules is None else denied_tools(rules)
    return {
        "policy_hash_b64u": named.policy_hash,
        "policy_name": named.name,
        "sentences": [NO_RULES] if rules is None else policy_sentences(rules),
        "tools": []
        if rules is None
        else [
            {
                "name": name,
                "allowed": tool.allowed,
                "can_be_done": name not in denied,
                "approvals_needed": tool.approvals_needed,
                "sentences": tool_sentences(rules, name),
            }
            for name, tool in rules.tools.items()
        ],
    }


def policy_lines(said: dict[str, Any]) -> Iterator[str]:
    """The lines of :func:`describe_policy`."""
    yield f"{said['policy_name']}  {said['policy_hash_b64u']}"
    yield from _listed(said["sentences"])
    for tool in said["tools"]:
        yield f"{tool['name']}" + ("  (can never be done)" if tool["allowed"] and not tool["can_be_done"] else "")
        yield from _listed(tool["sentences"])


def describe_traps(named: Named, traps: Iterable[Trap]) -> list[dict[str, str]]:
    """Traps as JSON; a path leads from the document that was given."""
    return [
        {
            "name": trap.name,
            "weight": trap.weight,
            "path": json_path(trap.path if trap.path == CLAWSIG_BLOCK else (*named.place_of_rules, *trap.path)),
            "sentence": trap.sentence,
            "next_step": trap.next_step,
        }
        for trap in traps
    ]


def trap_lines(heading: str, traps: Sequence[dict[str, str]]) -> Iterator[str]:
    """Traps as lines, under a heading; nothing where there are none."""
    if traps:
        yield heading
    for trap in traps:
        yield f"  {trap['name']}  {trap['path']}"
        yield f"    {trap['sentence']}"
        yield f"    next: {trap['next_step']}"


def describe_standing(standing: Standing) -> dict[str, Any]:
    """A standing as JSON."""
    return {
        "status": standing.status,
        "in_force_at": standing.in_force_at,
        "quorum": standing.quorum,
        "signers": [{"index": index, "signer_did": did} for index, did in standing.signers],
        "revoked_at": list(standing.revoked_at),
        "superseded_by": [{"index": index, "policy_hash_b64u": name} for index, name in standing.superseded_by],
        "supersedes": list(standing.supersedes),
        "descends_to": list(standing.descends_to),
        "tree_size": standing.size,
    }


def standing_lines(standing: Standing) -> Iterator[str]:
    """A standing as lines."""
    yield f"In the log, below size {standing.size}: {standing.status.replace('_', ' ')}"
    yield from _listed(standing_sentences(standing))


def not_proven_lines(open_points: Sequence[str]) -> Iterator[str]:
    """What is not proven, under a heading; nothing where all is."""
    if open_points:
        yield "not proven:"
    yield from (f"  {point}" for point in open_points)


def _listed(sentences: Iterable[str]) -> Iterator[str]:
    yield from (f"  - {sentence}" for sentence in sentences)
