"""What commands say: one error line, one hint line, nothing that a terminal would obey, and the exit code of the reason."""

from __future__ import annotations

import json

import pytest

from trustlog.cli.answer import encode_line, error_sentence, exit_code_of, report_error
from trustlog.errors import REASONS, Conflict, Refused


def test_every_registered_code_has_an_exit_code() -> None:
    assert {exit_code_of(code) for code in REASONS} == {1, 2, 3}


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [("CONFLICT", 1), ("INCLUSION_PROOF_INVALID", 1), ("JSON_INVALID", 2), ("PARAMETER_INVALID", 2), ("LOG_UNREACHABLE", 3)],
)
def test_exit_codes(code: str, exit_code: int) -> None:
    assert exit_code_of(code) == exit_code


def test_an_error_is_two_lines_whatever_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    nasty = "a\nerror: b\x1b[2J" * 100
    report_error(Refused("SIGNATURE_INVALID", nasty, param=nasty, expected=nasty, found=nasty, hint=nasty), as_json=False)
    out, err = capsys.readouterr()
    assert out == ""
    error, hint = err.splitlines()
    assert error.startswith("error: SIGNATURE_INVALID: ")
    assert hint.startswith("hint: ")
    assert "\x1b" not in err


def test_an_error_as_json_is_one_object_and_the_two_lines_stay(capsys: pytest.CaptureFixture[str]) -> None:
    error = Conflict("taken", index=4, leaf_hash=bytes(32), param="payload.receipt_id")
    assert report_error(error, as_json=True) == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["error"]["index"] == 4
    assert len(err.splitlines()) == 2


def test_json_lines_are_ascii() -> None:
    assert encode_line({"a": "\u202e\x1b"}).isascii()


def test_a_sentence_names_field_expected_and_found() -> None:
    text = error_sentence(Refused("CLOCK_SKEW", "too old", param="payload.issued_at", expected="now", found="then"))
    assert text == "CLOCK_SKEW: too old (field payload.issued_at; expected now; found then)"
