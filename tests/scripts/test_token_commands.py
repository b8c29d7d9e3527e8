"""Tokens: minted only where a gate would take them, said in words, checked against the log, revoked by whoever may."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import jwt
import pytest

from tests.scripts.change import JOB, POLICY, TICKET, approve, check, denied, fork, good
from tests.scripts.commands import Ended, Shell


def mint(shell: Shell, *more: str, job: str = JOB) -> Ended:
    """Mint again what the stage minted; options said again in `more` replace it."""
    policy = json.loads((shell.directory / "token.json").read_bytes())["policy"]
    agent = shell.good("keygen", "--did-of", "agent.key").out.strip()
    line = f"token mint --job {job} --ticket {TICKET} --requester p-carol --agent {agent} --policy {policy} --key tokens.key"
    return shell.run(*line.split(), "--aud", "gate.example", "--scope", "change:execute", "--json", *more)


def test_a_job_has_one_set_of_terms_and_its_token_is_renewed(simulated: Shell, tmp_path: Path) -> None:
    shell = fork(simulated, tmp_path)
    with shell.serve():
        renewed = good(mint(shell, "--out", "second.token"))
        assert renewed["renews"]
        assert not renewed["warnings"]
        other = {"--ticket": "jira.example:CHG-9", "--requester": "p-alice", "--agent": "gate.key", "--scope": "change:plan"}
        for option, value in other.items():
            refused = mint(shell, option, value)
            refused.check_error("CONFLICT", 1)
            assert "another job, with an id of its own" in refused.err
            assert "token" not in refused.answer
        fresh = mint(shell, "--requester", "p-nobody", "--agent", "gate.key", job="job-18")
        assert not good(fresh)["renews"]
        assert [line.split(":")[0] for line in fresh.err.splitlines()] == ["warning", "warning"]


def test_no_token_is_minted_that_no_gate_would_take(simulated: Shell, tmp_path: Path) -> None:
    shell = fork(simulated, tmp_path)
    rules: dict[str, Any] = {**POLICY}
    requirements = rules["token_requirements"]
    policies: dict[str, dict[str, Any]] = {
        "over": {"valid_until": "2026-01-01T00:00:00Z"},
        "early": {"valid_from": "2999-01-01T00:00:00Z"},
        "pinned": {"token_requirements": {**requirements, "cst_scope_hash": "b64u:" + "A" * 43}},
    }
    codes = {"over": "POLICY_NOT_IN_FORCE", "early": "POLICY_NOT_IN_FORCE", "pinned": "TOKEN_SCOPE_MISMATCH"}
    with shell.serve():
        mint(shell, "--ttl", "86401").check_error("TOKEN_TTL_EXCEEDED", 1)
        mint(shell, "--policy", "A" * 43).check_error("POLICY_NOT_FOUND", 1)
        mint(shell, "--policy", "short").check_error("BASE64URL_INVALID", 2)
        mint(shell, "--key", "gate.key").check_error("SIGNER_WRONG_ROLE", 1)
        mint(shell, "--key", "alice.key").check_error("SIGNER_NOT_TRUSTED", 1)
        for name, changes in policies.items():
            file = shell.write(f"{name}.json", {**rules, "policy_name": name, **changes})
            address = shell.good("policy", "publish", file, "--key", "policy.key", "--json").answer["policy_hash_b64u"]
            mint(shell, "--policy", address, job=f"job-{name}").check_error(codes[name], 1)
        shell.good("revoke", f"job:{JOB}", "--reason", "r", "--key", "tokens.key")
        mint(shell).check_error("JOB_REVOKED", 1)


def test_inspect_says_in_words_what_a_token_is_for_and_what_stands_against_it(simulated: Shell, tmp_path: Path) -> None:
    shell = fork(simulated, tmp_path)
    trust = ("--trust", shell.environment.pop("TRUSTLOG_TRUST"))
    with shell.serve() as url:
        del shell.environment["TRUSTLOG_LOG"]
        issuer = shell.good("keygen", "--did-of", "tokens.key").out.strip()
        alone = shell.good("token", "inspect", "job.token")
        assert "This token is for the agent did:key:z" in alone.out
        assert f"  to work on job {JOB}" in alone.out
        assert "Its signature was not checked" in alone.out
        shell.run("token", "inspect", "job.token", "--log", url).check_error("PARAMETER_INVALID", 2)

        line = ("token", "inspect", "job.token", "--log", url, *trust)
        known = shell.good(*line)
        assert f"by {issuer}, who signed it." in known.out
        assert f"It is for ticket {TICKET}, requested by p-carol." in known.out
        assert "Nothing in the log stands against it." in known.out
        known_json = shell.good(*line, "--json").answer
        assert (known_json["against"], known_json["signature_valid"]) == ([], True)

        secret = (shell.directory / "job.token").read_text().strip()
        shell.write("forged.token", f"{secret[:-4]}AAAA".encode())
        unknown = shell.run("token", "inspect", "forged.token", "--log", url, *trust, "--json")
        unknown.check_error("TOKEN_NOT_LOGGED", 1)
        assert (unknown.answer["logged"], unknown.answer["signature_valid"]) == (False, None)

        shell.good("revoke", "--token", "job.token", "--reason", "r", "--key", "tokens.key", "--log", url, *trust)
        revoked = shell.run(*line)
        revoked.check_error("TOKEN_REVOKED", 1)
        assert "Against it stands:\n  TOKEN_REVOKED: expected" in revoked.out
    for ended in (alone, known, unknown, revoked):
        assert secret[-40:] not in ended.out + ended.err


def test_whoever_may_revoke_is_named_and_each_sort_of_target_has_its_own(simulated: Shell, tmp_path: Path) -> None:
    shell = fork(simulated, tmp_path)
    policy = json.loads((shell.directory / "token.json").read_bytes())["policy"]
    did = {
        name: shell.good("keygen", "--did-of", f"{name}.key").out.strip()
        for name in ("tokens", "policy", "authority", "bob")
    }
    with shell.serve():
        approval = good(approve(shell, "alice"))["payload_hash_b64u"]
        may = {
            f"approval:{approval}": {"alice": True, "bob": False, "authority": True},
            f"key:{did['bob']}": {"alice": False, "bob": True, "authority": True},
            f"policy:{policy}": {"tokens": False, "policy": True},
            f"job:{JOB}": {"policy": False, "tokens": True},
        }
        named = {"approval": "who signed it", "key": "the key itself", "policy": did["policy"], "job": did["tokens"]}
        for target, keys in may.items():
            for key, allowed in keys.items():
                ended = shell.run("revoke", target, "--reason", "r", "--key", f"{key}.key")
                if allowed:
                    assert ended.code == 0, ended
                    assert "void from index" in ended.err
                else:
                    ended.check_error("REVOCATION_NOT_PERMITTED", 1)
                    assert named[target.partition(":")[0]] in ended.err
        denied(check(shell), "JOB_REVOKED")
        shell.run("revoke", "--reason", "r", "--key", "tokens.key").check_error("PARAMETER_INVALID", 2)
        shell.run("revoke", "x:y", "--reason", "r", "--key", "tokens.key").check_error("SCHEMA_VALIDATION_FAILED", 1)
        shell.run("revoke", "job:j", "--token", "job.token", "--reason", "r", "--key", "tokens.key").check_error(
            "PARAMETER_INVALID", 2
        )


def test_a_revoked_token_ends_its_job(approved: Shell, tmp_path: Path) -> None:
    shell = fork(approved, tmp_path)
    with shell.serve():
        shell.good("revoke", "--token", "job.token", "--reason", "seen in a chat", "--key", "tokens.key")
        denied(check(shell), "TOKEN_REVOKED")


def test_the_log_serves_the_key_set_under_which_its_tokens_verify(simulated: Shell, tmp_path: Path) -> None:
    shell = fork(simulated, tmp_path)
    compact = (shell.directory / "job.token").read_text().strip()
    old = shell.good("keygen", "old.key").out.strip()
    shell.good("trust", "add", "token_issuers", old, "--until", "1")
    with shell.serve() as url:
        body, headers = fetch(f"{url}/.well-known/jwks.json")
        keys = jwt.PyJWKSet.from_dict(json.loads(body))
        assert len(keys.keys) == 1  # the old one was cut off below what is published
        claims: dict[str, Any] = jwt.decode(
            compact, keys[jwt.get_unverified_header(compact)["kid"]], algorithms=["EdDSA"], audience="gate.example"
        )
        assert claims["mission_id"] == JOB
        assert headers["Content-Type"] == "application/jwk-set+json"
        assert headers["Cache-Control"] == "public, max-age=60"
        with pytest.raises(urllib.error.HTTPError, match="304") as held:
            fetch(f"{url}/.well-known/jwks.json", {"If-None-Match": headers["ETag"]})
        held.value.close()
        assert shell.good("token", "jwks", "--key", "tokens.key").out.encode() == body + b"\n"
    shell.good("token", "jwks", "--key", "tokens.key", "--key", old, "--out", "jwks.json")
    assert len(json.loads((shell.directory / "jwks.json").read_bytes())["keys"]) == 2
    shell.run("token", "jwks", "--key", "tokens.key", "--out", "jwks.json").check_error("PARAMETER_INVALID", 2)
    shell.run("token", "jwks").check_error("PARAMETER_INVALID", 2)


def fetch(url: str, headers: dict[str, str] | None = None) -> tuple[bytes, Any]:
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers or {})) as answer:  # noqa: S310 - our own server
        return answer.read(), answer.headers
