"""Next steps as whole commands: rules name what is particular to a case, and ``…`` stands for what every such command needs."""

from __future__ import annotations

import re
from typing import Final

_LOG: Final = ("--log URL", "--trust FILE")
_KEY: Final = ("--key FILE", *_LOG)
NEEDS: Final[dict[str, tuple[str, ...]]] = {
    "approve": ("--job ID", "--action NAME", *_KEY),
    "bundle": ("--job ID", *_KEY),
    "close": ("--token FILE", "--gate-key FILE", *_LOG),
    "execute": ("--gate URL", *_KEY, "-- COMMAND"),
    "gate check": ("--action NAME", "--ticket SYSTEM:ID", "--token FILE", "--gate-key FILE", *_LOG),
    "resolve": _KEY,
    "roster publish": _KEY,
    "simulate": ("--job ID", "--run RUN", *_KEY, "-- COMMAND"),
    "token mint": (
        *("--job NEW-ID", "--ticket SYSTEM:ID", "--requester SUBJECT", "--agent DID", "--policy HASH"),
        *("--aud NAME", "--scope NAME", "--out FILE", *_KEY),
    ),
}
_COMMAND: Final = re.compile(rf"trustlog ({'|'.join(NEEDS)})((?:(?!trustlog )[^…])*) …")
_BARE: Final = re.compile(r" --[a-z-]+\Z")  # an option whose value is left open


def spell_out(step: str) -> str:
    """`step` with every ``…`` at a command's end replaced by the options that it needs besides those given."""
    return _COMMAND.sub(_whole, step)


def _whole(found: re.Match[str]) -> str:
    command, given = found[1], _BARE.sub("", found[2])
    more = [option for option in NEEDS[command] if f" {option.partition(' ')[0]} " not in f"{given} "]
    return " ".join([f"trustlog {command}{given}", *more])
