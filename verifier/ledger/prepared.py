"""What an entry and its payload say by themselves: all of reading that needs no other entry, so that it may be done anywhere.

What follows from the entries before it is for the history, which takes what is prepared here in index order.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import NamedTuple

from verifier.entry import Entry, EntryMatch, check_match_signature, entry_of
from verifier.errors import Refused
from verifier.ledger.slim import slim_bundle
from verifier.records.bundle import OpenedBundle
from verifier.records.conflicts import ConflictKey, conflict_keys
from verifier.records.decision import Decision
from verifier.records.kinds import Record, compute_refs, payload_hash, read_record

RECEIPTS = frozenset(("gateway_receipt", "tool_receipt", "side_effect_receipt"))
_RECEIPTS = frozenset(kind.encode("ascii") for kind in RECEIPTS)


class Brought(Enum):
    """What was brought for the payload that an entry names.

    THERE   the payload.
    ABSENT  nothing.
    WRONG   bytes with another hash: whoever brought them lies, and nothing follows about the entry.
    """

    THERE = "there"
    ABSENT = "absent"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Keep:
    """Which entries a history remembers one by one; of the others only the keys that they take.

    Entries of `kinds`; and receipts with one of the token scopes in `scopes` or the runs in `runs`, both as refs, or whose
    bytes are in `named`. With `slim`, decisions are remembered without the evidence that they list.
    """

    kinds: frozenset[str]
    scopes: frozenset[str] = frozenset()
    runs: frozenset[str] = frozenset()
    named: frozenset[bytes] = frozenset()
    slim: bool = False

    def keeps(self, match: EntryMatch) -> bool:
        """Whether this entry is remembered."""
        if match[1].decode("ascii") in self.kinds:
            return True
        if not self.scopes and not self.runs and not self.named:
            return False
        if match.string in self.named:
            return True
        refs = entry_of(match).refs
        return refs.get("token_scope") in self.scopes or refs.get("run") in self.runs

    def passes(self, match: EntryMatch) -> bool:
        """Whether this entry is a receipt that nobody remembers."""
        return match[1] in _RECEIPTS and not self.keeps(match)


class Prepared(NamedTuple):
    """One entry as far as it can be read alone.

    `entry` is left out, with the record, of a receipt that nobody remembers: kind, signer, payload hash and `keys` are
    all that later entries can meet. `fault` is the first rule that it breaks.
    """

    kind: str
    signer_did: str
    payload_hash_b64u: str
    leaf_hash: bytes
    is_kept: bool
    entry: Entry | None
    brought: Brought
    fault: Refused | None
    record: Record | None
    keys: tuple[ConflictKey, ...]

    @property
    def width(self) -> int:
        """How many entries this is."""
        return 1


@dataclass(frozen=True, slots=True)
class Unopened:
    """Receipts in a row that nobody remembers, each rightly signed, whose payloads are not there.

    A log may have millions of them, of which nothing is left but the envelopes: they are handed over in columns, the signers
    one by one, the payloads' hashes and the leaf hashes joined.
    """

    signers: tuple[str, ...]
    payload_hashes: bytes
    leaf_hashes: bytes

    @property
    def width(self) -> int:
        """How many entries these are."""
        return len(self.signers)


def prepare(
    match: EntryMatch,
    payload: bytes | None,
    *,
    index: int,
    origin: str,
    leaf_hash: bytes,
    keep: Keep | None = None,
    check_signature: bool = True,
) -> Prepared:
    """Read one entry of the log of `origin` with its payload, or None where there is none. Without `keep` all is kept."""
    # interned: a kind or signer crosses to another process once a bundle, not once an entry
    kind, signer = sys.intern(match[1].decode("ascii")), sys.intern(match[5].decode("ascii"))
    named = match[2].decode("ascii")
    is_kept = keep is None or keep.keeps(match)
    is_light = not is_kept and kind in RECEIPTS
    entry = entry_of(match) if not is_light or payload is not None else None
    brought = Brought.ABSENT if payload is None else Brought.THERE
    fault: Refused | None = None
    record: Record | None = None
    keys: tuple[ConflictKey, ...] = ()
    if payload is not None and payload_hash(payload) != named:
        brought = Brought.WRONG
        fault = Refused("HASH_MISMATCH", f"payload of entry {index}", expected=named, found=payload_hash(payload))
    else:
        try:
            if check_signature:
                check_match_signature(match)
            if payload is not None:
                assert entry is not None, "whose payload is there is read"
                record = _read_payload(entry, payload, origin)
                keys = tuple(conflict_keys(kind, record, signer_did=signer, payload_hash_b64u=named))
        except Refused as refused:
            fault = refused
    if fault is not None:
        fault.forget_frames()
    if not is_kept and isinstance(record, OpenedBundle):
        record = slim_bundle(record)
    elif keep is not None and keep.slim and isinstance(record, Decision):
        record = replace(record, evidence=(), reasons=())
    return Prepared(
        kind,
        signer,
        named,
        leaf_hash,
        is_kept,
        None if is_light else entry,
        brought,
        fault,
        None if is_light else record,
        keys,
    )


def _read_payload(entry: Entry, payload: bytes, origin: str) -> Record:
    record = read_record(entry.kind, payload, signer_did=entry.signer_did, origin=origin)
    refs = compute_refs(record, entry.payload_hash_b64u)
    if refs != entry.refs:
        differ = sorted(name for name in refs.keys() | entry.refs.keys() if refs.get(name) != entry.refs.get(name))
        raise Refused("ENTRY_REFS_MISMATCH", "refs", expected=_say(refs, differ), found=_say(entry.refs, differ))
    return record


def _say(refs: Mapping[str, str], names: Iterable[str]) -> str:
    return ", ".join(f"{name} {refs[name]}" if name in refs else f"no {name}" for name in names)
