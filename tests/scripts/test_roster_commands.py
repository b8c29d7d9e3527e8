"""Rosters: the next number is filled in, what would be void is refused, the chain is shown as the log proves it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.scripts.change import POLICY, approve, fork, good
from tests.scripts.commands import Shell, make_log


def test_a_later_roster_adds_and_takes_away_keys_and_show_says_who_is_in(simulated: Shell, tmp_path: Path) -> None:
    shell = fork(simulated, tmp_path)
    roster = json.loads((shell.directory / "roster.json").read_bytes())
    second = shell.good("keygen", "alice2.key").out.strip()
    with shell.serve():
        roster["people"][0]["keys"] = [second]  # alice's first key goes, another comes
        roster["people"][1]["valid_until"] = "2026-01-01T00:00:00Z"
        file = shell.write("next.json", {**roster, "number": 1, "previous_b64u": None})
        shell.run("roster", "publish", file, "--key", "authority.key").check_error("ROSTER_NOT_CONTINUING", 1)
        published = shell.good("roster", "publish", file, "--next", "--key", "authority.key", "--json").answer
        assert published["number"] == 2
        assert published["previous_b64u"]

        shown = shell.good("roster", "show")
        assert shown.out.startswith(
            f"roster 2 {published['payload_hash_b64u']}, in force since index {published['index']}\n"
        )
        assert f"  p-alice: service_owner\n    {second}\n" in shown.out
        assert "p-bob: platform_security; valid until 2026-01-01T00:00:00Z, so not now" in shown.out
        answer = shell.good("roster", "show", "--json").answer
        assert [one["number"] for one in answer["chain"]] == [1, 2]
        assert [person["is_valid"] for person in answer["people"]] == [True, False, True]
        assert answer["void"] == []

        approve(shell, "alice").check_error("APPROVAL_NOT_PERMITTED", 1)
        good(approve(shell, "alice2"))


def test_show_marks_a_revoked_key_and_says_who_is_left_without_one(simulated: Shell, tmp_path: Path) -> None:
    shell = fork(simulated, tmp_path)
    roster = json.loads((shell.directory / "roster.json").read_bytes())
    (alice,), (bob,) = roster["people"][0]["keys"], roster["people"][1]["keys"]
    second = shell.good("keygen", "bob2.key").out.strip()
    roster["people"][1]["keys"].append(second)
    with shell.serve():
        shell.good("roster", "publish", shell.write("next.json", roster), "--key", "authority.key")
        for did in (alice, bob):
            shell.good("revoke", f"key:{did}", "--reason", "lost", "--key", "authority.key")
        shown = shell.good("roster", "show").out
        people = shell.good("roster", "show", "--json").answer["people"]
    assert f"    {alice}, revoked\n    no key in force, so this person cannot approve\n" in shown
    assert f"    {bob}, revoked\n    {second}\n  p-carol" in shown
    assert [person["revoked_keys"] for person in people] == [[alice], [bob], []]


def test_what_would_be_void_is_refused_with_the_reason(simulated: Shell, tmp_path: Path) -> None:
    shell = fork(simulated, tmp_path)
    roster = json.loads((shell.directory / "roster.json").read_bytes())
    alice, bob, carol = roster["people"]
    runner = shell.good("keygen", "--did-of", "runner.key").out.strip()
    wrong = {
        "a key of another for ever": [{**alice, "keys": bob["keys"]}],
        "a role's key": [{**alice, "keys": [runner]}],
        "twice": [alice, {**carol, "keys": alice["keys"]}],
    }
    with shell.serve() as url:
        for name, people in wrong.items():
            ended = shell.run("roster", "publish", shell.write("wrong.json", {"people": people}), "--key", "authority.key")
            ended.check_error("ROSTER_INVALID", 1)
            assert "hint" in ended.err, name
        bad = shell.write("bad.json", {"people": [{**alice, "name": "Alice"}]})
        shell.run("roster", "publish", bad, "--key", "authority.key").check_error("SCHEMA_VALIDATION_FAILED", 1)
        stranger = shell.run("roster", "publish", "roster.json", "--key", "tokens.key")
        stranger.check_error("SIGNER_WRONG_ROLE", 1)
        assert shell.good("roster", "show", "--log", url, "--json").answer["number"] == 1


def test_keys_may_be_openssh_public_keys(shell: Shell) -> None:
    make_log(shell, roster_authorities="authority")
    for name in ("alice", "bob"):
        line = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"{name} approves", "-f", name]
        subprocess.run(line, cwd=shell.directory, check=True)
    inline = (shell.directory / "bob.pub").read_text()
    person = {"roles": ["service_owner"], "idp": []}
    people = [{"subject": "p-a", "keys": ["alice.pub"], **person}, {"subject": "p-b", "keys": [inline], **person}]
    shell.write("roster.json", {"people": people})
    shell.write("policy.json", POLICY)
    checked = shell.good("policy", "check", "policy.json", "--roster", "roster.json", "--json").answer
    assert checked["not_checked"] == []
    with shell.serve():
        none = shell.run("roster", "show")
        none.check_error("ROSTER_MISSING", 1)
        assert none.out == "No roster is in force below index 0.\n"
        shell.good("roster", "publish", "roster.json", "--next", "--key", "authority.key")
        answer = shell.good("roster", "show", "--json").answer
    dids = [shell.good("keygen", "--did-of", f"{name}.pub").out.strip() for name in ("alice", "bob")]
    assert [person["keys"] for person in answer["people"]] == [[did] for did in dids]
    shell.good("trust", "add", "agents", "alice.pub")


def test_a_quorum_of_authorities_signs_one_payload(shell: Shell) -> None:
    make_log(shell, roster_authorities="first")
    shell.good("keygen", "second.key")
    shell.good("trust", "add", "roster_authorities", "second.key")
    trust = shell.directory / "log" / "trust.toml"
    trust.write_text(trust.read_text().replace("roster = 1", "roster = 2"))
    assert "roster = 2" in trust.read_text()
    shell.write("roster.json", {"people": [{"subject": "p-a", "keys": [], "roles": ["r"], "idp": []}]})
    with shell.serve():
        one = shell.good("roster", "publish", "roster.json", "--key", "first.key", "--json")
        assert "when 2 roster authorities have signed" in one.err
        waiting = shell.run("roster", "show", "--json")
        assert waiting.code == 1
        assert [len(link["signed"]) for link in waiting.answer["waiting"]] == [1]
        payload = shell.good("roster", "show", "--payload", "1").out
        shell.good("roster", "publish", shell.write("roster-1.json", payload.encode()), "--key", "second.key")
        shown = shell.good("roster", "show", "--json").answer
    assert (shown["number"], len(shown["chain"][0]["signed"])) == (1, 2)
    assert shown["chain"][0]["payload_hash_b64u"] == one.answer["payload_hash_b64u"]
