"""ML-DSA-44 cosignatures: laid out as the specification says, counted like any other, ignored where they cannot be checked."""

from __future__ import annotations

import base64
import hashlib
from functools import cache

import pytest

from tests.verifier.logbuilder import Key, LogBuilder, b64
from tests.verifier.printed import PrintedStep, check_every_step
from verifier import mldsa
from verifier.checkpoint import Checkpoint, parse_checkpoint
from verifier.errors import Refused
from verifier.explain.checkpoint import explain_checkpoint
from verifier.explain.text import render_chapters
from verifier.limits import MAX_NOTE_BYTES
from verifier.note import check_signatures, parse_note, parse_verifier_key
from verifier.trust import TrustPolicy, parse_trust_policy
from verifier.trustedcheckpoint import open_checkpoint
from verifier.unproven import unwitnessed

signing = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.mldsa", reason="the extra mldsa is not installed")
NAME = "witness.example/pq"
ORIGIN = "log.example/changes"
TIME_S = 1_772_360_400


class Witness:
    """A throw-away ML-DSA-44 key; messages are assembled here by hand, field after field."""

    def __init__(self, seed: str) -> None:
        self._key = signing.MLDSA44PrivateKey.from_seed_bytes(hashlib.sha256(seed.encode()).digest())
        self.public = self._key.public_key().public_bytes_raw()

    def key_id(self, name: str = NAME) -> bytes:
        return hashlib.sha256(name.encode() + b"\n\x06" + self.public).digest()[:4]

    def vkey(self, name: str = NAME) -> str:
        return f"{name}+{self.key_id(name).hex()}+{b64(bytes([6]) + self.public)}"

    def line(self, text: str, time_s: int = TIME_S, *, name: str = NAME, start: int = 0) -> str:
        origin, size, root, *_ = text.split("\n")
        message = b"".join(
            (
                bytes.fromhex("73 75 62 74 72 65 65 2f 76 31 0a 00"),  # subtree/v1, LF, NUL
                bytes([len(name)]),
                name.encode(),
                time_s.to_bytes(8, "big"),
                bytes([len(origin)]),
                origin.encode(),
                start.to_bytes(8, "big"),
                int(size).to_bytes(8, "big"),
                base64.b64decode(root),
            )
        )
        return f"\u2014 {name} {b64(self.key_id(name) + time_s.to_bytes(8, 'big') + self._key.sign(message))}\n"


@cache
def witness(seed: str = "one") -> Witness:
    return Witness(seed)


@pytest.fixture(scope="module")
def log() -> LogBuilder:
    log = LogBuilder(ORIGIN)
    for number in range(5):
        log.add("gateway_receipt", b"%d" % number, refs={}, signer=Key("gateway"))
    return log


def trust(*lines: str, quorum: str = "w") -> TrustPolicy:
    key = LogBuilder(ORIGIN).key
    policy = "\n".join([f"log {key.vkey(ORIGIN)}", f"witness w {witness().vkey()}", *lines, f"quorum {quorum}"])
    return parse_trust_policy(f"allow_unwitnessed = true\n[log]\npolicy = '''\n{policy}\n'''\n".encode())


def text_of(note: str) -> str:
    return note.partition("\n\n")[0] + "\n"


def test_the_signed_message_is_the_structure_of_the_specification() -> None:
    message = mldsa.encode_message("a", 2, Checkpoint("bc", 3, bytes(range(32))))
    assert message == b"subtree/v1\n\0\1a" + b"\0\0\0\0\0\0\0\2\2bc" + bytes(8) + b"\0\0\0\0\0\0\0\3" + bytes(range(32))


@pytest.mark.parametrize("name", ["", "x" * 256])
def test_a_name_that_the_structure_cannot_hold_has_no_message(name: str) -> None:
    assert mldsa.encode_message(name, 2, Checkpoint("bc", 3, bytes(32))) is None
    assert mldsa.encode_message("bc", 2, Checkpoint(name, 3, bytes(32))) is None


def test_names_of_255_bytes_still_have_a_message() -> None:
    assert mldsa.encode_message("x" * 255, 2, Checkpoint("y" * 255, 3, bytes(32))) is not None


@pytest.mark.parametrize("text", ["no checkpoint\n", f"{'x' * 256}\n1\n{b64(bytes(32))}\n"])
def test_over_what_it_cannot_cover_it_rejects_the_note(log: LogBuilder, text: str) -> None:
    note = text + "\n" + witness().line(text_of(log.note()))
    with pytest.raises(Refused, match="NOTE_UNVERIFIED"):
        check_signatures(parse_note(note.encode()), [parse_verifier_key(witness().vkey())])


def test_it_counts_for_the_quorum_with_its_time(log: LogBuilder) -> None:
    note = log.note() + witness().line(text_of(log.note()))
    opened = open_checkpoint(note.encode(), trust())
    assert [(key.name, time_s) for key, time_s in opened.cosigned] == [(NAME, TIME_S)]
    assert opened.quorum_time_s(trust().log_policy) == TIME_S


def test_it_counts_in_a_group_beside_ed25519(log: LogBuilder) -> None:
    other = Key("other witness")
    policy = trust(f"witness e {other.vkey('e.example', 4)}", "group g all w e", quorum="g")
    note = log.note(cosigners=(("e.example", other, TIME_S),))
    with pytest.raises(Refused, match="QUORUM_NOT_MET"):
        open_checkpoint(note.encode(), policy)
    opened = open_checkpoint((note + witness().line(text_of(note))).encode(), policy)
    assert len(opened.cosigned) == 2


def test_without_a_time_it_counts_but_tells_none(log: LogBuilder) -> None:
    opened = open_checkpoint((log.note() + witness().line(text_of(log.note()), 0)).encode(), trust())
    assert opened.cosigned == ()
    assert opened.quorum_time_s(trust().log_policy) is None


def test_extension_lines_are_not_signed(log: LogBuilder) -> None:
    key = log.key
    text = text_of(log.note())
    extended = f"{text}extension\n"
    note = f"{extended}\n{key.note_line(ORIGIN, extended)}{witness().line(text)}"
    assert open_checkpoint(note.encode(), trust()).checkpoint.extensions == ("extension",)


@pytest.mark.parametrize("what", ["bit", "short", "subtree", "other key", "other text", "other time"])
def test_a_wrong_one_rejects_the_whole_note(log: LogBuilder, what: str) -> None:
    text = text_of(log.note())
    line = witness().line(text)
    head, _, encoded = line.strip().rpartition(" ")
    data = bytearray(base64.b64decode(encoded))
    match what:
        case "bit":
            data[-1] ^= 1
        case "short":
            del data[-1]
        case "subtree":
            data = bytearray(base64.b64decode(witness().line(text, start=1).split()[-1]))
        case "other key":
            data[12:] = base64.b64decode(witness("two").line(text).split()[-1])[12:]
        case "other text":
            data = bytearray(base64.b64decode(witness().line(text_of(log.note(4))).split()[-1]))
        case _:
            data[11] ^= 1
    with pytest.raises(Refused, match="NOTE_UNVERIFIED"):
        open_checkpoint(f"{log.note()}{head} {b64(bytes(data))}\n".encode(), trust())


def test_where_it_cannot_be_checked_it_is_an_unknown_keys_and_the_refusal_says_so(
    log: LogBuilder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mldsa, "_checker", lambda: None)
    note = (log.note() + witness().line(text_of(log.note()))).encode()
    assert open_checkpoint(note, trust(quorum="none")).unknown_signatures == 1
    with pytest.raises(Refused, match="QUORUM_NOT_MET") as refused:
        open_checkpoint(note, trust())
    assert "cryptography 48" in (refused.value.found or "")


def test_a_log_may_sign_with_ml_dsa_as_well(log: LogBuilder) -> None:
    text = text_of(log.note())
    policy = f"log {witness().vkey(ORIGIN)}\nquorum none"
    pinned = parse_trust_policy(f"allow_unwitnessed = true\n[log]\npolicy = '''\n{policy}\n'''\n".encode())
    note = f"{text}\n{witness().line(text, 0, name=ORIGIN)}"
    assert open_checkpoint(note.encode(), pinned).checkpoint == parse_checkpoint(text)


def test_twenty_of_them_fit_into_a_note(log: LogBuilder) -> None:
    note = log.note() + witness().line(text_of(log.note())) * 20
    assert len(note) < MAX_NOTE_BYTES
    assert len(open_checkpoint(note.encode(), trust()).cosigned) == 1


def test_a_vkey_with_a_key_of_another_length_is_refused() -> None:
    public = witness().public[:-1]
    key_id = hashlib.sha256(NAME.encode() + b"\n\x06" + public).digest()[:4]
    with pytest.raises(Refused, match="TRUST_POLICY_INVALID"):
        parse_verifier_key(f"{NAME}+{key_id.hex()}+{b64(bytes([6]) + public)}")


def explain(note: str, policy: TrustPolicy) -> tuple[str, list[PrintedStep]]:
    text = render_chapters([explain_checkpoint(note.encode(), policy)])
    return text, check_every_step(text)


def test_the_explanation_builds_the_signed_structure_part_by_part_and_can_be_followed(log: LogBuilder) -> None:
    text = text_of(log.note())
    printed, steps = explain(log.note() + witness().line(text), trust())
    built = next(step for step in steps if (step.formula or "").startswith("label ‖ "))
    assert built.outputs == [mldsa.encode_message(NAME, TIME_S, parse_checkpoint(text))]
    assert [step.holds for step in steps if (step.formula or "").startswith("ML-DSA-44")] == [True]
    assert "SHA-256(name ‖ LF ‖ 0x06 ‖ public key)[:4]" in printed
    assert f"{TIME_S} s after 1970" in printed


def test_the_explanation_says_of_a_wrong_one_that_it_does_not_hold(log: LogBuilder) -> None:
    other = text_of(log.note(4))
    _, steps = explain(log.note() + witness().line(other), trust())
    assert [step.holds for step in steps if (step.formula or "").startswith("ML-DSA-44")] == [False]


def test_the_explanation_says_that_one_states_no_time(log: LogBuilder) -> None:
    printed, _ = explain(log.note() + witness().line(text_of(log.note()), 0), trust())
    assert "which says no time" in printed


def test_the_explanation_says_where_it_cannot_be_checked(log: LogBuilder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mldsa, "_checker", lambda: None)
    chapter = explain_checkpoint((log.note() + witness().line(text_of(log.note()))).encode(), trust())
    assert chapter.steps[-1].holds is None
    assert "cryptography 48" in (chapter.steps[-1].note or "")


@pytest.mark.parametrize("text", ["not a checkpoint\n", f"{'x' * 256}\n5\n{b64(bytes(32))}\n"])
def test_the_explanation_of_one_over_no_checkpoint_says_that_nothing_holds(log: LogBuilder, text: str) -> None:
    note = text + "\n" + witness().line(text_of(log.note()))
    chapter = explain_checkpoint(note.encode(), trust())
    assert chapter.steps[-1].holds is False


@pytest.mark.parametrize("quorum", ["none", "w"])
def test_a_verdict_says_which_cosignatures_it_could_not_check(monkeypatch: pytest.MonkeyPatch, quorum: str) -> None:
    said = f"what these pinned witnesses signed with ML-DSA-44, which cannot be checked {mldsa.WITHOUT}: {NAME}"
    assert said not in unwitnessed(trust(quorum=quorum))
    monkeypatch.setattr(mldsa, "_checker", lambda: None)
    assert said in unwitnessed(trust(quorum=quorum))
