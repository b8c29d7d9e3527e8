"""What a client believes of a log's registry: what is proven, and nothing that the log merely says."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any

import pytest

from tests.integration.log.actors import ACTORS, receipt
from tests.integration.log.conftest import Service, serving
from tests.integration.log.damage import change_payload
from tests.integration.log.test_policies import NOBODY, SECOND, address, log, policy, revoke, trust_also
from trustlog.client.http import Http, Reply, open_session
from trustlog.client.log import LogClient
from trustlog.client.policies import MAX_PROVEN, claimed_policies, fetch_policy, prove_policy
from trustlog.errors import Refused
from trustlog.formats.jsontext import canonicalize
from trustlog.formats.trustpolicy import TrustPolicy
from trustlog.log.directory import LogDirectory
from trustlog.records.work_policy_contract import policy_from_text

Lie = Callable[[Any], Any]
NO_LIES: Mapping[str, Lie] = MappingProxyType({})


class Wire(Http):
    """The connection to a log that falsifies some of its answers: by how their path ends."""

    lies: Mapping[str, Lie] = NO_LIES

    async def get(self, path: str, *, max_bytes: int, query: Mapping[str, str] | None = None) -> Reply:
        reply = await super().get(path, max_bytes=max_bytes, query=query)
        for end, lie in self.lies.items():
            if path.endswith(end):
                body = lie(json.loads(reply.body)) if reply.media_type == "application/json" else lie(reply.body)
                return Reply(reply.status, reply.media_type, body if isinstance(body, bytes) else json.dumps(body).encode())
        return reply


@asynccontextmanager
async def client_of(
    service: Service, lies: Mapping[str, Lie] = NO_LIES, *, trust: str | None = None
) -> AsyncIterator[LogClient]:
    """A client under the log's own trust policy, unwitnessed; `lies` falsify answers, by how their path ends."""
    text = service.log.directory.trust_path.read_text() if trust is None else trust
    async with open_session() as session:
        client = LogClient(service.url, TrustPolicy.parse(text.encode()), session)
        wire = Wire(service.url, session)
        wire.lies = lies
        client.http = wire
        yield client


async def refusal(service: Service, document: dict[str, Any], **lies: Lie) -> str:
    async with client_of(service, lies) as client:
        with pytest.raises(Refused) as caught:
            await prove_policy(client, address(document))
    return caught.value.code


def edit(**members: Any) -> Lie:
    return lambda answer: {**answer, **members}


async def test_a_policy_is_proven_with_everything_that_the_log_names(directory: LogDirectory) -> None:
    trust_also(directory, SECOND, quorum=2)
    async with serving(directory) as service:
        newer = policy("newer", supersedes=f"b64u:{address(policy())}")
        for document, signer in ((policy(), ACTORS.policy_issuer), (policy(), SECOND), (newer, SECOND)):
            await log(service, document, signer)
        async with client_of(service) as client:
            proven = await prove_policy(client, address(policy()))
            assert proven.text == canonicalize(policy())
            assert policy_from_text(proven.text).rules is not None
            assert (proven.standing.status, proven.standing.in_force_at, proven.standing.size) == ("in_force", 1, 3)
            assert proven.standing.signers == ((0, ACTORS.policy_issuer.did), (1, SECOND.did))
            await log(service, newer)
            superseded = (await prove_policy(client, address(policy()))).standing
            assert (superseded.status, superseded.superseded_by) == ("superseded", ((3, address(newer)),))
            assert (await prove_policy(client, address(newer))).standing.supersedes == (address(policy()),)
            index = await revoke(service, policy())
            revoked = (await prove_policy(client, address(policy()))).standing
            assert (revoked.status, revoked.revoked_at) == ("revoked", (index,))


async def test_a_policy_that_is_not_there_is_not_found(service: Service) -> None:
    await log(service, policy())
    async with client_of(service) as client:
        with pytest.raises(Refused, match="POLICY_NOT_FOUND"):
            await fetch_policy(client, NOBODY)
    assert await refusal(service, policy("never logged")) == "POLICY_NOT_FOUND"


async def test_other_bytes_under_its_hash_are_refused(service: Service) -> None:
    await log(service, policy())
    name = address(policy())
    assert await refusal(service, policy(), **{name: lambda body: body.replace(b"900", b"901")}) == "HASH_MISMATCH"


async def test_what_the_log_names_must_be_what_it_says(service: Service) -> None:
    await log(service, policy())
    await log(service, policy("other"))
    await service.post(receipt("r"))
    await revoke(service, policy("other"))
    receipt_at, other_at, revocation_of_other = [{"index": 2}], [{"index": 1}], [{"index": 3}]
    newer = [{"policy_hash_b64u": NOBODY, "in_force_at": 1}]
    for members in (
        {"signers": receipt_at},
        {"signers": other_at},
        {"revocations": receipt_at},
        {"revocations": revocation_of_other},
        {"superseded_by": newer},
    ):
        assert await refusal(service, policy(), standing=edit(**members)) == "LOG_LIES", members
    assert await refusal(service, policy(), standing=edit(signers=[{"index": 9}])) == "NOT_FOUND"
    many = edit(signers=[{"index": 0}] * (MAX_PROVEN + 1))
    assert await refusal(service, policy(), standing=many) == "LOG_RESPONSE_INVALID"
    assert await refusal(service, policy(), standing=edit(complete_to=1)) == "UNAVAILABLE"


async def test_an_entry_that_is_not_in_the_tree_is_refused(service: Service) -> None:
    await log(service, policy())
    await log(service, policy("other"))
    another = (await service.get("/v1/entries/1")).json()
    lie = edit(entry=another["entry"], leaf_hash_b64u=another["leaf_hash_b64u"])
    assert await refusal(service, policy("other"), **{"v1/entries/1": edit(inclusion_proof=[])}) == "INCLUSION_PROOF_INVALID"
    assert await refusal(service, policy(), **{"v1/entries/0": lie}) == "INCLUSION_PROOF_INVALID"


async def test_a_newer_policy_that_replaces_another_one_supersedes_nothing_here(service: Service) -> None:
    await log(service, policy())
    await log(service, policy("other"))
    named = edit(superseded_by=[{"policy_hash_b64u": address(policy("other")), "in_force_at": 1}])
    async with client_of(service, {"standing": named}) as client:
        assert (await prove_policy(client, address(policy()))).standing.status == "in_force"


async def test_signers_whom_only_the_log_trusts_do_not_count(service: Service) -> None:
    await log(service, policy())
    await revoke(service, policy())
    text = service.log.directory.trust_path.read_text().replace(ACTORS.policy_issuer.did, SECOND.did)
    async with client_of(service, trust=text) as client:
        standing = (await prove_policy(client, address(policy()))).standing
        assert (standing.status, standing.signers, standing.revoked_at) == ("awaiting_signatures", (), ())


async def test_a_revocation_whose_payload_is_withheld_counts_all_the_same(service: Service) -> None:
    await log(service, policy())
    index = await revoke(service, policy())
    change_payload(service.log.directory.log_path, index, lambda _payload: None)
    async with client_of(service) as client:
        assert (await prove_policy(client, address(policy()))).standing.status == "revoked"


async def test_a_list_is_read_to_its_end(service: Service) -> None:
    for number in range(3):
        await log(service, policy(f"n{number}"))
    async with client_of(service) as client:
        rows, complete_to = await claimed_policies(client)
        assert ([row.policy_name for row in rows], complete_to) == (["n0", "n1", "n2"], 3)
        rows, _ = await claimed_policies(client, name="n1")
        assert [row.policy_hash_b64u for row in rows] == [address(policy("n1"))]


@pytest.mark.parametrize(
    "lie",
    [
        edit(next_cursor="0"),
        edit(next_cursor="-1"),
        edit(next_cursor="x"),
        edit(next_cursor="9" * 40),
        edit(next_cursor="7"),  # the same row again
        edit(policies=[{"policy_hash_b64u": "short", "policy_name": None, "index": 0, "signer_did": ""}]),
        edit(policies="none"),
    ],
)
async def test_a_list_that_turns_in_a_circle_or_makes_no_sense_is_refused(service: Service, lie: Lie) -> None:
    await log(service, policy())
    async with client_of(service, {"policies": lie}) as client:
        with pytest.raises(Refused, match="LOG_RESPONSE_INVALID"):
            await claimed_policies(client)
