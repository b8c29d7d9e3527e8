"""A roster as people write it: a draft whose keys are DIDs, OpenSSH lines or names of files, or a complete payload."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from trustlog.cli.did import read_did
from trustlog.cli.files import read_input
from trustlog.errors import Refused
from trustlog.formats.jsontext import describe, parse_json
from trustlog.keys.public import did_of_public_key, is_public_key
from trustlog.limits import MAX_ENVELOPE_BYTES

DRAFT_MEMBERS: Final = frozenset({"number", "previous_b64u", "people"})
CORRECT: Final = "correct the file: trustlog roster --help shows what is in one"


def read_roster(file: Path) -> dict[str, Any]:
    """The draft or the complete payload in a roster's file; in a draft, every key becomes a DID. Raises Refused."""
    value = parse_json(read_input(file, max_bytes=MAX_ENVELOPE_BYTES), "roster")
    if not isinstance(value, dict):
        raise Refused(
            "SCHEMA_VALIDATION_FAILED",
            "a roster is an object",
            param="roster",
            expected="object",
            found=describe(value),
            hint=CORRECT,
        )
    if "record" in value:
        return value
    unknown = value.keys() - DRAFT_MEMBERS
    if "people" not in value or unknown:
        raise Refused(
            "SCHEMA_VALIDATION_FAILED",
            "this is not a draft of a roster",
            param="roster",
            expected="people, and if you like number and previous_b64u",
            found=", ".join(sorted(value)) or "nothing",
            hint=CORRECT,
        )
    people = value["people"]
    if not isinstance(people, list):
        return value  # the record's schema says what is wrong
    return {**value, "people": [_with_dids(person, position, file.parent) for position, person in enumerate(people)]}


def _with_dids(person: Any, position: int, beside: Path) -> Any:
    if not isinstance(person, dict) or not isinstance(person.get("keys"), list):
        return person
    param = f"people[{position}].keys"
    return {**person, "keys": [_did_of(key, param, beside) for key in person["keys"]]}


def _did_of(key: Any, param: str, beside: Path) -> Any:
    """The DID that is meant; what is none stays, for the record's schema to name."""
    if isinstance(key, str) and is_public_key(key):
        return did_of_public_key(key.strip(), param)
    if isinstance(key, str) and key.endswith(".pub"):
        return read_did(str(beside / key), param)
    return key
