"""The Merkle tree of RFC 6962 §2.1 and its tiles (C2SP tlog-tiles). Pure: bytes in, bytes out.

Reading order: :mod:`hashing` (leaf, node, fold), :mod:`proofs` (root, inclusion, consistency), :mod:`tiles`
(where a node is stored), :mod:`edge` (how the tree grows). Nothing here knows of storage, entries' meaning,
signatures or time.

Words, used alike in all four files. A tree of *size* n has the leaves 0 … n-1. A *node* is a complete
subtree, named ``(level, index)``: its 2^level leaves are those from ``index << level``. A *range* ``[start,
end)`` of leaves is half-open.
"""
