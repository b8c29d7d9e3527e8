from __future__ import annotations

import pytest
from nacl.signing import SigningKey

from tests.unit.formats_c2sp.keys import CHECKPOINT, WITNESSES
from trustlog.errors import Refused
from trustlog.formats.cosignature import check_cosignature, cosigned_message

TEXT = CHECKPOINT.encode()
WITNESS = WITNESSES["w1"]


def test_the_message_is_the_specifications() -> None:
    text = b"example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    assert cosigned_message(text, 1679315147) == (
        b"cosignature/v1\n"
        b"time 1679315147\n"
        b"example.com/behind-the-sofa\n"
        b"20852163\n"
        b"CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    )


@pytest.mark.parametrize("time_s", [0, 1, 1679315147, 2**63 - 1])
def test_the_time_is_signed_and_read_back(time_s: int) -> None:
    signature = WITNESS.cosign(TEXT, time_s).signature
    assert int.from_bytes(signature[:8], "big") == time_s
    assert len(signature) == 72
    assert check_cosignature(WITNESS.key.public_key, TEXT, signature) == time_s


def test_any_other_time_text_or_length_is_refused() -> None:
    signature = WITNESS.cosign(TEXT, 1000).signature
    key = WITNESS.key.public_key
    for at in range(72):
        with pytest.raises(Refused, match="NOTE_UNVERIFIED"):
            check_cosignature(key, TEXT, signature[:at] + bytes([signature[at] ^ 1]) + signature[at + 1 :])
    for bad in (b"", signature[:-1], signature + b"\x00", signature[8:]):
        with pytest.raises(Refused, match="NOTE_UNVERIFIED"):
            check_cosignature(key, TEXT, bad)
    with pytest.raises(Refused):
        check_cosignature(key, TEXT + b"extension\n", signature)
    with pytest.raises(Refused):
        check_cosignature(WITNESSES["w2"].key.public_key, TEXT, signature)


def test_a_time_past_the_specifications_bound_is_refused() -> None:
    key = SigningKey(bytes([10]) * 32)
    assert bytes(key.verify_key) == WITNESS.key.public_key
    time_s = 2**63
    signature = time_s.to_bytes(8, "big") + key.sign(cosigned_message(TEXT, time_s)).signature
    with pytest.raises(Refused, match="NOTE_UNVERIFIED"):
        check_cosignature(WITNESS.key.public_key, TEXT, signature)
