from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.formats_c2sp.keys import CHECKPOINT, LOG, ORIGIN, OTHER_LOG, WITNESSES, cosigned
from trustlog.errors import Refused
from trustlog.formats.note import (
    ED25519_COSIGNATURE,
    ML_DSA_44_COSIGNATURE,
    Note,
    NoteSignature,
    NoteSigner,
    VerifierKey,
    open_note,
    parse_note,
    sign_note,
)
from trustlog.limits import MAX_NOTE_SIGNATURES

TEXT = b"first line\n\nlast line\n"
NOTE = sign_note(TEXT, LOG)

KEY_NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40).filter(
    lambda name: "+" not in name and not any(c.isspace() or c < " " for c in name)
)


def test_what_was_signed_is_opened() -> None:
    opened = open_note(NOTE, [LOG.key])
    assert opened.text == TEXT
    assert [signed.key for signed in opened.verified] == [LOG.key]
    assert opened.unverified == ()


def test_unknown_signatures_are_kept_apart() -> None:
    note = cosigned(w1=5, w2=6)
    opened = open_note(note, [LOG.key, WITNESSES["w2"].key])
    assert [(signed.key.name, signed.time_s) for signed in opened.verified] == [(ORIGIN, None), ("w2.example", 6)]
    assert [signature.name for signature in opened.unverified] == ["w1.example"]


def test_a_name_or_a_key_id_alone_is_not_a_known_key() -> None:
    with pytest.raises(Refused, match="no known key"):
        open_note(NOTE, [OTHER_LOG.key])  # the same name, another ID
    with pytest.raises(Refused, match="no known key"):
        open_note(NOTE, [])


def test_a_bad_signature_of_a_known_key_rejects_the_note_beside_a_good_one() -> None:
    good = parse_note(NOTE)
    bad = NoteSignature(ORIGIN, LOG.key.key_id, bytes(64))
    for signatures in [(good.signatures[0], bad), (bad, good.signatures[0])]:
        with pytest.raises(Refused, match="NOTE_UNVERIFIED"):
            open_note(Note(TEXT, signatures).encode(), [LOG.key])


def test_a_key_counts_once_however_often_it_signed() -> None:
    witness = WITNESSES["w1"]
    note = parse_note(cosigned(w1=5))
    note = Note(note.text, (*note.signatures, witness.cosign(note.text, 9)))
    opened = open_note(note.encode(), [witness.key])
    assert [signed.time_s for signed in opened.verified] == [5]


def test_two_known_keys_of_one_name_and_id_are_refused() -> None:
    clash = VerifierKey(ORIGIN, LOG.key.type, LOG.key.public_key)
    open_note(NOTE, [LOG.key, clash])  # the same key twice is one key

    class Forged(VerifierKey):
        @property
        def key_id(self) -> bytes:
            return LOG.key.key_id

    with pytest.raises(Refused, match="one key ID"):
        open_note(NOTE, [LOG.key, Forged(ORIGIN, 1, bytes(32))])


def test_keys_of_ml_dsa_are_read_and_verify_nothing() -> None:
    key = VerifierKey("pq.example", ML_DSA_44_COSIGNATURE, bytes(1312))
    assert VerifierKey.parse(key.encode()) == key
    note = parse_note(NOTE)
    signature = NoteSignature(key.name, key.key_id, bytes(8 + 2420))
    opened = open_note(Note(TEXT, (*note.signatures, signature)).encode(), [LOG.key, key])
    assert opened.unverified == (signature,)
    with pytest.raises(Refused, match="no known key"):
        open_note(Note(TEXT, (signature,)).encode(), [key])


def test_a_small_order_key_signs_nothing() -> None:
    # With the identity as key, R = identity and S = 0 satisfy the equation for every text.
    key = VerifierKey("weak.example", 1, bytes([1]) + bytes(31))
    signature = NoteSignature(key.name, key.key_id, bytes([1]) + bytes(63))
    with pytest.raises(Refused, match="NOTE_UNVERIFIED"):
        open_note(Note(TEXT, (signature,)).encode(), [key])


@pytest.mark.parametrize("length", [1, 63, 65, 72])
def test_a_known_keys_signature_of_a_wrong_length_is_bad(length: int) -> None:
    signature = NoteSignature(ORIGIN, LOG.key.key_id, bytes(length))
    with pytest.raises(Refused, match="NOTE_UNVERIFIED"):
        open_note(Note(TEXT, (signature,)).encode(), [LOG.key])


def test_many_signatures_are_read_and_too_many_are_not() -> None:
    others = tuple(NoteSignature(f"k{i}", bytes(4), b"x") for i in range(MAX_NOTE_SIGNATURES))
    assert MAX_NOTE_SIGNATURES >= 16
    signature = parse_note(NOTE).signatures
    assert len(open_note(Note(TEXT, others[1:] + signature).encode(), [LOG.key]).unverified) == MAX_NOTE_SIGNATURES - 1
    with pytest.raises(Refused, match="too many"):
        parse_note(Note(TEXT, others + signature).encode())
    with pytest.raises(Refused, match="too long"):
        parse_note(b"x" * 100_000 + NOTE)


@pytest.mark.parametrize(
    "damage",
    [
        lambda note: note[:-1],
        lambda note: note + b"\n",
        lambda note: note + b"more\n",
        lambda note: note.replace(b"\n\n", b"\n"),
        lambda note: note.replace(b"\n", b"\r\n"),
        lambda note: b"\t" + note,
        lambda note: b"\xff" + note,
        lambda note: b"\xed\xa0\x80" + note,  # a surrogate
        lambda note: note.replace("— ".encode(), b"- "),
        lambda note: note.replace("— ".encode(), "—  ".encode()),
        lambda note: note.replace(b"=\n", b"\n"),
        lambda note: note.replace(b"=\n", b"= \n"),
        lambda note: note.replace(b"changes ", "changes\u00a0 ".encode()),
        lambda note: note.replace(b"changes ", b"cha+nges "),
        lambda note: b"",
        lambda note: b"\n\n",
    ],
)
def test_what_is_not_a_note_is_refused(damage: object) -> None:
    assert callable(damage)
    with pytest.raises(Refused, match="NOTE_MALFORMED"):
        parse_note(damage(NOTE))


def test_every_flipped_bit_of_a_note_is_refused() -> None:
    for at in range(len(NOTE)):
        for bit in range(8):
            changed = NOTE[:at] + bytes([NOTE[at] ^ 1 << bit]) + NOTE[at + 1 :]
            with pytest.raises(Refused):
                open_note(changed, [LOG.key])


@given(st.binary(max_size=300))
def test_any_bytes_are_a_note_or_refused(body: bytes) -> None:
    code = "NOTE_MALFORMED"
    try:
        again = parse_note(body).encode()
    except Refused as refused:
        again, code = body, refused.code
    assert (again, code) == (body, "NOTE_MALFORMED")


@given(KEY_NAMES, st.binary(min_size=32, max_size=32), st.text(st.characters(codec="utf-8", min_codepoint=32)))
def test_signing_opening_and_key_texts_are_inverse(name: str, seed: bytes, line: str) -> None:
    signer = NoteSigner(name, seed)
    text = f"{line}\n".encode()
    assert open_note(sign_note(text, signer), [VerifierKey.parse(signer.key.encode())]).text == text
    assert NoteSigner.parse(signer.encode_private() + "\n").key == signer.key


def test_private_keys_are_not_shown() -> None:
    private = LOG.encode_private()
    secret = private.rsplit("+", 1)[1]
    assert base64.b64decode(secret) == b"\x01" + bytes([1]) * 32
    assert secret not in repr(LOG)
    for damaged in (
        private.replace("PRIVATE+KEY", "PRIVATE+KEYS"),
        private[:-4],
        private.replace(ORIGIN, "another.example"),
        private + "\n\n",
        private.replace(secret, base64.b64encode(b"\x06" + bytes([1]) * 32).decode()),
    ):
        with pytest.raises(Refused) as caught:
            NoteSigner.parse(damaged)
        assert secret[:12] not in f"{caught.value} {caught.value.found} {caught.value.expected}"


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "name",
        "name+00000000+",
        "na me" + LOG.key.encode().removeprefix(ORIGIN),
        LOG.key.encode().replace("+", "++", 1),
        LOG.key.encode() + "=",
        LOG.key.encode() + "\n",
        LOG.key.encode().removesuffix("=") + "A",
        LOG.key.encode().replace(LOG.key.key_id.hex(), LOG.key.key_id.hex().upper()),
        LOG.key.encode().replace(LOG.key.key_id.hex(), "00000000"),
        LOG.encode_private(),
    ],
)
def test_what_is_not_a_vkey_is_refused(vkey: str) -> None:
    with pytest.raises(Refused, match="NOTE_MALFORMED"):
        VerifierKey.parse(vkey)


def test_a_log_key_does_not_cosign_and_a_witness_key_does_not_sign() -> None:
    seed = bytes([7]) * 32
    as_log, as_witness = NoteSigner("k.example", seed), NoteSigner("k.example", seed, key_type=ED25519_COSIGNATURE)
    assert as_log.key.public_key == as_witness.key.public_key
    assert as_log.key.key_id != as_witness.key.key_id
    text = CHECKPOINT.encode()
    relabelled = NoteSignature("k.example", as_log.key.key_id, as_witness.cosign(text, 1).signature[8:])
    with pytest.raises(Refused, match="NOTE_UNVERIFIED"):
        open_note(Note(text, (relabelled,)).encode(), [as_log.key])
