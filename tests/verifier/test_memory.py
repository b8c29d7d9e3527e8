"""What is kept of an entry is what later entries can meet: a log of bad records must not fill the auditor's memory."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from tests.verifier.changebuilder import ORIGIN, Change, trust_toml
from tests.verifier.judging import NOW_NS, setting
from tests.verifier.logbuilder import Key
from verifier.change.judge import judge
from verifier.ledger.history import History
from verifier.ledger.prepared import Keep, Prepared
from verifier.reading import BundleRead, Look, Plan, read_range
from verifier.records.bundle import OpenedBundle
from verifier.source import DirectorySource
from verifier.trust import parse_trust_policy
from verifier.wanted import Wanted
from verifier.wholehistory import read_whole_log

STRANGER = Key("stranger")


def read(folder: Path, change: Change) -> BundleRead:
    change.log.export(folder)
    look = Look(deep=True, origin=ORIGIN, keep=Keep(frozenset()))
    [bundle] = read_range(DirectorySource(str(folder)), Plan(str(folder), change.log.size, look), range(1))
    return bundle


def prepared_of(bundle: BundleRead, kind: str) -> Prepared:
    return next(one for one in bundle.prepared if isinstance(one, Prepared) and one.kind == kind)


def test_a_fault_holds_nothing_of_what_was_being_read(tmp_path: Path) -> None:
    """Its frames would hold the payload, parsed: some megabytes for each of a million bad records."""
    bundle = read(tmp_path, Change(edit={"simulation": setting(more=1)}).build())
    fault = prepared_of(bundle, "simulation").fault
    assert fault is not None
    assert (fault.__traceback__, fault.__context__, fault.__cause__) == (None, None, None)


def test_a_fault_that_history_finds_holds_nothing_either(tmp_path: Path) -> None:
    change = Change(signer={"simulation": STRANGER}).build()
    change.log.export(tmp_path)
    wanted = Wanted()
    whole, _ = read_whole_log(DirectorySource(str(tmp_path)), parse_trust_policy(trust_toml()), wanted)
    faults = [item.fault for item in whole.history if item.fault is not None]
    assert "SIGNER_NOT_TRUSTED" in {fault.code for fault in faults}
    assert all(fault.__traceback__ is None and fault.__context__ is None for fault in faults)


def test_of_a_bundle_that_nobody_remembers_no_receipt_is_kept_but_one_a_signer(tmp_path: Path) -> None:
    change = Change(signer={"receipt_2": STRANGER}).build()
    record = prepared_of(read(tmp_path, change), "proof_bundle").record
    assert isinstance(record, OpenedBundle)
    gateways = [sealed for sealed, _ in record.receipts.gateway]
    assert len(gateways) == 2, "of three receipts, two have one signer"
    assert gateways[1].signer_did == STRANGER.did
    assert all(sealed.text == b"" and not sealed.payload for sealed in gateways)
    assert record.record.receipts is None
    assert not record.events


def test_who_signed_the_receipts_of_a_bundle_is_judged_all_the_same(tmp_path: Path) -> None:
    """What history says of the whole record, it says of what is left of it."""
    change = Change(signer={"receipt_2": STRANGER, "receipt_3": Key("another")}).build()
    trust = parse_trust_policy(trust_toml())
    slim, full = History(trust, ORIGIN), History(trust, ORIGIN)
    told = []
    for index, (one, item) in enumerate(zip(read(tmp_path, change).prepared, change.log.items, strict=True)):
        assert isinstance(one, Prepared)
        fault = slim.admit(index, one).fault
        logged = full.add(index, item.entry, item.payload)
        assert logged is not None
        told.append((fault and str(fault), logged.fault and str(logged.fault), fault and fault.found))
    assert [mine for mine, _, _ in told] == [theirs for _, theirs, _ in told]
    at = next(index for index, item in enumerate(change.log.items) if item.kind == "proof_bundle")
    assert told[at][2] == STRANGER.did


def test_an_entry_that_is_logged_again_and_again_is_prepared_once(tmp_path: Path) -> None:
    """One large payload would cost its reading, and its room, as often as an operator cares to name it."""
    change = Change().build()
    change.log.items += [change.log.items[1]] * 100
    prepared = read(tmp_path, change).prepared
    assert all(one is prepared[1] for one in prepared[len(prepared) - 100 :])
    assert len({id(one) for one in prepared}) == len(prepared) - 100


@pytest.mark.parametrize("change", [Change(), Change(skip={"approve_close_1"})], ids=["pass", "fail"])
def test_a_judged_pack_is_let_go_at_once(change: Change) -> None:
    """Nothing of it refers to itself: of a folder of large packs one is in memory, not those since the last collection."""
    pack, trust = change.build().pack_bytes(), parse_trust_policy(trust_toml())
    judge(pack, trust, at_ns=NOW_NS)  # what is made once is made
    gc.collect()
    gc.disable()
    try:
        before = count(History)
        assert judge(pack, trust, at_ns=NOW_NS).checks
        assert count(History) == before
    finally:
        gc.enable()


def count(what: type) -> int:
    """How many there are, garbage too."""
    return sum(isinstance(thing, what) for thing in gc.get_objects())
