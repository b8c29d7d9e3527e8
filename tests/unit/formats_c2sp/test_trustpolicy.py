from __future__ import annotations

import hashlib

import pytest

from tests.unit.formats_c2sp.keys import (
    CHECKPOINT,
    LOG,
    ORIGIN,
    OTHER_LOG,
    ROOT,
    WITNESSES,
    cosigned,
    did,
    log_policy,
    trust_text,
)
from trustlog.errors import Refused
from trustlog.formats.checkpoint import Checkpoint
from trustlog.formats.didkey import encode_did_key
from trustlog.formats.note import Note, parse_note, sign_note
from trustlog.formats.trustpolicy import ROLES, TrustPolicy, Window, check_checkpoint_age, open_checkpoint

ROLES_TEXT = f"""
[roles]
gateways = ["{did(50)}", {{did = "{did(51)}", from_index = 10, until_index = 20}}, {{did = "{did(51)}", from_index = 30}}]
agents = ["{did(52)}"]
gates = []
[quorums]
roster = 2
[[identity_providers]]
issuer = "https://idp.example"
audience = "trustlog"
algorithms = ["RS256", "ES256"]
"""
BODY = trust_text(log_policy(), ROLES_TEXT, 'absence = "gate"')
TRUST = TrustPolicy.parse(BODY)


def test_all_members_are_read() -> None:
    assert TRUST.sha256 == hashlib.sha256(BODY).digest()
    assert TRUST.origin == ORIGIN
    assert TRUST.log_keys == (LOG.key,)
    assert TRUST.absence == "gate"
    assert TRUST.allow_unwitnessed is False
    assert TRUST.max_checkpoint_age_s == 300
    assert TRUST.quorums == {"roster": 2, "policy": 1}
    assert TRUST.roles["gateways"][1] == Window(did(51), 10, 20)
    assert set(TRUST.roles) == set(ROLES)
    assert TRUST.identity_providers[0].algorithms == ("RS256", "ES256")


def test_what_is_not_said_is_the_strict_reading() -> None:
    trust = TrustPolicy.parse(trust_text(log_policy()))
    assert trust.absence == "log"
    assert trust.quorums == {"roster": 1, "policy": 1}
    assert all(windows == () for windows in trust.roles.values())


def test_windows_are_half_open() -> None:
    assert TRUST.role_at(did(50), 0) == "gateways"
    held = [index for index in range(40) if TRUST.role_at(did(51), index) == "gateways"]
    assert held == [*range(10, 20), *range(30, 40)]
    assert TRUST.role_at(did(52), 2**62) == "agents"
    assert TRUST.role_at(did(53), 5) is None
    assert TRUST.role_of(did(51)) == "gateways"
    assert TRUST.role_of(did(53)) is None


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"\xff", None),
        (b"= x", None),
        (b"a = " + b"[" * 100_000, None),
        (b"a = 1" + b"0" * 10_000, None),
        (b"x" * 2_000_000, None),
        (b"", "log.policy"),
        (trust_text("quorum none\n", head="allow_unwitnessed = true"), "log.policy"),
        (trust_text(log_policy("quorum none")), "log.policy"),
        (trust_text(log_policy("")), None),
        (trust_text(log_policy(), head="trusted = true"), "trusted"),
        (trust_text(log_policy(), "max_age = 3"), "log.max_age"),
        (trust_text(log_policy(), "max_checkpoint_age_s = -1"), "log.max_checkpoint_age_s"),
        (trust_text(log_policy(), "max_checkpoint_age_s = 1.5"), "log.max_checkpoint_age_s"),
        (trust_text(log_policy(), "max_checkpoint_age_s = true"), "log.max_checkpoint_age_s"),
        (trust_text(log_policy(), head="allow_unwitnessed = 1"), "allow_unwitnessed"),
        (trust_text(log_policy(), head='absence = "none"'), "absence"),
        (trust_text(log_policy(), head="roles = 3"), "roles"),
        (trust_text(log_policy(), "[roles]\ngateway = []"), "roles.gateway"),
        (trust_text(log_policy(), "[roles]\nagents = 'x'"), "roles.agents"),
        (trust_text(log_policy(), "[roles]\nagents = ['did:web:example.com']"), "roles.agents[0].did"),
        (trust_text(log_policy(), "[roles]\nagents = [3]"), "roles.agents[0]"),
        (trust_text(log_policy(), "[roles]\nagents = [{from_index = 3}]"), "roles.agents[0].did"),
        (trust_text(log_policy(), f"[roles]\nagents = [{{did = '{did(50)}', until = 3}}]"), "roles.agents[0].until"),
        (trust_text(log_policy(), f"[roles]\nagents = [{{did = '{did(50)}', until_index = 0}}]"), "roles.agents[0]"),
        (
            trust_text(log_policy(), f"[roles]\nagents = [{{did = '{did(50)}', from_index = -1}}]"),
            "roles.agents[0].from_index",
        ),
        (trust_text(log_policy(), f"[roles]\nagents = ['{did(50)}']\ngates = ['{did(50)}']"), "roles.gates"),
        (trust_text(log_policy(), "[quorums]\nroster = 0"), "quorums.roster"),
        (trust_text(log_policy(), "[quorums]\nrosters = 1"), "quorums.rosters"),
        (
            trust_text(log_policy(), "[[identity_providers]]\nissuer = 'x'\naudience = 'y'"),
            "identity_providers[0].algorithms",
        ),
        (
            trust_text(log_policy(), "[[identity_providers]]\nissuer = 'x'\naudience = 'y'\nalgorithms = ['none']"),
            "identity_providers[0].algorithms",
        ),
        (trust_text(log_policy(), "[identity_providers]\nissuer = 'x'"), "identity_providers"),
    ],
)
def test_anything_else_is_refused_at_its_place(body: bytes, param: str | None) -> None:
    with pytest.raises(Refused, match="TRUST_POLICY_INVALID") as caught:
        TrustPolicy.parse(body)
    assert caught.value.param == param


def test_a_log_or_witness_key_has_no_role() -> None:
    for key in (LOG.key, WITNESSES["w1"].key):
        with pytest.raises(Refused, match="two uses"):
            TrustPolicy.parse(trust_text(log_policy(), f"[roles]\ngates = ['{encode_did_key(key.public_key)}']"))


def test_one_log_under_one_origin() -> None:
    other = OTHER_LOG.key.encode()
    assert len(TrustPolicy.parse(trust_text(f"log {other}\n" + log_policy())).log_keys) == 2
    renamed = WITNESSES["w1"].key.encode()
    with pytest.raises(Refused):
        TrustPolicy.parse(trust_text(f"log {renamed}\n" + log_policy()))


def test_a_checkpoint_needs_log_and_quorum() -> None:
    trusted = open_checkpoint(cosigned(w1=100, w3=130), TRUST)
    assert trusted.checkpoint == CHECKPOINT
    assert trusted.cosigned_by == {"w1": 100, "w3": 130}
    for note, code in [
        (cosigned(), "QUORUM_NOT_MET"),
        (cosigned(w2=1), "QUORUM_NOT_MET"),
        (sign_note(CHECKPOINT.encode(), OTHER_LOG), "NOTE_UNVERIFIED"),
        (cosigned(Checkpoint("other.example", 1, ROOT), w1=1, w2=1), "ORIGIN_MISMATCH"),
        (b"nothing", "NOTE_MALFORMED"),
        (sign_note(b"not a checkpoint\n", LOG), "CHECKPOINT_MALFORMED"),
    ]:
        with pytest.raises(Refused) as caught:
            open_checkpoint(note, TRUST)
        assert caught.value.code == code


def test_witnesses_alone_do_not_make_a_checkpoint() -> None:
    note = parse_note(cosigned(w1=1, w2=1, w3=1))
    with pytest.raises(Refused, match="the log did not sign"):
        open_checkpoint(Note(note.text, note.signatures[1:]).encode(), TRUST)


def test_a_bad_cosignature_rejects_the_checkpoint_even_with_a_quorum_beside_it() -> None:
    note = parse_note(cosigned(w1=1, w2=1))
    elsewhere = parse_note(cosigned(Checkpoint(ORIGIN, 9, ROOT), w3=1)).signatures[-1]
    with pytest.raises(Refused, match="NOTE_UNVERIFIED"):
        open_checkpoint(Note(note.text, (*note.signatures, elsewhere)).encode(), TRUST)


def test_age_is_by_witness_time() -> None:
    trusted = open_checkpoint(cosigned(w1=1000, w2=1200), TRUST)
    assert check_checkpoint_age(trusted, TRUST, 1300)
    with pytest.raises(Refused, match="CHECKPOINT_STALE"):
        check_checkpoint_age(trusted, TRUST, 1301)
    assert check_checkpoint_age(trusted, TRUST, 1301, max_age_s=301)
    unwitnessed = TrustPolicy.parse(trust_text(log_policy("quorum none"), head="allow_unwitnessed = true"))
    trusted = open_checkpoint(cosigned(), unwitnessed)
    assert check_checkpoint_age(trusted, unwitnessed, 10**9) is False
