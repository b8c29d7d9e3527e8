"""``trustlog evidence``: one change as one file that an auditor can verify offline."""

from __future__ import annotations

import asyncio
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from trustlog.cli.answer import FAIL, UNDECIDED, USAGE, narrate, show
from trustlog.cli.files import check_writable, read_input, write_file
from trustlog.cli.options import FILE, force_option, json_option
from trustlog.cli.session import LogAccess, log_options, trust_file
from trustlog.cli.verdict import Verdict, find_verifier, judge_pack
from trustlog.errors import Refused
from trustlog.formats.trustpolicy import MAX_TRUST_POLICY_BYTES

if TYPE_CHECKING:
    from trustlog.client.log import LogClient
    from trustlog.evidence.pack import EvidencePack
    from trustlog.evidence.subject import Sought


@click.command(
    epilog="\b\nExample:\n  trustlog evidence --ticket servicedesk:CHG-1 --log URL --trust trust.toml --out CHG-1.evidence.json"
)
@click.option("--ticket", metavar="T", help="The change's ticket, <system>:<id>.")
@click.option("--bundle", metavar="B", help="Or the payload hash of its proof bundle.")
@click.option("--job", metavar="J", help="Which job, where there are several (default: the last closed, else the newest).")
@log_options
@click.option("--out", type=FILE, required=True, metavar="FILE", help="Where to write the evidence pack.")
@force_option
@json_option
def evidence(
    *,
    ticket: str | None,
    bundle: str | None,
    job: str | None,
    access: LogAccess,
    out: Path,
    force: bool,
    as_json: bool,
) -> int:
    """Write the evidence pack of a change: every entry that it rests on, proven under one checkpoint.

    The independent verifier judges the pack, under the same trust policy, before it is written; what it calls ERROR is not
    written. The exit code is the verdict's: 0 PASS, 1 FAIL, 2 ERROR, 3 UNDECIDED, as a change is that is not closed yet, and
    every change under a trust policy that has absence proven by the log: the verifier then needs the whole log beside the pack.
    """
    from trustlog.evidence.subject import Sought  # noqa: PLC0415 (loaded when it is used)

    check_writable(out, force=force)
    sought = Sought(ticket=ticket, bundle=bundle, job=job)
    sought.check()
    pack, body = access.run(lambda client: _build(client, sought))
    verdict = _judge(body, access)
    if verdict is None:
        narrate("no verifier is installed beside trustlog: the pack's proofs were checked, the change was not judged")
    elif verdict.exit_code == USAGE:
        raise Refused(
            "PACK_MALFORMED",
            f"the verifier cannot read the pack, so it was not written: {verdict.document['reason']}",
            found=verdict.document["reason_code"],
        )
    write_file(out, body, force=force)
    _show(pack, body, verdict, out, as_json=as_json)
    return UNDECIDED if verdict is None else verdict.exit_code


async def _build(client: LogClient, sought: Sought) -> tuple[EvidencePack, bytes]:
    from trustlog.evidence.collect import collect  # noqa: PLC0415
    from trustlog.evidence.remote import RemoteSource  # noqa: PLC0415

    pack = await collect(await RemoteSource.open(client), sought)
    return pack, await asyncio.to_thread(pack.encode)


def _judge(body: bytes, access: LogAccess) -> Verdict | None:
    """The verdict under the trust policy that the pack was built under; None where no verifier is installed."""
    beside = find_verifier()
    if beside is None:
        return None
    named = click.get_current_context().params["trust"]
    trust = read_input(trust_file(named), max_bytes=MAX_TRUST_POLICY_BYTES)
    return judge_pack(body, trust, beside=beside, origin=access.trust.origin)


def _show(pack: EvidencePack, body: bytes, verdict: Verdict | None, out: Path, *, as_json: bool) -> None:
    subject = pack.subject
    result = {
        "out": str(out),
        "bytes": len(body),
        "entries": len(pack.entries),
        "subject": {"ticket": subject.ticket, "job": subject.job, "run": subject.run, "bundle": subject.bundle},
        "verdict": None if verdict is None else dict(verdict.document),
    }
    written = f"{out}: {len(pack.entries)} entries, {len(body)} bytes; ticket {subject.ticket}, job {subject.job}"
    show(result, [*(verdict.lines() if verdict is not None else []), written], as_json=as_json)
    if verdict is not None and verdict.exit_code == FAIL:
        narrate("the pack was written all the same: it shows why")
    if verdict is not None and verdict.document["reason_code"] == "ABSENCE_NOT_PROVEN":
        params = click.get_current_context().params
        command = [
            "trustlog-verify",
            "evidence",
            str(out),
            "--trust",
            str(trust_file(params["trust"])),
            "--log",
            params["log"],
        ]
        narrate(f"a pack alone cannot show what the log does not have; with the whole log: {shlex.join(command)}")
