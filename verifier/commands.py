"""What each command reads and prints. All other input and output is in `source.py`, `web.py` and `resume.py`."""

from __future__ import annotations

import json
import os
import sys
import time
from argparse import Namespace
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from verifier.errors import Refused, Unavailable, Unusable, VerifierError
from verifier.limits import (
    MAX_FOREIGN_ENTRY_BYTES,
    MAX_LOG_PROOF_BYTES,
    MAX_NOTE_BYTES,
    MAX_PACK_BYTES,
    MAX_TRUST_BYTES,
    MAX_WORKERS,
)
from verifier.reasons import REASONS
from verifier.report import Check, Report, Status, conclude, error_report
from verifier.scan import OnProgress
from verifier.text import render
from verifier.times import parse_judging_time
from verifier.trust import TrustPolicy, open_checkpoint, parse_trust_policy

if TYPE_CHECKING:
    from verifier.change.judge import WholeLog


def run(options: Namespace) -> int:
    """Run the chosen command and print its verdict; the exit code."""
    if options.command == "explain":
        return _explain(options)
    try:
        report = _COMMANDS[options.command](options)
    except Unusable as error:
        report = error_report(error.code, _sentence(error))
    except Refused as error:  # of the trust policy or an argument: nothing can be judged
        report = error_report(error.code, _sentence(error))
    if report.status is Status.ERROR:
        hint = REASONS[report.reason_code].next_step
        sys.stderr.write(f"error: {report.reason_code}: {report.reason}\nhint: {hint}\n")
        if options.json:
            _print_json(report.to_json())
        return report.exit_code
    if options.json:
        _print_json(report.to_json())
    else:
        sys.stdout.write(render(report))
    return report.exit_code


def _sentence(error: VerifierError) -> str:
    parts = [error.detail]
    if error.expected:
        parts.append(f"expected {error.expected}")
    if error.found:
        parts.append(f"found {error.found}")
    return ", ".join(parts)


def _print_json(value: object) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")


def _evidence(options: Namespace) -> Report:
    from verifier.change.judge import judge  # noqa: PLC0415 - other commands do not need it

    trust = _read_trust(options)
    pack_bytes = _read_file(options.pack, MAX_PACK_BYTES, "PACK_TOO_LARGE")
    whole, note = None, None
    if options.log is not None:
        try:
            whole, note = _read_whole(options, trust, pack_bytes)
        except Refused as error:
            return _log_report(error, Status.FAIL, trust)
        except Unavailable as error:
            return _log_report(error, Status.UNDECIDED, trust)
    report = judge(
        pack_bytes,
        trust,
        at_ns=_judging_time(options),
        whole_log=whole,
        max_age_s=options.max_age,
        allow_demo=options.allow_demo,
    )
    if note is not None and report.status is not Status.FAIL:
        _write_state(options.state, note, trust)
    return report


def _read_whole(options: Namespace, trust: TrustPolicy, pack_bytes: bytes) -> tuple[WholeLog | None, bytes | None]:
    from verifier.pack import parse_pack  # noqa: PLC0415
    from verifier.source import open_source  # noqa: PLC0415
    from verifier.wholelog import read_whole_log  # noqa: PLC0415

    try:
        pack = parse_pack(pack_bytes)
        pack_size = open_checkpoint(pack.checkpoint.encode("utf-8"), trust).checkpoint.size
    except Refused:
        return None, None  # the pack itself is refused below, with its own reason
    with closing(open_source(options.log)) as source:
        return read_whole_log(
            source,
            trust,
            pack,
            pack_size=pack_size,
            earlier=_read_state(options.state),
            workers=_workers(options),
            on_progress=_progress(options),
        )


def _log_report(error: VerifierError, status: Status, trust: TrustPolicy) -> Report:
    check = Check("log", "read", status, error.code, error.expected, error.found or error.detail)
    return conclude([check], not_proven=[], trust_policy_sha256=trust.sha256, passed="")


def _proof(options: Namespace) -> Report:
    from verifier.proofs import check_log_proof  # noqa: PLC0415

    trust = _read_trust(options)
    proof = _read_file(options.proof, MAX_LOG_PROOF_BYTES)
    return check_log_proof(proof, _read_file(options.entry, MAX_FOREIGN_ENTRY_BYTES), trust)


def _consistency(options: Namespace) -> Report:
    from verifier.proofs import check_two_checkpoints  # noqa: PLC0415
    from verifier.source import open_source  # noqa: PLC0415

    trust = _read_trust(options)
    old, new = _read_file(options.old, MAX_NOTE_BYTES), _read_file(options.new, MAX_NOTE_BYTES)
    remembered = _read_state(options.state)
    with closing(open_source(options.log)) as source:
        report = check_two_checkpoints(old, new, source, trust)
        if remembered is not None and report.status is Status.PASS:
            report = check_two_checkpoints(remembered, new, source, trust)
    if report.status is Status.PASS:
        _write_state(options.state, new, trust)
    return report


def _log(options: Namespace) -> Report:
    from verifier.resume import ProgressFile  # noqa: PLC0415
    from verifier.source import open_source  # noqa: PLC0415
    from verifier.wholelog import Depth, check_log  # noqa: PLC0415

    if options.any_entries and (options.entries or options.deep):
        raise Unusable("PARAMETER_INVALID", "--any-entries", expected="neither --entries nor --deep with it")
    trust = _read_trust(options)
    earlier = _read_file(options.since, MAX_NOTE_BYTES) if options.since else _read_state(options.state)
    with closing(open_source(options.log)) as source:
        report, note = check_log(
            source,
            trust,
            at_ns=_judging_time(options),
            depth=Depth(entries=options.entries, deep=options.deep),
            earlier=earlier,
            workers=_workers(options),
            resume=ProgressFile(options.resume) if options.resume else None,
            on_progress=_progress(options),
        )
    if note is not None and report.status is Status.PASS:
        _write_state(options.state, note, trust)
    return report


_COMMANDS = {"evidence": _evidence, "proof": _proof, "consistency": _consistency, "log": _log}


def _explain(options: Namespace) -> int:
    reason = REASONS.get(options.code)
    if reason is None:
        sys.stderr.write(f"error: no reason code {options.code[:64]!r}\nhint: codes are written LIKE_THIS\n")
        if options.json:
            _print_json(error_report("PARAMETER_INVALID", f"no reason code {options.code[:64]!r}").to_json())
        return 2
    if options.json:
        _print_json({"code": options.code, **reason.to_json()})
    else:
        sys.stdout.write(f"{options.code}: {reason.sentence}\nlikely cause: {reason.cause}\nnext step: {reason.next_step}\n")
    return 0


def _read_trust(options: Namespace) -> TrustPolicy:
    return parse_trust_policy(_read_file(options.trust, MAX_TRUST_BYTES, "TRUST_POLICY_INVALID"))


def _read_file(name: str, max_bytes: int, too_large: str = "BODY_TOO_LARGE") -> bytes:
    """A named file within a bound. Raises Unusable INPUT_UNREADABLE."""
    try:
        with Path(name).open("rb") as file:
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise Unusable("INPUT_UNREADABLE", name, found=error.strerror) from None
    if len(data) > max_bytes:
        raise Unusable(too_large, name, expected=f"at most {max_bytes} bytes")
    return data


def _judging_time(options: Namespace) -> int:
    if options.at is None:
        return time.time_ns()
    try:
        return parse_judging_time(options.at)
    except Refused as error:
        raise Unusable("PARAMETER_INVALID", "--at", expected=error.expected, found=options.at[:64]) from None


def _read_state(name: str | None) -> bytes | None:
    if name is None or not Path(name).exists():
        return None
    return _read_file(name, MAX_NOTE_BYTES)


def _write_state(name: str | None, note: bytes, trust: TrustPolicy) -> None:
    """Remember a checkpoint, unless a newer one is remembered already; written whole or not at all."""
    if name is None:
        return
    old = _read_state(name)
    size = open_checkpoint(note, trust).checkpoint.size
    if old is not None and open_checkpoint(old, trust).checkpoint.size >= size:
        return
    path = Path(name)
    fresh = path.with_name(path.name + ".new")
    try:
        fresh.write_bytes(note)
        fresh.replace(path)
    except OSError as error:
        raise Unusable("INPUT_UNREADABLE", name, found=error.strerror) from None


def _workers(options: Namespace) -> int:
    from verifier.workers import count_cores  # noqa: PLC0415

    if options.workers is None:
        return count_cores()
    if not 1 <= options.workers <= MAX_WORKERS:
        raise Unusable("PARAMETER_INVALID", "--workers", expected=f"1 to {MAX_WORKERS}", found=str(options.workers))
    return int(options.workers)


def _progress(options: Namespace) -> OnProgress | None:
    """Progress on standard error, if that is a terminal and the work takes more than two seconds; none with --json."""
    if options.json or not sys.stderr.isatty() or "NO_PROGRESS" in os.environ:
        return None
    begun = last = time.monotonic()

    def show(done: int, size: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - begun > 2 and (now - last > 0.2 or done == size):
            last = now
            end = "\n" if done == size else ""
            sys.stderr.write(f"\r{done:,} of {size:,} entries ({100 * done // max(size, 1)} %){end}")
            sys.stderr.flush()

    return show
