"""Edits of a trust policy's text that keep its comments and its order: bytes in, bytes out.

The text given in is one that was parsed as a trust policy; the caller parses what comes out before it is used.
"""

from __future__ import annotations

from typing import Any

import tomlkit
from tomlkit.items import Array

from trustlog.errors import Refused
from trustlog.formats.trustpolicy import Window


def add_window(text: bytes, role: str, window: Window) -> bytes:
    """`window` at the end of `role`. Parsing refuses it if the key has another role."""
    document, members = _role(text, role)
    members.append(_item(window))
    return _dump(document, members)


def remove_did(text: bytes, role: str, did: str) -> bytes:
    """`role` without any window of `did`."""
    document, members = _role(text, role)
    for position in reversed([i for i, member in enumerate(members.unwrap()) if _did(member) == did]):
        del members[position]
    return _dump(document, members)


def end_window(text: bytes, role: str, did: str, until_index: int) -> bytes:
    """`role` with every window of `did` cut off at `until_index`; a window that begins there or later goes."""
    document, members = _role(text, role)
    for position, member in reversed(list(enumerate(members.unwrap()))):
        if _did(member) != did:
            continue
        window = _cut(member, until_index)
        if window is None:
            del members[position]
        else:
            members[position] = _item(window)
    return _dump(document, members)


def _role(text: bytes, role: str) -> tuple[tomlkit.TOMLDocument, Array]:
    document = tomlkit.parse(text.decode("utf-8"))
    roles = document.setdefault("roles", tomlkit.table())
    members = roles.setdefault(role, tomlkit.array())
    if not isinstance(members, Array):
        raise Refused("TRUST_POLICY_INVALID", "the role is not a list", param=f"roles.{role}", expected="an array")
    return document, members


def _dump(document: tomlkit.TOMLDocument, members: Array) -> bytes:
    members.multiline(multiline=len(members) > 1)
    return tomlkit.dumps(document).encode("utf-8")


def _item(window: Window) -> Any:
    if window.from_index == 0 and window.until_index is None:
        return window.did
    table = tomlkit.inline_table()
    table["did"] = window.did
    if window.from_index:
        table["from_index"] = window.from_index
    if window.until_index is not None:
        table["until_index"] = window.until_index
    return table


def _did(member: Any) -> Any:
    return member.get("did") if isinstance(member, dict) else member


def _cut(member: Any, until_index: int) -> Window | None:
    table = member if isinstance(member, dict) else {"did": member}
    start, end = table.get("from_index", 0), table.get("until_index")
    end = until_index if end is None else min(end, until_index)
    return Window(table["did"], start, end) if start < end else None
