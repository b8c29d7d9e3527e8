from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.formats_c2sp.keys import LOG, WITNESSES, log_policy
from trustlog.errors import Refused
from trustlog.formats.note import ML_DSA_44_COSIGNATURE, NoteSigner, VerifierKey
from trustlog.formats.tlogpolicy import parse_log_policy

W = [VerifierKey(f"w{i}.example", 4, bytes([i]) * 32).encode() for i in range(1, 7)]
NESTED = "\n".join(
    [
        *(f"witness X{i} {W[i - 1]}" for i in (1, 2, 3)),
        "group X-witnesses 2 X1 X2 X3",
        *(f"witness Y{i} {W[i + 2]} https://y{i}.example/" for i in (1, 2, 3)),
        "group Y-witnesses any Y1 Y2 Y3",
        "group X-and-Y all X-witnesses Y-witnesses",
        "quorum X-and-Y",
        "",
    ]
)


def parse(*lines: str) -> object:
    return parse_log_policy("\n".join(lines).encode())


def test_the_specifications_example_counts_as_it_says() -> None:
    policy = parse_log_policy(NESTED.encode())
    names = [w.name for w in policy.witnesses]
    for count in range(7):
        for cosigners in itertools.combinations(names, count):
            x, y = (sum(name.startswith(letter) for name in cosigners) for letter in "XY")
            assert policy.is_met(cosigners) is (x >= 2 and y >= 1)


def test_only_witnesses_cosign() -> None:
    policy = parse_log_policy(NESTED.encode())
    assert not policy.is_met(["X-and-Y"])
    assert not policy.is_met(["X-witnesses", "Y1"])
    assert not policy.is_met(["none", "w1.example"])


def test_spaces_comments_and_empty_lines_do_not_matter() -> None:
    spaced = "# a comment\n\n \t\n" + NESTED.replace(" ", " \t ").replace("group", "\t group") + "  # another\n\t\n"
    assert parse_log_policy(spaced.encode()) == parse_log_policy(NESTED.encode())
    assert parse_log_policy(NESTED.rstrip("\n").encode()) == parse_log_policy(NESTED.encode())


def test_none_demands_nothing() -> None:
    policy = parse_log_policy(b"quorum none\n")
    assert (policy.logs, policy.witnesses, policy.groups, policy.quorum) == ((), (), (), None)
    assert policy.is_met([])
    assert policy.earliest_quorum_time({"w1": 3}) is None


def test_one_witness_is_a_quorum() -> None:
    policy = parse_log_policy(f"witness a {W[0]}\nwitness b {W[1]}\nquorum b\n".encode())
    assert policy.is_met(["b"])
    assert not policy.is_met(["a"])


def test_names_are_octets() -> None:
    policy = parse_log_policy(b"witness K " + W[0].encode() + b"\nwitness \xe2\x84\xaa " + W[1].encode() + b"\nquorum K\n")
    assert policy.is_met(["K"])
    assert not policy.is_met(["\u212a"])
    odd = parse_log_policy(b"witness \xff " + W[0].encode() + b"\nquorum \xff\n")
    assert odd.is_met([odd.witnesses[0].name])


def test_a_key_of_ml_dsa_is_listed_but_cannot_cosign_yet() -> None:
    key = VerifierKey("pq.example", ML_DSA_44_COSIGNATURE, bytes(1312))
    policy = parse_log_policy(f"log {key.encode()}\nquorum none\n".encode())
    assert not policy.logs[0].key.is_supported


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# only a comment\n",
        "quorum none\nquorum none\n",
        "quorum a\n",
        f"quorum a\nwitness a {W[0]}\n",
        "quorum\n",
        "quorum none none\n",
        "Quorum none\n",
        "quorum None\n",
        "quorum none\r\n",
        "quorum none\x00\n",
        "quorum none\x7f\n",
        "log\nquorum none\n",
        "log nonsense\nquorum none\n",
        f"log {LOG.key.encode()} https://a/ b\nquorum none\n",
        f"log {W[0]}\nquorum none\n",
        f"witness a {LOG.key.encode()}\nquorum none\n",
        f"witness none {W[0]}\nquorum none\n",
        f"witness a {W[0]}\nwitness a {W[1]}\nquorum none\n",
        f"witness a {W[0]}\nwitness b {W[0]}\nquorum none\n",
        f"log {LOG.key.encode()}\nlog {NoteSigner('other.example', bytes([1]) * 32).key.encode()}\nquorum none\n",
        f"witness a {W[0]}\ngroup g all\nquorum g\n",
        f"witness a {W[0]}\ngroup g 0 a\nquorum g\n",
        f"witness a {W[0]}\ngroup g 2 a\nquorum g\n",
        f"witness a {W[0]}\ngroup g 01 a\nquorum g\n",
        f"witness a {W[0]}\ngroup g some a\nquorum g\n",
        f"witness a {W[0]}\ngroup g 1 a a\nquorum g\n",
        f"witness a {W[0]}\ngroup g 1 a\ngroup h 1 a\nquorum h\n",
        f"witness a {W[0]}\ngroup a 1 a\nquorum a\n",
        f"witness a {W[0]}\ngroup none 1 a\nquorum none\n",
        "group g 1 g\nquorum g\n",
        "group g 1 none\nquorum g\n",
        f"group g 1 a\nwitness a {W[0]}\nquorum g\n",
        "quorum none\n" + "\n" * 5000,
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="TRUST_POLICY_INVALID"):
        parse_log_policy(text.encode())


def test_quorum_times_are_those_of_a_quorum() -> None:
    policy = parse_log_policy(log_policy().encode())
    assert set(WITNESSES) == {"w1", "w2", "w3"}
    times = {"w1": 10, "w2": 20, "w3": 10**9}
    assert policy.earliest_quorum_time(times) == 20
    assert policy.latest_quorum_time(times) == 20
    assert policy.earliest_quorum_time({"w1": 10}) is None
    assert policy.latest_quorum_time({"w3": 10}) is None
    assert policy.latest_quorum_time({"w1": 10, "w2": 30, "w3": 20}) == 20
    assert policy.earliest_quorum_time({"w1": 10, "w2": 30, "w3": 20}) == 20


@given(st.sets(st.sampled_from(["X1", "X2", "X3", "Y1", "Y2", "Y3"])), st.sampled_from(["X1", "X2", "X3", "Y1", "Y2", "Y3"]))
def test_one_more_cosignature_never_breaks_a_quorum(cosigners: set[str], more: str) -> None:
    policy = parse_log_policy(NESTED.encode())
    assert policy.is_met(cosigners | {more}) >= policy.is_met(cosigners)
