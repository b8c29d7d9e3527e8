"""What a mistake is answered with: the field, what was expected, what was found, and a next step that fits it; never a secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scripts.change import ASKED, TICKET, approve, check, fork, publish_rules
from tests.scripts.commands import Ended, Shell
from trustlog.keys.file import read_key_file

LOG_AWAY = "http://127.0.0.1:1"


def said(ended: Ended, code: str, exit_code: int, *words: str) -> None:
    ended.check_error(code, exit_code)
    for word in words:
        assert word in ended.err, ended
    assert "\x1b" not in ended.err + ended.out


def test_a_ticket_without_its_system_is_told_what_a_ticket_is(staffed: Shell) -> None:
    terms = ("--job", "job-2", "--requester", "p-carol", "--agent", "agent.key", "--aud", "a", "--scope", "s")
    line = ("token", "mint", *terms, "--key", "tokens.key")
    more = ("--policy", "A" * 43, "--log", LOG_AWAY)
    expected = "SYSTEM:ID, such as jira.example:CHG-17"
    said(staffed.run(*line, *more, "--ticket", "CHG-2"), "PARAMETER_INVALID", 2, expected, "found CHG-2", "correct --ticket")
    bad_job = staffed.run(*line, *more, "--ticket", TICKET, "--job", "a b")
    said(bad_job, "PARAMETER_INVALID", 2, "found a b", "nothing was signed")


@pytest.mark.parametrize(
    ("token", "expected"),
    [(b"a.b.c", "base64url without padding in the token's header"), (b"e30.!.c", "in the token's claims")],
)
def test_a_token_that_is_none_says_which_part_of_it_and_nothing_of_what_is_in_it(
    shell: Shell, token: bytes, expected: str
) -> None:
    path = shell.write("bad.token", token)
    path.chmod(0o600)
    said(shell.run("token", "inspect", path), "TOKEN_MALFORMED", 2, expected)


def test_a_bad_policy_that_nobody_published_is_to_be_corrected_not_published_again(shell: Shell) -> None:
    path = shell.write("policy.json", {"wpc_version": "1"})
    ended = shell.run("policy", "check", path)
    said(ended, "POLICY_INVALID", 1, "policy_name is missing", f"trustlog policy check {path}")
    assert "publish" not in ended.err


def test_a_directory_that_is_taken_says_what_it_may_be(staffed: Shell) -> None:
    line = ("init", "--origin", "log.example/x")
    said(staffed.run(*line, "log"), "INPUT_UNREADABLE", 2, "trustlog serve log", "name another")
    said(staffed.run(*line, "alice.key"), "INPUT_UNREADABLE", 2, "a new log needs a directory of its own")


def test_an_empty_file_is_said_to_hold_nothing(shell: Shell) -> None:
    said(shell.run("policy", "check", shell.write("empty.json", b"")), "JSON_INVALID", 2, "found nothing")


def test_a_draft_of_a_roster_is_corrected_in_its_file(shell: Shell) -> None:
    shell.write("policy.json", {})
    draft = shell.write("draft.json", {"persons": []})
    said(
        shell.run("roster", "publish", draft, *signing(shell)),
        "SCHEMA_VALIDATION_FAILED",
        1,
        "expected people",
        "correct the file",
    )


def signing(shell: Shell) -> tuple[str, ...]:
    shell.good("keygen", "any.key")
    shell.good("init", "log", "--origin", "log.example/x")
    return ("--key", "any.key", "--log", LOG_AWAY, "--trust", "log")


def test_a_missing_word_is_asked_for_on_one_line(shell: Shell) -> None:
    ended = shell.run("trust", "add")
    said(ended, "PARAMETER_INVALID", 2, "Choose from: gateways, policy_issuers")


def test_a_key_that_is_no_gates_is_refused_before_anything_is_asked(staffed: Shell, tmp_path: Path) -> None:
    shell = fork(staffed, tmp_path)
    token = shell.write("job.token", b"a.b.c")
    token.chmod(0o600)
    line = ("gate", "check", "--action", "change.execute", *ASKED[:-1], "alice.key", "--log", LOG_AWAY)
    said(shell.run(*line), "SIGNER_NOT_TRUSTED", 1, "role gates", "nothing was decided")
    wrong_role = shell.run(*line[:-3], "runner.key", "--log", LOG_AWAY)
    said(wrong_role, "SIGNER_WRONG_ROLE", 1, "role gates")


def test_an_action_that_the_policy_does_not_list_cannot_be_approved(staffed: Shell, tmp_path: Path) -> None:
    shell = fork(staffed, tmp_path)
    with shell.serve():
        publish_rules(shell)
        asked = approve(shell, "alice", action="change.exec")
        said(asked, "TOOL_NOT_LISTED", 1, "expected one of change.execute, change.simulate", "found change.exec")
        denied = check(shell, "--plan", "plan.json")
    secret = (shell.directory / "job.token").read_text().strip()
    seed = (shell.directory / "alice.key").read_text().strip()
    assert read_key_file(shell.directory / "alice.key").did
    for ended in (asked, denied):
        assert secret not in ended.out + ended.err
        assert seed not in ended.out + ended.err
