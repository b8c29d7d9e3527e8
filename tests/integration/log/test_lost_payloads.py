"""A payload that is gone was erased under a valid tombstone, or is lost: backup, export and verifier tell alike."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.integration.log.actors import ACTORS, hash_b64u, own_record, receipt
from tests.integration.log.conftest import Service, serving
from tests.integration.log.damage import change_payload
from tests.integration.log.test_service import fill
from trustlog.cli.backup import backup as backup_command
from trustlog.cli.export import export as export_command
from trustlog.cli.restore import restore as restore_command
from trustlog.log.absent import Lost
from trustlog.log.backup import backup
from trustlog.log.directory import LogDirectory
from trustlog.log.export import export
from trustlog.log.restore import restore
from trustlog.records.ledger import Ledger
from trustlog.records.token_scope import compute_token_scope_hash
from verifier.report import Report, Status
from verifier.source import open_source
from verifier.trust import parse_trust_policy
from verifier.wholelog import Depth, check_log

ERASED = 17
"""The index of what is erased: a receipt."""


def tombstone(erased: dict[str, Any], **changes: Any) -> bytes:
    """A custodian's record of the erasure of the payload of an entry, as the log answered it."""
    members = {
        "payload_b64u": json.loads(erased["entry"])["payload_hash_b64u"],
        "index": erased["index"],
        "leaf_hash_b64u": erased["leaf_hash_b64u"],
        "rule": "retention",
        "reason": "old",
    }
    return own_record("tombstone", ACTORS.custodian, **{**members, **changes})


def erase(directory: LogDirectory, index: int) -> None:
    change_payload(directory.log_path, index, lambda _payload: None)


@dataclass
class Told:
    """What each reader says: which payloads backup and export call lost, and the verdict."""

    backup: Lost | None
    export: Lost | None
    verdict: Report


def look_at(directory: LogDirectory) -> Told:
    out = directory.path.with_name("out")
    made = backup(directory, directory.path.with_name("backup"))
    exported = export(directory, out)
    trust = parse_trust_policy(
        directory.trust_path.read_bytes().replace(b"allow_unwitnessed = false", b"allow_unwitnessed = true")
    )
    verdict, _ = check_log(open_source(str(out)), trust, at_ns=0, depth=Depth(deep=True))
    return Told(made.log.lost, exported.lost, verdict)


def check_lost(directory: LogDirectory, what: str, *, count: int = 1) -> None:
    told = look_at(directory)
    assert told.backup == told.export
    assert told.backup is not None
    assert what in told.backup.say()
    assert told.backup.count == count
    missing = [check for check in told.verdict.checks if check.code == "PAYLOAD_MISSING"]
    assert len(missing) == count


def check_nothing_lost(directory: LogDirectory) -> None:
    told = look_at(directory)
    assert (told.backup, told.export, told.verdict.status) == (None, None, Status.PASS)


async def test_a_receipt_that_is_gone_without_a_tombstone_is_lost(directory: LogDirectory) -> None:
    async with serving(directory) as service:
        await fill(service, 300)
    erase(directory, ERASED)
    erase(directory, 280)
    check_lost(directory, "the payload of entry 17 (gateway_receipt), and of 1 more entries", count=2)


async def test_a_receipt_that_a_tombstone_explains_was_erased(directory: LogDirectory) -> None:
    async with serving(directory) as service:
        answers = await fill(service, 300)
        assert (await service.post(tombstone(answers[ERASED]))).status == 201
    erase(directory, ERASED)
    check_nothing_lost(directory)
    again = LogDirectory(directory.path.with_name("again"))
    assert restore(LogDirectory(directory.path.with_name("backup")), again).log.size == 301


async def test_a_tombstone_explains_no_other_payload(directory: LogDirectory) -> None:
    async with serving(directory) as service:
        answers = await fill(service, 30)
        assert (await service.post(tombstone(answers[ERASED]))).status == 201
    erase(directory, ERASED)
    erase(directory, ERASED + 1)
    check_lost(directory, f"entry {ERASED + 1} (gateway_receipt)")


async def test_what_permits_is_never_erased(directory: LogDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even where a log admitted a tombstone for it."""
    async with serving(directory) as service:
        await fill(service, 3)
        policy = (await service.post(own_record("revocation", ACTORS.issuer, target="job:j", reason="r"))).json()
        with monkeypatch.context() as patch:
            patch.setattr(Ledger, "judge", lambda *_: None)
            assert (await service.post(tombstone(policy))).status == 201
    erase(directory, policy["index"])
    check_lost(directory, "entry 3 (revocation)")


async def test_a_tombstone_for_a_job_that_was_open_explains_nothing(
    directory: LogDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is judged at its own index: that the job ended later does not mend it."""
    async with serving(directory) as service:
        erased = await log_receipt_of_a_job(service)
        with monkeypatch.context() as patch:
            patch.setattr(Ledger, "judge", lambda *_: None)
            assert (await service.post(tombstone(erased))).status == 201
        assert (await service.post(own_record("revocation", ACTORS.issuer, target="job:job-1", reason="r"))).status == 201
    erase(directory, erased["index"])
    check_lost(directory, "(gateway_receipt)")


async def test_a_tombstone_for_a_job_that_is_over_explains_its_receipt(directory: LogDirectory) -> None:
    async with serving(directory) as service:
        erased = await log_receipt_of_a_job(service)
        assert (await service.post(tombstone(erased))).json()["code"] == "TOMBSTONE_NOT_PERMITTED"
        assert (await service.post(own_record("revocation", ACTORS.issuer, target="job:job-1", reason="r"))).status == 201
        assert (await service.post(tombstone(erased))).status == 201
    erase(directory, erased["index"])
    check_nothing_lost(directory)


@pytest.mark.parametrize("signer", ["somebody", "nobody any more"])
async def test_a_tombstone_of_one_who_is_no_custodian_explains_nothing(directory: LogDirectory, signer: str) -> None:
    async with serving(directory) as service:
        answers = await fill(service, 30)
        assert (await service.post(tombstone(answers[ERASED]))).status == 201
    erase(directory, ERASED)
    custodian = f'custodians = ["{ACTORS.custodian.did}"]'
    instead = {
        "somebody": f'custodians = ["{ACTORS.stranger.did}"]',
        "nobody any more": f'custodians = [{{ did = "{ACTORS.custodian.did}", until_index = 30 }}]',
    }[signer]
    trust = directory.trust_path.read_text()
    assert custodian in trust
    directory.trust_path.write_text(trust.replace(custodian, instead))
    check_lost(directory, f"entry {ERASED} (gateway_receipt)")


async def test_a_tombstone_of_a_revoked_key_explains_nothing(
    directory: LogDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(directory) as service:
        answers = await fill(service, 30)
        target = f"key:{ACTORS.custodian.did}"
        assert (await service.post(own_record("revocation", ACTORS.custodian, target=target, reason="r"))).status == 201
        with monkeypatch.context() as patch:
            patch.setattr(Ledger, "judge", lambda *_: None)
            assert (await service.post(tombstone(answers[ERASED]))).status == 201
    erase(directory, ERASED)
    check_lost(directory, f"entry {ERASED} (gateway_receipt)")


async def test_export_backup_and_restore_say_what_is_lost_and_keep_the_rest(directory: LogDirectory, tmp_path: Path) -> None:
    """A copy of the rest is better than none."""
    async with serving(directory) as service:
        await fill(service, 3)
    erase(directory, 1)
    public, kept, again = (str(tmp_path / name) for name in ("public", "kept", "again"))
    for line in (
        (export_command, str(directory.path), public),
        (backup_command, str(directory.path), kept),
        (restore_command, kept, again),
    ):
        result = CliRunner().invoke(line[0], [*line[1:], "--json"])
        assert result.exit_code == 0, result.stderr
        assert "the payload of entry 1 (gateway_receipt) is lost" in result.stderr
        assert json.loads(result.stdout)["lost"] == 1


async def log_receipt_of_a_job(service: Service) -> dict[str, Any]:
    """A receipt whose token scope is that of a job; what the log answered."""
    terms: dict[str, Any] = {"aud": ["gate.example"], "scope": ["proxy:call"], "policy_hash_b64u": hash_b64u("policy")}
    claims = {"token_version": "1", "sub": ACTORS.agent.did, "mission_id": "job-1", **terms}
    scope = compute_token_scope_hash(claims)
    of_job = {"job_id": "job-1", "ticket": "jira.example:T-1", "requester": "p-1", "agent_did": ACTORS.agent.did}
    of_token: dict[str, Any] = {
        "token_hash": "0" * 64,
        "token_scope_hash_b64u": scope,
        "iat": 1_700_000_000,
        "exp": 1_700_000_900,
    }
    issued = own_record("token_issued", ACTORS.issuer, **terms, **of_job, **of_token)
    answer = await service.post(issued)
    assert answer.status == 201, answer
    binding = {"run_id": "run-1", "event_hash_b64u": hash_b64u("event"), "token_scope_hash_b64u": scope}
    logged = await service.post(receipt("r", binding=binding))
    assert logged.status == 201, logged
    found: dict[str, Any] = logged.json()
    return found
