"""Edits of a trust policy keep its comments and everything else, and one key has one role only."""

from __future__ import annotations

import pytest

from trustlog.cli.trust_edit import add_window, end_window, remove_did
from trustlog.errors import Refused
from trustlog.formats.note import NoteSigner
from trustlog.formats.trustpolicy import TrustPolicy, Window
from trustlog.keys.signer import SeedSigner

VKEY = NoteSigner("log.example/t", bytes(32)).key.encode()
A, B, C = (SeedSigner(bytes([n]) * 32).did for n in (1, 2, 3))
TEXT = f'''# kept: head
allow_unwitnessed = true # kept: why
[log]
policy = """log {VKEY}
quorum none
"""
[roles]
# kept: gateways
gateways = ["{A}"] # kept: beside
agents = []
'''.encode()


def roles(text: bytes, role: str) -> tuple[Window, ...]:
    return TrustPolicy.parse(text).roles[role]


def test_a_key_is_added_and_every_comment_stays() -> None:
    after = add_window(TEXT, "gateways", Window(B))
    assert roles(after, "gateways") == (Window(A), Window(B))
    for comment in (b"# kept: head", b"# kept: why", b"# kept: gateways", b"# kept: beside"):
        assert comment in after


def test_a_window_is_written_as_one() -> None:
    after = add_window(TEXT, "agents", Window(B, 5, 9))
    assert roles(after, "agents") == (Window(B, 5, 9),)


def test_a_role_that_the_file_does_not_name_is_made() -> None:
    assert roles(add_window(TEXT, "gates", Window(C)), "gates") == (Window(C),)


def test_a_table_of_roles_that_is_absent_is_made() -> None:
    head = TEXT.partition(b"[roles]")[0]
    assert roles(add_window(head, "gates", Window(C)), "gates") == (Window(C),)


def test_a_second_role_for_one_key_is_refused_when_the_result_is_read() -> None:
    with pytest.raises(Refused, match="TRUST_POLICY_INVALID"):
        TrustPolicy.parse(add_window(TEXT, "agents", Window(A)))


def test_a_key_is_removed_with_all_its_windows() -> None:
    text = add_window(add_window(TEXT, "gateways", Window(B)), "gateways", Window(A, 9, 10))
    assert roles(remove_did(text, "gateways", A), "gateways") == (Window(B),)


def test_a_key_that_is_cut_off_keeps_what_came_before() -> None:
    text = add_window(TEXT, "gateways", Window(A, 20, 30))
    assert roles(end_window(text, "gateways", A, 25), "gateways") == (Window(A, 0, 25), Window(A, 20, 25))
    assert roles(end_window(text, "gateways", A, 10), "gateways") == (Window(A, 0, 10),)
    assert roles(end_window(text, "gateways", A, 0), "gateways") == ()


def test_a_window_that_ended_earlier_is_not_lengthened() -> None:
    text = add_window(TEXT, "agents", Window(B, 5, 9))
    assert roles(end_window(text, "agents", B, 100), "agents") == (Window(B, 5, 9),)
