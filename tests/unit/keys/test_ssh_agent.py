"""A key in a real ssh-agent signs like one in a file; an agent that lies, stalls or refuses is told from one that does not."""

from __future__ import annotations

import base64
import os
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import nacl.signing
import pytest

from tests.waiting import PATIENCE_S
from trustlog.errors import Refused
from trustlog.formats.didkey import encode_did_key
from trustlog.formats.ed25519 import verify_ed25519
from trustlog.formats.envelope import check_signature, parse_envelope, seal_text
from trustlog.keys import ssh_agent
from trustlog.keys.public import did_of_public_key
from trustlog.keys.source import open_signer
from trustlog.keys.ssh_wire import (
    WireError,
    encode_public_key,
    encode_string,
    fingerprint,
    parse_public_key,
    parse_public_line,
)

SEED = bytes(range(32))
KEY = nacl.signing.SigningKey(SEED)
PUBLIC = bytes(KEY.verify_key)
DID = encode_did_key(PUBLIC)
HASH = b"A" * 43


def openssh_private_key(comment: str) -> str:
    """SEED in OpenSSH's own file format, not encrypted (openssh PROTOCOL.key)."""
    check = (1).to_bytes(4, "big")
    secret = check * 2 + encode_public_key(PUBLIC) + encode_string(SEED + PUBLIC) + encode_string(comment.encode())
    secret += bytes(range(1, 1 + -len(secret) % 8))
    none = encode_string(b"none")
    blob = b"openssh-key-v1\0" + none * 2 + encode_string(b"") + (1).to_bytes(4, "big")
    blob += encode_string(encode_public_key(PUBLIC)) + encode_string(secret)
    body = base64.encodebytes(blob).decode()
    return f"-----BEGIN OPENSSH PRIVATE KEY-----\n{body}-----END OPENSSH PRIVATE KEY-----\n"


@pytest.fixture
def agent() -> Iterator[dict[str, str]]:
    """The environment of a running ssh-agent that holds SEED, called ``approver``."""
    directory = Path(tempfile.mkdtemp(prefix="agent"))  # a socket's path is short
    path = directory / "agent.sock"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        process.stdout.readline()
        environment = {**os.environ, "SSH_AUTH_SOCK": str(path)}
        file = directory / "id"
        file.touch(mode=0o600)
        file.write_text(openssh_private_key("approver"))
        subprocess.run(["ssh-add", "-q", file], env=environment, check=True)
        yield environment
    finally:
        process.terminate()
        process.communicate()
        shutil.rmtree(directory)


@pytest.mark.parametrize("named", ["approver", fingerprint(encode_public_key(PUBLIC)), DID])
def test_an_agents_key_is_found_by_comment_fingerprint_or_did_and_signs_the_43_characters(
    agent: dict[str, str], named: str
) -> None:
    signer = open_signer(f"ssh-agent:{named}", agent)
    assert signer.did == DID
    assert signer.sign(HASH) == KEY.sign(HASH).signature
    envelope = parse_envelope(seal_text("tool_receipt", b"{}", signer, "2026-01-01T00:00:00Z"))
    check_signature(envelope.payload_hash_b64u, envelope.signature, envelope.signer_did)


def test_the_fingerprint_is_the_one_that_ssh_add_shows(agent: dict[str, str]) -> None:
    shown = subprocess.run(["ssh-add", "-l"], env=agent, capture_output=True, text=True, check=True).stdout
    assert fingerprint(encode_public_key(PUBLIC)) in shown.split()


def test_a_key_that_the_agent_does_not_have_is_refused_with_those_that_it_has(agent: dict[str, str]) -> None:
    with pytest.raises(Refused) as refused:
        open_signer("ssh-agent:somebody", agent)
    assert "no key of that name" in refused.value.detail
    assert "approver" in str(refused.value.found)
    with pytest.raises(Refused):
        open_signer("ssh-agent:", agent)


def test_a_key_of_another_type_and_two_of_one_name_are_refused(agent: dict[str, str], tmp_path: Path) -> None:
    for name, comment in (("rsa", "old"), ("ed25519", "approver")):
        kind = ["-t", name] + (["-b", "2048"] if name == "rsa" else [])
        subprocess.run(["ssh-keygen", "-q", *kind, "-N", "", "-C", comment, "-f", tmp_path / name], check=True)
        subprocess.run(["ssh-add", "-q", tmp_path / name], env=agent, check=True)
    with pytest.raises(Refused) as other:
        open_signer("ssh-agent:old", agent)
    assert (other.value.expected, "ssh-rsa" in str(other.value.found)) == ("ssh-ed25519", True)
    with pytest.raises(Refused, match="2 keys of that name"):
        open_signer("ssh-agent:approver", agent)


def test_a_locked_agent_and_one_that_lost_the_key_sign_nothing(agent: dict[str, str]) -> None:
    signer = open_signer("ssh-agent:approver", agent)
    subprocess.run(["ssh-add", "-q", "-D"], env=agent, check=True, stderr=subprocess.DEVNULL)
    with pytest.raises(Refused, match="would not sign"):
        signer.sign(HASH)


def test_no_agent_is_a_refusal_that_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(Refused) as refused:
        open_signer("ssh-agent:approver", {})
    assert "ssh-agent" in refused.value.hint
    with pytest.raises(Refused, match="cannot be used"):
        open_signer("ssh-agent:approver", {"SSH_AUTH_SOCK": str(tmp_path / "nothing")})


def test_a_pub_file_that_ssh_keygen_wrote_is_a_did(tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "a b", "-f", tmp_path / "k"], check=True)
    line = (tmp_path / "k.pub").read_text()
    assert did_of_public_key(line, "key") == encode_did_key(parse_public_line(line))


# Agents that are not what they say. Each answers one message on a socket of its own.

IDENTITIES = bytes([12]) + (1).to_bytes(4, "big") + encode_string(encode_public_key(PUBLIC)) + encode_string(b"approver")


@contextmanager
def answering(answer: Callable[[bytes], bytes]) -> Iterator[dict[str, str]]:
    directory = tempfile.mkdtemp(prefix="agent")
    path = f"{directory}/s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection, suppress(OSError):  # a client that gave up does not read
                    size = int.from_bytes(connection.recv(4, socket.MSG_WAITALL), "big")
                    connection.sendall(answer(connection.recv(size, socket.MSG_WAITALL)))

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield {"SSH_AUTH_SOCK": path}
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            shutil.rmtree(directory)


def signing(signature: bytes, algorithm: bytes = b"ssh-ed25519", after: bytes = b"") -> Callable[[bytes], bytes]:
    """An agent that lists the key and answers every request to sign with `signature`."""
    inner = encode_string(algorithm) + encode_string(signature) + after
    return lambda asked: encode_string(IDENTITIES if asked == bytes([11]) else bytes([14]) + encode_string(inner))


def test_the_agent_that_the_lying_ones_differ_from_is_believed() -> None:
    with answering(signing(KEY.sign(HASH).signature)) as environment:
        assert verify_ed25519(PUBLIC, HASH, open_signer("ssh-agent:approver", environment).sign(HASH))


@pytest.mark.parametrize(
    "answer",
    [
        signing(bytes(64)),
        signing(KEY.sign(b"another message").signature),
        signing(KEY.sign(HASH).signature[:-1]),
        signing(KEY.sign(HASH).signature, algorithm=b"ssh-rsa"),
        signing(KEY.sign(HASH).signature, after=b"\0"),
        lambda asked: encode_string(IDENTITIES if asked == bytes([11]) else bytes([5])),
        lambda asked: encode_string(IDENTITIES if asked == bytes([11]) else bytes([14])),
    ],
    ids=["zeros", "other message", "short", "other algorithm", "more", "failure", "nothing"],
)
def test_a_signature_that_is_none_is_never_used(answer: Callable[[bytes], bytes]) -> None:
    with answering(answer) as environment:
        signer = open_signer("ssh-agent:approver", environment)
        with pytest.raises(Refused, match="INPUT_UNREADABLE"):
            signer.sign(HASH)


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"\0\0",
        encode_string(b""),
        encode_string(bytes([5])),
        (2**32 - 1).to_bytes(4, "big"),
        encode_string(bytes([12]) + (2**31).to_bytes(4, "big")),
        encode_string(bytes([12]) + (1).to_bytes(4, "big") + (2**31).to_bytes(4, "big")),
        encode_string(IDENTITIES[:-1]),
        encode_string(IDENTITIES + b"\0"),
    ],
)
def test_a_list_that_is_none_is_refused(reply: bytes) -> None:
    with answering(lambda _asked: reply) as environment, pytest.raises(Refused, match="the ssh-agent cannot be used"):
        open_signer("ssh-agent:approver", environment)


def test_an_agent_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh_agent, "LIST_WITHIN_S", 0.05)
    release = threading.Event()

    def stall(_asked: bytes) -> bytes:
        release.wait(PATIENCE_S)
        return b""

    with answering(stall) as environment:
        try:
            with pytest.raises(Refused, match="did not answer within"):
                open_signer("ssh-agent:approver", environment)
        finally:
            release.set()


# Public key lines.

LINE = f"ssh-ed25519 {base64.b64encode(encode_public_key(PUBLIC)).decode()} a comment"


def test_a_public_key_line_is_read_with_or_without_its_comment() -> None:
    assert parse_public_line(LINE) == parse_public_line(LINE.removesuffix(" a comment") + "\n") == PUBLIC


@pytest.mark.parametrize(
    "line",
    [
        "",
        "ssh-ed25519",
        LINE.replace("ssh-ed25519", "ssh-rsa", 1),
        LINE.replace("AAAA", "AAA", 1),
        LINE.replace("AAAA", "AA\u00e4A", 1),
        f"ssh-ed25519 {base64.b64encode(encode_public_key(PUBLIC) + b'x').decode()}",
        f"ssh-ed25519 {base64.b64encode(encode_string(b'ssh-ed25519') + encode_string(PUBLIC[:-1])).decode()}",
        f"ssh-ed25519 {base64.b64encode(encode_string(b'ssh-rsa') + encode_string(PUBLIC)).decode()}",
    ],
)
def test_another_line_is_no_key(line: str) -> None:
    with pytest.raises(WireError):
        parse_public_line(line)
    with pytest.raises(Refused, match="INVALID_DID_FORMAT"):
        did_of_public_key(line, "key")


@pytest.mark.parametrize("cut", range(len(encode_public_key(PUBLIC))))
def test_a_key_blob_that_is_cut_anywhere_is_no_key(cut: int) -> None:
    with pytest.raises(WireError):
        parse_public_key(encode_public_key(PUBLIC)[:cut])
