"""Makes stringify_answers.json: JSON texts, and what ``JSON.stringify(JSON.parse(text))`` gives for each in Node.

Run by hand, where Node is installed, from the project's root: ``python -m tests.unit.formats.make_stringify_answers``. The
answers are committed, so that the tests need no JavaScript.
"""

from __future__ import annotations

import json
import random
import struct
import subprocess
from pathlib import Path

from trustlog.errors import Refused
from trustlog.formats.jsontext import parse_json

ANSWERS = Path(__file__).with_name("stringify_answers.json")
DOCUMENTS = 250
NODE = (
    'const texts = JSON.parse(require("fs").readFileSync(0, "utf8"));'
    "process.stdout.write(JSON.stringify(texts.map((text) => JSON.stringify(JSON.parse(text)))))"
)
CHARACTERS = [chr(code) for code in range(0x30)] + list('\\"/\x7f\x80\u2028\u2029é日😀\ufeff\uffff\U0010ffff')
NUMBERS = [
    *("0", "-0", "-0.0", "1.0", "1E0", "100e-2", "0.1e1", "0.1", "0.30000000000000004", "4.35", "1234567890123456.5"),
    *("1e21", "-1e21", "1e22", "1.5e300", "1.7976931348623157e308", "9007199254740991", "-9007199254740991"),
    *("1e-6", "1e-7", "0.000001", "0.0000001", "123e-20", "5e-324", "2.2250738585072014e-308", "1e-400"),
]
NAMES = [
    *("0", "1", "10", "9", "01", "-1", "-0", "00", "1.5", "1e3", "²", "١", "a", "b", "B", "é", "😀"),
    *("4294967294", "4294967295", "4294967296", "9999999999", "99999999999"),
    *("__proto__", "constructor", "toJSON", "length"),
]


class Writer:
    """Writes random JSON texts, with every spelling that JSON allows."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - reproducible, not secret

    def value(self, depth: int = 0) -> str:
        kind = self._random.random()
        if depth > 3 or kind < 0.35:
            return self.number()
        if kind < 0.5:
            return self.string(self.characters())
        if kind < 0.55:
            return self._random.choice(["true", "false", "null"])
        count = self._random.randint(0, 5)
        if kind < 0.7:
            return "[" + ",".join(self.spaced(self.value(depth + 1)) for _ in range(count)) + "]"
        names = {self._random.choice([self.characters(), self._random.choice(NAMES)]) for _ in range(count)}
        ordered = self._random.sample(sorted(names), len(names))
        members = [f"{self.spaced(self.string(n))}:{self.spaced(self.value(depth + 1))}" for n in ordered]
        return "{" + ",".join(members) + "}"

    def number(self) -> str:
        choice = self._random.random()
        if choice < 0.4:
            return self._random.choice(NUMBERS)
        if choice < 0.6:
            return str(self._random.randint(-(2**53) + 1, 2**53 - 1))
        bits = self._random.getrandbits(64)
        double: float = struct.unpack(">d", struct.pack(">Q", bits))[0]
        return repr(double) if abs(double) < float("inf") else "0.5"

    def characters(self) -> str:
        return "".join(self._random.choice(CHARACTERS) for _ in range(self._random.randint(0, 6)))

    def string(self, text: str) -> str:
        return '"' + "".join(self._escaped(c) for c in text) + '"'

    def spaced(self, text: str) -> str:
        blanks = ["", "", "", " ", "\n", "\t\r"]
        return self._random.choice(blanks) + text + self._random.choice(blanks)

    def _escaped(self, character: str) -> str:
        if ord(character) >= 0x20 and character not in '"\\' and self._random.random() < 0.8:
            return character
        if character == "/" and self._random.random() < 0.5:
            return "\\/"
        units = character.encode("utf-16-be").hex()
        units = units if self._random.random() < 0.5 else units.upper()
        return "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4))


def make_texts() -> list[str]:
    writer = Writer(seed=8259)
    texts: list[str] = []
    while len(texts) < DOCUMENTS:
        text = writer.value()
        try:
            parse_json(text.encode())
        except Refused:  # an integer too large to be kept
            continue
        texts.append(text)
    return texts


def main() -> None:
    texts = make_texts()
    run = subprocess.run(["node", "-e", NODE], input=json.dumps(texts).encode(), capture_output=True, check=True)
    pairs = [json.dumps(pair) for pair in zip(texts, json.loads(run.stdout), strict=True)]
    ANSWERS.write_text("[\n" + ",\n".join(pairs) + "\n]\n", encoding="ascii")


if __name__ == "__main__":
    main()
