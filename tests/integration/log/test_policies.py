"""The registry of policies over real HTTP: exact bytes by hash, a list of revisions, what became of each; problems with codes."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.integration.log.actors import ACTORS, make_log_directory, make_signer, own_record, receipt
from tests.integration.log.conftest import Answer, Service, serving
from tests.integration.log.damage import change_payload
from trustlog.formats.base64 import encode_b64u
from trustlog.formats.entry import parse_entry
from trustlog.formats.envelope import parse_envelope, seal_envelope
from trustlog.formats.jsontext import canonicalize
from trustlog.keys.signer import SeedSigner
from trustlog.log.directory import LogDirectory
from trustlog.log.policies import MAX_CHAIN, MAX_SCANNED
from trustlog.merkle.hashing import hash_leaf
from trustlog.service.openapi import SCHEMAS

JSON = {"Accept": "application/json"}
SECOND = make_signer("second policy issuer")
NOBODY = "A" * 43


def policy(name: str = "p", **changes: Any) -> dict[str, Any]:
    return {
        "wpc_version": "1",
        "policy_name": name,
        "enforcement": {"fail_closed": True, "require_gateway_receipts": False, "require_proof_bundle": False},
        "token_requirements": {
            "require_cst": True,
            "optional_policy_hash_pinning": False,
            "job_scoped_binding": True,
            "max_ttl_s": 900,
        },
        "tools": {"ticket.read": {"allowed": True}},
        **changes,
    }


def clawsig(**changes: Any) -> dict[str, Any]:
    """A Clawsig WPC v1 around our block."""
    block = {"metadata": {"change_management": policy("inside"), "team": "t"}}
    return {"policy_version": "1", "policy_id": "wpc-7", "issuer_did": ACTORS.policy_issuer.did, **block, **changes}


def address(document: dict[str, Any]) -> str:
    return encode_b64u(hashlib.sha256(canonicalize(document)).digest())


def sealed(document: dict[str, Any], signer: SeedSigner = ACTORS.policy_issuer) -> bytes:
    return seal_envelope("work_policy_contract", document, signer, "2026-02-18T00:00:00Z")


async def log(service: Service, document: dict[str, Any], signer: SeedSigner = ACTORS.policy_issuer) -> int:
    answer = await service.post(sealed(document, signer))
    assert answer.status == 201, answer
    index: int = answer.json()["index"]
    return index


async def revoke(service: Service, document: dict[str, Any]) -> int:
    target = f"policy:{address(document)}"
    answer = await service.post(own_record("revocation", ACTORS.policy_issuer, target=target, reason="wrong"))
    assert answer.status == 201, answer
    index: int = answer.json()["index"]
    return index


async def standing(service: Service, document: dict[str, Any]) -> dict[str, Any]:
    """The standing, complete to all that was logged; every entry that it names is there and is what it says."""
    size = service.log.published.size
    answer = (await service.get(f"/v1/policies/{address(document)}/standing?min_size={size}")).json()
    assert answer["complete_to"] == size
    assert answer.keys() == SCHEMAS["PolicyStanding"]["properties"].keys()
    for named in (*answer["signers"], *answer["revocations"]):
        data = (await service.get(f"/v1/entries/{named['index']}")).json()["entry"].encode()
        assert encode_b64u(hash_leaf(data)) == named["leaf_hash_b64u"]
        assert parse_entry(data).signer_did == named["signer_did"]
    assert isinstance(answer, dict)
    return answer


async def listed(service: Service, query: str = "") -> list[dict[str, Any]]:
    """The whole list, page by page."""
    rows: list[dict[str, Any]] = []
    cursor: str | None = "0"
    while cursor is not None:
        page = (await service.get(f"/v1/policies?min_size={service.log.published.size}&cursor={cursor}{query}")).json()
        assert page["complete_to"] == service.log.published.size
        rows, cursor = rows + page["policies"], page["next_cursor"]
    return rows


def refused(answer: Answer, status: int, code: str, param: str) -> None:
    assert (answer.status, answer.headers["Content-Type"]) == (status, "application/problem+json"), answer
    problem = answer.json()
    assert (problem["code"], problem["param"]) == (code, param)
    assert problem["hint"]


# By hash.


@pytest.mark.parametrize("document", [policy(), clawsig(), clawsig(metadata={})], ids=["ours", "clawsig", "no rules"])
async def test_a_policy_is_its_exact_bytes_and_its_envelope_in_the_shape_of_clawsig_s_registry(
    service: Service, document: dict[str, Any]
) -> None:
    index = await log(service, document)
    name, text = address(document), canonicalize(document)
    exact = await service.get(f"/v1/policies/{name}")
    assert (exact.body, exact.headers["Content-Type"]) == (text, "application/octet-stream")
    assert "immutable" in exact.headers["Cache-Control"]
    registry = await service.get(f"/v1/policies/{name}", **JSON)
    answer = registry.json()
    assert list(answer) == ["ok", "policy_hash_b64u", "envelope"]
    assert (answer["ok"], answer["policy_hash_b64u"], answer["envelope"]["payload_hash_b64u"]) == (True, name, name)
    assert answer["envelope"] == json.loads(sealed(document))
    parsed = parse_envelope(msgspec.json.encode(answer["envelope"]))
    assert (parsed.payload_text, parsed.kind) == (text, "work_policy_contract")
    assert parsed.signer_did == parse_entry((await entry_at(service, index)).encode()).signer_did
    assert exact.headers["Vary"] == registry.headers["Vary"] == "Accept"  # two answers under one address


async def entry_at(service: Service, index: int) -> str:
    entry: str = (await service.get(f"/v1/entries/{index}")).json()["entry"]
    return entry


async def test_the_registry_s_envelope_has_the_members_that_the_published_schema_allows(service: Service) -> None:
    expiring = json.loads(sealed(policy())) | {"expires_at": "2027-01-01T00:00:00Z"}  # unsigned, and not in that schema
    assert (await service.post(json.dumps(expiring).encode())).status == 201
    envelope = (await service.get(f"/v1/policies/{address(policy())}", **JSON)).json()["envelope"]
    assert envelope == json.loads(sealed(policy()))
    assert "expires_at" not in envelope


async def test_the_first_signature_is_given_where_there_are_several(directory: LogDirectory) -> None:
    trust_also(directory, SECOND)
    async with serving(directory) as service:
        await log(service, policy(), SECOND)
        await log(service, policy())
        envelope = (await service.get(f"/v1/policies/{address(policy())}", **JSON)).json()["envelope"]
        assert envelope["signer_did"] == SECOND.did


async def test_another_payload_s_hash_is_no_policy(service: Service) -> None:
    entry = parse_entry((await service.post(receipt("r"))).json()["entry"].encode())
    name = encode_b64u(entry.payload_hash)
    assert (await service.get(f"/v1/payloads/{name}")).status == 200
    refused(await service.get(f"/v1/policies/{name}"), 404, "NOT_FOUND", "sha256_b64u")
    refused(await service.get(f"/v1/policies/{name}/standing"), 404, "NOT_FOUND", "sha256_b64u")


@pytest.mark.parametrize("path", ["/v1/policies/{}", "/v1/policies/{}/standing"])
async def test_an_unknown_hash_is_not_found_and_what_is_no_hash_is_refused(service: Service, path: str) -> None:
    refused(await service.get(path.format(NOBODY)), 404, "NOT_FOUND", "sha256_b64u")
    refused(await service.get(path.format("A" * 42 + "B")), 400, "BASE64URL_INVALID", "sha256_b64u")


async def test_a_stored_policy_that_is_not_what_its_entry_says_is_never_given(service: Service) -> None:
    await log(service, policy())
    change_payload(service.log.directory.log_path, 0, lambda payload: (payload or b"").replace(b'"p"', b'"q"'))
    refused(await service.get(f"/v1/policies/{address(policy())}"), 503, "LOG_CORRUPT", "payload")
    refused(await service.get(f"/v1/policies/{address(policy())}", **JSON), 503, "LOG_CORRUPT", "payload")


async def test_reading_policies_needs_the_credential_that_reading_payloads_needs(tmp_path: Path) -> None:
    digest = hashlib.sha256(b"secret").hexdigest()
    directory = make_log_directory(tmp_path / "log", config=f'[credentials]\nread_sha256 = ["{digest}"]\n')
    async with serving(directory) as service:
        await log(service, policy())
        for path in ("/v1/policies", f"/v1/policies/{address(policy())}", f"/v1/policies/{address(policy())}/standing"):
            assert (await service.get(path)).status == 401
            answer = await service.get(path, Authorization="Bearer secret")
            assert answer.status == 200
            assert "public" not in answer.headers["Cache-Control"]


# The list.


async def test_the_list_has_every_policy_once_oldest_first(directory: LogDirectory) -> None:
    trust_also(directory, SECOND)
    async with serving(directory) as service:
        revision = policy("p", supersedes=f"b64u:{address(policy())}")
        await log(service, policy())
        await log(service, clawsig())
        await log(service, policy(), SECOND)
        await log(service, clawsig(metadata={}))
        await log(service, revision)
        rows = await listed(service)
        assert [row["policy_hash_b64u"] for row in rows] == [
            address(one) for one in (policy(), clawsig(), clawsig(metadata={}), revision)
        ]
        assert [row["policy_name"] for row in rows] == ["p", "inside", "wpc-7", "p"]
        assert [row["index"] for row in rows] == [0, 1, 3, 4]
        assert [row["supersedes_b64u"] for row in rows] == [None, None, None, address(policy())]
        for row in rows:
            assert row.keys() == SCHEMAS["Policies"]["properties"]["policies"]["items"]["properties"].keys()
            data = (await entry_at(service, row["index"])).encode()
            assert (encode_b64u(hash_leaf(data)), parse_entry(data).signer_did) == (row["leaf_hash_b64u"], row["signer_did"])


async def test_the_list_is_narrowed_by_name_and_paged(service: Service) -> None:
    for number in range(7):
        await log(service, policy("odd" if number % 2 else "even", tools={f"t{number}": {"allowed": True}}))
    assert [row["index"] for row in await listed(service, "&name=odd")] == [1, 3, 5]
    assert await listed(service, "&name=od") == []
    for limit in (1, 2, 3, 7, 1000):
        assert [row["index"] for row in await listed(service, f"&limit={limit}")] == list(range(7))
        assert [row["index"] for row in await listed(service, f"&limit={limit}&name=even")] == [0, 2, 4, 6]
    first = (await service.get("/v1/policies?limit=2&min_size=7")).json()
    assert ([row["index"] for row in first["policies"]], first["next_cursor"]) == ([0, 1], "2")


async def test_an_empty_log_has_an_empty_list(service: Service) -> None:
    answer = (await service.get("/v1/policies")).json()
    assert answer == {"policies": [], "complete_to": 0, "next_cursor": None}


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("cursor=x", "cursor"),
        ("min_size=-1", "min_size"),
        ("name=", "name"),
        ("name=a&name=b", "name"),
        (f"name={'n' * 129}", "name"),
        ("kind=x", "kind"),
    ],
)
async def test_a_list_asked_for_wrongly_is_refused(service: Service, query: str, param: str) -> None:
    refused(await service.get(f"/v1/policies?{query}"), 400, "PARAMETER_INVALID", param)


async def test_a_long_list_comes_in_pages_of_bounded_work(service: Service) -> None:
    lines = [sealed(policy(f"n-{number % 3}", tools={f"t{number}": {"allowed": True}})) for number in range(MAX_SCANNED + 5)]
    await service.post_lines(lines)
    page = (await service.get(f"/v1/policies?min_size={len(lines)}&limit=1000&name=none")).json()
    assert (page["policies"], int(page["next_cursor"])) == ([], MAX_SCANNED)
    assert len(await listed(service, "&limit=1000")) == len(lines)


# Standing.


async def test_a_policy_is_in_force_since_the_last_signature_that_it_needed(directory: LogDirectory) -> None:
    trust_also(directory, SECOND, quorum=2)
    async with serving(directory) as service:
        await log(service, policy())
        waiting = await standing(service, policy())
        assert (waiting["status"], waiting["in_force_at"], waiting["quorum"]) == ("awaiting_signatures", None, 2)
        await service.post(receipt("r"))
        index = await log(service, policy(), SECOND)
        stands = await standing(service, policy())
        assert (stands["status"], stands["in_force_at"], stands["policy_name"]) == ("in_force", index, "p")
        assert [(one["index"], one["signer_did"]) for one in stands["signers"]] == [
            (0, ACTORS.policy_issuer.did),
            (2, SECOND.did),
        ]
        assert stands["trust_policy_sha256"] == hashlib.sha256(directory.trust_path.read_bytes()).hexdigest()


async def test_a_revocation_is_named_with_its_place(service: Service) -> None:
    await log(service, policy())
    await log(service, policy("another"))
    index = await revoke(service, policy())
    revoked = await standing(service, policy())
    assert (revoked["status"], [one["index"] for one in revoked["revocations"]]) == ("revoked", [index])
    assert (await standing(service, policy("another")))["status"] == "in_force"


async def test_the_chain_is_told_in_both_directions(service: Service) -> None:
    chain = [policy(supersedes=f"b64u:{NOBODY}")]
    for number in range(1, 4):
        chain.append(policy(f"p{number}", supersedes=f"b64u:{address(chain[-1])}"))
    for document in chain:
        await log(service, document)
    hashes = [address(one) for one in chain]
    middle = await standing(service, chain[1])
    assert middle["status"] == "superseded"
    assert [(one["policy_hash_b64u"], one["in_force_at"]) for one in middle["supersedes"]] == [
        (hashes[0], 0),
        (NOBODY, None),
    ]
    assert [(one["policy_hash_b64u"], one["in_force_at"]) for one in middle["superseded_by"]] == [
        (hashes[2], 2),
        (hashes[3], 3),
    ]
    newest = await standing(service, chain[-1])
    assert (newest["status"], newest["superseded_by"]) == ("in_force", [])
    assert [one["policy_hash_b64u"] for one in newest["supersedes"]] == [hashes[2], hashes[1], hashes[0], NOBODY]


async def test_a_newer_policy_without_its_quorum_supersedes_nothing(directory: LogDirectory) -> None:
    trust_also(directory, SECOND, quorum=2)
    async with serving(directory) as service:
        newer = policy("newer", supersedes=f"b64u:{address(policy())}")
        await log(service, policy())
        await log(service, policy(), SECOND)
        await log(service, newer)
        before = await standing(service, policy())
        assert (before["status"], before["superseded_by"][0]["in_force_at"]) == ("in_force", None)
        await log(service, newer, SECOND)
        assert (await standing(service, policy()))["status"] == "superseded"


async def test_a_long_chain_is_cut(service: Service) -> None:
    chain = [policy()]
    for number in range(MAX_CHAIN + 3):
        chain.append(policy(f"p{number}", supersedes=f"b64u:{address(chain[-1])}"))
    await service.post_lines([sealed(one) for one in chain])
    assert len((await standing(service, chain[-1]))["supersedes"]) == MAX_CHAIN
    assert len((await standing(service, chain[0]))["superseded_by"]) == MAX_CHAIN


async def test_an_issuer_who_is_not_trusted_any_more_does_not_count(service: Service) -> None:
    await log(service, policy())
    text = service.log.directory.trust_path.read_text()
    service.log.directory.trust_path.write_text(text.replace(ACTORS.policy_issuer.did, SECOND.did))
    answer = await standing(service, policy())
    assert (answer["status"], answer["signers"]) == ("awaiting_signatures", [])


async def test_while_the_trust_policy_cannot_be_read_nobody_knows(service: Service) -> None:
    await log(service, policy())
    service.log.directory.trust_path.write_text("not toml")
    refused(await service.get(f"/v1/policies/{address(policy())}/standing?min_size=1"), 503, "UNAVAILABLE", "trust.toml")
    assert (await service.get(f"/v1/policies/{address(policy())}")).status == 200


def trust_also(directory: LogDirectory, signer: SeedSigner, *, quorum: int = 1) -> None:
    """Trust a second policy issuer; `quorum` of them bring a policy into force."""
    text = directory.trust_path.read_text()
    text = re.sub(r"^policy_issuers = \[(.*)\]$", rf'policy_issuers = [\1, "{signer.did}"]', text, flags=re.MULTILINE)
    text = re.sub(r"^policy = 1$", f"policy = {quorum}", text, flags=re.MULTILINE)
    assert signer.did in text
    directory.trust_path.write_text(text)
