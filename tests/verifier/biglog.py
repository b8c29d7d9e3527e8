"""A log of many signed entries, made fast: the same few entries over and over, written straight into tiles."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from tests.verifier.changebuilder import ROLE_KEYS, trust_toml
from tests.verifier.logbuilder import LogBuilder, b64, sha, spell, write

ORIGIN = "log.example/changes"
TRUST = trust_toml(absence="log")
RECEIPTS = 0  # entries whose payload is there


@cache
def entries_of_a_bundle() -> tuple[bytes, ...]:
    """256 signed entries."""
    log = LogBuilder(ORIGIN)
    for number in range(256):
        log.add("gateway_receipt", b"payload %d" % number, refs={"receipt": f"r-{number}"}, signer=ROLE_KEYS["gateways"])
    return tuple(item.entry for item in log.items)


def write_big_log(folder: Path, size: int, *, last: bytes | None = None) -> None:
    """A log of `size` entries; `last` replaces the last entry."""
    one = entries_of_a_bundle()
    above = []
    for number in range((size + 255) // 256):
        entries = list(one[: min(256, size - 256 * number)])
        if last is not None and 256 * number + len(entries) == size:
            entries[-1] = last
        leaves = [sha(b"\x00" + entry) for entry in entries]
        write(
            folder, f"tile/entries/{spell(number)}", len(entries), b"".join(len(e).to_bytes(2, "big") + e for e in entries)
        )
        write(folder, f"tile/0/{spell(number)}", len(entries), b"".join(leaves))
        above.append(root_of(tuple(leaves)))
    level, row = 1, above[: size // 256]
    while row:
        tiles = [row[begin : begin + 256] for begin in range(0, len(row), 256)]
        for number, tile in enumerate(tiles):
            write(folder, f"tile/{level}/{spell(number)}", len(tile), b"".join(tile))
        level, row = level + 1, [root_of(tuple(tile)) for tile in tiles if len(tile) == 256]
    text = f"{ORIGIN}\n{size}\n{b64(root_of_subtrees(above))}\n"
    (folder / "checkpoint").write_text(f"{text}\n{LogBuilder(ORIGIN).key.note_line(ORIGIN, text)}", encoding="utf-8")
    (folder / "payloads").mkdir(exist_ok=True)


@cache
def root_of(hashes: tuple[bytes, ...]) -> bytes:
    """The root over hashes that are leaves already."""
    if len(hashes) == 1:
        return hashes[0]
    split = 1 << ((len(hashes) - 1).bit_length() - 1)
    return sha(b"\x01" + root_of(hashes[:split]) + root_of(hashes[split:]))


def root_of_subtrees(above: list[bytes]) -> bytes:
    """The root over bundles: all but the last are full, and the last is the rest, so the split is the same."""
    return root_of(tuple(above)) if above else sha(b"")
