"""The change as a line of records, in the log's order."""

from __future__ import annotations

from collections import Counter
from itertools import groupby

from verifier.html.markup import Markup, join, tag
from verifier.timeline import Moment, Standing
from verifier.times import format_time

MAX_ALIKE = 6  # model calls in a row with nothing against them; of a longer row the first few, and the rest in one line
_SHOWN_ALIKE = 3
_WIDE_FROM = 10_000  # an index from which on more room is made for indexes
_TONES = {
    Standing.HOLDS: "good",
    Standing.OPEN: "open",
    Standing.FAILS: "bad",
    Standing.UNJUDGED: "none",
    Standing.LIES: "bad",
    Standing.VOID: "bad",
    Standing.UNREAD: "open",
}
_STANDINGS = {
    Standing.OPEN: "a check is undecided",
    Standing.FAILS: "fails a check",
    Standing.LIES: "its payload is another",
    Standing.VOID: "without effect",
    Standing.UNREAD: "its payload is not here",
}
_LEGEND = (
    "The order is the log's, by index; every time is what the signer claims. A full dot: the checks about this record hold, as "
    "far as absences carry; a small dot: no check is about it alone; a ring: a check about it is undecided, or it cannot be "
    "read; a cross: it fails a check, or is without effect."
)
_MARKS = {  # shapes, so that nothing is said by colour alone
    "good": tag("circle", cx=8, cy=8, r=5, class_="dot good"),
    "bad": tag("path", d="M3 3L13 13M13 3L3 13", class_="dot bad"),
    "open": tag("circle", cx=8, cy=8, r=5, class_="dot open"),
    "none": tag("circle", cx=8, cy=8, r=2, class_="dot"),
}


def render_timeline(moments: tuple[Moment, ...]) -> Markup:
    """An ordered list; of many receipts in a row with nothing against them, the first few and one line for the rest."""
    items: list[Markup] = []
    for is_plain, group in groupby(moments, key=_is_plain_call):
        alike = list(group)
        first = _SHOWN_ALIKE if is_plain and len(alike) > MAX_ALIKE else len(alike)
        items += map(_item, alike[:first])
        if alike[first:]:
            items.append(_rest(alike[first:]))
    return join(
        tag("p", _LEGEND),
        tag("ol", *items, class_="timeline wide" if moments[-1].index >= _WIDE_FROM else "timeline"),
    )


def _is_plain_call(moment: Moment) -> bool:
    return moment.kind == "gateway_receipt" and moment.standing in (Standing.HOLDS, Standing.UNJUDGED)


def _rest(moments: list[Moment]) -> Markup:
    """One line for model calls with nothing against them."""
    said = Counter(moment.says for moment in moments)
    times = [moment.time_ns for moment in moments if moment.time_ns is not None]
    when = f" · claim {format_time(min(times))} to {format_time(max(times))}" if times else ""
    signers = len({moment.signer_did for moment in moments})
    who = "one signer" if signers == 1 else f"{signers} signers"
    return tag(
        "li",
        tag("span", "…", class_="index", aria_hidden="true"),
        tag("svg", _MARKS["none"], viewBox="0 0 16 16", aria_hidden="true"),
        tag("div", "; ".join(f"{number} more: {says}" for says, number in said.most_common(8)), class_="says"),
        tag("div", f"entries {moments[0].index} to {moments[-1].index} · {who}{when}", class_="who"),
    )


def _item(moment: Moment) -> Markup:
    tone = _TONES[moment.standing]
    standing = _STANDINGS.get(moment.standing)
    problem = None
    if standing is not None:
        said = standing + (f": {moment.code}" if moment.code else "")
        problem = tag("div", tag("span", said, class_=f"mark {tone}"))
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
