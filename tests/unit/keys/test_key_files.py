"""Key files are one line of 64 hex digits that only their owner can read, and no text ever shows them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import nacl.signing
import pytest

from trustlog.errors import Refused
from trustlog.formats.didkey import parse_did_key
from trustlog.keys.environment import read_environment_key
from trustlog.keys.file import generate_key_file, read_key_file
from trustlog.keys.signer import SeedSigner
from trustlog.keys.source import open_signer

SEED = bytes(range(32))


def write_key(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_generated_key_file_has_mode_0600_and_reads_back_as_the_same_signer(tmp_path: Path) -> None:
    path = tmp_path / "agent.key"
    made = generate_key_file(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text().endswith("\n")
    assert len(path.read_text()) == 65
    assert read_key_file(path).did == made.did


def test_the_mode_is_0600_under_any_umask(tmp_path: Path) -> None:
    before = os.umask(0o277)
    try:
        generate_key_file(tmp_path / "k")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "k").stat().st_mode) == 0o600


def test_signatures_verify_under_the_did(tmp_path: Path) -> None:
    signer = generate_key_file(tmp_path / "k")
    nacl.signing.VerifyKey(parse_did_key(signer.did)).verify(b"message", signer.sign(b"message"))


def test_an_existing_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "k"
    generate_key_file(path)
    before = path.read_bytes()
    with pytest.raises(Refused) as refused:
        generate_key_file(path)
    assert refused.value.code == "INPUT_UNREADABLE"
    assert path.read_bytes() == before


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o620, 0o601])
def test_a_key_that_others_can_reach_is_refused_with_the_command_that_mends_it(tmp_path: Path, mode: int) -> None:
    path = write_key(tmp_path / "k", SEED.hex() + "\n", mode)
    with pytest.raises(Refused) as refused:
        read_key_file(path)
    assert refused.value.code == "INPUT_UNREADABLE"
    assert "chmod 600" in refused.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        SEED.hex().upper() + "\n",
        SEED.hex() + "\r\n",
        SEED.hex() + "\n\n",
        " " + SEED.hex()[1:],
        SEED.hex()[:-1],
        SEED.hex() + "00",
        SEED.hex() + "\n" + SEED.hex() + "\n",
        "é" * 32,
    ],
)
def test_other_text_is_refused_and_not_repeated(tmp_path: Path, text: str) -> None:
    path = write_key(tmp_path / "k", text)
    with pytest.raises(Refused) as refused:
        read_key_file(path)
    assert refused.value.code == "INPUT_UNREADABLE"
    assert SEED.hex()[1:20] not in f"{refused.value} {refused.value.found} {refused.value.hint}".lower()


def test_a_missing_file_a_directory_and_a_pipe_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("absent", ".", "pipe"):
        with pytest.raises(Refused) as refused:
            read_key_file(tmp_path / name)
        assert refused.value.code == "INPUT_UNREADABLE"


def test_a_key_in_the_environment_is_the_same_signer() -> None:
    environment = {"AGENT_KEY": SEED.hex()}
    assert read_environment_key("AGENT_KEY", environment).did == SeedSigner(SEED).did
    assert open_signer("env:AGENT_KEY", environment).did == SeedSigner(SEED).did


def test_an_unset_or_wrong_variable_is_refused_without_its_value() -> None:
    with pytest.raises(Refused) as refused:
        read_environment_key("AGENT_KEY", {})
    assert "AGENT_KEY" in str(refused.value)
    with pytest.raises(Refused) as refused:
        read_environment_key("AGENT_KEY", {"AGENT_KEY": "hunter2"})
    assert "hunter2" not in f"{refused.value} {refused.value.found} {refused.value.hint}"


def test_the_text_form_of_a_signer_does_not_show_the_seed() -> None:
    signer = SeedSigner(SEED)
    assert SEED.hex() not in repr(signer)
    assert repr(SEED) not in repr(signer)
