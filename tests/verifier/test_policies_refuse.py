"""Log policies and trust policies: each rule on both of its sides."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.verifier.changebuilder import ROLE_KEYS, trust_toml
from tests.verifier.logbuilder import Key, b64
from verifier.errors import Refused
from verifier.limits import MAX_POLICY_KEYS, MAX_TREE_SIZE, MAX_TRUST_BYTES
from verifier.note import VerifierKey, parse_verifier_key
from verifier.policy_text import parse_log_policy
from verifier.trust import Role, TrustPolicy, parse_trust_policy
from verifier.trustedcheckpoint import TrustedCheckpoint, open_checkpoint

LOG = f"log {Key('log').vkey('log.example/a')}"
WITNESSES = [f"witness w{number} {Key(f'witness {number}').vkey(f'w{number}.example', 4)}" for number in range(4)]
THREE = "\n".join([LOG, *WITNESSES[:3]])


def key_of(number: int) -> VerifierKey:
    return parse_verifier_key(WITNESSES[number].split()[2])


def refused(parse: Callable[[], object]) -> Refused:
    with pytest.raises(Refused) as caught:
        parse()
    assert caught.value.code == "TRUST_POLICY_INVALID"
    return caught.value


# --- the C2SP text


def test_urls_comments_and_blanks_are_read() -> None:
    text = f"# a comment\n\n  {LOG} https://log.example/ \t\n{WITNESSES[0]}\thttps://w.example/\nquorum  w0\n#"
    policy = parse_log_policy(text.encode())
    assert policy.log_urls == ("https://log.example/",)
    assert [name for name, _ in policy.witnesses] == ["w0"]
    assert parse_log_policy(f"{LOG}\nquorum none".encode()).log_urls == (None,)


@pytest.mark.parametrize(
    "text",
    [
        f"{LOG}",
        f"{LOG}\nquorum none\nquorum none",
        f"{LOG}\nquorum",
        f"{LOG}\nquorum none none",
        f"{LOG}\nquorum w0",
        f"{LOG} https://a https://b\nquorum none",
        "log\nquorum none",
        f"{LOG}\nwitness w0\nquorum none",
        f"{LOG}\n{WITNESSES[0]} https://a https://b\nquorum none",
        f"{LOG}\n{WITNESSES[0]}\n{WITNESSES[0]}\nquorum none",
        f"{LOG}\n{WITNESSES[0]}\n{WITNESSES[0].replace('w0 ', 'other ')}\nquorum none",
        f"{LOG}\n{LOG}\nquorum none",
        f"{LOG}\n{WITNESSES[0].replace('w0 ', 'none ')}\nquorum none",
        f"{LOG}\nlog {WITNESSES[0].split()[2]}\nquorum none",  # a cosigning key signs no checkpoints
        f"{LOG}\nwitness w {Key('w').vkey('w.example')}\nquorum none",
        f"{THREE}\ngroup g any\nquorum none",
        f"{THREE}\ngroup g 1\nquorum none",
        f"{THREE}\ngroup none 1 w0\nquorum none",
        f"{THREE}\ngroup w1 1 w0\nquorum none",
        f"{THREE}\ngroup g 1 w0\ngroup g 1 w1\nquorum none",
        f"{THREE}\ngroup g 1 w0 w0\nquorum none",
        f"{THREE}\ngroup g 1 w0\ngroup h 1 w0\nquorum none",
        f"{THREE}\ngroup g 1 w9\nquorum none",
        f"{THREE}\ngroup g 1 g\nquorum none",
        f"{THREE}\ngroup g 0 w0\nquorum none",
        f"{THREE}\ngroup g 2 w0\nquorum none",
        f"{THREE}\ngroup g 01 w0\nquorum none",
        f"{THREE}\ngroup g most w0\nquorum none",
        f"{LOG}\nlogs\nquorum none",
        f"{LOG}\nquorum none\r\n",
        f"{LOG}\x7f\nquorum none",
        f"# \x07\n{LOG}\nquorum none",
        f"{LOG} https://log.example/\x7f\nquorum none",
    ],
)
def test_what_is_no_policy_is_refused(text: str) -> None:
    refused(lambda: parse_log_policy(text.encode()))


def test_a_refusal_names_the_line() -> None:
    assert "line 3" in refused(lambda: parse_log_policy(f"\n{LOG}\nnonsense\n".encode())).detail


@pytest.mark.parametrize(("rule", "needed"), [("all", 3), ("any", 1), ("1", 1), ("2", 2), ("3", 3)])
def test_a_group_is_met_by_as_many_as_it_says(rule: str, needed: int) -> None:
    policy = parse_log_policy(f"{THREE}\ngroup g {rule} w0 w1 w2\nquorum g".encode())
    assert [policy.is_met([key_of(number) for number in range(count)]) for count in range(4)] == [
        count >= needed for count in range(4)
    ]


def test_a_group_may_have_one_member_and_be_a_member() -> None:
    policy = parse_log_policy(f"{THREE}\ngroup g 1 w0\ngroup h all g w1\nquorum h".encode())
    assert [group.name for group in policy.groups] == ["g", "h"]
    assert policy.is_met([key_of(0), key_of(1)])
    assert not policy.is_met([key_of(0), key_of(2)])


def test_without_a_quorum_every_set_of_witnesses_will_do() -> None:
    assert parse_log_policy(f"{THREE}\nquorum none".encode()).is_met([])


def test_a_policy_may_name_as_many_keys_as_its_bound() -> None:
    def policy(count: int) -> bytes:
        keys = [f"witness w{number} {Key(f'many {number}').vkey('w.example', 4)}" for number in range(count)]
        return "\n".join([LOG, *keys, "quorum none"]).encode()

    assert len(parse_log_policy(policy(MAX_POLICY_KEYS)).witnesses) == MAX_POLICY_KEYS
    refused(lambda: parse_log_policy(policy(MAX_POLICY_KEYS + 1)))


# --- the trust policy


def parse(text: str) -> TrustPolicy:
    return parse_trust_policy(text.encode())


def with_log(rest: str = "", *, quorum: str = "none", top: str = "allow_unwitnessed = true\n", lines: str = LOG) -> str:
    return f"{top}[log]\npolicy = '''\n{lines}\nquorum {quorum}\n'''\n{rest}"


DID, OTHER = Key("a").did, Key("b").did


def test_what_is_absent_has_its_default() -> None:
    trust = parse(with_log())
    assert trust.max_checkpoint_age_s == 300
    assert (trust.roster_quorum, trust.policy_quorum) == (1, 1)
    assert (trust.allow_unwitnessed, trust.gate_attests_absence) == (True, False)
    assert all(trust.windows[role] == () for role in Role)


def test_what_is_written_is_read() -> None:
    top = 'allow_unwitnessed = false\nabsence = "gate"\n'
    rest = "max_checkpoint_age_s = 1\n[quorums]\nroster = 2\npolicy = 3\n"
    provider = '[[identity_providers]]\nissuer = "https://i"\naudience = "a"\nalgorithms = ["RS256"]\n'
    trust = parse(with_log(rest + provider, quorum="w0", top=top, lines=f"{LOG}\n{WITNESSES[0]}"))
    assert (trust.max_checkpoint_age_s, trust.roster_quorum, trust.policy_quorum) == (1, 2, 3)
    assert (trust.allow_unwitnessed, trust.gate_attests_absence) == (False, True)


def test_a_window_is_half_open() -> None:
    trust = parse(with_log(f'[roles]\ngates = [{{did = "{DID}", from_index = 3, until_index = 5}}, "{OTHER}"]\n'))
    assert [trust.has_role(DID, Role.GATE, index) for index in range(2, 6)] == [False, True, True, False]
    assert trust.has_role(OTHER, Role.GATE, 0)
    assert trust.has_role(OTHER, Role.GATE, MAX_TREE_SIZE - 1)
    assert not trust.has_role(OTHER, Role.AGENT, 0)
    assert not trust.has_role(ROLE_KEYS["gates"].did, Role.GATE, 4)


def test_a_key_of_the_log_a_witness_or_a_role_is_nobodys_own() -> None:
    trust = parse(with_log(f'[roles]\ngates = ["{DID}"]\n', lines=f"{LOG}\n{WITNESSES[0]}"))
    assert trust.reserved_keys() == {Key("log").public, Key("witness 0").public, Key("a").public}


ROLES = "[roles]\n"
PROVIDER = '[[identity_providers]]\nissuer = "i"\naudience = "a"\n'


@pytest.mark.parametrize(
    "text",
    [
        with_log("unknown = 1\n"),
        with_log("[unknown]\n"),
        with_log("[roles]\nunknown = []\n"),
        with_log("[quorums]\nunknown = 1\n"),
        with_log(top="unknown = 1\nallow_unwitnessed = true\n"),
        with_log(top=""),  # no quorum, and not allowed
        with_log(top="allow_unwitnessed = 1\n"),
        with_log(top='allow_unwitnessed = true\nabsence = "nobody"\n'),
        with_log(top="allow_unwitnessed = true\nabsence = true\n"),
        with_log(top="allow_unwitnessed = true\nroles = 1\n"),
        with_log("max_checkpoint_age_s = 0\n"),
        with_log("max_checkpoint_age_s = true\n"),
        with_log('max_checkpoint_age_s = "1"\n'),
        with_log(f"max_checkpoint_age_s = {2**63 - 1}1\n"),
        with_log("[quorums]\nroster = 0\n"),
        with_log("[quorums]\npolicy = 0\n"),
        "allow_unwitnessed = true\n[log]\n",
        "allow_unwitnessed = true\n[log]\npolicy = ''\n",
        "allow_unwitnessed = true\n[log]\npolicy = 1\n",
        "allow_unwitnessed = true\n",
        "not toml",
        with_log(lines=f"{LOG}\nlog {Key('other').vkey('other.example')}"),
        with_log(lines=f"{LOG}\nwitness w {Key('log').vkey('w.example', 4)}"),
        with_log(f'{ROLES}gates = "{DID}"\n'),
        with_log("[roles.gates]\n"),
        with_log(f"{ROLES}gates = [1]\n"),
        with_log(PROVIDER.replace('"i"', '""') + 'algorithms = ["RS256"]\n'),
        with_log(f'{ROLES}gates = ["did:web:a"]\n'),
        with_log(f'{ROLES}gates = [{{did = "{DID}", unknown = 1}}]\n'),
        with_log(f"{ROLES}gates = [{{from_index = 1}}]\n"),
        with_log(f'{ROLES}gates = [{{did = "{DID}", from_index = -1}}]\n'),
        with_log(f'{ROLES}gates = [{{did = "{DID}", from_index = 2, until_index = 1}}]\n'),
        with_log(f'{ROLES}gates = ["{DID}"]\nagents = ["{DID}"]\n'),
        with_log(f'{ROLES}gates = ["{Key("log").did}"]\n'),
        with_log(f'{ROLES}gates = ["{Key("witness 0").did}"]\n', lines=f"{LOG}\n{WITNESSES[0]}"),
        with_log(PROVIDER),
        with_log(f"{PROVIDER}algorithms = []\n"),
        with_log(f'{PROVIDER}algorithms = "RS256"\n'),
        with_log(f"{PROVIDER}algorithms = [1]\n"),
        with_log(f'{PROVIDER}algorithms = ["RS256", "None"]\n'),
        with_log(f'{PROVIDER}algorithms = ["RS256"]\nunknown = 1\n'),
        with_log(f'{PROVIDER.replace("issuer", "#")}algorithms = ["RS256"]\n'),
        with_log(f'{PROVIDER.replace("audience", "#")}algorithms = ["RS256"]\n'),
        with_log(top="allow_unwitnessed = true\nidentity_providers = 1\n"),
        with_log(top="allow_unwitnessed = true\nidentity_providers = [1]\n"),
    ],
)
def test_what_is_no_trust_policy_is_refused(text: str) -> None:
    refused(lambda: parse(text))


def test_a_trust_policy_may_be_as_long_as_its_bound() -> None:
    text = trust_toml()
    longest = text + b"#" * (MAX_TRUST_BYTES - len(text))
    assert parse_trust_policy(longest).roster_quorum == 1
    refused(lambda: parse_trust_policy(longest + b"#"))
    refused(lambda: parse_trust_policy(text + b"# \xff"))


def test_one_key_may_have_several_windows_in_its_role() -> None:
    windows = f'{{did = "{DID}", until_index = 1}}, {{did = "{DID}", from_index = 5}}'
    trust = parse(with_log(f"[roles]\ngates = [{windows}]\n"))
    assert [trust.has_role(DID, Role.GATE, index) for index in (0, 1, 4, 5)] == [True, False, False, True]


# --- times of a quorum


def test_a_quorum_is_as_old_as_its_last_and_as_fresh_as_its_weakest_member() -> None:
    policy = parse_log_policy(f"{THREE}\ngroup g 2 w0 w1 w2\nquorum g".encode())
    cosigned = tuple((key_of(number), time_s) for number, time_s in ((0, 30), (1, 10), (2, 20)))
    checkpoint = TrustedCheckpoint(None, cosigned, 0)  # type: ignore[arg-type]
    assert (checkpoint.quorum_time_s(policy), checkpoint.fresh_time_s(policy)) == (20, 20)
    alone = TrustedCheckpoint(None, cosigned[:1], 0)  # type: ignore[arg-type]
    assert (alone.quorum_time_s(policy), alone.fresh_time_s(policy)) == (None, None)
    two = TrustedCheckpoint(None, cosigned[:2], 0)  # type: ignore[arg-type]
    assert (two.quorum_time_s(policy), two.fresh_time_s(policy)) == (30, 10)
    unwitnessed = parse_log_policy(f"{LOG}\nquorum none".encode())
    assert (checkpoint.quorum_time_s(unwitnessed), checkpoint.fresh_time_s(unwitnessed)) == (None, None)


# --- a checkpoint under a trust policy

TEXT = f"log.example/a\n1\n{b64(bytes(32))}\n"
WITNESS = Key("witness 0").cosignature_line("w0.example", TEXT, 7)
WITNESSED = with_log(quorum="w0", lines=f"{LOG}\n{WITNESSES[0]}")


def opened(*lines: str, text: str = TEXT, policy: str = WITNESSED, need_quorum: bool = True) -> TrustedCheckpoint:
    return open_checkpoint(f"{text}\n{''.join(lines)}".encode(), parse(policy), need_quorum=need_quorum)


def code_of(*lines: str, text: str = TEXT, policy: str = WITNESSED) -> str:
    with pytest.raises(Refused) as caught:
        opened(*lines, text=text, policy=policy)
    return caught.value.code


def signed(text: str = TEXT, *, name: str = "log.example/a") -> str:
    return Key("log").note_line(name, text)


def test_a_checkpoint_is_opened_by_its_log_and_its_quorum() -> None:
    found = opened(signed(), WITNESS)
    assert found.checkpoint.size == 1
    assert [(key.name, time_s) for key, time_s in found.cosigned] == [("w0.example", 7)]
    assert found.unknown_signatures == 0


def test_a_quorum_of_witnesses_without_the_log_opens_nothing() -> None:
    assert code_of(WITNESS) == "NOTE_UNVERIFIED"


def test_a_log_without_the_quorum_opens_nothing_unless_none_is_needed() -> None:
    with pytest.raises(Refused, match="QUORUM_NOT_MET") as caught:
        opened(signed())
    assert (caught.value.expected, caught.value.found) == ("quorum w0", "0 cosignatures of pinned witnesses")
    assert opened(signed(), need_quorum=False).cosigned == ()
    assert opened(signed(), policy=with_log()).cosigned == ()


def test_the_origin_is_the_name_of_the_key_that_signed() -> None:
    other = TEXT.replace("log.example/a", "log.example/b")
    assert code_of(signed(other), text=other, policy=with_log()) == "ORIGIN_MISMATCH"


def test_lines_of_other_keys_are_counted_once_each() -> None:
    other = Key("other").note_line("other.example", TEXT)
    assert opened(signed(), other, other, policy=with_log()).unknown_signatures == 1


def test_what_is_signed_and_no_checkpoint_is_refused() -> None:
    text = "log.example/a\n1\n"
    assert code_of(signed(text), text=text, policy=with_log()) == "CHECKPOINT_MALFORMED"
