"""RFC 6962 §2.1 read aloud: slow, recursive, over whole lists. What the tests compare the real thing with."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from trustlog.merkle.proofs import Node, NodeReader


def leaf_hashes(count: int, *, seed: str = "") -> list[bytes]:
    return [hashlib.sha256(b"\x00" + f"{seed}{i}".encode()).digest() for i in range(count)]


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def split(n: int) -> int:
    """k, the largest power of two smaller than n."""
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def mth(d: Sequence[bytes]) -> bytes:
    """MTH(D[n]), over leaf hashes."""
    if not d:
        return hashlib.sha256(b"").digest()
    if len(d) == 1:
        return d[0]
    k = split(len(d))
    return node(mth(d[:k]), mth(d[k:]))


def path(m: int, d: Sequence[bytes]) -> list[bytes]:
    """PATH(m, D[n])."""
    if len(d) == 1:
        return []
    k = split(len(d))
    if m < k:
        return [*path(m, d[:k]), mth(d[k:])]
    return [*path(m - k, d[k:]), mth(d[:k])]


def proof(m: int, d: Sequence[bytes]) -> list[bytes]:
    """PROOF(m, D[n])."""
    return subproof(m, d, complete=True)


def subproof(m: int, d: Sequence[bytes], *, complete: bool) -> list[bytes]:
    """SUBPROOF(m, D[n], b)."""
    if m == len(d):
        return [] if complete else [mth(d)]
    k = split(len(d))
    if m <= k:
        return [*subproof(m, d[:k], complete=complete), mth(d[k:])]
    return [*subproof(m - k, d[k:], complete=False), mth(d[:k])]


def complete_nodes(leaves: Sequence[bytes]) -> dict[Node, bytes]:
    """Every complete subtree of the tree over `leaves`."""
    nodes: dict[Node, bytes] = {}
    level, row = 0, list(leaves)
    while row:
        nodes.update({(level, i): h for i, h in enumerate(row)})
        row = [node(row[i], row[i + 1]) for i in range(0, len(row) - 1, 2)]
        level += 1
    return nodes


def reader(nodes: dict[Node, bytes], size: int) -> NodeReader:
    """A reader that has exactly the nodes complete at `size`, and is called once at most."""
    calls = 0

    def read(wanted: Sequence[Node]) -> list[bytes]:
        nonlocal calls
        calls += 1
        assert calls == 1, "all nodes are read in one call"
        assert all((index + 1) << level <= size for level, index in wanted), "only complete nodes are asked for"
        assert len(set(wanted)) == len(wanted), "no node is asked for twice"
        return [nodes[n] for n in wanted]

    return read
