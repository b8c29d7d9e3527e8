"""The pack's entries and payloads: inclusion, exact hashes, and what a missing payload means."""

from __future__ import annotations

from verifier.change.findings import Findings
from verifier.checkpoint import Checkpoint
from verifier.encodings import hash_b64u
from verifier.entry import check_entry, parse_entry
from verifier.errors import Refused
from verifier.ledger.history import History
from verifier.pack import Pack
from verifier.records.kinds import KINDS
from verifier.records.restrictions import Tombstone
from verifier.tree import check_inclusion, hash_leaf
from verifier.trust import TrustPolicy


def check_entries(findings: Findings, pack: Pack, checkpoint: Checkpoint) -> None:
    """Every entry is in the tree, and every payload is the one that its entry commits to."""
    for item in pack.entries:
        data = item.entry.encode("utf-8")
        try:
            check_inclusion(
                item.inclusion_proof,
                item.index,
                size=checkpoint.size,
                leaf_hash=hash_leaf(data),
                root=checkpoint.root,
            )
            named = check_entry(data)[2].decode("ascii")
        except Refused as error:
            findings.refused("evidence.inclusion", error, expected="a proof to the root", index=item.index)
            continue
        found = named if item.payload is None else hash_b64u(item.payload.encode("utf-8"))
        if found != named:
            findings.failed("evidence.payload_hash", "HASH_MISMATCH", expected=named, found=found, index=item.index)
    if not findings.has_failed():
        findings.passed("evidence.inclusion", f"{len(pack.entries)} entries are in the log, with their payloads")


def check_payloads(findings: Findings, pack: Pack) -> dict[str, bytes]:
    """The content-addressed payloads by hash, each with the hash that it is filed under."""
    payloads: dict[str, bytes] = {}
    for item in pack.payloads:
        data = item.data()
        if hash_b64u(data) != item.sha256_b64u:
            findings.failed("evidence.payloads", "HASH_MISMATCH", expected=item.sha256_b64u, found=hash_b64u(data))
            continue
        payloads[item.sha256_b64u] = data
    return payloads


def build_history(pack: Pack, trust: TrustPolicy, origin: str) -> History:
    """The history that the pack alone tells. It is not complete."""
    history = History(trust, origin)
    for item in pack.entries:
        payload = None if item.payload is None else item.payload.encode("utf-8")
        history.add(item.index, item.entry.encode("utf-8"), payload)
    return history


def check_unread(findings: Findings, history: History, pack: Pack) -> None:
    """A payload may be absent only if it may be erased and a valid tombstone says so; what it had to prove is undecided then."""
    erased = {item.record.payload_b64u for item in history.valid("tombstone") if isinstance(item.record, Tombstone)}
    for packed in pack.entries:
        if packed.payload is not None:
            continue
        entry = parse_entry(packed.entry.encode("utf-8"))
        if KINDS[entry.kind].erasable and entry.payload_hash_b64u in erased:
            findings.undecided(
                "evidence.payload", "PAYLOAD_ERASED", expected=f"the {entry.kind}'s payload", index=packed.index
            )
        else:
            findings.failed(
                "evidence.payload",
                "PAYLOAD_MISSING",
                expected=f"the {entry.kind}'s payload, or a valid tombstone",
                index=packed.index,
            )
