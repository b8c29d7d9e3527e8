"""The Clawsig vectors over real HTTP: the valid bundles and the receipts in them are logged and proven, nothing else is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from tests.conformance.shared import needs_claw
from tests.conformance.test_clawsig_vectors import NOW_NS, ORIGIN, STRICTER, body_of, signers_in, vectors
from tests.integration.log.conftest import serving
from trustlog.client.http import open_session
from trustlog.client.log import LogClient
from trustlog.errors import Refused
from trustlog.formats.trustpolicy import TrustPolicy
from trustlog.log.directory import LogDirectory, init_directory

pytestmark = needs_claw


def inner_receipts(body: bytes) -> list[bytes]:
    """The gateway receipts of a bundle, each an envelope of its own."""
    return [json.dumps(receipt).encode() for receipt in json.loads(body)["payload"].get("receipts", [])]


def trusting_all(directory: LogDirectory, bodies: Sequence[bytes]) -> TrustPolicy:
    """The log's trust policy with every signer of these bundles in its role."""
    signers = [signers_in(body) for body in bodies]
    agents = {did for agent, _ in signers for did in agent}
    gateways = {did for _, others in signers for did in others} - agents
    text = directory.trust_path.read_text()
    for role, dids in (("agents", agents), ("gateways", gateways)):
        text = text.replace(f"{role} = []", f"{role} = {json.dumps(sorted(dids))}")
    directory.trust_path.write_text(text)
    return directory.read_trust()


async def submit(client: LogClient, body: bytes) -> str:
    try:
        await client.submit(body)
    except Refused as refused:
        return refused.code
    return "logged"


async def test_valid_bundles_and_their_receipts_are_logged_and_invalid_ones_are_not(tmp_path: Path) -> None:
    init_directory(tmp_path / "log", ORIGIN)
    directory = LogDirectory(tmp_path / "log")
    every = vectors()
    trust = trusting_all(directory, [body_of(vector) for vector in every])
    valid = [vector for vector in every if vector["expected"]["valid"]]
    logged = [body for vector in valid for body in (body_of(vector), *inner_receipts(body_of(vector)))]
    async with serving(directory, now_ns=lambda: NOW_NS) as service, open_session() as session:
        client = LogClient(service.url, trust, session)
        assert [await submit(client, body) for body in logged] == ["logged"] * len(logged)
        size = service.log.published.size
        assert len(valid) >= 3
        assert size > len(valid)
        for vector in every:
            if not vector["expected"]["valid"]:
                answer = await service.post(body_of(vector))  # straight to the service: a client would not even send it
                code = answer.json()["code"]
                assert code == STRICTER.get(vector["name"], code) != "logged"
                assert vector["name"] in STRICTER or code in vector["expected"]["reason_code"]
        assert service.log.published.size == size
