"""Which change is meant: from a ticket or a bundle to one job."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from trustlog.errors import Refused
from trustlog.evidence.change import Found, read_found
from trustlog.evidence.source import Query, Source
from trustlog.formats.base64 import decode_b64u
from trustlog.formats.entry import ref_value

_TICKET: Final = re.compile(r"[a-z0-9.-]{1,64}:[A-Za-z0-9._-]{1,128}")


@dataclass(frozen=True, slots=True)
class Sought:
    """What somebody asks for: either a ticket, or a bundle's payload hash; and perhaps which of several jobs."""

    ticket: str | None = None
    bundle: str | None = None
    job: str | None = None

    def check(self) -> None:
        """Raises Refused(PARAMETER_INVALID, BASE64URL_INVALID)."""
        if (self.ticket is None) == (self.bundle is None):
            found = "both" if self.ticket is not None else "neither"
            raise Refused(
                "PARAMETER_INVALID", "name one change", param="ticket", expected="either ticket or bundle", found=found
            )
        if self.ticket is not None and not _TICKET.fullmatch(self.ticket):
            raise Refused("PARAMETER_INVALID", "not a ticket", param="ticket", expected="<system>:<id>", found=self.ticket)
        if self.bundle is not None:
            decode_b64u(self.bundle, 32, "bundle")


@dataclass(frozen=True, slots=True)
class ChosenJob:
    """The job that a pack will be about."""

    ticket: str
    job_id: str


async def choose_job(source: Source, sought: Sought) -> ChosenJob:
    """The job asked for; of several the one that closed last, and where none closed the newest.

    Raises Refused: ``NOT_FOUND``, and what :meth:`Sought.check` and the source raise.
    """
    sought.check()
    issued, closed = await (_of_ticket(source, sought) if sought.ticket is not None else _of_bundle(source, sought))
    jobs: dict[str, tuple[int, int]] = {}  # job id → index of its closure, or -1; index of its first token
    tickets: dict[str, str] = {}
    for one in issued:
        if one.record is not None and sought.job in (None, one.record.job_id):
            first = jobs.get(one.record.job_id, (0, one.index))[1]
            jobs[one.record.job_id] = (closed.get(one.entry.refs.get("job", ""), -1), first)
            tickets.setdefault(one.record.job_id, one.record.ticket)
    if not jobs:
        expected = "a token logged for this change" + (f" and job {sought.job}" if sought.job is not None else "")
        found = f"none below tree size {source.size}"
        raise Refused("NOT_FOUND", "the log has no such change", param=_param(sought), expected=expected, found=found)
    job_id = max(jobs, key=lambda name: jobs[name])
    return ChosenJob(tickets[job_id], job_id)


async def _of_ticket(source: Source, sought: Sought) -> tuple[list[Found], dict[str, int]]:
    """The issuances of a ticket's tokens, and its closures by job."""
    assert sought.ticket is not None
    ticket = ref_value(sought.ticket)
    closures = await source.find((("kind", "closure"), ("ticket", ticket)))
    issued = await _read(source, (("kind", "token_issued"), ("ticket", ticket)))
    return [one for one in issued if one.record is None or one.record.ticket == sought.ticket], _closed(source, closures)


async def _of_bundle(source: Source, sought: Sought) -> tuple[list[Found], dict[str, int]]:
    """The issuances of the jobs that a bundle's closures, decisions and run belong to, and its closures by job."""
    assert sought.bundle is not None
    naming = [_found(source, index, data) for index, data in (await source.find((("bundle", sought.bundle),))).items()]
    if not any(one.entry.kind == "proof_bundle" for one in naming):
        detail = "the log has no such bundle"
        raise Refused("NOT_FOUND", detail, param="bundle", expected="a logged proof bundle", found=sought.bundle)
    jobs = {one.entry.refs["job"] for one in naming if "job" in one.entry.refs}
    for run in {one.entry.refs["run"] for one in naming if "run" in one.entry.refs}:
        simulations = await source.find((("kind", "simulation"), ("run", run)))
        refs = [_found(source, index, data).entry.refs for index, data in simulations.items()]
        jobs |= {each["job"] for each in refs if "job" in each}
    closures = {one.index: one.data for one in naming if one.entry.kind == "closure"}
    issued = [one for job in sorted(jobs) for one in await _read(source, (("kind", "token_issued"), ("job", job)))]
    return issued, _closed(source, closures)


async def _read(source: Source, query: Query) -> list[Found]:
    found = []
    for index, data in sorted((await source.find(query)).items()):
        bare = _found(source, index, data)
        found.append(read_found(index, data, await source.payload(bare.entry.payload_hash), origin=source.origin))
    return found


def _closed(source: Source, closures: dict[int, bytes]) -> dict[str, int]:
    found = [_found(source, index, data) for index, data in sorted(closures.items())]
    return {one.entry.refs["job"]: one.index for one in found if "job" in one.entry.refs}


def _found(source: Source, index: int, data: bytes) -> Found:
    return read_found(index, data, None, origin=source.origin)


def _param(sought: Sought) -> str:
    return "job" if sought.job is not None else "ticket" if sought.ticket is not None else "bundle"
