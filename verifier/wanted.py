"""What the judgment of packs needs of a whole log: gathered from the packs before the log is read once for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from verifier.entry import entry_of, match_entry
from verifier.errors import Refused
from verifier.jsontext import parse_object
from verifier.ledger.prepared import RECEIPTS, Keep
from verifier.limits import MAX_RECEIPTS
from verifier.pack import Pack
from verifier.records.kinds import KINDS


@dataclass
class Wanted:
    """Indexes whose leaf hashes are compared, sizes whose roots are, and which receipts concern the changes."""

    indexes: set[int] = field(default_factory=set)
    sizes: set[int] = field(default_factory=set)
    _scopes: set[str] = field(default_factory=set)
    _runs: set[str] = field(default_factory=set)
    _entries: set[bytes] = field(default_factory=set)
    _bundled: set[bytes] = field(default_factory=set)

    def add(self, pack: Pack, size: int) -> None:
        """Add a pack, whose checkpoint is of the tree of `size` entries."""
        self.sizes.add(size)
        for item in pack.entries:
            self.indexes.add(item.index)
            match = match_entry(item.entry.encode("utf-8"))
            if match is not None:
                self._entries.add(match.string)
                refs = entry_of(match).refs
                self._scopes |= {refs["token_scope"]} if "token_scope" in refs else set()
                self._runs |= {refs["run"]} if "run" in refs else set()
                if match[1] == b"proof_bundle" and item.payload is not None:
                    self._bundled.update(_receipts_in(item.payload.encode("utf-8")))

    def keep(self) -> Keep:
        """Which entries must be remembered: everything but receipts of other changes."""
        scopes, runs = frozenset(self._scopes), frozenset(self._runs)
        named, payloads = frozenset(self._entries), frozenset(self._bundled)
        return Keep(frozenset(KINDS) - RECEIPTS, scopes=scopes, runs=runs, named=named, payloads=payloads)


def _receipts_in(bundle: bytes) -> Iterator[bytes]:
    """The payload hashes that the envelopes in a bundle state: a receipt may name neither run nor token scope."""
    try:
        document = parse_object(bundle)
    except Refused:
        return  # said when it is judged
    for name in ("receipts", "tool_receipts"):
        envelopes = document.get(name)
        for envelope in envelopes[:MAX_RECEIPTS] if isinstance(envelopes, list) else ():
            stated = envelope.get("payload_hash_b64u") if isinstance(envelope, dict) else None
            if isinstance(stated, str):
                yield stated.encode("utf-8")
