"""The pack's entries and payloads: inclusion, exact hashes, and what a missing payload means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from verifier.change.findings import Findings
from verifier.checkpoint import Checkpoint
from verifier.encodings import hash_b64u
from verifier.entry import EntryMatch, check_entry, parse_entry
from verifier.errors import Refused
from verifier.ledger.history import History
from verifier.ledger.prepared import prepare
from verifier.pack import Pack
from verifier.records.kinds import KINDS
from verifier.records.restrictions import Tombstone
from verifier.tree import check_inclusion, hash_leaf, hash_node
from verifier.trust import TrustPolicy


@dataclass(frozen=True, slots=True)
class Included:
    """An entry of the pack that is in the tree: its exact bytes, matched, and their leaf hash."""

    index: int
    match: EntryMatch
    leaf_hash: bytes


def check_entries(findings: Findings, pack: Pack, checkpoint: Checkpoint) -> list[Included]:
    """Every entry is in the tree, and every payload is the one that its entry commits to. The entries that are."""
    included = []
    hash_once = lru_cache(maxsize=4096)(hash_node)  # the proofs of one pack share most of their nodes
    for item in pack.entries:
        data = item.entry.encode("utf-8")
        leaf_hash = hash_leaf(data)
        try:
            check_inclusion(
                item.inclusion_proof,
                item.index,
                size=checkpoint.size,
                leaf_hash=leaf_hash,
                root=checkpoint.root,
                hash_node=hash_once,
            )
            match = check_entry(data)
        except Refused as error:
            findings.refused("evidence.inclusion", error, expected="a proof to the root", index=item.index)
            continue
        included.append(Included(item.index, match, leaf_hash))
        named = match[2].decode("ascii")
        found = named if item.payload is None else hash_b64u(item.payload.encode("utf-8"))
        if found != named:
            expected, brought = f"a payload of hash {named}", f"one of hash {found}"
            findings.failed("evidence.payload_hash", "HASH_MISMATCH", expected=expected, found=brought, index=item.index)
    if not findings.has_failed():
        findings.passed("evidence.inclusion", f"{len(pack.entries)} entries are in the log, with their payloads")
    return included


def check_payloads(findings: Findings, pack: Pack) -> dict[str, bytes]:
    """The content-addressed payloads by hash, each with the hash that it is filed under."""
    payloads: dict[str, bytes] = {}
    for item in pack.payloads:
        data = item.data()
        if hash_b64u(data) != item.sha256_b64u:
            expected, brought = f"a payload of hash {item.sha256_b64u}", f"one of hash {hash_b64u(data)}"
            findings.failed("evidence.payloads", "HASH_MISMATCH", expected=expected, found=brought)
            continue
        payloads[item.sha256_b64u] = data
    return payloads


def build_history(pack: Pack, included: Sequence[Included], trust: TrustPolicy, origin: str) -> History:
    """The history that the pack alone tells, of entries that are all included. It is not complete."""
    history = History(trust, origin)
    for item, read in zip(pack.entries, included, strict=True):
        payload = None if item.payload is None else item.payload.encode("utf-8")
        prepared = prepare(read.match, payload, index=read.index, origin=origin, leaf_hash=read.leaf_hash)
        history.admit(read.index, prepared)
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
                "evidence.payload",
                "PAYLOAD_ERASED",
                expected=f"the {entry.kind}'s payload",
                found="a tombstone",
                index=packed.index,
            )
        else:
            findings.failed(
                "evidence.payload",
                "PAYLOAD_MISSING",
                expected=f"the {entry.kind}'s payload, or a valid tombstone",
                index=packed.index,
            )
