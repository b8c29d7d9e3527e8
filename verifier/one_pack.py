"""`evidence PACK`: one change, judged; and what a person needs to follow the verdict."""

from __future__ import annotations

from argparse import Namespace
from contextlib import closing
from hashlib import sha256

from verifier.change.judge import Beside, judge
from verifier.errors import Refused, Unavailable, Unusable
from verifier.explain.chapters import chosen_entry, explain_pack, read_stated, say_checkpoint
from verifier.files import read_file, read_trust
from verifier.limits import MAX_PACK_BYTES
from verifier.outcome import Background, Outcome, Path
from verifier.pack import Pack, PackedEntry, parse_pack
from verifier.progress import show_progress
from verifier.remembered import read_state, write_state
from verifier.report import Report, Status
from verifier.source import open_source
from verifier.timeline import build_timeline
from verifier.trust import TrustPolicy
from verifier.trustedcheckpoint import open_checkpoint
from verifier.wanted import Wanted
from verifier.wholehistory import read_whole_log
from verifier.workers import choose_workers

MAX_PATHS = 40  # inclusion paths that a written report draws; receipts come last


def judge_one(options: Namespace, *, at_ns: int) -> Outcome:
    """The verdict on one pack. Raises Unusable, or Refused for the trust policy."""
    trust = read_trust(options.trust)
    data = read_file(options.pack, MAX_PACK_BYTES, "PACK_TOO_LARGE")
    files = ((options.pack, sha256(data).hexdigest()), (options.trust, trust.sha256))
    wanted = Wanted()
    pack = add_wanted(wanted, data, trust)
    item = None if pack is None else chosen_entry(pack, options.explain_entry)
    if pack is not None and item is None and options.explain_entry is not None:
        raise Unusable("PARAMETER_INVALID", "--explain-entry", expected="the index of an entry in the pack")
    whole, note = read_log(options, trust, wanted)
    report = judge_bytes(data, trust, options, at_ns=at_ns, whole=whole)
    if note is not None and report.status is not Status.FAIL:
        write_state(options.state, note, trust)
    if pack is None:
        return Outcome(report, trust, files=files)
    return Outcome(report, trust, lambda: _background(report, trust, pack, item), files)


def judge_bytes(data: bytes, trust: TrustPolicy, options: Namespace, *, at_ns: int, whole: Beside | None) -> Report:
    """The verdict on a pack's bytes, under the command's options."""
    return judge(data, trust, at_ns=at_ns, whole_log=whole, max_age_s=options.max_age, allow_demo=options.allow_demo)


def add_wanted(wanted: Wanted, data: bytes, trust: TrustPolicy) -> Pack | None:
    """Note what a pack needs of the whole log, if its checkpoint can be trusted; the pack, or None if it is none.

    What is wrong with it is said when it is judged, with its own reason.
    """
    try:
        pack = parse_pack(data)
    except Refused:
        return None
    try:
        wanted.add(pack, open_checkpoint(pack.checkpoint.encode("utf-8"), trust).checkpoint.size)
    except Refused:
        return pack
    return pack


def read_log(options: Namespace, trust: TrustPolicy, wanted: Wanted) -> tuple[Beside | None, bytes | None]:
    """Read the log of `--log` once, if there is one and a pack to judge with it; and its checkpoint if it was read whole.

    Raises Unusable.
    """
    if options.log is None or not wanted.sizes:
        return None, None
    try:
        with closing(open_source(options.log)) as source:
            return read_whole_log(
                source,
                trust,
                wanted,
                earlier=read_state(options.state, trust),
                workers=choose_workers(options.workers),
                on_progress=show_progress("entries", quiet=options.json),
            )
    except (Refused, Unavailable) as error:
        return error, None


def _background(report: Report, trust: TrustPolicy, pack: Pack, item: PackedEntry | None) -> Background:
    stated = read_stated(pack.checkpoint.encode("utf-8"))
    moments = build_timeline(pack, trust, report, origin=stated.origin if stated else "")
    subject = pack.subject
    facts = [("ticket", subject.ticket), ("job", subject.job), ("run", subject.run), ("bundle", subject.bundle or "none")]
    paths: tuple[Path, ...] = ()
    if stated is not None:
        facts.append(("checkpoint", say_checkpoint(stated)))
        receipts = {moment.index for moment in moments if moment.kind == "gateway_receipt"}
        order = sorted(pack.entries, key=lambda one: (one is not item, one.index in receipts, one.index))
        paths = tuple(
            Path(one.entry.encode("utf-8"), one.index, stated.size, stated.root, one.inclusion_proof)
            for one in order[:MAX_PATHS]
        )
    return Background(tuple(facts), moments, explain_pack(pack, trust, item), paths)
