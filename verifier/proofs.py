"""Verdicts on a log proof of one entry, and on two checkpoints of one log."""

from __future__ import annotations

from verifier.change.findings import Findings
from verifier.checkpoint import Checkpoint
from verifier.errors import Refused, Unavailable
from verifier.logproof import parse_log_proof
from verifier.report import Report, conclude
from verifier.scan import TileNodes
from verifier.source import Source, read_checkpoint
from verifier.tree import check_consistency, check_inclusion, hash_leaf, prove_consistency
from verifier.trust import TrustPolicy
from verifier.trustedcheckpoint import open_checkpoint
from verifier.unproven import unwitnessed


def check_log_proof(proof: bytes, entry: bytes, trust: TrustPolicy) -> Report:
    """The verdict on a `.tlog-proof`: the entry's bytes are at its index under a trusted checkpoint."""
    findings = Findings()
    try:
        parsed = parse_log_proof(proof)
        trusted = open_checkpoint(parsed.checkpoint, trust)
        checkpoint = trusted.checkpoint
        findings.passed("log.checkpoint", f"{checkpoint.origin}, {checkpoint.size} entries")
        check_inclusion(
            parsed.hashes,
            parsed.index,
            size=checkpoint.size,
            leaf_hash=hash_leaf(entry),
            root=checkpoint.root,
        )
        findings.passed("evidence.inclusion", f"leaf hash {hash_leaf(entry).hex()}", index=parsed.index)
    except Refused as error:
        findings.refused("evidence.log_proof", error)
    counts = "that the entry counts: its signature, payload and the rules of reading were not checked"
    return conclude(
        findings.checks,
        not_proven=[counts, *unwitnessed(trust)],
        trust_policy_sha256=trust.sha256,
        passed="the entry is in the log",
    )


def check_two_checkpoints(old_note: bytes, new_note: bytes, source: Source, trust: TrustPolicy) -> Report:
    """The verdict on two checkpoints: the older one's tree is a prefix of the newer one's.

    The proof is computed from the log's tiles; both roots are signed, so the tiles need no trust.
    """
    findings = Findings()
    try:
        _compare(findings, old_note, new_note, source, trust)
    except Refused as error:
        findings.refused("log.consistency", error)
    except Unavailable as error:
        findings.unavailable("log.consistency", error)
    rules = "that entries of both trees keep the rules of reading: only the trees were compared"
    stale = "that NEW is the newest state of the log (stale view)"
    return conclude(
        findings.checks,
        not_proven=[rules, stale, *unwitnessed(trust)],
        trust_policy_sha256=trust.sha256,
        passed="the older tree is a prefix of the newer one",
    )


def _compare(findings: Findings, old_note: bytes, new_note: bytes, source: Source, trust: TrustPolicy) -> None:
    old, new = _open(old_note, "OLD", trust), _open(new_note, "NEW", trust)
    findings.passed("log.checkpoints", f"{old.size} and {new.size} entries of {new.origin}")
    if old.origin != new.origin:
        raise Refused("ORIGIN_MISMATCH", "checkpoints", expected=old.origin, found=new.origin)
    if old.size > new.size:
        raise Refused("CHECKPOINT_STALE", "NEW", expected=f"at least {old.size} entries", found=f"{new.size} entries")
    if old.size == new.size and old.root != new.root:
        raise Refused("CHECKPOINT_INCONSISTENT", "two roots of one size", expected=old.root.hex(), found=new.root.hex())
    proof = _prove(old, new, source, trust)
    _check_proof(proof, old, new)
    findings.passed("log.consistency", f"{len(proof)} hashes lead to both roots")


def _open(note: bytes, name: str, trust: TrustPolicy) -> Checkpoint:
    try:
        return open_checkpoint(note, trust).checkpoint
    except Refused as error:
        raise Refused(error.code, f"{name}: {error.detail}", expected=error.expected, found=error.found) from None


def check_not_behind(old: Checkpoint, new: Checkpoint) -> None:
    """Check that `new` may continue `old`, seen before. Raises Refused ORIGIN_MISMATCH or CHECKPOINT_STALE."""
    if old.origin != new.origin:
        raise Refused("ORIGIN_MISMATCH", "earlier checkpoint", expected=new.origin, found=old.origin)
    if old.size > new.size:
        raise Refused("CHECKPOINT_STALE", "checkpoint", expected=f"at least {old.size} entries", found=f"{new.size}")


def check_continues(source: Source, old: Checkpoint, new: Checkpoint, *, served_size: int) -> None:
    """Check by a proof from the log's tiles that `old` is a prefix of `new`.

    `served_size` says which partial tiles to ask for. Both roots are signed, so the tiles need no trust.
    Raises Refused CHECKPOINT_INCONSISTENT.
    """
    _check_proof(prove_consistency(old.size, new.size, TileNodes(source, served_size)), old, new)


def _check_proof(proof: list[bytes], old: Checkpoint, new: Checkpoint) -> None:
    try:
        check_consistency(proof, (old.size, old.root), (new.size, new.root), empty_old_ok=True)
    except Refused as error:
        raise Refused("CHECKPOINT_INCONSISTENT", "checkpoints", expected=error.expected) from None


def _prove(old: Checkpoint, new: Checkpoint, source: Source, trust: TrustPolicy) -> list[bytes]:
    nodes = TileNodes(source, max(new.size, _served_size(source, trust, new.origin)))
    return prove_consistency(old.size, new.size, nodes)


def read_consistency_proof(old_note: bytes, new_note: bytes, source: Source, trust: TrustPolicy) -> list[bytes] | None:
    """The hashes between two checkpoints, from the log's tiles; None if there can be none. Not checked here."""
    try:
        old, new = open_checkpoint(old_note, trust).checkpoint, open_checkpoint(new_note, trust).checkpoint
        return _prove(old, new, source, trust) if old.origin == new.origin and old.size <= new.size else None
    except (Refused, Unavailable):
        return None


def _served_size(source: Source, trust: TrustPolicy, origin: str) -> int:
    """The size that the log serves now: it says only which partial tiles to ask for."""
    try:
        checkpoint = open_checkpoint(read_checkpoint(source), trust, need_quorum=False).checkpoint
    except (Refused, Unavailable):
        return 0
    return checkpoint.size if checkpoint.origin == origin else 0
