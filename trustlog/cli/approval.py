"""Approving and denying: shown first, asked, signed, logged. The commands ``approve`` and ``deny`` differ in one word."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal

import click

from trustlog.change.approve import Matter, answer, check_something_to_approve, put_before
from trustlog.change.desk import Desk
from trustlog.cli.answer import FAIL, PASS, narrate, tell
from trustlog.cli.desk import at_desk, check_hash
from trustlog.cli.files import read_input
from trustlog.cli.matter import approvers, artefact_texts, matter_lines
from trustlog.cli.options import FILE, json_option, key_option
from trustlog.cli.record import show_published
from trustlog.cli.session import LogAccess, log_options
from trustlog.errors import Refused
from trustlog.keys.signer import Signer
from trustlog.keys.source import open_signer
from trustlog.limits import MAX_BLOB_BYTES
from trustlog.records.plan import compute_fingerprint

Verdict = Literal["explicit_approve", "explicit_deny"]
DENIAL_IS_FINAL: Final = "A denial ends this job for ever, and these plan bytes stay denied in every job."


def approval_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of ``approve`` and ``deny``."""
    for option in (
        json_option,
        log_options,
        key_option,
        click.option("--yes", is_flag=True, help="Do not ask; for people who looked elsewhere."),
        click.option("--bundle", metavar="HASH", help="For closing: the proof bundle, as trustlog bundle printed it."),
        click.option("--plan", type=FILE, metavar="FILE", help="Refuse unless this is the simulated plan, byte for byte."),
        click.option("--action", required=True, metavar="NAME", help="What would be done: change.execute, ticket.close."),
        click.option("--job", required=True, metavar="ID", help="The job, as its token names it."),
    ):
        command = option(command)
    return functools.wraps(command)(command)


def put_to_person(
    verdict: Verdict,
    *,
    job: str,
    action: str,
    plan: Path | None,
    bundle: str | None,
    yes: bool,
    key: str,
    access: LogAccess,
    as_json: bool,
    despite_obstacles: bool = False,
) -> int:
    """Show what is to be signed, ask, sign it and log it. The exit code."""
    deny = verdict == "explicit_deny"
    bundle = None if bundle is None else bundle.removeprefix("bundle:")
    check_hash(bundle, "bundle")
    signer = open_signer(key, os.environ)
    text = None if plan is None else read_input(plan, max_bytes=MAX_BLOB_BYTES)
    plan_hash = None if text is None else compute_fingerprint(text)

    async def look(desk: Desk) -> tuple[Matter, dict[str, str]]:
        matter = await put_before(desk, job, action, plan_hash=plan_hash, bundle=bundle)
        check_plan(matter, text)
        return matter, await artefact_texts(desk, matter)

    matter, texts = at_desk(access, look)
    tell(matter_lines(matter, texts, deny=deny))
    check_person(matter, signer, deny=deny)
    if deny:
        narrate(DENIAL_IS_FINAL)
    elif despite_obstacles:
        for one in matter.against:
            narrate(f"despite {one.code}: {one.detail}")
    else:
        check_something_to_approve(matter)
        matter.check_unobstructed()
    if not (yes or ask("deny" if deny else "approve")):
        narrate("nothing was signed")
        return FAIL
    published = at_desk(access, lambda desk: answer(desk, signer, matter, verdict=verdict))
    more = {
        "approval_type": verdict,
        "approver_subject": published.payload["approver_subject"],
        "scope_hash_b64u": matter.scope_hash,
        "scope": dict(matter.scope),
        "obstacles": matter.obstacles,
    }
    lines = [f"{'denied' if deny else 'approved'} by {more['approver_subject']}: {action} for {matter.job.terms.ticket}"]
    show_published(
        "human_approval_receipt", published.payload_hash, published.submitted, as_json=as_json, more=more, lines=lines
    )
    return PASS


def check_plan(matter: Matter, plan: bytes | None) -> None:
    """Check that the plan given, if any, is one that was simulated for the job, byte for byte; ``PLAN_MISMATCH``."""
    job = matter.job
    simulated = {one.record.plan_hash_b64u for one in job.view.valid("simulation", "job", job.terms.job_id, job.size)}
    if plan is not None and compute_fingerprint(plan) not in simulated:
        expected = ", ".join(sorted(simulated)) or "a plan that was simulated; none was"
        found, detail = compute_fingerprint(plan), "this plan was not simulated for the job"
        hint = (
            f"give the plan that was; or have this one simulated: trustlog simulate --job {job.terms.job_id} --plan FILE …"
        )
        raise Refused("PLAN_MISMATCH", detail, param="plan", expected=expected, found=found, hint=hint)


def check_person(matter: Matter, signer: Signer, *, deny: bool) -> None:
    """Check that the signature would count: ``APPROVAL_NOT_PERMITTED``, ``APPROVAL_BY_REQUESTER``, ``APPROVAL_SAME_PERSON``."""
    person = matter.job.view.rosters.person_at(signer.did, matter.job.size)
    nothing = "nothing was signed"
    if person is None:
        detail = f"this key is nobody's; {nothing}"
        expected = "a key of a person of the roster in force"
        raise Refused("APPROVAL_NOT_PERMITTED", detail, param="key", expected=expected, found=signer.did)
    if deny:
        return
    if person.subject == matter.job.terms.requester:
        detail = f"nobody approves their own request; {nothing}"
        raise Refused("APPROVAL_BY_REQUESTER", detail, param="key", expected="somebody else", found=person.subject)
    before = approvers(matter).get(person.subject)
    if before is not None:
        detail = f"{person.subject} approved this already, at index {before}; {nothing}"
        raise Refused("APPROVAL_SAME_PERSON", detail, param="key", expected="another person", found=person.subject)


def ask(word: str) -> bool:
    """Whether the person at the terminal types `word`. Raises ``PARAMETER_INVALID`` where there is no terminal."""
    if not sys.stdin.isatty():
        hint = f"run it in a terminal; or, if you have looked at what is above, say --yes to {word} it"
        raise Refused("PARAMETER_INVALID", "there is no terminal to ask on, and nothing was signed", param="yes", hint=hint)
    print(f"Type {word} to sign exactly this: ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip() == word
