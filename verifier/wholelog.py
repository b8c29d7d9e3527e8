"""Whole logs: structure, grammar of entries, and every rule of reading.

What only some depths need is imported there: to read the tree alone must not wait for the rules of every record.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from verifier.change.findings import Findings
from verifier.checkpoint import Checkpoint
from verifier.edge import RightEdge
from verifier.errors import Refused, Unavailable
from verifier.limits import MAX_LISTED
from verifier.payloads import check_payload_files
from verifier.proofs import check_continues, check_not_behind
from verifier.reading import BundleRead, Look
from verifier.report import Report, conclude
from verifier.resume import Progress, ProgressFile
from verifier.scan import OnProgress, Scan, scan_log
from verifier.source import Source, read_checkpoint
from verifier.trust import TrustPolicy
from verifier.trustedcheckpoint import TrustedCheckpoint, open_checkpoint
from verifier.unproven import NO_EARLIER, unwitnessed

if TYPE_CHECKING:
    from verifier.deep import DeepReader


@dataclass(frozen=True, slots=True)
class Depth:
    """How much of each entry is looked at."""

    entries: bool = False
    deep: bool = False

    @property
    def name(self) -> str:
        """How a progress file calls it."""
        return "deep" if self.deep else "entries" if self.entries else "structure"


def check_log(
    source: Source,
    trust: TrustPolicy,
    *,
    at_ns: int,
    depth: Depth,
    earlier: Sequence[bytes] = (),
    workers: int = 1,
    resume: ProgressFile | None = None,
    on_progress: OnProgress | None = None,
) -> tuple[Report, bytes | None]:
    """The verdict on a whole log, and the checkpoint note to remember if it passed.

    `earlier` are checkpoint notes seen before: this log must continue them. Without any, forks against an earlier view
    and stale views are listed as not proven. `resume` holds how far an earlier run came, and takes how far this one does.
    Raises Unusable for a progress file that cannot be used.
    """
    findings = Findings()
    note: bytes | None = None
    begun = resume.read(trust, depth=depth.name) if resume is not None else None
    try:
        note = read_checkpoint(source)
        trusted = open_checkpoint(note, trust)
        check = _LogCheck(findings, source, trust, trusted, depth=depth, workers=workers)
        if source.is_live and trust.log_policy.quorum is not None:
            from verifier.change.sighting import check_age  # noqa: PLC0415 - only a running log has an age

            check_age(findings, trusted, trust, at_ns=at_ns, max_age_s=trust.max_checkpoint_age_s)
        for seen in earlier:  # the log's own signature binds it, whoever else has signed
            check.continue_from(open_checkpoint(seen, trust, need_quorum=False).checkpoint)
        if begun is not None:
            check.resume_from(*begun)
        check.run(note, resume, on_progress)
    except Refused as error:
        findings.refused("log.read", error)
    except Unavailable as error:
        findings.unavailable("log.read", error)
    if resume is not None and findings.has_failed():
        resume.remove()  # what lies is read from the beginning again
    not_proven = [*findings.not_proven, *(() if earlier else NO_EARLIER), *unwitnessed(trust)]
    if not depth.deep:
        not_proven.append("what the entries say: signatures, payloads and rules were not checked (--deep)")
    report = conclude(
        findings.checks,
        not_proven=not_proven,
        trust_policy_sha256=trust.sha256,
        passed="every entry and every tile is under the signed root",
    )
    return report, note


class _LogCheck:
    """One check of one log under one checkpoint."""

    def __init__(
        self,
        findings: Findings,
        source: Source,
        trust: TrustPolicy,
        trusted: TrustedCheckpoint,
        *,
        depth: Depth,
        workers: int,
    ) -> None:
        self._findings = findings
        self._source = source
        self._checkpoint = checkpoint = trusted.checkpoint
        self._depth = depth
        self._workers = workers
        self._deep: DeepReader | None = None
        if depth.deep:
            from verifier.deep import DeepReader  # noqa: PLC0415 - all records and their rules

            self._deep = DeepReader(source, trust, checkpoint)
        self._malformed: list[int] = []
        self._malformed_count = 0
        self._earlier: list[tuple[str, Checkpoint]] = []
        self._begun: Progress | None = None
        self._reached: Progress | None = None
        findings.passed("log.checkpoint", f"{checkpoint.origin}, {checkpoint.size} entries, root {checkpoint.root.hex()}")

    def continue_from(self, old: Checkpoint, name: str = "log.continues") -> None:
        """Demand that the log continues a checkpoint that was seen before."""
        check_not_behind(old, self._checkpoint)
        self._earlier.append((name, old))

    def resume_from(self, progress: Progress, checkpoint: Checkpoint) -> None:
        """Read on from where an earlier run was interrupted; its checkpoint must be continued too."""
        self.continue_from(checkpoint, "log.resumed")
        self._begun = progress

    def run(self, note: bytes, resume: ProgressFile | None, on_progress: OnProgress | None) -> None:
        """Read the log, and report."""
        begun = self._begun
        edge = RightEdge(begun.rows) if begun is not None and self._deep is None else RightEdge()

        def on_edge(reached: RightEdge) -> None:
            if begun is not None and reached.size == begun.size and reached.rows != begun.rows:
                raise Refused("CHECKPOINT_INCONSISTENT", "progress", expected=f"the {begun.size} entries read before")
            if resume is not None and self._is_clean():
                self._reached = Progress(self._checkpoint.origin, self._depth.name, note, reached.size, reached.rows)
                if resume.is_due():
                    self._save(resume)

        try:
            scan = scan_log(
                self._source,
                self._checkpoint.size,
                root=self._checkpoint.root,
                look=self._look(),
                sizes=[old.size for _, old in self._earlier],
                edge=edge,
                workers=self._workers,
                on_bundle=self._read,
                on_edge=on_edge,
                on_progress=on_progress,
            )
        except Refused:
            raise  # what was read is forgotten
        except Unavailable:
            self._check_earlier_alone()  # first: a disk that is full must not hide a fork
            self._save(resume)
            raise
        except BaseException:
            self._save(resume)
            raise
        try:
            self._report(scan)
        except Unavailable:
            self._save(resume)
            raise
        if not self._findings.has_failed():  # what has is forgotten
            self._save(resume)

    def _check_earlier_alone(self) -> None:
        """A payload that cannot be had must not hide that the log breaks with what was seen: its tree alone is read."""
        if self._deep is not None and self._earlier:
            sizes = [old.size for _, old in self._earlier]
            tree = self._checkpoint
            self._report_earlier(scan_log(self._source, tree.size, root=tree.root, sizes=sizes, workers=self._workers))

    def _look(self) -> Look:
        if self._deep is not None:
            return self._deep.look(signed_below=self._begun.size if self._begun is not None else 0)
        return Look(grammar=self._depth.entries)

    def _is_clean(self) -> bool:
        """Whether nothing was found so far that the next run must find again."""
        return not self._malformed and (self._deep is None or self._deep.is_signed)

    def _save(self, resume: ProgressFile | None) -> None:
        before = self._begun.size if self._begun is not None else 0
        if resume is not None and self._reached is not None and self._reached.size > before:
            resume.save(self._reached)

    def _read(self, bundle: BundleRead) -> None:
        self._malformed += bundle.malformed[: MAX_LISTED - len(self._malformed)]
        self._malformed_count += len(bundle.malformed)
        if self._deep is not None:
            self._deep.read(bundle)

    def _report(self, scan: Scan) -> None:
        findings = self._findings
        if scan.begun_at:
            findings.passed("log.resumed", f"the first {scan.begun_at} entries were read by an earlier run")
            findings.not_proven.append(f"that the first {scan.begun_at} entries can still be read: an earlier run read them")
        findings.passed("log.entries", f"{scan.size} entries lead to the signed root")
        findings.passed("log.tiles", f"{scan.tiles} tiles hold the hashes of these entries")
        self._report_earlier(scan)
        if self._depth.entries or self._depth.deep:
            self._report_grammar(scan.size - scan.begun_at)
        if self._deep is not None:
            self._deep.report(findings)
            check_payload_files(self._source, findings, self._deep.payloads_read)

    def _report_earlier(self, scan: Scan) -> None:
        for name, old in self._earlier:
            if old.size <= scan.begun_at:
                check_continues(self._source, old, self._checkpoint, served_size=scan.size)
            elif scan.roots[old.size] != old.root:
                raise Refused("CHECKPOINT_INCONSISTENT", "earlier checkpoint", expected=old.root.hex())
            self._findings.passed(name, f"the checkpoint of {old.size} entries seen before")

    def _report_grammar(self, read: int) -> None:
        for index in self._malformed:
            self._findings.failed("evidence.grammar", "ENTRY_MALFORMED", expected="the grammar of entries", index=index)
        if self._malformed_count > len(self._malformed):
            found = f"altogether {self._malformed_count}"
            self._findings.failed("evidence.grammar", "ENTRY_MALFORMED", expected="the grammar of entries", found=found)
        if not self._malformed:
            self._findings.passed("evidence.grammar", f"{read} entries are within the grammar")
