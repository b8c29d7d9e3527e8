"""``trustlog submit``: envelopes into the log, their proofs into files."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from trustlog.cli.answer import FAIL, PASS, UNDECIDED, USAGE, describe_error, exit_code_of, narrate, report_error, show
from trustlog.cli.files import STANDARD_INPUT, check_writable, read_input, write_file
from trustlog.cli.lines import LineBatches
from trustlog.cli.options import FILE, force_option, json_option
from trustlog.cli.session import LogAccess, log_options
from trustlog.errors import Refused
from trustlog.formats.logproof import LogProof, check_log_proof, parse_log_proof
from trustlog.formats.trustpolicy import TrustPolicy
from trustlog.limits import MAX_BUNDLE_ENVELOPE_BYTES

if TYPE_CHECKING:
    from trustlog.client.checking import Logged
    from trustlog.client.log import LogClient

BATCH_LINES: Final = 256
BATCH_FILES: Final = 64
PROGRESS_LINES: Final = 10_000


@dataclass(frozen=True, slots=True)
class Submission:
    """One envelope to log. `name` is what the user calls it; `stem` names its proof's file, None until its index is known."""

    name: str
    stem: str | None
    envelope: bytes | Refused


@click.command(
    epilog="\b\nExample:\n  trustlog submit receipt.envelope.json --log http://127.0.0.1:8080 --trust trust.toml --out proofs"
)
@click.argument("files", type=FILE, nargs=-1, required=True, metavar="FILE…|-")
@log_options
@click.option("--out", type=FILE, metavar="DIR", help="Write NAME.tlog-proof and NAME.entry there for each envelope.")
@force_option
@json_option
def submit(files: tuple[Path, ...], *, access: LogAccess, out: Path | None, force: bool, as_json: bool) -> int:
    """Log envelopes: one in each FILE, or one a line from standard input (-).

    Every answer is proven before it is reported: the entry is the one computed here, it is included under a checkpoint that the
    trust policy accepts, and that checkpoint is consistent with the newest one seen. What is already logged says so.
    """
    if STANDARD_INPUT in files and len(files) > 1:
        raise Refused("PARAMETER_INVALID", "standard input goes alone", param="FILE", hint="give either files, or - alone")
    batches = _from_lines(sys.stdin.fileno()) if files == (STANDARD_INPUT,) else _from_files(files)
    if out is not None:
        _prepare(out, files, force=force)
    tally = Tally(access.trust, out=out, force=force, as_json=as_json, alone=len(files) == 1 and files != (STANDARD_INPUT,))
    access.run(lambda client: _submit_all(client, batches, tally))
    return tally.finish()


class Tally:
    """Writes proofs, says how each submission ended, and remembers what the exit code needs."""

    def __init__(self, trust: TrustPolicy, *, out: Path | None, force: bool, as_json: bool, alone: bool) -> None:
        self._trust = trust
        self._out = out
        self._force = force
        self._as_json = as_json
        self._alone = alone
        self._count = 0
        self._refused: list[Refused] = []
        self._codes: set[int] = set()

    def note(self, submission: Submission, result: Logged | Refused) -> None:
        """One submission has ended."""
        self._count += 1
        if not isinstance(result, Refused):
            try:
                written = self._write(submission, result)
            except Refused as refusal:
                self._note_refusal(submission, refusal)
                return
            self._show(submission, result, written)
        else:
            self._note_refusal(submission, result)
        if self._count % PROGRESS_LINES == 0:
            narrate(f"{self._count} submitted")

    def finish(self) -> int:
        """The exit code; where anything was refused, the first reason and how many there were, on standard error."""
        if not self._refused:
            return PASS
        first = self._refused[0]
        if not self._alone:
            first.detail += f"; {len(self._refused)} of {self._count} not logged or not kept"
        report_error(first, as_json=self._alone and self._as_json)
        return next(code for code in (FAIL, USAGE, UNDECIDED) if code in self._codes)

    def _write(self, submission: Submission, logged: Logged) -> str | None:
        if self._out is None:
            return None
        proof = LogProof(logged.index, logged.inclusion_proof, logged.checkpoint.note).encode()
        check_log_proof(parse_log_proof(proof), logged.leaf_hash, self._trust)
        path = self._out / f"{submission.stem or f'entry-{logged.index}'}.tlog-proof"
        write_file(path, proof, force=self._force)
        write_file(path.with_suffix(".entry"), logged.entry, force=self._force)
        return str(path)

    def _show(self, submission: Submission, logged: Logged, written: str | None) -> None:
        result: dict[str, Any] = {
            "name": submission.name,
            "index": logged.index,
            "leaf_hash": logged.leaf_hash.hex(),
            "already_logged": logged.already_logged,
            "tree_size": logged.checkpoint.checkpoint.size,
        }
        if written is not None:
            result["proof"] = written
        again = ", already logged" if logged.already_logged else ""
        line = f"{submission.name}: index {logged.index}, leaf hash {logged.leaf_hash.hex()}{again}"
        show(result, [line], as_json=self._as_json)

    def _note_refusal(self, submission: Submission, refusal: Refused) -> None:
        self._refused.append(refusal)
        self._codes.add(exit_code_of(refusal.code))
        if not self._alone:
            result = {"name": submission.name, "error": describe_error(refusal)}
            show(result, [f"{submission.name}: refused, {refusal.code}: {refusal.detail}"], as_json=self._as_json)


async def _submit_all(client: LogClient, batches: Iterator[list[Submission]], tally: Tally) -> None:
    for batch in batches:
        for submission, result in zip(batch, await _submit_batch(client, batch), strict=True):
            tally.note(submission, result)


async def _submit_batch(client: LogClient, batch: Sequence[Submission]) -> list[Logged | Refused]:
    readable = [s.envelope for s in batch if isinstance(s.envelope, bytes)]
    logged = iter(
        [await _submit_one(client, e) for e in readable] if len(readable) == 1 else await client.submit_batch(readable)
    )
    return [s.envelope if isinstance(s.envelope, Refused) else next(logged) for s in batch]


async def _submit_one(client: LogClient, envelope: bytes) -> Logged | Refused:
    try:
        return await client.submit(envelope)
    except Refused as refusal:
        return refusal


def _from_files(files: Sequence[Path]) -> Iterator[list[Submission]]:
    for start in range(0, len(files), BATCH_FILES):
        yield [_read_file(path) for path in files[start : start + BATCH_FILES]]


def _read_file(path: Path) -> Submission:
    envelope: bytes | Refused
    try:
        envelope = read_input(path, max_bytes=MAX_BUNDLE_ENVELOPE_BYTES)
    except Refused as refusal:
        envelope = refusal
    return Submission(str(path), _stem(path), envelope)


def _stem(path: Path) -> str:
    """What the proof of the envelope in `path` is called: ``first.envelope.json`` → ``first``."""
    return path.name.partition(".")[0] or path.name


def _from_lines(descriptor: int) -> Iterator[list[Submission]]:
    number = 0
    for lines in LineBatches(descriptor, max_line_bytes=MAX_BUNDLE_ENVELOPE_BYTES).batches(BATCH_LINES):
        yield [Submission(f"line {number + offset}", None, line) for offset, line in enumerate(lines, start=1)]
        number += len(lines)


def _prepare(out: Path, files: Sequence[Path], *, force: bool) -> None:
    """Refuse before anything is sent what could not be written afterwards."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(
            "STORAGE_FAILED", f"{out}: {error.strerror}", param="out", hint="name a directory to write to"
        ) from None
    stems = [_stem(path) for path in files if path != STANDARD_INPUT]
    for stem in stems:
        if stems.count(stem) > 1:
            raise Refused("PARAMETER_INVALID", "two files would get one proof's name", param="FILE", found=stem)
        for suffix in ("tlog-proof", "entry"):
            check_writable(out / f"{stem}.{suffix}", force=force)
