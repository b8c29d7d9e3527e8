"""Byte mutations, for machines without a coverage-guided fuzzer."""

from __future__ import annotations

from random import Random

INTERESTING = (
    b"\x00",
    b"\xff",
    b"\n",
    b'"',
    b"\\",
    b"{",
    b"[",
    b"+",
    b"=",
    b"-0",
    b"1e400",
    b"null",
    b"\\ud800",
    "\u2014".encode(),
)


def mutate(data: bytes, random: Random, *, others: list[bytes], max_bytes: int) -> bytes:
    """`data` after one to four changes: a flipped bit, a cut, a repetition, an odd token, a splice with another seed."""
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(data) + 1)
        end = min(len(data), at + random.choice((1, 2, 8, 64)))
        change = random.randrange(5)
        if change == 0 and at < len(data):
            data = data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :]
        elif change == 1:
            data = data[:at] + data[end:]
        elif change == 2:
            data = data[:end] + data[at:end] * random.randint(1, 3) + data[end:]
        elif change == 3:
            data = data[:at] + random.choice(INTERESTING) + data[at:]
        else:
            other = random.choice(others)
            data = data[:at] + other[random.randrange(len(other) + 1) :]
    return data[:max_bytes]
