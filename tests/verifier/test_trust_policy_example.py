"""The trust policy that the verifier's README shows can be used, and names every role."""

from __future__ import annotations

import re
from pathlib import Path

from tests.verifier.logbuilder import Key
from verifier.trust import Role, parse_trust_policy

README = Path(__file__).resolve().parents[2] / "verifier" / "README.md"


def example() -> str:
    """The block with keys where it has an ellipsis."""
    blocks = re.findall(r"```toml\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 1
    text = blocks[0]
    for name in ("log.example/changes", "witness.example/w1"):
        kind = 1 if name.startswith("log") else 4
        text = text.replace(f"{name}+…", Key(name).vkey(name, kind))
    number = iter(range(100))
    return re.sub(re.escape("did:key:z6Mk…"), lambda _: Key(f"role {next(number)}").did, text)


def test_the_example_is_a_trust_policy_that_demands_a_witness_and_the_whole_log() -> None:
    trust = parse_trust_policy(example().encode())
    assert trust.log_policy.quorum == "w1"
    assert not trust.allow_unwitnessed
    assert not trust.gate_attests_absence
    assert all(len(trust.windows[role]) == 1 for role in Role)


def test_what_it_leaves_as_a_comment_can_be_switched_on() -> None:
    trust = parse_trust_policy(re.sub(r"(?m)^# (?=allow_unwitnessed|absence)", "", example()).encode())
    assert trust.allow_unwitnessed
    assert trust.gate_attests_absence
