"""Checking inclusion proofs by the hundred: what two proofs to one root share is computed once."""

from __future__ import annotations

from trustlog.errors import Refused
from trustlog.formats.base64 import decode_b64
from trustlog.merkle.hashing import HASH_SIZE, hash_node


class SharedProofs:
    """The inclusion proofs to the `root` (32 bytes) of one tree of `size` leaves.

    A node whose way up to the root was checked once is not computed up again: a later proof that arrives at the same node with
    the same hash must go on with the same text, to the letter. So it accepts what the plain check accepts, at a fraction of the
    cost for neighbours.
    """

    def __init__(self, size: int, root: bytes) -> None:
        self._size = size
        self._root = root
        self._checked: dict[tuple[int, int], tuple[bytes, list[str]]] = {}  # node → its hash, and the proof from there on

    def check(self, index: int, leaf_hash: bytes, proof: list[str]) -> None:
        """Check that `leaf_hash` is at `index`, by `proof` (standard base64, as answered), as RFC 9162 §2.1.3.2 does.

        Raises Refused: INCLUSION_PROOF_INVALID, BASE64_INVALID.
        """
        if not 0 <= index < self._size:
            raise Refused("INCLUSION_PROOF_INVALID", "the index is outside the tree", found=index)
        level, node, last, computed = 0, index, self._size - 1, leaf_hash
        passed: list[tuple[tuple[int, int], tuple[bytes, list[str]]]] = []
        for used in range(len(proof) + 1):
            rest = proof[used:]
            if self._checked.get((level, node)) == (computed, rest):
                break
            passed.append(((level, node), (computed, rest)))
            if (last == 0) != (not rest):
                raise Refused("INCLUSION_PROOF_INVALID", "the proof has another length", found=len(proof))
            if not rest:
                break
            sibling = decode_b64(rest[0], "inclusion_proof", HASH_SIZE)
            if node % 2 or node == last:
                computed = hash_node(sibling, computed)
                while node and not node % 2:  # the right edge: levels without a sibling
                    level, node, last = level + 1, node >> 1, last >> 1
            else:
                computed = hash_node(computed, sibling)
            level, node, last = level + 1, node >> 1, last >> 1
        else:
            raise AssertionError("a proof ends")
        if not proof[used:] and computed != self._root:
            raise Refused("INCLUSION_PROOF_INVALID", "the proof leads to another root", found=computed.hex())
        self._checked.update(passed)
