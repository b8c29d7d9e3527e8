"""A new log directory, and what its configuration may say."""

from __future__ import annotations

from pathlib import Path

import pytest

from trustlog.errors import Refused
from trustlog.formats.note import NoteSigner
from trustlog.log.directory import Configuration, LogDirectory, init_directory, parse_configuration


def test_a_new_directory_holds_a_private_key_and_trusts_nobody(tmp_path: Path) -> None:
    signer = init_directory(tmp_path / "log", "log.example.org/changes")
    directory = LogDirectory(tmp_path / "log")
    assert directory.key_path.stat().st_mode & 0o777 == 0o600
    assert NoteSigner.parse(directory.key_path.read_text()).key == signer.key == directory.read_signer().key
    trust = directory.read_trust()
    assert trust.log_keys == (signer.key,)
    assert not any(trust.roles.values())
    assert trust.allow_unwitnessed
    assert directory.read_configuration() == Configuration("log.example.org/changes")
    assert {path.name for path in tmp_path.iterdir()} == {"log"}


def test_a_directory_in_use_is_left_alone(tmp_path: Path) -> None:
    init_directory(tmp_path / "log", "log.example.org/changes")
    key = (tmp_path / "log" / "log.key").read_bytes()
    with pytest.raises(Refused, match="not empty"):
        init_directory(tmp_path / "log", "log.example.org/changes")
    assert (tmp_path / "log" / "log.key").read_bytes() == key


def test_an_empty_directory_may_be_used(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    init_directory(tmp_path / "log", "log.example.org/changes")


@pytest.mark.parametrize("origin", ["", 'a"b', "a b", "a\nb", "a+b", "a\\b", "ü", "x" * 300])
def test_an_origin_that_cannot_stand_in_a_note_is_refused(tmp_path: Path, origin: str) -> None:
    with pytest.raises(Refused) as raised:
        init_directory(tmp_path / "log", origin)
    assert raised.value.param == "origin"
    assert not (tmp_path / "log").exists()


def test_credentials_are_digests() -> None:
    digest = "ab" * 32
    text = f'origin = "o"\n[credentials]\nsubmit_sha256 = ["{digest}"]\n'
    assert parse_configuration(text.encode()) == Configuration("o", frozenset({bytes.fromhex(digest)}))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\xff",
        b"origin",
        b"origin = 1",
        b'origin = "o"\nunknown = 1',
        b'origin = "o"\ncredentials = 1',
        b'origin = "o"\n[credentials]\nunknown = []',
        b'origin = "o"\n[credentials]\nsubmit_sha256 = "secret"',
        b'origin = "o"\n[credentials]\nsubmit_sha256 = ["secret"]',
        b'origin = "o"\n[credentials]\nsubmit_sha256 = [1]',
    ],
)
def test_a_configuration_of_another_shape_is_refused(text: bytes) -> None:
    with pytest.raises(Refused) as raised:
        parse_configuration(text)
    assert raised.value.code == "INPUT_UNREADABLE"
    assert "secret" not in f"{raised.value} {raised.value.found}"
