"""The caller's words: they are kept for a while, and go into a signed record, so they are bounded and printable."""

from __future__ import annotations

from typing import Final

from trustlog.errors import Refused
from trustlog.formats.base64 import decode_b64u
from trustlog.gate.identify import GateRequest
from trustlog.tokens.scoped_token import MAX_TOKEN_CHARACTERS

MAX_WORD_CHARACTERS: Final = 256
MAX_REASON_CHARACTERS: Final = 4096


def check_words(request: GateRequest) -> None:
    """Every word is bounded, and what is signed is printable (``PARAMETER_INVALID``, ``BASE64URL_INVALID``)."""
    words = {
        "action": request.action,
        "ticket": request.ticket,
        "audience": request.audience,
        "nonce": request.nonce,
    }
    for name, word in words.items():
        if not 0 < len(word) <= MAX_WORD_CHARACTERS or not word.isprintable():
            expected = f"1 to {MAX_WORD_CHARACTERS} printable characters"
            raise Refused("PARAMETER_INVALID", f"{name} cannot be used", param=name, expected=expected, found=word)
    for name, hash_ in (("plan_hash", request.plan_hash), ("simulation", request.simulation)):
        if hash_ is not None:
            decode_b64u(hash_, 32, name)
    _check_length("token", request.token, MAX_TOKEN_CHARACTERS)
    _check_length("closing_reason", request.closing_reason or "", MAX_REASON_CHARACTERS)


def _check_length(name: str, text: str, most: int) -> None:
    if len(text) > most:
        expected, found = f"at most {most} characters", f"{len(text)} characters"
        raise Refused("PARAMETER_INVALID", f"{name} is too long", param=name, expected=expected, found=found)
