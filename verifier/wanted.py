"""What the judgment of packs needs of a whole log: gathered from the packs before the log is read once for all of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from verifier.entry import Entry, is_entry, parse_entry
from verifier.pack import Pack
from verifier.tree import hash_leaf

_RECEIPTS = ("gateway_receipt", "tool_receipt", "side_effect_receipt")


@dataclass
class Wanted:
    """Indexes whose leaf hashes are compared, sizes whose roots are, and which receipts concern the changes."""

    indexes: set[int] = field(default_factory=set)
    sizes: set[int] = field(default_factory=set)
    _scopes: set[str] = field(default_factory=set)
    _leaves: set[bytes] = field(default_factory=set)

    def add(self, pack: Pack, size: int) -> None:
        """Add a pack, whose checkpoint is of the tree of `size` entries."""
        self.sizes.add(size)
        for item in pack.entries:
            data = item.entry.encode("utf-8")
            self.indexes.add(item.index)
            self._leaves.add(hash_leaf(data))
            if is_entry(data):
                scope = parse_entry(data).refs.get("token_scope")
                self._scopes |= {scope} if scope is not None else set()

    def concerns(self, entry: Entry) -> bool:
        """Whether an entry must be remembered: everything but receipts of other changes."""
        return (
            entry.kind not in _RECEIPTS or entry.refs.get("token_scope") in self._scopes or entry.leaf_hash in self._leaves
        )
