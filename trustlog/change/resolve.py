"""Resolve: a person of the roster has looked into an execution whose outcome was lost. It then counts as ended with failure."""

from __future__ import annotations

from trustlog.change.desk import Desk, Published
from trustlog.errors import Conflict, Refused
from trustlog.formats.base64 import decode_b64u
from trustlog.formats.envelope import Signer
from trustlog.gate.logged import Logged


async def resolve(desk: Desk, signer: Signer, *, begin: str, note: str) -> Published:
    """Log that the execution begun by `begin` (its payload hash) has been looked into; `note` says what was found.

    Raises :class:`Refused`: ``NOT_FOUND`` (no such begin), ``PARAMETER_INVALID`` (it has its end), ``CONFLICT`` (it was
    resolved already), ``APPROVAL_NOT_PERMITTED`` (nobody's key), ``APPROVAL_BY_REQUESTER``, and what the log says.
    """
    await desk.reading.catch_up()
    begun = _find_begin(desk, begin)
    job = await desk.job(begun.record.job_id)
    person = job.view.rosters.person_at(signer.did, job.size)
    if person is None:
        expected = "a key of a person of the roster in force"
        raise Refused("APPROVAL_NOT_PERMITTED", "this key is nobody's", param="key", expected=expected, found=signer.did)
    if person.subject == job.terms.requester:
        detail = "who asked for the change does not resolve its execution"
        hint = "ask another person of the roster to run: trustlog resolve"
        raise Refused(
            "APPROVAL_BY_REQUESTER", detail, param="key", expected="another person", found=person.subject, hint=hint
        )
    return await desk.publish_record("resolution", {"begin_b64u": begin, "note": note}, signer)


def _find_begin(desk: Desk, begin: str) -> Logged:
    view = desk.reading.view
    begun = view.first(begin, "execution", view.size)
    if begun is None or begun.record.phase != "begin":
        hint = "trustlog execute and the gate's reasons name the begin of an execution"
        raise Refused("NOT_FOUND", "the log has no such begin", param="begin", found=begin, hint=hint)
    same = view.sharing("plan", begun.refs["plan"], view.size)
    ends = (one for one in same if one.kind == "execution" and one.candidate is not None and one.record.phase == "end")
    end = next((one for one in ends if one.record.begin_b64u == begin), None)
    if end is not None:
        detail = f"this execution ended with {end.record.outcome}, at index {end.index}: there is nothing to resolve"
        hint = "a resolution would turn it into a failure; nothing was logged"
        raise Refused("PARAMETER_INVALID", detail, param="begin", expected="a begin without an end", found=begin, hint=hint)
    earlier = view.valid("resolution", "target", begin, view.size)
    if earlier:
        raise _resolved_already(desk, begin, earlier[0])
    return begun


def _resolved_already(desk: Desk, begin: str, earlier: Logged) -> Refused:
    who = desk.reading.view.rosters.person_at(earlier.entry.signer_did, earlier.index)
    by = "" if who is None else f" by {who.subject}"
    conflict = Conflict(
        f"this execution was resolved already{by}, at index {earlier.index}: it counts as ended with failure",
        index=earlier.index,
        leaf_hash=decode_b64u(earlier.leaf_hash_b64u, 32, "leaf_hash"),
        param="begin",
        found=begin,
    )
    conflict.expected = "a begin that nobody has resolved"
    conflict.hint = "there is nothing left to do for it; nothing was logged"
    return conflict
