"""Policies as the whole log has them: every entry read, the root recomputed, every payload that matters checked."""

from __future__ import annotations

from typing import Final

from trustlog.cli.policy_source import Named
from trustlog.cli.reading import showing_progress
from trustlog.client.log import LogClient
from trustlog.errors import Refused
from trustlog.gate.follow import Reading
from trustlog.gate.logged import Logged
from trustlog.gate.standing import revocations, superseding
from trustlog.gate.view import LogView
from trustlog.policy.rules.whole import AFTER_A_LIE
from trustlog.policy.standing import Standing

KIND: Final = "work_policy_contract"
UNREADABLE: Final = "PAYLOAD_UNREADABLE"


async def read_view(client: LogClient) -> LogView:
    """All of the log up to its checkpoint of now. Raises Refused, ``LOG_LIES`` where an entry is not what its payload says."""
    reading = Reading(client)
    async with showing_progress(client, lambda: reading.view.size):
        await reading.catch_up()
    if reading.view.lies:
        expected = "a log whose entries are what their payloads say"
        found = reading.view.lies[0].what
        detail = "an entry is not what its payload says"
        raise Refused("LOG_LIES", detail, param="index", expected=expected, found=found, hint=AFTER_A_LIE)
    return reading.view


def policies_in_view(view: LogView) -> list[str]:
    """The hashes of all policies in the log, oldest first; those that are void, or cannot be read, too."""
    return list(dict.fromkeys(one.payload_hash for one in view.of_kind(KIND, view.size)))


def named_in_view(view: LogView, policy_hash: str) -> Named:
    """The policy with this hash and its standing.

    Raises Refused: ``POLICY_NOT_FOUND`` (proven: the log has none, or none that counts), ``PAYLOAD_UNREADABLE``.
    """
    first = view.first(policy_hash, KIND, view.size)
    if first is None or first.candidate is None:
        raise _why_not(view, policy_hash)
    return Named(first.candidate.payload_text, first.record, standing_in_view(view, policy_hash))


def standing_in_view(view: LogView, policy_hash: str) -> Standing:
    """What acts on a policy, by the same reading that a gate decides on."""
    return Standing(
        policy_hash=policy_hash,
        size=view.size,
        quorum=view.trust.quorums["policy"],
        signers=tuple((one.index, one.entry.signer_did) for one in view.by_payload(policy_hash, KIND, view.size)),
        revoked_at=tuple(one.index for one in revocations(view, f"policy:{policy_hash}", view.size)),
        superseded_by=tuple((one.index, one.payload_hash) for one in superseding(view, policy_hash, view.size)),
        supersedes=tuple(_replaced(view, policy_hash)),
        descends_to=tuple(_descendants(view, policy_hash)),
    )


def _replaced(view: LogView, policy_hash: str) -> list[str]:
    """What it replaces, back to the first that the log does not hold. A hash names what existed before it: no circles."""
    found: list[str] = []
    one: Logged | None = view.first(policy_hash, KIND, view.size)
    while one is not None and one.record.rules is not None and one.record.rules.superseded_policy is not None:
        found.append(one.record.rules.superseded_policy)
        one = view.first(found[-1], KIND, view.size)
    return found


def _descendants(view: LogView, policy_hash: str) -> list[str]:
    found: list[str] = []
    ahead = [policy_hash]
    while ahead:
        newer = [one.payload_hash for one in superseding(view, ahead.pop(0), view.size)]
        ahead += [one for one in newer if one not in found]
        found += [one for one in newer if one not in found]
    return found


def _why_not(view: LogView, policy_hash: str) -> Refused:
    entries = list(view.named(policy_hash, KIND, view.size))
    if not entries:
        detail = f"none of the log's {view.size} entries is this policy"
        return Refused("POLICY_NOT_FOUND", detail, param="policy", expected="a policy in the log", found=policy_hash)
    if any(one.void == UNREADABLE for one in entries):
        detail = f"the log has the entry at index {entries[0].index}, and does not give the policy's text"
        return Refused(UNREADABLE, detail, param="policy", expected="its payload", found=policy_hash)
    void = ", ".join(f"{one.void} at index {one.index}" for one in entries)
    detail = "every entry that carries this policy is void"
    return Refused("POLICY_NOT_FOUND", detail, param="policy", expected="a signature that counts", found=void)
