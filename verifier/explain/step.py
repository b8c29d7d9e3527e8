"""What an explanation is made of: values in a spelling that can be copied, steps, chapters. Nothing here is hostile.

A step's formula names its inputs by their labels, joined by `‖`, besides the constants 0x00, 0x01, 0x04, 0x06 and LF; it is a
function of the joined bytes or, without one, those bytes themselves. All outputs of a step are spellings of the same bytes. What is
printed is enough to compute every output again.
"""

from __future__ import annotations

from dataclasses import dataclass

from verifier.encodings import encode_b64, encode_b64u

MAX_SHOWN_BYTES = 16 << 10  # of one value; longer ones stand in the input, where any tool can hash them


@dataclass(frozen=True, slots=True)
class Value:
    """Bytes under a label. `encoding` is text, lines (each ends in LF), hex, base64, base64url, or omitted."""

    label: str
    encoding: str
    text: str
    size: int

    def to_json(self) -> dict[str, object]:
        """The members."""
        return {"label": self.label, "encoding": self.encoding, "value": self.text, "bytes": self.size}


@dataclass(frozen=True, slots=True)
class Step:
    """One computation or comparison. `holds` is None where nothing is compared; `note` says what is."""

    title: str
    formula: str | None = None
    inputs: tuple[Value, ...] = ()
    outputs: tuple[Value, ...] = ()
    note: str | None = None
    holds: bool | None = None

    def to_json(self) -> dict[str, object]:
        """The members."""
        return {
            "title": self.title,
            "formula": self.formula,
            "inputs": [value.to_json() for value in self.inputs],
            "outputs": [value.to_json() for value in self.outputs],
            "note": self.note,
            "holds": self.holds,
        }


@dataclass(frozen=True, slots=True)
class Chapter:
    """Steps that show one thing together."""

    title: str
    steps: tuple[Step, ...]

    def to_json(self) -> dict[str, object]:
        """The members."""
        return {"title": self.title, "steps": [step.to_json() for step in self.steps]}


def shown(label: str, data: bytes, where: str = "") -> Value:
    """Bytes as text where every character of them can be seen, else in hex.

    If they are many, only their number, and `where` they stand.
    """
    if len(data) > MAX_SHOWN_BYTES:
        said = f"{len(data)} bytes, not printed: they are {where or 'in the input'}"
        return Value(label, "omitted", said, len(data))
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return as_hex(label, data)
    if text and _can_be_copied(text):
        return Value(label, "text", text, len(data))
    if text.endswith("\n") and all(map(_can_be_copied, text[:-1].split("\n"))):
        return Value(label, "lines", text, len(data))
    return as_hex(label, data)


def _can_be_copied(line: str) -> bool:
    """Whether a person sees every character of it: no control, no space at an end."""
    return line.isprintable() and line == line.strip()


def as_hex(label: str, data: bytes) -> Value:
    """Bytes in lower-case hex."""
    return Value(label, "hex", data.hex(), len(data))


def as_b64(label: str, data: bytes) -> Value:
    """Bytes in standard base64, as checkpoints and proofs spell them."""
    return Value(label, "base64", encode_b64(data), len(data))


def as_b64u(label: str, data: bytes) -> Value:
    """Bytes in base64url without padding, as payload and document hashes are spelled."""
    return Value(label, "base64url", encode_b64u(data), len(data))
