"""The change as a line of records, in the log's order."""

from __future__ import annotations

from collections import Counter
from itertools import groupby

from verifier.html.markup import Markup, join, tag
from verifier.timeline import Moment
from verifier.times import format_time

MAX_ALIKE = 6  # model calls in a row that count; of a longer row the first few, and the rest in one line
_SHOWN_ALIKE = 3
_WIDE_FROM = 10_000  # an index from which on more room is made for indexes
_TONES = {"valid": "good", "fails": "bad", "lie": "bad", "void": "bad", "unread": "open"}
_STANDINGS = {
    "fails": "fails a check",
    "lie": "its payload is another",
    "void": "without effect",
    "unread": "its payload is not here",
}
_MARKS = {  # shapes, so that nothing is said by colour alone
    "good": tag("circle", cx=8, cy=8, r=5, class_="dot good"),
    "bad": tag("path", d="M3 3L13 13M13 3L3 13", class_="dot bad"),
    "open": tag("circle", cx=8, cy=8, r=5, class_="dot open"),
}


def render_timeline(moments: tuple[Moment, ...]) -> Markup:
    """An ordered list; of many receipts in a row that count, the first few and one line for the rest, in its place."""
    items: list[Markup] = []
    for is_plain, group in groupby(moments, key=_is_plain_call):
        alike = list(group)
        first = _SHOWN_ALIKE if is_plain and len(alike) > MAX_ALIKE else len(alike)
        items += map(_item, alike[:first])
        if alike[first:]:
            items.append(_rest(alike[first:]))
    return join(
        tag(
            "p",
            "The order is the log's, by index; every time is what the signer claims. A dot: the record counts; "
            "a cross: it does not, or a check on it failed; a ring: it cannot be read.",
        ),
        tag("ol", *items, class_="timeline wide" if moments[-1].index >= _WIDE_FROM else "timeline"),
    )


def _is_plain_call(moment: Moment) -> bool:
    return moment.kind == "gateway_receipt" and moment.standing == "valid" and moment.code is None


def _rest(moments: list[Moment]) -> Markup:
    """One line for model calls that count."""
    said = Counter(moment.says for moment in moments)
    times = [moment.time_ns for moment in moments if moment.time_ns is not None]
    when = f" · claim {format_time(min(times))} to {format_time(max(times))}" if times else ""
    signers = len({moment.signer_did for moment in moments})
    who = "one signer" if signers == 1 else f"{signers} signers"
    return tag(
        "li",
        tag("span", "…", class_="index", aria_hidden="true"),
        tag("svg", _MARKS["good"], viewBox="0 0 16 16", aria_hidden="true"),
        tag("div", "; ".join(f"{number} more: {says}" for says, number in said.most_common(8)), class_="says"),
        tag("div", f"entries {moments[0].index} to {moments[-1].index} · {who} · all count{when}", class_="who"),
    )


def _item(moment: Moment) -> Markup:
    tone = _TONES[moment.standing]
    standing = _STANDINGS.get(moment.standing)
    problem = None
    if standing is not None:
        problem = tag("div", tag("span", f"{standing}: {moment.code or 'no code'}", class_=f"mark {tone}"))
    elif moment.code is not None:
        problem = tag("div", tag("span", moment.code, class_=f"mark {tone}"))
    when = "no time of its own" if moment.time_ns is None else f"claims {format_time(moment.time_ns)}"
    who = f"{moment.subject}, {moment.role}" if moment.subject else moment.role
    return tag(
        "li",
        tag("span", str(moment.index), class_="index", title="index in the log"),
        tag("svg", _MARKS[tone], viewBox="0 0 16 16", aria_hidden="true"),
        tag("div", moment.says, class_="says"),
        tag("div", f"{moment.kind.replace('_', ' ')} · {who or 'unknown signer'} · {when}", class_="who"),
        tag("div", tag("code", moment.signer_did), class_="who") if moment.signer_did else None,
        problem,
    )
