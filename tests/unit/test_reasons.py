"""Every refusal has a registered code, and every code says what to do next."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from trustlog.cli.main import trustlog
from trustlog.errors import REASONS, Conflict, Fatal, Reason, Refused, TrustlogError, shorten

PACKAGE = Path(__file__).resolve().parents[2] / "trustlog"
RAISING = {"Refused", "Fatal", "TrustlogError", "StorageFailed"}


@pytest.mark.parametrize("reason", REASONS.values(), ids=lambda reason: reason.code)
def test_a_code_says_what_why_and_what_next_in_whole_sentences(reason: Reason) -> None:
    assert REASONS[reason.code] is reason
    assert re.fullmatch(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*", reason.code)
    for text in (reason.sentence, reason.cause, reason.next_step):
        assert text[0].isupper() or text.startswith(("wpc_", "proof_", "signer_", "step_", "allowed", "--", "trustlog"))
        assert text.endswith(".")
        assert "\n" not in text
        assert len(text) <= 160
    assert reason.sentence not in (reason.cause, reason.next_step)


def commands() -> set[str]:
    """Every command as it is typed, groups with their subcommands."""
    found: set[str] = set()
    for name in trustlog.list_commands(click.Context(trustlog)):
        command = trustlog.get_command(click.Context(trustlog), name)
        subcommands = command.list_commands(click.Context(command)) if isinstance(command, click.Group) else []
        found |= {f"{name} {sub}" for sub in subcommands} if subcommands else {name}
    return found


def test_commands_that_are_named_exist() -> None:
    known = commands()
    assert "policy publish" in known
    for reason in REASONS.values():
        for words in re.findall(r"trustlog ([a-z]+(?: [a-z]+)?)", f"{reason.cause} {reason.next_step}"):
            assert words in known or words.split()[0] in known, (reason.code, words)


def codes_in(path: Path) -> Iterator[tuple[str, int]]:
    """Texts in the form of a code that are given to an error, or handed over as ``code=``."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        given = [node.args[0]] if called in RAISING and node.args else []
        given += [keyword.value for keyword in node.keywords if keyword.arg == "code"]
        for value in given:
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield value.value, node.lineno


def test_every_code_in_the_source_is_registered() -> None:
    found = [(path, code, line) for path in sorted(PACKAGE.rglob("*.py")) for code, line in codes_in(path)]
    assert len(found) > 100
    assert [(str(path), code, line) for path, code, line in found if code not in REASONS] == []


def test_an_unregistered_code_cannot_be_raised() -> None:
    with pytest.raises(KeyError):
        Refused("NO_SUCH_CODE", "x")


def test_an_error_carries_the_registered_next_step_unless_its_raiser_knows_better() -> None:
    assert Refused("JSON_INVALID", "x").hint == REASONS["JSON_INVALID"].next_step
    assert Refused("JSON_INVALID", "x", hint="do y").hint == "do y"


def test_an_error_says_its_code_and_detail() -> None:
    error = Refused("HASH_MISMATCH", "the payload is another", param="payload", expected="a", found="b")
    assert str(error) == "HASH_MISMATCH: the payload is another"
    assert (error.code, error.detail, error.param, error.expected, error.found) == (
        "HASH_MISMATCH",
        "the payload is another",
        "payload",
        "a",
        "b",
    )
    assert isinstance(error, TrustlogError)
    assert not isinstance(Fatal("LOG_CORRUPT", "x"), Refused)


def test_a_conflict_names_its_holder() -> None:
    error = Conflict("taken", index=3, leaf_hash=bytes(32), param="payload.receipt_id")
    assert (error.code, error.index, error.leaf_hash) == ("CONFLICT", 3, bytes(32))


def test_what_was_found_is_shortened_to_one_printable_line() -> None:
    assert shorten("x" * 1000) == "x" * 159 + "…"
    assert shorten("a\nb\x1b[31m\u202e") == "a\\u000ab\\u001b[31m\\u202e"
    assert shorten({"a": 1}) == "{'a': 1}"
    assert len(Refused("HASH_MISMATCH", "x", found=b"x" * 10_000).found or "") <= 160
