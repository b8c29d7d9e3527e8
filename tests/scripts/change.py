"""One change by hand: each step is the commands that a person, a runner or a gate would type."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.scripts.commands import Ended, Shell, make_log
from trustlog.formats.base64 import encode_b64u
from trustlog.formats.jsontext import canonicalize
from trustlog.formats.timestamp import format_timestamp
from trustlog.keys.file import read_key_file
from trustlog.proxy.receipt import CallBinding, ModelCall, PublishedCall, published_call, receipt_payload

TICKET = "servicedesk.example:CHG-17"
JOB = "job-17"
RUN = "run-17"
ASKED = ("--ticket", TICKET, "--token", "job.token", "--gate-key", "gate.key")
TWO_PEOPLE = {
    "step_up_approvals": 2,
    "two_person_rule": True,
    "approver_constraints": ["service_owner", "platform_security"],
}
POLICY = {
    "wpc_version": "1",
    "policy_name": "production-changes",
    "enforcement": {"fail_closed": True, "require_gateway_receipts": True, "require_proof_bundle": True},
    "token_requirements": {
        "require_cst": True,
        "optional_policy_hash_pinning": False,
        "job_scoped_binding": True,
        "max_ttl_s": 86_400,  # the stages of a change are made once for many tests
    },
    "tools": {
        "ticket.read": {"allowed": True},
        "change.simulate": {"allowed": True, "required_before": ["change.execute", "ticket.close"]},
        "change.execute": {
            "allowed": True,
            "required_before": ["ticket.close"],
            "environments": ["staging"],
            "approval_ttl_s": 3600,
            **TWO_PEOPLE,
        },
        "ticket.close": {"allowed": True, "requires_proof_bundle_reference": True, **TWO_PEOPLE},
    },
}
PLAN = {
    "plan_version": "1",
    "change_type": "config",
    "environment": "staging",
    "ticket": TICKET,
    "body": {"set": {"max_connections": 200}},
}

# Commands that a runner might be given. They read the plan on standard input and say what they changed.
APPLY = (sys.executable, "-c", "import json, sys; print('set', json.load(sys.stdin)['body']['set'])")
BREAK = (sys.executable, "-c", "import sys; print('half of it'); sys.exit(3)")


def people(shell: Shell) -> None:
    """Every key and every trusted role; alice and bob may approve, carol asks for the change."""
    make_log(
        shell,
        gateways="gateway",
        policy_issuers="policy",
        token_issuers="tokens",
        roster_authorities="authority",
        agents="agent",
        runners="runner",
        gates="gate",
    )
    roles = {"alice": ["service_owner"], "bob": ["platform_security"], "carol": ["service_owner"]}
    roster = []
    for name, has in roles.items():
        did = shell.good("keygen", f"{name}.key").out.strip()
        roster.append({"subject": f"p-{name}", "keys": [did], "roles": has, "idp": []})
    shell.write("roster.json", {"people": roster})
    shell.write("policy.json", POLICY)
    shell.write("plan.json", canonicalize(PLAN))


def publish_rules(shell: Shell) -> None:
    """Policy, roster, token."""
    policy = shell.good("policy", "publish", "policy.json", "--key", "policy.key", "--json").answer["policy_hash_b64u"]
    shell.good("roster", "publish", "roster.json", "--key", "authority.key")
    agent = read_key_file(shell.directory / "agent.key").did
    mint = f"token mint --job {JOB} --ticket {TICKET} --requester p-carol --agent {agent} --policy {policy}".split()
    rights = ["--aud", "gate.example", "--scope", "change:execute", "--key", "tokens.key", "--out", "job.token", "--json"]
    minted = shell.good(*mint, *rights).answer
    shell.write("token.json", {**minted, "policy": policy})


def call_models(
    shell: Shell, count: int = 2, *, events: bool = True, start: int = 0, previous: PublishedCall | None = None
) -> list[dict[str, Any]]:
    """Receipts of model calls, signed and submitted; the events of the run, which follow the call `previous`."""
    token = json.loads((shell.directory / "token.json").read_bytes())
    chain = []
    for number in range(start, start + count):
        call = ModelCall(
            call_id=f"call-{number}",
            provider="openai",
            model="model-1",
            request_hash_b64u=hash_of(f"request {number}"),
            response_hash_b64u=hash_of(f"response {number}"),
            tokens_input=10,
            tokens_output=20,
            latency_ms=30,
            timestamp=format_timestamp(time.time_ns()),
        )
        payload = receipt_payload(
            "gateway-1", call, CallBinding(RUN, token["policy"], token["token_scope_hash_b64u"], previous)
        )
        event = payload["metadata"]["event"]
        previous = published_call(payload)
        chain.append(event)
        if not events:
            payload["metadata"] = {}
        receipt = shell.write(f"call-{number}.json", payload)
        envelope = shell.good("sign", "gateway_receipt", receipt, "--key", "gateway.key").out.encode()
        shell.good("submit", shell.write(f"call-{number}.envelope.json", envelope))
    return chain


def simulate(shell: Shell, *more: str) -> Ended:
    shell.write("plan.diff", b"-max_connections = 100\n+max_connections = 200\n")
    head = ("simulate", "--job", JOB, "--run", RUN, "--plan", "plan.json", "--key", "runner.key", "--json")
    return shell.run(*head, "--artefact", "expected_diff=plan.diff", *(more or ("--", *APPLY)))


def approve(shell: Shell, who: str, *more: str, action: str = "change.execute") -> Ended:
    return shell.run("approve", "--job", JOB, "--action", action, "--key", f"{who}.key", "--yes", "--json", *more)


def check(shell: Shell, *more: str, action: str = "change.execute") -> Ended:
    return shell.run("gate", "check", "--action", action, *ASKED, "--json", *more)


def execute(shell: Shell, decision: str, *more: str, command: tuple[str, ...] = APPLY) -> Ended:
    return shell.run("execute", "--decision", decision, "--key", "runner.key", "--json", *more, "--", *command)


def build_bundle(shell: Shell, *more: str) -> Ended:
    return shell.run("bundle", "--job", JOB, "--key", "agent.key", "--json", *more)


def close(shell: Shell, reason: str) -> Ended:
    return shell.run("close", *ASKED, "--closing-reason", reason, "--json")


def good(ended: Ended) -> Any:
    """The answer of a command that must have succeeded."""
    assert ended.code == 0, ended
    return ended.answer


def denied(ended: Ended, code: str, *, exit_code: int = 1) -> Any:
    """The decision of a deny whose reasons have `code`, said in two lines."""
    decision = ended.answer
    assert decision["decision"] == "deny", ended
    assert code in [reason["code"] for reason in decision["reasons"]], ended
    assert decision["status"] == {1: "FAIL", 3: "UNDECIDED"}[exit_code]
    ended.check_error(decision["reason_code"], exit_code)
    return decision


def fork(shell: Shell, directory: Path) -> Shell:
    """Everything as `shell` left it, in another directory."""
    shutil.copytree(shell.directory, directory, dirs_exist_ok=True)
    copy = Shell(directory)
    copy.environment["TRUSTLOG_TRUST"] = str(directory / "log" / "trust.toml")
    return copy


def hash_of(text: str) -> str:
    return encode_b64u(hashlib.sha256(text.encode()).digest())


def close_with(shell: Shell, reference: str) -> None:
    good(approve(shell, "alice", "--bundle", reference, action="ticket.close"))
    good(approve(shell, "bob", "--bundle", reference, action="ticket.close"))
    good(close(shell, reference))


def judged(shell: Shell) -> None:
    """The evidence of the change, judged by the independent verifier, which also reads the whole log."""
    pack, trust = "change.evidence.json", shell.environment["TRUSTLOG_TRUST"]
    written = shell.run("evidence", "--ticket", TICKET, "--out", pack)
    assert written.code == 3, written  # by itself no pack proves absence
    log = shell.environment["TRUSTLOG_LOG"]
    assert f"trustlog-verify evidence {pack} --trust {trust} --log {log}\n" in written.err
    line = ["evidence", pack, "--trust", trust, "--log", log, "--json"]
    verdict = subprocess.run(
        [sys.executable, "-m", "verifier", *line],
        cwd=shell.directory,
        env=shell.environment,
        capture_output=True,
        check=False,
    )
    assert (verdict.returncode, json.loads(verdict.stdout)["status"]) == (0, "PASS"), verdict


def fetch_payload(shell: Shell, payload_hash: str) -> bytes:
    """A payload as the running log serves it."""
    script = "import sys, urllib.request as u; sys.stdout.buffer.write(u.urlopen(sys.argv[1]).read())"
    url = f"{shell.environment['TRUSTLOG_LOG']}/v1/payloads/{payload_hash}"
    return subprocess.run([sys.executable, "-c", script, url], capture_output=True, check=True).stdout
