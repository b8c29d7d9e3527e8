"""A key has one did:key, and a did:key is that of one Ed25519 key."""

from __future__ import annotations

import base58
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.keys import ALICE
from trustlog.errors import Refused
from trustlog.formats import didkey
from trustlog.formats.didkey import encode_did_key, parse_did_key


def did_of(data: bytes) -> str:
    return "did:key:z" + base58.b58encode(data).decode()


def test_the_example_of_the_did_key_method() -> None:
    did = "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp"
    key = bytes.fromhex("3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29")
    assert parse_did_key(did) == key
    assert encode_did_key(key) == did


@given(st.binary(min_size=32, max_size=32))
def test_every_32_bytes_have_one_identifier_that_reads_back(key: bytes) -> None:
    assert parse_did_key(encode_did_key(key)) == key


@pytest.mark.parametrize(
    "did",
    [
        "",
        "did:key:",
        "did:key:z",
        ALICE.did + " ",
        ALICE.did + "\n",
        ALICE.did[:-1],
        ALICE.did + "1",
        ALICE.did.replace("did:key:z", "did:key:z1"),  # a leading zero byte
        ALICE.did.replace("did:key:z", "did:key:Z"),
        ALICE.did.replace("did:key:", "did:web:"),
        ALICE.did.upper(),
        ALICE.did[:20] + "0" + ALICE.did[21:],  # not of the alphabet
        ALICE.did[:20] + "é" + ALICE.did[21:],
        ALICE.did + "#" + ALICE.did,
        did_of(b"\xed\x01" + bytes(31)),
        did_of(b"\xed\x01" + bytes(33)),
        did_of(b"\xec\x01" + bytes(32)),  # X25519
        did_of(b"\xe7\x01" + bytes(33)),  # secp256k1
        did_of(bytes(34)),
    ],
)
def test_any_other_text_is_refused(did: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_did_key(did, "payload.agent_did")
    assert refused.value.code == "INVALID_DID_FORMAT"
    assert refused.value.param == "payload.agent_did"


def test_nothing_long_is_remembered() -> None:
    before = didkey._decode.cache_info().currsize
    with pytest.raises(Refused):
        parse_did_key("did:key:z" + "6" * 1_000_000)
    assert didkey._decode.cache_info().currsize == before
