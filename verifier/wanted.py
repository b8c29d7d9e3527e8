"""What the judgment of packs needs of a whole log: gathered from the packs before the log is read once for all of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from verifier.entry import entry_of, match_entry
from verifier.ledger.prepared import RECEIPTS, Keep
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

    def keep(self) -> Keep:
        """Which entries must be remembered: everything but receipts of other changes."""
        scopes, runs = frozenset(self._scopes), frozenset(self._runs)
        return Keep(frozenset(KINDS) - RECEIPTS, scopes=scopes, runs=runs, named=frozenset(self._entries))
