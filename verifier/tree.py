"""The Merkle tree of RFC 6962 §2.1 / RFC 9162 §2.1: hashes, roots, inclusion and consistency proofs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

from verifier.errors import Refused

HASH_SIZE = 32
EMPTY_ROOT = sha256(b"").digest()


def hash_leaf(entry: bytes) -> bytes:
    """Leaf hash: SHA-256(0x00 ‖ entry)."""
    return sha256(b"\x00" + entry).digest()


def hash_node(left: bytes, right: bytes) -> bytes:
    """Interior hash: SHA-256(0x01 ‖ left ‖ right)."""
    return sha256(b"\x01" + left + right).digest()


class TreeHead:
    """A streaming tree: the roots of its complete subtrees, largest first (RFC 9162 §2.1.2)."""

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[bytes] = []

    def append(self, leaf_hash: bytes) -> None:
        """Add the next leaf; its hash merges with one peak for every trailing one of the size."""
        node, size = leaf_hash, self.size
        while size & 1:
            node = hash_node(self._peaks.pop(), node)
            size >>= 1
        self._peaks.append(node)
        self.size += 1

    def append_subtree(self, level: int, node: bytes) -> None:
        """Add a complete subtree of 2^level leaves; the size must be a multiple of 2^level."""
        assert self.size % (1 << level) == 0, "complete subtrees come aligned"
        size = self.size >> level
        while size & 1:
            node = hash_node(self._peaks.pop(), node)
            size >>= 1
        self._peaks.append(node)
        self.size += 1 << level

    def root(self) -> bytes:
        """The root hash at the current size."""
        if not self._peaks:
            return EMPTY_ROOT
        node = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            node = hash_node(peak, node)
        return node


def compute_root(leaf_hashes: Iterable[bytes]) -> bytes:
    """The root hash over leaf hashes in index order."""
    head = TreeHead()
    for leaf_hash in leaf_hashes:
        head.append(leaf_hash)
    return head.root()


HashNode = Callable[[bytes, bytes], bytes]  # `hash_node`, or one that remembers


def check_inclusion(
    proof: Sequence[bytes], index: int, *, size: int, leaf_hash: bytes, root: bytes, hash_node: HashNode = hash_node
) -> None:
    """Check that `leaf_hash` is at `index` of the tree of `size` entries with `root` (RFC 9162 §2.1.3.2).

    Many proofs to one root share their upper nodes: `hash_node` may remember what it computed.
    Raises Refused INCLUSION_PROOF_INVALID.
    """
    if not 0 <= index < size or set(map(len, (*proof, leaf_hash, root))) != {HASH_SIZE}:
        raise Refused("INCLUSION_PROOF_INVALID", "inclusion proof", expected="index below size, 32-byte hashes")
    position, last, node = index, size - 1, leaf_hash
    for sibling in proof:
        if last == 0:
            raise Refused("INCLUSION_PROOF_INVALID", "inclusion proof", found="unnecessary hashes")
        if position & 1 or position == last:
            node = hash_node(sibling, node)
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        else:
            node = hash_node(node, sibling)
        position, last = position >> 1, last >> 1
    if last != 0 or node != root:
        raise Refused(
            "INCLUSION_PROOF_INVALID", "inclusion proof", expected=f"root {root.hex()}", found=f"root {node.hex()}"
        )


def check_consistency(
    proof: Sequence[bytes],
    old: tuple[int, bytes],
    new: tuple[int, bytes],
    *,
    empty_old_ok: bool,
) -> None:
    """Check that the tree `old` (size, root) is a prefix of the tree `new` (RFC 9162 §2.1.4.2).

    `empty_old_ok` says whether the empty proof from size 0 is valid (then the old root must be that of the
    empty tree) or an error. Raises Refused CONSISTENCY_PROOF_INVALID.
    """
    (old_size, old_root), (new_size, new_root) = old, new
    if not 0 <= old_size <= new_size:
        raise _inconsistent("an old size that is not above the new one")
    if old_size == 0 and not empty_old_ok:
        raise _inconsistent("a non-empty old tree")
    if old_size in (0, new_size):
        expected = new_root if old_size == new_size else EMPTY_ROOT
        if proof or old_root != expected or (new_size == 0 and new_root != EMPTY_ROOT):
            raise _inconsistent("no hashes, and the roots of these sizes")
        return
    if any(len(node) != HASH_SIZE for node in (*proof, old_root, new_root)):
        raise _inconsistent("32-byte hashes")
    nodes = list(proof) if old_size & (old_size - 1) else [old_root, *proof]
    if not nodes or _fold_consistency(nodes, old_size - 1, new_size - 1) != (old_root, new_root):
        raise _inconsistent("hashes that lead to both roots")


def _fold_consistency(nodes: Sequence[bytes], position: int, last: int) -> tuple[bytes, bytes]:
    """Both roots that a consistency path leads to: of the tree that ends at `position` and of the one at `last`."""
    while position & 1:
        position, last = position >> 1, last >> 1
    old_node = new_node = nodes[0]
    for node in nodes[1:]:
        if last == 0:
            raise _inconsistent("no unnecessary hashes")
        if position & 1 or position == last:
            old_node, new_node = hash_node(node, old_node), hash_node(node, new_node)
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        else:
            new_node = hash_node(new_node, node)
        position, last = position >> 1, last >> 1
    if last != 0:
        raise _inconsistent("every hash that the sizes need")
    return old_node, new_node


def _inconsistent(expected: str) -> Refused:
    return Refused("CONSISTENCY_PROOF_INVALID", "consistency proof", expected=expected)


def split_of(begin: int, end: int) -> int:
    """Where the tree over entries begin ≤ index < end divides: after the largest power of two below its size."""
    return begin + (1 << ((end - begin - 1).bit_length() - 1))


ReadNode = Callable[[int, int], bytes]  # (level, index) of a complete subtree of 2^level leaves -> its hash


def _subtree(begin: int, end: int, read: ReadNode) -> bytes:
    """The hash over leaves begin ≤ i < end, where begin is aligned to the span."""
    span = end - begin
    if span & (span - 1) == 0:
        level = span.bit_length() - 1
        return read(level, begin >> level)
    split = split_of(begin, end)
    return hash_node(_subtree(begin, split, read), _subtree(split, end, read))


def prove_inclusion(index: int, size: int, read: ReadNode) -> list[bytes]:
    """The inclusion proof of RFC 6962 §2.1.1, leaf's sibling first."""
    proof: list[bytes] = []
    begin, end = 0, size
    while end - begin > 1:
        split = split_of(begin, end)
        if index < split:
            proof.append(_subtree(split, end, read))
            end = split
        else:
            proof.append(_subtree(begin, split, read))
            begin = split
    return proof[::-1]


def prove_consistency(old_size: int, new_size: int, read: ReadNode) -> list[bytes]:
    """The consistency proof of RFC 6962 §2.1.2 between two sizes, 0 ≤ old ≤ new."""
    if old_size in (0, new_size):
        return []
    proof: list[bytes] = []
    begin, end, whole = 0, new_size, True
    while end != old_size:
        split = split_of(begin, end)
        if old_size <= split:
            proof.append(_subtree(split, end, read))
            end = split
        else:
            proof.append(_subtree(begin, split, read))
            begin, whole = split, False
    if not whole:
        proof.append(_subtree(begin, end, read))
    return proof[::-1]
