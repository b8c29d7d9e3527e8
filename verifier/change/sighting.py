"""What a pack's checkpoint, views and anchors are worth: signatures, quorum, consistency, and times."""

from __future__ import annotations

from verifier.change.findings import Findings
from verifier.checkpoint import Checkpoint
from verifier.encodings import decode_b64u
from verifier.errors import Refused
from verifier.pack import Pack
from verifier.times import NS, format_time
from verifier.tree import check_consistency
from verifier.trust import TrustPolicy
from verifier.trustedcheckpoint import TrustedCheckpoint, open_checkpoint


def check_checkpoint(
    findings: Findings,
    pack: Pack,
    trust: TrustPolicy,
    *,
    at_ns: int,
    max_age_s: int | None,
    allow_demo: bool,
) -> TrustedCheckpoint | None:
    """Open the pack's checkpoint against pinned keys; None if nothing can be built on it."""
    try:
        trusted = open_checkpoint(pack.checkpoint.encode("utf-8"), trust)
    except Refused as error:
        findings.refused("log.checkpoint", error)
        return None
    checkpoint = trusted.checkpoint
    findings.passed("log.checkpoint", f"{checkpoint.origin}, {checkpoint.size} entries, root {checkpoint.root.hex()}")
    if checkpoint.origin.endswith("/demo"):
        if not allow_demo:
            findings.failed("log.origin", "DEMO_ORIGIN_REFUSED", expected="an origin for real use", found=checkpoint.origin)
            return None
        findings.not_proven.append("anything about a real system: this is a demo log, with throw-away keys")
    check_age(findings, trusted, trust, at_ns=at_ns, max_age_s=max_age_s)
    return trusted


def check_age(
    findings: Findings, trusted: TrustedCheckpoint, trust: TrustPolicy, *, at_ns: int, max_age_s: int | None
) -> None:
    """The checkpoint's age by witness time, if somebody asked for one."""
    if max_age_s is None:
        return
    expected = f"cosigned by a quorum at most {max_age_s} s before {format_time(at_ns)}"
    seen_s = trusted.fresh_time_s(trust.log_policy)
    if seen_s is None:
        findings.undecided("log.age", "CHECKPOINT_STALE", expected=expected, found="no time by a quorum of witnesses")
        return
    if at_ns - seen_s * NS > max_age_s * NS:
        found = f"cosigned at {format_time(seen_s * NS)}"
        findings.failed("log.age", "CHECKPOINT_STALE", expected=expected, found=found)
        return
    findings.passed("log.age", f"cosigned by a quorum at {format_time(seen_s * NS)}")


def check_views(findings: Findings, pack: Pack, checkpoint: Checkpoint) -> None:
    """Every view of a decision is a prefix of the checkpoint's tree."""
    for view in pack.views:
        try:
            root = decode_b64u(view.root_b64u, "root_b64u", length=32)
            new = (checkpoint.size, checkpoint.root)
            check_consistency(view.consistency_proof, (view.size, root), new, empty_old_ok=True)
        except Refused as error:
            findings.refused(f"log.view[{view.size}]", error)
            return
    if pack.views:
        findings.passed("log.views", f"views of decisions that are prefixes of this log: {len(pack.views)}")


def _check_same_origin(anchor: TrustedCheckpoint, trusted: TrustedCheckpoint) -> None:
    expected, found = trusted.checkpoint.origin, anchor.checkpoint.origin
    if found != expected:
        raise Refused("ORIGIN_MISMATCH", "origin of the anchor", expected=expected, found=found)


def collect_sightings(
    findings: Findings, pack: Pack, trust: TrustPolicy, trusted: TrustedCheckpoint
) -> tuple[tuple[int, int], ...]:
    """(size, seconds since 1970) of every checkpoint here that a quorum of witnesses had cosigned by then."""
    sightings: list[tuple[int, int]] = []
    new = (trusted.checkpoint.size, trusted.checkpoint.root)
    for position, anchor in enumerate(pack.anchors):
        try:
            opened = open_checkpoint(anchor.checkpoint.encode("utf-8"), trust, need_quorum=False)
            old = (opened.checkpoint.size, opened.checkpoint.root)
            _check_same_origin(opened, trusted)
            check_consistency(anchor.consistency_proof, old, new, empty_old_ok=True)
        except Refused as error:
            findings.refused(f"log.anchor[{position}]", error)
            return ()
        time_s = opened.quorum_time_s(trust.log_policy)
        if time_s is not None:
            sightings.append((opened.checkpoint.size, time_s))
    time_s = trusted.quorum_time_s(trust.log_policy)
    if time_s is not None:
        sightings.append((trusted.checkpoint.size, time_s))
    if pack.anchors:
        findings.passed("log.anchors", f"{len(pack.anchors)} anchors, {len(sightings)} times by a quorum")
    return tuple(sightings)
