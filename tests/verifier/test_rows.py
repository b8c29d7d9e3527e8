"""Receipts of which nothing is left but the envelopes are read in rows: what follows is what each of them by itself would say."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.verifier.changebuilder import ORIGIN, ROLE_KEYS, Change, trust_toml
from tests.verifier.logbuilder import Key, Logged, b64u, encode_entry, hash_of, sha
from verifier.entry import match_entry
from verifier.ledger.history import History
from verifier.ledger.prepared import Brought, Keep, Prepared, Unopened, prepare
from verifier.ledger.unread import Unread
from verifier.reading import BundleRead, Look, Plan, read_range
from verifier.source import DirectorySource
from verifier.tree import hash_leaf
from verifier.trust import parse_trust_policy

KEEP = Keep(frozenset(("tombstone",)), runs=frozenset(("run-kept",)))
GATEWAY, STRANGER = ROLE_KEYS["gateways"], Key("stranger")
NO_KEY = "did:key:z6Mk" + "2" * 44  # within the grammar, and no key
Told = list[tuple[int, str, str | None]]


def receipt(
    number: int, *, signer: Key = GATEWAY, run: str = "run-7", did: str | None = None, is_signed: bool = True
) -> Logged:
    """A receipt without its payload."""
    kind, refs = "gateway_receipt", {"receipt": f"rcpt-{number}", "run": run}
    payload_hash = hash_of(b"receipt %d" % number)
    signature = b64u(signer.sign(payload_hash.encode() if is_signed else b"other"))
    entry = encode_entry(kind, payload_hash, refs, signature_b64u=signature, signer_did=did or signer.did)
    return Logged(entry, None, kind, refs, payload_hash)


def read(folder: Path, change: Change, *, signed_below: int = 0) -> list[BundleRead]:
    change.log.export(folder)
    look = Look(deep=True, origin=ORIGIN, keep=KEEP, signed_below=signed_below)
    numbers = range((change.log.size + 255) // 256)
    return read_range(DirectorySource(str(folder)), Plan(str(folder), change.log.size, look), numbers)


class Reader:
    """A history, and what it told of the entries: faults by index, and which payloads are missing."""

    def __init__(self, change: Change) -> None:
        items = change.log.items
        self.history = History(parse_trust_policy(trust_toml()), ORIGIN, reread=lambda index: items[index].entry)
        self.faults: Told = []
        self._unread = Unread()

    def read(self, index: int, item: Prepared | Unopened) -> None:
        if isinstance(item, Unopened):
            void = self.history.admit_unopened(index, item)
            self.faults += [(at, fault.code, fault.found) for at, fault in void.items()]
            self._unread.add_row(index, item, void=void)
            return
        fault = self.history.admit(index, item).fault
        if fault is not None:
            self.faults.append((index, fault.code, fault.found))
        elif item.brought is Brought.ABSENT:
            self._unread.add(index, item.kind, item.payload_hash_b64u)

    @property
    def missing(self) -> tuple[list[int], int, int]:
        return self._unread.explain(self.history, at_most=1000)


def in_rows(change: Change, bundles: list[BundleRead]) -> Reader:
    reader = Reader(change)
    for bundle in bundles:
        for index, item in bundle.items():
            reader.read(index, item)
    return reader


def each(change: Change) -> Reader:
    """The same, each entry by itself."""
    reader = Reader(change)
    for index, item in enumerate(change.log.items):
        match = match_entry(item.entry)
        if match is not None:
            leaf_hash = hash_leaf(item.entry)
            reader.read(index, prepare(match, item.payload, index=index, origin=ORIGIN, keep=KEEP, leaf_hash=leaf_hash))
    return reader


def revoke(change: Change, did: str) -> None:
    name = f"revoked {change.log.size}"
    payload = change.header("revocation", name) | {"target": f"key:{did}", "reason": "lost"}
    change.put(name, "revocation", payload, ROLE_KEYS["roster_authorities"], lambda p: {"target": p["target"]})


def erase(change: Change, index: int) -> None:
    item, name = change.log.items[index], f"erased {change.log.size}"
    leaf_hash = b64u(sha(b"\x00" + item.entry))
    payload = change.header("tombstone", name) | {"payload_b64u": item.payload_hash, "index": index}
    payload |= {"leaf_hash_b64u": leaf_hash, "rule": "retention", "reason": "test"}
    change.put(name, "tombstone", payload, ROLE_KEYS["custodians"], lambda p: {"target": p["payload_b64u"]})


def malformed(change: Change) -> None:
    change.log.items.append(Logged(b"no entry", None, "", {}, ""))


def again(change: Change, rng: random.Random) -> None:
    change.log.items.append(rng.choice(change.log.items))


def append(change: Change, rng: random.Random) -> None:
    """One entry more, of any sort."""
    number = change.log.size
    sorts: list[tuple[int, Callable[[], object]]] = [
        (40, lambda: change.log.items.append(receipt(number))),
        (10, lambda: change.log.items.append(receipt(number, signer=STRANGER))),
        (4, lambda: change.log.items.append(receipt(number, run="run-kept"))),
        (4, lambda: change.log.items.append(receipt(number, is_signed=False))),
        (2, lambda: change.log.items.append(receipt(number, did=NO_KEY))),
        (4, lambda: malformed(change)),
        (8, lambda: again(change, rng)),
        (8, lambda: erase(change, rng.randrange(number))),
        (1, lambda: revoke(change, rng.choice((GATEWAY, STRANGER)).did)),
    ]
    weights, makes = zip(*sorts, strict=True)
    rng.choices(makes, weights)[0]()


@pytest.mark.parametrize("seed", range(12))
def test_rows_say_what_each_entry_by_itself_says(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - histories, not secrets
    change = Change().build()
    for _ in range(rng.randrange(200, 500)):
        append(change, rng)
    bundles = read(tmp_path, change)
    assert any(isinstance(item, Unopened) and item.width > 1 for bundle in bundles for item in bundle.prepared)
    rows, alone = in_rows(change, bundles), each(change)
    assert sorted(rows.faults) == sorted(alone.faults)
    assert rows.missing == alone.missing


def test_every_sort_of_fault_is_told_amidst_rows(tmp_path: Path) -> None:
    """The last test would say little if its logs had no faults."""
    change = Change().build()
    begin = change.log.size
    change.log.items += [receipt(1), receipt(2, is_signed=False), receipt(3, did=NO_KEY), receipt(4)]
    malformed(change)
    erase(change, begin)
    revoke(change, STRANGER.did)
    change.log.items += [receipt(5), receipt(6, signer=STRANGER), receipt(7)]
    reader = in_rows(change, read(tmp_path, change))
    codes = [(index - begin, code) for index, code, _ in reader.faults]
    assert codes == [(1, "SIGNATURE_INVALID"), (2, "INVALID_DID_FORMAT"), (8, "KEY_REVOKED")]
    assert reader.missing == ([begin + 3, begin + 7, begin + 9], 3, 1)


def test_rows_hold_no_more_than_receipts_that_nobody_remembers(tmp_path: Path) -> None:
    change = Change().build()
    begin = change.log.size
    change.log.items += [receipt(1), receipt(2), receipt(3, run="run-kept"), receipt(4)]
    token = change.log.items[change.log.index_of(change.hashes["token"])]
    token.payload = None
    [bundle] = read(tmp_path, change)
    rows = {index: item.width for index, item in bundle.items() if isinstance(item, Unopened)}
    assert rows == {begin: 2, begin + 3: 1}
    assert sum(item.width for _, item in bundle.items()) == bundle.width


def test_signatures_that_an_earlier_run_checked_are_not_checked_again(tmp_path: Path) -> None:
    change = Change().build()
    begin = change.log.size
    change.log.items += [receipt(1, is_signed=False), receipt(2, is_signed=False)]
    reader = in_rows(change, read(tmp_path, change, signed_below=begin + 1))
    assert [(index, code) for index, code, _ in reader.faults] == [(begin + 1, "SIGNATURE_INVALID")]
    assert begin in reader.missing[0]
