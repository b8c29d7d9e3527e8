"""Policies by hand, with real commands: what one says, what traps it holds, what became of it, what a revision changes."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.scripts.change import POLICY, fork, people
from tests.scripts.commands import PROJECT, Shell, make_log
from trustlog.formats.jsontext import canonicalize
from trustlog.policy.members import MEMBERS

NOBODY = "A" * 43
PAYLOADS = PROJECT / "fixtures" / "payloads"


def revised(**changes: Any) -> dict[str, Any]:
    """The policy with these members; ``change_execute={…}`` changes members of a tool."""
    document: dict[str, Any] = copy.deepcopy(POLICY)
    for name, value in changes.items():
        tool = name.replace("_", ".", 1)
        if tool in document["tools"]:
            document["tools"][tool] |= value
        else:
            document[name] = value
    return document


@pytest.fixture(scope="module")
def staffed(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """Keys, roles, a roster file; ``policy.json`` is published, and ``roster.json``."""
    shell = Shell(tmp_path_factory.mktemp("policies"))
    people(shell)
    with shell.serve():
        publish(shell, "policy.json")
        shell.good("roster", "publish", "roster.json", "--key", "authority.key")
    return shell


@pytest.fixture
def served(staffed: Shell, tmp_path: Path) -> Iterator[Shell]:
    shell = fork(staffed, tmp_path)
    with shell.serve():
        yield shell


@pytest.fixture
def written(shell: Shell) -> Shell:
    """A directory with ``policy.json``, and no log."""
    shell.write("policy.json", POLICY)
    return shell


def publish(shell: Shell, name: str, key: str = "policy") -> str:
    answer = shell.good("policy", "publish", name, "--key", f"{key}.key", "--json").answer
    found: str = answer["policy_hash_b64u"]
    return found


def names(traps: list[dict[str, str]]) -> set[str]:
    return {trap["name"] for trap in traps}


# check


def test_a_good_policy_is_said_in_sentences_and_has_no_warning(written: Shell) -> None:
    said = written.good("policy", "check", "policy.json", "--strict").out
    assert said.startswith("production-changes  ")
    assert "  - It is valid at any time.\n" in said
    assert "change.execute\n  - Done before it, with success, for the same plan and job: change.simulate.\n" in said
    assert "not checked: whether there are people who can approve: give --roster\n" in said
    assert said.endswith("valid; 0 warnings\n")
    answer = written.good("policy", "check", "policy.json", "--json").answer
    assert (answer["valid"], answer["warnings"], answer["policy_name"]) == (True, [], "production-changes")
    assert names(answer["notes"]) == {"tokens-outlive-approvals"}
    assert {tool["name"] for tool in answer["tools"] if tool["can_be_done"]} == set(POLICY["tools"])


def test_a_trap_is_named_with_its_place_and_the_next_step_and_fails_only_when_strict(written: Shell) -> None:
    written.write("trap.json", revised(change_execute={"environments": ["lab"]}, ticket_close={"environments": ["staging"]}))
    answer = written.good("policy", "check", "trap.json", "--json").answer
    (trap,) = answer["warnings"]
    assert trap == {
        "name": "no-environments-left",
        "weight": "never",
        "path": "$.tools['ticket.close'].environments",
        "sentence": "ticket.close and the steps before it share no environments.",
        "next_step": "List an environment that every step before it permits as well.",
    }
    (closing,) = [tool for tool in answer["tools"] if tool["name"] == "ticket.close"]
    assert (closing["allowed"], closing["can_be_done"]) == (True, False)
    strict = written.run("policy", "check", "trap.json", "--strict")
    assert strict.code == 1
    assert "ticket.close  (can never be done)\n" in strict.out
    assert "Warnings:\n  no-environments-left  $.tools['ticket.close'].environments\n" in strict.out
    assert strict.out.endswith("valid; 1 warning\n")


@pytest.mark.parametrize(
    ("change", "code", "param", "expected"),
    [
        (
            {"change_execute": {"enviroments": ["x"]}},
            "POLICY_INVALID",
            "payload.tools.change.execute.enviroments",
            "no unknown",
        ),
        (
            {"change_execute": {"environments": []}},
            "POLICY_INVALID",
            "payload.tools.change.execute.environments",
            "length >= 1",
        ),
        ({"valid_from": "yesterday"}, "POLICY_INVALID", "payload.valid_from", "RFC 3339"),
        ({"wpc_version": "2"}, "POLICY_VERSION_UNKNOWN", "payload.wpc_version", '"1"'),
        ({"policy_hash": f"b64u:{NOBODY}"}, "POLICY_MISMATCH", "policy_hash", "b64u:"),
        (
            {"change_execute": {"requires_proof_bundle_reference": True}},
            "POLICY_INVALID",
            "payload.tools.change.execute.requires_proof_bundle_reference",
            "absent",
        ),
    ],
)
def test_an_invalid_policy_names_the_field_what_was_expected_and_found(
    written: Shell, change: dict[str, Any], code: str, param: str, expected: str
) -> None:
    written.write("bad.json", revised(**change))
    ended = written.run("policy", "check", "bad.json", "--json")
    ended.check_error(code, 1)
    error = ended.answer["error"]
    assert (error["code"], error["param"]) == (code, param)
    assert expected in error["expected"]
    assert error["found"]


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("nowhere.json", None, "INPUT_UNREADABLE"),
        ("broken.json", b"{", "JSON_INVALID"),
        ("twice.json", b'{"wpc_version":"1","wpc_version":"1"}', "JSON_DUPLICATE_KEY"),
        ("large.json", b" " * 262145, "BODY_TOO_LARGE"),
        ("key.json", b"ab" * 32, "INPUT_UNREADABLE"),
    ],
)
def test_a_file_that_cannot_be_read_is_usage(written: Shell, name: str, text: bytes | None, code: str) -> None:
    if text is not None:
        written.write(name, text)
    written.run("policy", "check", name).check_error(code, 2)


def test_people_are_judged_from_a_draft_from_a_roster_and_from_the_log(served: Shell) -> None:
    draft = served.run("policy", "check", "policy.json", "--roster", "roster.json", "--strict", "--json")
    assert (draft.code, names(draft.answer["warnings"]), draft.answer["not_checked"]) == (
        1,
        {"requester-leaves-too-few"},
        [],
    )
    assert "requested by p-bob:" in draft.answer["warnings"][0]["sentence"]
    (listed,) = entries(served, "kind=roster")
    logged = json.loads(listed["entry"])["payload_hash_b64u"]
    by_hash = served.good("policy", "check", "policy.json", "--roster", logged, "--json").answer
    assert by_hash == draft.answer
    served.write("whole.json", fetch(served, f"/v1/payloads/{logged}"))
    assert served.good("policy", "check", "policy.json", "--roster", "whole.json", "--json").answer == by_hash
    enough = json.loads((served.directory / "roster.json").read_bytes())["people"]
    enough[2]["roles"] = ["service_owner", "platform_security"]
    served.write("enough.json", {"people": enough})
    assert served.good("policy", "check", "policy.json", "--roster", "enough.json", "--strict").code == 0
    served.run("policy", "check", "policy.json", "--roster", NOBODY).check_error("ROSTER_MISSING", 1)
    served.run("policy", "check", "policy.json", "--roster", "plan.json").check_error("SCHEMA_VALIDATION_FAILED", 1)


def test_the_example_files_are_checked_as_they_are(shell: Shell) -> None:
    shutil.copy(PAYLOADS / "work_policy_contract.json", shell.directory)
    shutil.copy(PAYLOADS / "roster_draft.json", shell.directory)
    answer = shell.good("policy", "check", "work_policy_contract.json", "--roster", "roster_draft.json", "--json").answer
    assert names(answer["warnings"]) == {"requester-leaves-too-few"}  # the only person of platform security


def test_rules_inside_a_clawsig_policy_are_checked_where_they_stand(shell: Shell) -> None:
    rules = revised(change_execute={"step_up_approvals": 3})
    clawsig = {
        "policy_version": "1",
        "policy_id": "p-7",
        "issuer_did": "did:web:x",
        "metadata": {"change_management": rules},
    }
    shell.write("clawsig.json", clawsig)
    answer = shell.good("policy", "check", "clawsig.json", "--json").answer
    path = "$.metadata.change_management.tools['change.execute'].approver_constraints"
    assert [trap["path"] for trap in answer["warnings"]] == [path]
    shell.write("bare.json", {**clawsig, "metadata": {}})
    bare = shell.good("policy", "check", "bare.json", "--json").answer
    assert (bare["policy_name"], bare["tools"], names(bare["warnings"])) == ("p-7", [], {"no-rules"})


def test_nothing_that_a_policy_says_is_obeyed_by_a_terminal(shell: Shell) -> None:
    shell.write("hostile.json", revised(policy_name="\x1b[2Jgone\u202e", egress={"hosts": ["a\nvalid; 0 warnings"]}))
    for command in (["check", "hostile.json"], ["show", "hostile.json"], ["diff", "hostile.json", "hostile.json"]):
        ended = shell.run("policy", *command)
        assert not {"\x1b", "\u202e"} & set(ended.out + ended.err)
        assert "\nvalid; 0 warnings\n" not in ended.out or command[0] == "check"
    assert shell.run("policy", "check", "hostile.json").out.count("\nvalid; 0 warnings") == 1


@pytest.mark.parametrize("command", ["check", "publish"])
def test_the_help_has_every_member(shell: Shell, command: str) -> None:
    text = shell.good("policy", command, "--help").out
    for path, meaning in MEMBERS.items():
        assert f"{path.rpartition('.')[2]}: {meaning}\n" in text, path


def test_publishing_tells_of_traps_and_publishes(served: Shell) -> None:
    served.write("trap.json", revised(policy_name="trap", change_execute={"step_up_approvals": 3}))
    published = served.good("policy", "publish", "trap.json", "--key", "policy.key")
    assert published.err == "1 warning: anyone-may-approve; trustlog policy check trap.json says more\n"
    served.write("fine.json", revised(policy_name="fine"))
    assert served.good("policy", "publish", "fine.json", "--key", "policy.key").err == ""


# show


def test_a_policy_is_shown_by_its_hash_with_its_standing(served: Shell) -> None:
    name = publish(served, "policy.json")
    shown = served.good("policy", "show", name).out
    assert shown.startswith(f"production-changes  {name}\n")
    assert "In the log, below size 2: in force\n" in shown
    assert "  - It came into force at index 0, with 1 of 1 signatures needed.\n" in shown
    assert "not proven" not in shown
    answer = served.good("policy", "show", f"b64u:{name}", "--json").answer
    assert (answer["standing"]["status"], answer["standing"]["in_force_at"], answer["not_proven"]) == ("in_force", 0, [])
    assert answer["policy_hash_b64u"] == name
    quick = served.good("policy", "show", name, "--quick", "--json").answer
    assert quick["standing"] == answer["standing"]
    assert "every revocation" in quick["not_proven"][0]


def test_raw_prints_the_exact_bytes(served: Shell) -> None:
    name = publish(served, "policy.json")
    text = canonicalize(POLICY).decode()
    assert served.good("policy", "show", name, "--raw").out == text
    assert served.good("policy", "show", "policy.json", "--raw").out == text
    served.run("policy", "show", name, "--raw", "--json").check_error("PARAMETER_INVALID", 2)


def test_a_file_is_shown_without_a_log(written: Shell) -> None:
    answer = written.good("policy", "show", "policy.json", "--json").answer
    assert (answer["standing"], answer["policy_name"]) == (None, "production-changes")


@pytest.mark.parametrize("quick", [(), ("--quick",)])
def test_a_policy_that_ended_is_shown_and_says_why(served: Shell, quick: tuple[str, ...]) -> None:
    name = publish(served, "policy.json")
    served.write("newer.json", revised(supersedes=f"b64u:{name}"))
    newer = publish(served, "newer.json")
    ended = served.run("policy", "show", name, *quick)
    ended.check_error("POLICY_SUPERSEDED", 1)
    assert f"Superseded by policy {newer} at index 2:" in ended.out
    assert f"found policy {newer} at index 2" in ended.err
    replaced = served.good("policy", "show", newer, *quick, "--json").answer
    assert replaced["standing"]["supersedes"] == [name]
    served.good("revoke", f"policy:{newer}", "--reason", "wrong", "--key", "policy.key")
    revoked = served.run("policy", "show", newer, *quick, "--json")
    revoked.check_error("POLICY_REVOKED", 1)
    assert revoked.answer["standing"]["revoked_at"] == [3]


def test_a_policy_waits_for_its_quorum_and_for_its_time(shell: Shell) -> None:
    make_log(shell, policy_issuers="policy")
    shell.good("keygen", "second.key")
    shell.good("trust", "add", "policy_issuers", "second.key")
    trust = shell.directory / "log" / "trust.toml"
    trust.write_text(trust.read_text().replace("policy = 1\n", "policy = 2\n"))
    shell.write("later.json", revised(valid_from="2999-01-01T00:00:00Z"))
    with shell.serve():
        name = publish(shell, "later.json")
        for quick in ((), ("--quick",)):
            waits = shell.run("policy", "show", name, *quick)
            waits.check_error("POLICY_NOT_IN_FORCE", 1)
            assert "Not in force: 1 of 2 different policy issuers signed it." in waits.out
        publish(shell, "later.json", "second")
        early = shell.run("policy", "show", name, "--json")
        early.check_error("POLICY_NOT_IN_FORCE", 1)
        assert (early.answer["standing"]["status"], early.answer["standing"]["in_force_at"]) == ("in_force", 1)
        assert "valid from 2999-01-01T00:00:00Z" in early.err


def test_a_policy_that_cannot_be_had_says_why(served: Shell) -> None:
    name = publish(served, "policy.json")
    for quick in ((), ("--quick",)):
        served.run("policy", "show", NOBODY, *quick).check_error("POLICY_NOT_FOUND", 1)
    served.run("policy", "show", "A" * 42 + "B").check_error("BASE64URL_INVALID", 2)
    served.run("policy", "show", name, "--log", "http://127.0.0.1:9").check_error("LOG_UNREACHABLE", 3)
    stranger = Path(served.environment["TRUSTLOG_TRUST"]).read_text().replace("policy_issuers = [", "policy_issuers = [] #[")
    others = served.write("others.toml", stranger.encode())
    untrusted = served.run("policy", "show", name, "--trust", others)
    untrusted.check_error("POLICY_NOT_FOUND", 1)
    assert "SIGNER_NOT_TRUSTED at index 0" in untrusted.err
    served.run("policy", "show", name, "--trust", others, "--quick").check_error("POLICY_NOT_IN_FORCE", 1)


@pytest.mark.parametrize(
    "line", [f"show {NOBODY}", f"check {NOBODY}", f"check policy.json --roster {NOBODY}", f"diff policy.json {NOBODY}"]
)
def test_a_hash_needs_a_log(written: Shell, line: str) -> None:
    written.run("policy", *line.split()).check_error("PARAMETER_INVALID", 2)
    ended = written.run("policy", *line.split(), "--log", "http://127.0.0.1:9")
    ended.check_error("PARAMETER_INVALID", 2)
    assert "--trust" in ended.err


# diff


def test_a_revision_is_told_member_by_member_looser_first(served: Shell) -> None:
    name = publish(served, "policy.json")
    served.write("newer.json", revised(change_execute={"approval_ttl_s": 60, "environments": ["staging", "production"]}))
    ended = served.run("policy", "diff", name, "newer.json")
    assert (ended.code, ended.err) == (1, "")
    assert ended.out == (
        "LOOSER     $.tools['change.execute'].environments\n"
        "           environments of change.execute: staging, production; before, staging.\n"
        "stricter   $.tools['change.execute'].approval_ttl_s\n"
        "           An approval of change.execute counts for 1 minute; before, 1 hour.\n"
        "1 looser, 1 stricter, 0 different\n"
    )
    answer = served.run("policy", "diff", name, "newer.json", "--json").answer
    assert (answer["same"], answer["looser"], answer["before"]["policy_hash_b64u"]) == (False, 1, name)
    assert answer["differences"][0] == {
        "effect": "looser",
        "path": "$.tools['change.execute'].environments",
        "sentence": "environments of change.execute: staging, production; before, staging.",
        "before": ["staging"],
        "after": ["staging", "production"],
    }
    assert served.good("policy", "diff", name, "policy.json").out == "no difference\n"
    assert served.good("policy", "diff", name, f"b64u:{name}", "--json").answer["same"] is True


def test_rules_in_a_clawsig_policy_are_compared_with_ours(shell: Shell) -> None:
    clawsig = {
        "policy_version": "1",
        "policy_id": "p-7",
        "issuer_did": "did:web:x",
        "metadata": {"change_management": POLICY},
    }
    shell.write("ours.json", POLICY)
    shell.write("clawsig.json", clawsig)
    shell.write("bare.json", {**clawsig, "metadata": {"team": "t"}})
    shell.write("models.json", {**clawsig, "allowed_models": ["m"]})
    moved = shell.run("policy", "diff", "ours.json", "clawsig.json", "--json")
    assert (moved.code, moved.answer["same"], moved.answer["differences"]) == (1, False, [])
    assert "the rules are the same" in shell.run("policy", "diff", "ours.json", "clawsig.json").out
    emptied = shell.run("policy", "diff", "clawsig.json", "bare.json", "--json").answer
    first = emptied["differences"][0]
    assert (first["effect"], first["path"]) == ("stricter", "$.metadata.change_management")
    assert shell.run("policy", "diff", "bare.json", "clawsig.json", "--json").answer["looser"] == 1
    outside = shell.run("policy", "diff", "clawsig.json", "models.json", "--json").answer
    assert [(one["effect"], one["path"]) for one in outside["differences"]] == [("different", "$.allowed_models")]


def test_trouble_is_never_taken_for_a_difference(served: Shell) -> None:
    served.write("bad.json", revised(extra=1))
    served.run("policy", "diff", "policy.json", "bad.json").check_error("POLICY_INVALID", 2)
    served.run("policy", "diff", "policy.json", "nowhere.json").check_error("INPUT_UNREADABLE", 2)
    served.run("policy", "diff", "policy.json", NOBODY).check_error("POLICY_NOT_FOUND", 2)
    unreachable = ("--log", "http://127.0.0.1:9")
    served.run("policy", "diff", "policy.json", NOBODY, *unreachable).check_error("LOG_UNREACHABLE", 2)
    served.run("policy", "diff", "policy.json").check_error("PARAMETER_INVALID", 2)


# list


@pytest.mark.parametrize("quick", [(), ("--quick",)])
def test_the_policies_of_a_log_are_listed_with_their_standing(served: Shell, quick: tuple[str, ...]) -> None:
    name = publish(served, "policy.json")
    newer = publish(served, str(served.write("newer.json", revised(supersedes=f"b64u:{name}"))))
    other = publish(served, str(served.write("other.json", revised(policy_name="other"))))
    served.good("revoke", f"policy:{other}", "--reason", "wrong", "--key", "policy.key")
    assert served.good("policy", "list", *quick).out == (
        f"{name}  superseded since index 0 until index 2  production-changes\n"
        f"{newer}  in force since index 2  production-changes\n"
        f"{other}  revoked since index 3 until index 4  other\n"
    )
    rows = served.good("policy", "list", *quick, "--name", "other", "--json").answers
    assert [(row["policy_hash_b64u"], row["status"], row["revoked_at"]) for row in rows] == [(other, "revoked", [4])]
    none = served.good("policy", "list", *quick, "--name", "none")
    assert none.out == ""
    assert "no policy is called none" in none.err
    assert ("not proven: that the log listed every policy" in none.err) == bool(quick)


def entries(shell: Shell, query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(fetch(shell, f"/v1/entries?{query}"))["entries"]
    return found


def fetch(shell: Shell, path: str) -> bytes:
    address = urlsplit(shell.environment["TRUSTLOG_LOG"])
    with closing(HTTPConnection(address.netloc)) as connection:
        connection.request("GET", path)
        return connection.getresponse().read()
