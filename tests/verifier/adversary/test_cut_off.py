"""A gateway's key that was cut off, between the receipts that it signed and the bundle that holds them."""

from __future__ import annotations

import pytest

from tests.verifier.changebuilder import ROLE_KEYS, Change, trust_toml
from tests.verifier.judging import assert_fails, assert_passes, assert_undecided, verdict
from tests.verifier.logbuilder import Key, b64u, sha

GATEWAY = ROLE_KEYS["gateways"]
BUNDLE = "execution.bundle[ticket.close]"


def trust(*windows: str) -> bytes:
    """What is trusted of the gateway's key, in windows of indexes."""
    listed = [f'{{did = "{GATEWAY.did}", {window}}}' for window in windows]
    return trust_toml(roles={"gateways": [*listed, f'"{Key("next gateway").did}"']})


@pytest.mark.parametrize("until", [6, 9, 12])
def test_a_bundle_of_receipts_from_before_the_cut_passes(until: int) -> None:
    """Receipts stand at 3, 4 and 5, where the key was trusted; the bundle stands at 12."""
    assert_passes(verdict(Change().build(), trust=trust(f"until_index = {until}")))


@pytest.mark.parametrize("until", [4, 5])
def test_a_receipt_from_after_the_cut(until: int) -> None:
    report = verdict(Change().build(), trust=trust(f"until_index = {until}"))
    assert_fails(report, "RECEIPT_SET_INCOMPLETE", f"{BUNDLE} RECEIPT_SET_INCOMPLETE")


@pytest.mark.parametrize(
    ("windows", "code"),
    [(("from_index = 13",), "SIGNER_NOT_TRUSTED"), (("until_index = 4", "from_index = 13"), "RECEIPT_SET_INCOMPLETE")],
    ids=["before", "between"],
)
def test_a_receipt_from_when_its_key_was_not_trusted(windows: tuple[str, ...], code: str) -> None:
    report = verdict(Change().build(), trust=trust(*windows))
    assert report.exit_code == 1
    assert (BUNDLE, code) in {(check.full_name, check.code) for check in report.checks}


def erase(change: Change, step: str) -> None:
    """A tombstone over a receipt, once the ticket is closed."""
    index = change.log.index_of(change.hashes[step])
    payload = change.header("tombstone", "tombstone") | {
        "payload_b64u": change.hashes[step],
        "index": index,
        "leaf_hash_b64u": b64u(sha(b"\x00" + change.log.items[index].entry)),
        "rule": "retention",
        "reason": "test",
    }
    change.put("tombstone", "tombstone", payload, ROLE_KEYS["custodians"], lambda p: {"target": p["payload_b64u"]})
    change.log.items[index].payload = None


def test_an_erased_receipt_from_after_the_cut() -> None:
    """The bundle still says what it said; who signed it when is in the entry."""
    change = Change(before={"after": lambda c: erase(c, "receipt_3")}).build()
    assert_undecided(verdict(change), "PAYLOAD_ERASED")
    report = verdict(change, trust=trust("until_index = 5"))
    assert_fails(report, "RECEIPT_SET_INCOMPLETE", f"{BUNDLE} RECEIPT_SET_INCOMPLETE")


def test_a_receipt_of_somebody_who_never_was_a_gateway() -> None:
    change = Change(signer={"receipt_2": Key("stranger")}).build()
    assert_fails(verdict(change), "SIGNER_NOT_TRUSTED", f"{BUNDLE} SIGNER_NOT_TRUSTED")
