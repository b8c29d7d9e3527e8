"""What can be looked up: a term that no entry could ever have is refused, where an empty answer would only look like one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from trustlog.formats.base64 import decode_b64u, encode_b64u
from trustlog.limits import MAX_REF_VALUE_CHARACTERS
from trustlog.merkle.hashing import hash_leaf
from trustlog.records.kinds import KINDS
from trustlog.service.context import parameter_invalid
from trustlog.storage.index_search import Page

HASH_TERMS: Final = ("leaf_hash", "bundle", "plan", "policy", "scope", "token_scope")
_FORMS: Final = {
    "token": (re.compile(r"[0-9a-f]{64}"), "the token's SHA-256, 64 lower-case hex digits"),
    "roster": (re.compile(r"[1-9][0-9]{0,15}"), "a roster's number"),
}
_REF: Final = (
    re.compile(rf"[A-Za-z0-9._:/-]{{1,{MAX_REF_VALUE_CHARACTERS}}}"),
    f"1 to {MAX_REF_VALUE_CHARACTERS} of A-Z a-z 0-9 . _ : / -, else sha256: and the base64url SHA-256 of the value",
)


def check_terms(terms: Mapping[str, str]) -> None:
    """Check the terms of a lookup, by name. Raises Refused: PARAMETER_INVALID, for a malformed hash BASE64URL_INVALID."""
    for name, value in terms.items():
        if name == "kind":
            if value not in KINDS:
                raise parameter_invalid(name, "there is no such kind", expected=", ".join(sorted(KINDS)), found=value)
        elif name in HASH_TERMS:
            decode_b64u(value, 32, name)
        else:
            form, expected = _FORMS.get(name, _REF)
            if not form.fullmatch(value):
                raise parameter_invalid(name, "no entry can have this", expected=expected, found=value)


def listing(page: Page) -> dict[str, Any]:
    """A page of entries as JSON. It may be empty and not the last: ``next_cursor`` says where the search goes on, if it does."""
    return {
        "entries": [
            {"index": index, "leaf_hash_b64u": encode_b64u(hash_leaf(entry)), "entry": entry.decode("ascii")}
            for index, entry in page.entries
        ],
        "complete_to": page.complete_to,
        "next_cursor": str(page.searched_to) if page.searched_to < page.complete_to else None,
    }
