"""Mint: a scoped token for one job, its issuance logged before the token is given out. Done by the token issuer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from trustlog.change.desk import Desk, Published
from trustlog.change.token_standing import against_issuance, rules_of
from trustlog.errors import Refused
from trustlog.formats.base64 import encode_b64u
from trustlog.formats.envelope import Signer, parse_envelope
from trustlog.formats.timestamp import NS
from trustlog.gate.follow import Reading
from trustlog.gate.logged import Logged
from trustlog.gate.view import LogView
from trustlog.records.candidate import read_candidate
from trustlog.tokens.scoped_token import issuance_members, mint_token

JTI_BYTES = 16
SAME_IN_A_JOB = ("ticket", "requester", "agent_did", "policy_hash_b64u", "aud", "scope")


@dataclass(frozen=True, slots=True)
class Terms:
    """What the token is for. A second token of a job has the same terms as its first."""

    job_id: str
    ticket: str
    requester: str
    agent_did: str
    policy_hash_b64u: str
    aud: tuple[str, ...]
    scope: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Minted:
    """The compact token, a bearer secret, its logged issuance, whether it renews an earlier one, and what will stand in its way."""

    compact: str
    issuance: Published
    renews: bool
    warnings: tuple[str, ...]


async def mint(desk: Desk, signer: Signer, terms: Terms, *, ttl_s: int | None = None) -> Minted:
    """Mint a token that lives `ttl_s` seconds (None: the most that the policy allows) and log its issuance.

    A token that no gate would take is not minted. Raises :class:`Refused`: ``POLICY_…``, ``TOKEN_TTL_EXCEEDED``, ``TOKEN_…``,
    ``CONFLICT`` (the job has other terms), ``JOB_…`` (it has ended), and what the log says.
    """
    await desk.reading.catch_up()
    view = desk.reading.view
    lifetime_s = _lifetime_s(view, terms.policy_hash_b64u, ttl_s)
    earlier = view.valid("token_issued", "job", terms.job_id, view.size)
    if earlier:
        _check_same_job(earlier[0], terms)
        await desk.reading.read_job(earlier[0], view.size)
    at_ns = desk.clock()
    iat = at_ns // NS
    compact = mint_token(
        signer,
        agent_did=terms.agent_did,
        aud=list(terms.aud),
        scope=list(terms.scope),
        job_id=terms.job_id,
        policy_hash_b64u=terms.policy_hash_b64u,
        iat=iat,
        exp=iat + lifetime_s,
        jti=encode_b64u(desk.random_bytes(JTI_BYTES)),
    )
    members = issuance_members(compact, ticket=terms.ticket, requester=terms.requester)
    envelope = desk.seal_record("token_issued", members, signer, at_ns=at_ns)
    warnings = tuple(_warnings(view, terms))
    desk.reading = Reading(desk.client)  # what was read is used up by the next line
    _check_useful(view, envelope, at_ns)
    return Minted(compact, await desk.submit(envelope), bool(earlier), warnings)


def _check_same_job(issued: Logged, terms: Terms) -> None:
    """Check that the job's first token has the same terms: one with others is of another job, and needs another id."""
    first = issued.record
    for name in SAME_IN_A_JOB:
        was, wanted = getattr(first, name), getattr(terms, name)
        if name in ("aud", "scope"):
            was, wanted = ", ".join(sorted(set(was))), ", ".join(sorted(set(wanted)))
        if was != wanted:
            raise Refused(
                "CONFLICT",
                f"job {terms.job_id} has a token with another {name}, at index {issued.index}",
                param=name,
                expected=was,
                found=wanted,
                hint="give the job's own terms to renew its token; other terms are another job, with an id of its own",
            )


def _lifetime_s(view: LogView, policy_hash: str, ttl_s: int | None) -> int:
    rules = rules_of(view, policy_hash)
    if rules is None:
        hint = "publish it first: trustlog policy publish"
        detail = "the log has no policy for changes with that hash"
        raise Refused("POLICY_NOT_FOUND", detail, param="policy", found=policy_hash, hint=hint)
    most_s = rules.token_requirements.max_ttl_s
    if ttl_s is not None and ttl_s > most_s:
        detail = "the policy allows shorter tokens only; nothing was minted"
        raise Refused("TOKEN_TTL_EXCEEDED", detail, param="ttl", expected=f"at most {most_s} s", found=ttl_s)
    return most_s if ttl_s is None else ttl_s


def _check_useful(view: LogView, envelope: bytes, at_ns: int) -> None:
    """Check that a gate would take the token, by reading its issuance as if it were the log's next entry.

    The view is not to be used for anything else afterwards.
    """
    candidate = read_candidate(parse_envelope(envelope), origin=view.origin)
    view.add(candidate.entry_bytes, candidate.payload_text)
    issuance = view.at(view.size - 1)
    assert issuance is not None
    if issuance.candidate is None:
        return  # the log says why with more words
    for finding in against_issuance(view, issuance, at_ns):
        detail = "no gate would take this token, so none was minted"
        raise Refused(finding.code, detail, expected=finding.expected, found=finding.found, hint=finding.hint)


def _warnings(view: LogView, terms: Terms) -> Iterator[str]:
    if view.trust.role_at(terms.agent_did, view.size) != "agents":
        yield "the agent's key is not trusted as an agent here, so its proof bundle would be refused: trustlog trust add agents DID"
    roster = view.rosters.at(view.size)
    if roster is None or terms.requester not in {person.subject for person in roster.record.people}:
        yield "the requester is no person of the roster in force: where a policy demands two people, everything is denied"
