"""One change by hand, from an empty directory to the closure, with real commands; and everything that must stop it."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.scripts.change import (
    APPLY,
    ASKED,
    BREAK,
    JOB,
    PLAN,
    RUN,
    TICKET,
    approve,
    build_bundle,
    call_models,
    check,
    close,
    close_with,
    denied,
    execute,
    fetch_payload,
    fork,
    good,
    judged,
    people,
    publish_rules,
    simulate,
)
from tests.scripts.commands import Ended, Shell
from tests.waiting import PATIENCE_S
from trustlog.cli.main import run
from trustlog.formats.jsontext import canonicalize


def test_a_change_by_hand_from_an_empty_directory_to_the_closure(shell: Shell) -> None:
    people(shell)
    with shell.serve():
        publish_rules(shell)
        call_models(shell)

        simulation = good(simulate(shell))
        assert simulation["outcome"] == "success"
        assert [one["role"] for one in simulation["artefacts"]] == ["expected_diff", "validation_output"]

        denied(check(shell), "APPROVALS_INSUFFICIENT")
        first = approve(shell, "alice", "--plan", "plan.json")
        assert "max_connections" in first.err
        assert "Approved so far:\n  nobody" in first.err
        assert good(first)["approver_subject"] == "p-alice"
        second = approve(shell, "bob")
        assert "p-alice at index" in second.err
        assert good(second)["scope_hash_b64u"] == good(first)["scope_hash_b64u"]

        allowed = good(check(shell, "--plan", "plan.json", "--nonce", "n-1", "--audience", "runner.example"))
        assert (allowed["decision"], allowed["nonce"], allowed["audience"]) == ("allow", "n-1", "runner.example")
        assert allowed["scope"]["scope_version"] == "1"
        done = good(execute(shell, allowed["decision_b64u"], "--plan", "plan.json"))
        assert (done["outcome"], done["end"]["index"]) == ("success", done["begin"]["index"] + 1)

        reference = good(build_bundle(shell))["reference"]
        bundle = reference.removeprefix("bundle:")
        good(approve(shell, "alice", "--bundle", reference, action="ticket.close"))
        good(approve(shell, "bob", "--bundle", bundle, action="ticket.close"))
        closure = good(close(shell, f"done as planned, {reference}"))
        assert closure["decision"]["decision"] == "allow"

        denied(close(shell, f"once more, {reference}"), "JOB_ENDED")
        judged(shell)


def test_the_runner_can_ask_the_gate_itself(approved: Shell, tmp_path: Path) -> None:
    shell = fork(approved, tmp_path)
    with shell.serve():
        shell.run("execute", *ASKED, "--key", "agent.key", "--", *APPLY).check_error("SIGNER_WRONG_ROLE", 1)
        ended = shell.run("execute", *ASKED, "--key", "runner.key", "--json", "--", *APPLY)
        assert good(ended)["outcome"] == "success"
        assert "the gate allows it" in ended.err
        again = shell.run("execute", *ASKED, "--key", "runner.key", "--json", "--", *APPLY)
        denied(again, "APPROVALS_INSUFFICIENT")  # the approvals were used up


def test_people_read_text(approved: Shell, tmp_path: Path) -> None:
    shell = fork(approved, tmp_path)
    with shell.serve():
        deny = shell.run("gate", "check", "--action", "ticket.close", *ASKED)
        assert deny.out.startswith(f"DENY ticket.close for {TICKET}\ndecision ")
        assert "REQUIRED_STEP_MISSING\n  expected  change.execute done" in deny.out
        deny.check_error("REQUIRED_STEP_MISSING", 1)
        allow = shell.good("gate", "check", "--action", "change.execute", *ASKED)
        assert allow.out.startswith(f"ALLOW change.execute for {TICKET}\ndecision ")
        read = shell.good("gate", "check", "--action", "ticket.read", *ASKED)
        assert read.out == f"ALLOW ticket.read for {TICKET}\n"
        decision = allow.out.split()[allow.out.split().index("decision") + 1]
        done = shell.good("execute", "--decision", decision, "--key", "runner.key", "--", *APPLY)
        assert done.out.splitlines()[-1] == "outcome success"
        named = shell.good("bundle", "--run", RUN, "--key", "agent.key").out
        assert "the closing reason names bundle:" in named


# What must stop it.


def test_closing_without_a_logged_bundle_is_denied(executed: Shell, tmp_path: Path) -> None:
    shell = fork(executed, tmp_path)
    with shell.serve():
        denied(close(shell, "all done"), "BUNDLE_REFERENCE_MISSING")
        denied(close(shell, "done, bundle:" + "A" * 43), "BUNDLE_NOT_LOGGED")
        unnamed = approve(shell, "alice", action="ticket.close")
        unnamed.check_error("APPROVALS_INSUFFICIENT", 1)
        assert f"hint: name the bundle: --bundle HASH, as trustlog bundle --job {JOB} prints it" in unnamed.err


def test_the_same_person_twice_is_refused_and_does_not_count(simulated: Shell, tmp_path: Path) -> None:
    shell = fork(simulated, tmp_path)
    with shell.serve():
        first = good(approve(shell, "alice"))
        approve(shell, "alice").check_error("APPROVAL_SAME_PERSON", 1)
        approve(shell, "carol").check_error("APPROVAL_BY_REQUESTER", 1)
        approve(shell, "runner").check_error("APPROVAL_NOT_PERMITTED", 1)

        payload = json.loads(fetch_payload(shell, first["payload_hash_b64u"]))
        payload["receipt_id"] = payload["receipt_id"][:-1] + ("A" if payload["receipt_id"][-1] != "A" else "Q")
        forged = shell.good("sign", "human_approval_receipt", shell.write("again.json", payload), "--key", "alice.key")
        shell.good("submit", shell.write("again.envelope.json", forged.out.encode()))
        decision = denied(check(shell), "APPROVAL_SAME_PERSON")
        assert {reason["code"] for reason in decision["reasons"]} >= {"APPROVALS_INSUFFICIENT", "APPROVAL_ROLE_MISSING"}


def test_another_plan_by_one_byte_is_refused_everywhere(approved: Shell, tmp_path: Path) -> None:
    shell = fork(approved, tmp_path)
    other = shell.write("other.json", canonicalize(PLAN).replace(b"200", b"201"))
    with shell.serve():
        approve(shell, "alice", "--plan", str(other)).check_error("PLAN_MISMATCH", 1)
        shell.write("elsewhere.json", canonicalize({**PLAN, "ticket": "jira.example:ANOTHER"}))
        elsewhere = simulate(shell, "--plan", "elsewhere.json", "--outcome", "success")
        elsewhere.check_error("PLAN_MISMATCH", 1)
        assert "hint: correct the plan's ticket" in elsewhere.err
        denied(check(shell, "--plan", str(other)), "PLAN_MISMATCH")
        allowed = good(check(shell))
        refused = execute(shell, allowed["decision_b64u"], "--plan", str(other), command=("touch", "ran"))
        refused.check_error("PLAN_MISMATCH", 1)
        assert not (shell.directory / "ran").exists()
        good(execute(shell, allowed["decision_b64u"]))  # the right one may still run


def test_a_denial_ends_the_job(approved: Shell, tmp_path: Path) -> None:
    shell = fork(approved, tmp_path)
    with shell.serve():
        said = shell.run("deny", "--job", JOB, "--action", "change.execute", "--key", "alice.key", "--yes", "--json")
        assert good(said)["approval_type"] == "explicit_deny"
        assert "ends this job for ever" in said.err
        denied(check(shell), "JOB_DENIED")
        assert "JOB_DENIED" in approve(shell, "bob", action="ticket.close").err


def test_a_job_without_a_simulation_has_nothing_to_approve(staffed: Shell, tmp_path: Path) -> None:
    shell = fork(staffed, tmp_path)
    with shell.serve():
        publish_rules(shell)
        approve(shell, "alice").check_error("APPROVALS_INSUFFICIENT", 1)
        denied(check(shell), "SIMULATION_MISSING")
        failed = simulate(shell, "--", *BREAK)
        failed.check_error("SIMULATION_FAILED", 1)
        assert failed.answer["outcome"] == "failure"
        denied(check(shell), "SIMULATION_FAILED")
        assert "RECEIPTS_MISSING" in [r["code"] for r in check_after_simulation(shell)["reasons"]]
        approve(shell, "alice", "--plan", "policy.json").check_error("PLAN_MISMATCH", 1)
        shell.run("bundle", "--run", "run-18", "--key", "agent.key").check_error("SIMULATION_MISSING", 1)
        approve(shell, "alice", "--job", "job-18").check_error("TOKEN_NOT_LOGGED", 1)


def check_after_simulation(shell: Shell) -> dict[str, list[dict[str, str]]]:
    """A good simulation, but no model call was logged below it."""
    good(simulate(shell))
    refused = approve(shell, "alice")
    refused.check_error("RECEIPTS_MISSING", 1)
    assert "--despite-obstacles" in refused.err
    despite = approve(shell, "alice", "--despite-obstacles")
    assert "despite RECEIPTS_MISSING" in despite.err
    assert [one.split(":")[0] for one in good(despite)["obstacles"]] == ["RECEIPTS_MISSING"]
    decision: dict[str, list[dict[str, str]]] = denied(check(shell), "RECEIPTS_MISSING")
    return decision


def test_a_bundle_takes_its_events_from_a_file_where_receipts_carry_none(staffed: Shell, tmp_path: Path) -> None:
    shell = fork(staffed, tmp_path)
    with shell.serve():
        publish_rules(shell)
        chain = call_models(shell, events=False)
        good(simulate(shell))
        good(approve(shell, "alice"))
        good(approve(shell, "bob"))
        good(execute(shell, good(check(shell))["decision_b64u"]))
        build_bundle(shell).check_error("EVENT_CHAIN_INVALID", 1)
        build_bundle(shell, "--events", str(shell.write("bad.json", {"a": 1}))).check_error("SCHEMA_VALIDATION_FAILED", 1)
        turned = shell.write("turned.json", chain[::-1])
        build_bundle(shell, "--events", str(turned)).check_error("EVENT_CHAIN_INVALID", 1)
        build_bundle(shell, "--events", str(shell.write("events.json", chain)), "--key", "runner.key").check_error(
            "PROOF_BUNDLE_AGENT_MISMATCH", 1
        )
        close_with(shell, good(build_bundle(shell, "--events", str(shell.write("events.json", chain))))["reference"])
        judged(shell)


# Asking a person.


def test_nothing_is_signed_without_a_terminal_or_yes(simulated: Shell, tmp_path: Path) -> None:
    shell = fork(simulated, tmp_path)
    line = ("approve", "--job", JOB, "--action", "change.execute", "--key", "alice.key")
    with shell.serve():
        ended = shell.run(*line)
        ended.check_error("PARAMETER_INVALID", 2)
        assert '"max_connections": 200' in ended.err  # it was shown
        assert on_a_terminal(shell, line, "no\n") == 1
        assert on_a_terminal(shell, line, "approve\n") == 0
        approve(shell, "alice").check_error("APPROVAL_SAME_PERSON", 1)


def on_a_terminal(shell: Shell, line: tuple[str, ...], typed: str) -> int:
    """The exit code of a command whose standard input is a terminal where `typed` is typed."""
    ours, theirs = pty.openpty()
    try:
        command = subprocess.Popen(
            [sys.executable, "-m", "trustlog.cli", *line],
            cwd=shell.directory,
            env=shell.environment,
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        os.write(ours, typed.encode())
        command.communicate(timeout=PATIENCE_S)
        return command.returncode
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_person_approves_with_a_key_that_only_their_agent_has(simulated: Shell, tmp_path: Path) -> None:
    shell = fork(simulated, tmp_path)
    make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "alice approves", "-f", "alice"]
    subprocess.run(make, cwd=shell.directory, check=True)
    roster = json.loads((shell.directory / "roster.json").read_bytes())
    roster["people"][0]["keys"].append("alice.pub")
    shell.write("next.json", roster)
    with shell.serve(), agent_with(shell, "alice"):
        shell.good("roster", "publish", "next.json", "--next", "--key", "authority.key")
        by = ("approve", "--job", JOB, "--action", "change.execute", "--yes", "--json", "--key")
        shell.run(*by, "ssh-agent:bob approves").check_error("INPUT_UNREADABLE", 2)
        assert good(shell.run(*by, "ssh-agent:alice approves"))["approver_subject"] == "p-alice"
        shell.run(*by, "ssh-agent:alice approves").check_error("APPROVAL_SAME_PERSON", 1)
        good(approve(shell, "bob"))
        spy = (sys.executable, "-c", "import os; print(sorted(name for name in os.environ if name.startswith('SSH')))")
        done = good(execute(shell, good(check(shell))["decision_b64u"], command=spy))
        assert fetch_payload(shell, done["diff_b64u"]) == b"[]\n"  # an agent that signs is not the command's


@contextmanager
def agent_with(shell: Shell, name: str) -> Iterator[None]:
    """An ssh-agent that the shell's commands find, with the key in the file `name`, which is gone then."""
    with tempfile.TemporaryDirectory() as directory:  # a socket's path is short
        agent = subprocess.Popen(["ssh-agent", "-D", "-a", f"{directory}/s"], stdout=subprocess.PIPE)
        assert agent.stdout is not None
        try:
            agent.stdout.readline()
            shell.environment["SSH_AUTH_SOCK"] = f"{directory}/s"
            subprocess.run(["ssh-add", "-q", shell.directory / name], env=shell.environment, check=True)
            (shell.directory / name).unlink()
            yield
        finally:
            agent.terminate()
            agent.communicate()


def test_a_person_sees_everything_that_their_signature_covers(simulated: Shell, tmp_path: Path) -> None:
    shell = fork(simulated, tmp_path)
    with shell.serve():
        shown = approve(shell, "alice").err
    for words in (
        f"You are asked to approve change.execute for ticket {TICKET}.",
        "environment  staging",
        "requester    p-carol",
        "expected_diff (text/plain; charset=utf-8, ",
        "| +max_connections = 200",
        "Approved by 2 different people, none of them the requester.",
        "Among them, each by somebody else: service_owner, platform_security.",
        "Only in staging.",
        "An approval counts for 1 hour.",
        "What stands in the way besides approvals:\n  nothing",
    ):
        assert words in shown, shown


def test_a_plan_cannot_tell_the_terminal_anything(staffed: Shell, tmp_path: Path) -> None:
    shell = fork(staffed, tmp_path)
    shell.write("plan.json", canonicalize({**PLAN, "body": {"set": "\x9b2J\u202e\x7f", "b": "ä"}}))
    with shell.serve():
        publish_rules(shell)
        call_models(shell, 1)
        good(simulate(shell))
        shown = approve(shell, "alice").err
    assert "\\u009b2J\\u202e\\u007f" in shown
    assert "ä" in shown
    assert not {"\x9b", "\u202e", "\x7f"} & set(shown)


# Plans, files and settings.


def test_a_plan_is_put_into_its_exact_form_on_request_only(simulated: Shell, tmp_path: Path) -> None:
    shell = fork(simulated, tmp_path)
    pretty = json.dumps(PLAN, indent=2).encode()
    plan = shell.write("plan.json", pretty)
    with shell.serve():
        refused = simulate(shell)
        refused.check_error("PLAN_NOT_CANONICAL", 1)
        assert "white space at byte 1" in refused.err
        assert "--write-plan" in refused.err
        assert plan.read_bytes() == pretty
        written = simulate(shell, "--write-plan", "--outcome", "success")
        assert "plan.json is now in its RFC 8785 form" in written.err
        assert plan.read_bytes() == canonicalize(PLAN)
        assert good(written)["outcome"] == "success"
        quiet = simulate(shell, "--write-plan", "--outcome", "success")
        assert "RFC 8785" not in quiet.err


def test_a_log_that_is_not_there_is_a_deny_that_nothing_was_decided(approved: Shell, tmp_path: Path) -> None:
    shell = fork(approved, tmp_path)
    nowhere = ("--log", "http://127.0.0.1:1")
    decision = denied(check(shell, *nowhere), "LOG_UNREACHABLE", exit_code=3)
    assert decision["index"] is None
    denied(shell.run("close", *ASKED, "--closing-reason", "r", "--json", *nowhere), "LOG_UNREACHABLE", exit_code=3)
    approve(shell, "alice", *nowhere).check_error("LOG_UNREACHABLE", 3)
    execute(shell, "A" * 43, *nowhere).check_error("LOG_UNREACHABLE", 3)
    text = shell.run("gate", "check", "--action", "change.execute", *ASKED, *nowhere)
    first, second, third, *_ = text.out.splitlines()
    assert (first, third) == (f"DENY change.execute for {TICKET}", "LOG_UNREACHABLE")
    assert re.fullmatch(r"decision [A-Za-z0-9_-]{43} signed, not logged.*", second)


def test_a_token_is_a_secret(approved: Shell, tmp_path: Path) -> None:
    shell = fork(approved, tmp_path)
    token = (shell.directory / "job.token").read_text().strip()
    (shell.directory / "open.token").write_text(token)
    (shell.directory / "open.token").chmod(0o640)
    shell.write("nearly.token", f"{token}.x".encode()).chmod(0o600)
    shell.write("changed.token", token[:-4].encode() + b"AAAA").chmod(0o600)
    asked = ("gate", "check", "--action", "change.execute", "--ticket", TICKET, "--gate-key", "gate.key", "--token")
    with shell.serve():
        outputs = [
            shell.run(*asked, "open.token"),
            shell.run(*asked, "nearly.token"),
            shell.run(*asked, "nowhere.token"),
            shell.run(*asked, "gate.key"),
        ]
        for ended in outputs:
            ended.check_error("INPUT_UNREADABLE", 2)
        changed = shell.run(*asked, "changed.token", "--json")
        denied(changed, "TOKEN_NOT_LOGGED")
        piped = shell.run(*asked, "-", "--json", stdin=token.encode())
        assert good(piped)["decision"] == "allow"
    seed = (shell.directory / "gate.key").read_text().strip()
    for ended in (*outputs, changed, piped):
        assert token[:60] not in ended.out + ended.err
        assert token[-20:] not in ended.out + ended.err
        assert seed not in ended.out + ended.err


HERE = "--log http://127.0.0.1:1"
SIMULATE = f"simulate --job j --run r --plan plan.json --key runner.key {HERE}"
USAGE: list[tuple[str, str, int]] = [
    ("simulate", "PARAMETER_INVALID", 2),
    (SIMULATE, "PARAMETER_INVALID", 2),
    (f"{SIMULATE} --outcome success -- true", "PARAMETER_INVALID", 2),
    (f"{SIMULATE} --outcome maybe", "PARAMETER_INVALID", 2),
    (f"{SIMULATE} --outcome success --artefact nonsense", "PARAMETER_INVALID", 2),
    (f"{SIMULATE} --outcome success --artefact a=nowhere", "INPUT_UNREADABLE", 2),
    (f"{SIMULATE} --artefact validation_output=plan.json -- true", "PARAMETER_INVALID", 2),
    (f"{SIMULATE} -- no-such-command", "PARAMETER_INVALID", 2),
    (f"{SIMULATE} --outcome success --plan roster.json", "SCHEMA_VALIDATION_FAILED", 1),
    (f"{SIMULATE} --outcome success --plan runner.key", "INPUT_UNREADABLE", 2),
    (f"{SIMULATE} --outcome success", "LOG_UNREACHABLE", 3),
    (f"approve --job j --action a --key alice.key --plan nowhere {HERE}", "INPUT_UNREADABLE", 2),
    (f"approve --job j --action a --key nowhere.key {HERE}", "INPUT_UNREADABLE", 2),
    (f"approve --job j --action a --key alice.key --bundle short {HERE}", "BASE64URL_INVALID", 2),
    ("deny --job j --action a", "PARAMETER_INVALID", 2),
    ("gate", "PARAMETER_INVALID", 2),
    (
        f"gate check --action a --ticket t --token job.token --gate-key gate.key --simulation x {HERE}",
        "BASE64URL_INVALID",
        2,
    ),
    (f"gate check --action a --ticket t --token job.token --gate-key gate.key --plan nowhere {HERE}", "INPUT_UNREADABLE", 2),
    (f"gate check --action a --ticket t --token job.token --gate-key nowhere.key {HERE}", "INPUT_UNREADABLE", 2),
    (f"execute --key runner.key {HERE} -- true", "PARAMETER_INVALID", 2),
    (f"execute --decision {'A' * 43} --key runner.key {HERE}", "PARAMETER_INVALID", 2),
    (f"execute --decision {'A' * 43} --ticket t --key runner.key {HERE} -- true", "PARAMETER_INVALID", 2),
    (f"execute --decision short --key runner.key {HERE} -- true", "BASE64URL_INVALID", 2),
    (f"execute --ticket t --token job.token --key runner.key {HERE} -- true", "PARAMETER_INVALID", 2),
    (f"resolve --begin short --note n --key alice.key {HERE}", "BASE64URL_INVALID", 2),
    (f"resolve --begin {'A' * 43} --note n --key alice.key {HERE}", "LOG_UNREACHABLE", 3),
    (f"bundle --key agent.key {HERE}", "PARAMETER_INVALID", 2),
    (f"bundle --job j --run r --key agent.key {HERE}", "PARAMETER_INVALID", 2),
    (f"bundle --job j --key agent.key --events nowhere {HERE}", "INPUT_UNREADABLE", 2),
    (f"close --ticket t --token job.token --gate-key gate.key {HERE}", "PARAMETER_INVALID", 2),
]


@pytest.mark.parametrize("mistake", USAGE, ids=[line for line, _, _ in USAGE])
def test_every_mistake_is_one_error_line_one_hint_line_and_the_right_exit_code(
    staffed: Shell,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    mistake: tuple[str, str, int],
) -> None:
    line, code, exit_code = mistake
    monkeypatch.chdir(staffed.directory)
    monkeypatch.setattr(os, "environ", staffed.environment)
    before = sorted(path.name for path in staffed.directory.iterdir())
    (staffed.directory / "job.token").write_text("a.b.c")
    (staffed.directory / "job.token").chmod(0o600)
    returned = run(line.split())
    (staffed.directory / "job.token").unlink()
    ended = Ended(returned, *capfd.readouterr())
    ended.check_error(code, exit_code)
    assert ended.out == ""
    assert sorted(path.name for path in staffed.directory.iterdir()) == before
