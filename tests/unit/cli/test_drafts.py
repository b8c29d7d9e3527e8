"""Drafts of policies and addresses to listen on are read strictly; commands are all reachable and all have an example."""

from __future__ import annotations

import hashlib
import json

import click
import pytest

from trustlog.cli.main import COMMANDS, run, trustlog
from trustlog.cli.policy import read_draft
from trustlog.cli.serve import parse_listen
from trustlog.errors import Refused
from trustlog.formats.base64 import encode_b64u
from trustlog.formats.jsontext import canonicalize
from trustlog.records.own import own_payload

POLICY = {
    "wpc_version": "1",
    "policy_name": "p",
    "enforcement": {"fail_closed": True, "require_gateway_receipts": False, "require_proof_bundle": False},
    "token_requirements": {
        "require_cst": True,
        "optional_policy_hash_pinning": False,
        "job_scoped_binding": True,
        "max_ttl_s": 60,
    },
    "tools": {"ticket.read": {"allowed": True}},
}
HASH = "b64u:" + encode_b64u(hashlib.sha256(canonicalize(POLICY)).digest())


def test_a_draft_in_any_layout_is_read() -> None:
    assert read_draft(json.dumps(POLICY, indent=4).encode()) == POLICY


def test_the_hash_in_a_draft_is_checked_and_left_out() -> None:
    assert read_draft(json.dumps({**POLICY, "policy_hash": HASH}).encode()) == POLICY
    for wrong in ("b64u:" + "A" * 43, HASH.removeprefix("b64u:"), None, 1):
        with pytest.raises(Refused, match="POLICY_MISMATCH"):
            read_draft(json.dumps({**POLICY, "policy_hash": wrong}).encode())


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"[]", "POLICY_INVALID"),
        (b"{}", "POLICY_VERSION_UNKNOWN"),
        (json.dumps({**POLICY, "extra": 1}).encode(), "POLICY_INVALID"),
        (b'{"a":1,"a":2}', "JSON_DUPLICATE_KEY"),
    ],
)
def test_what_is_no_policy_is_refused(text: bytes, code: str) -> None:
    with pytest.raises(Refused, match=code):
        read_draft(text)


def test_a_payload_has_the_four_header_members_first() -> None:
    payload = own_payload("revocation", {"target": "job:1"}, origin="o", at_ns=0, salt=bytes(16))
    assert list(payload) == ["record", "origin", "issued_at", "salt", "target"]
    assert payload["record"] == "trustlog/revocation/v1"
    assert payload["issued_at"] == "1970-01-01T00:00:00.000Z"


@pytest.mark.parametrize(
    ("text", "parsed"),
    [("127.0.0.1:80", ("127.0.0.1", 80)), ("[::1]:0", ("::1", 0)), ("log.example:65535", ("log.example", 65535))],
)
def test_addresses(text: str, parsed: tuple[str, int]) -> None:
    assert parse_listen(text) == parsed


@pytest.mark.parametrize("text", ["", ":80", "80", "::1:80", "h:", "h:65536", "h:-1", "h:８０", "[]:1"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="PARAMETER_INVALID"):
        parse_listen(text)


def every_command() -> list[tuple[str, click.Command]]:
    context = click.Context(trustlog)
    found: list[tuple[str, click.Command]] = []
    for name in COMMANDS:
        command = trustlog.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            found += [(f"{name} {inner}", command.commands[inner]) for inner in command.commands]
        found.append((name, command))
    return found


def test_every_command_has_help_with_an_example_and_takes_json(capsys: pytest.CaptureFixture[str]) -> None:
    for name, command in every_command():
        assert run([*name.split(), "--help"]) == 0
        text = capsys.readouterr().out
        assert "Example:" in text, name
        assert f"trustlog {name}" in text, name
        if not isinstance(command, click.Group):
            assert "--json" in text, name
