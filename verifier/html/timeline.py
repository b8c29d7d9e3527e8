"""The change as a line of records, in the log's order."""

from __future__ import annotations

from verifier.html.markup import Markup, join, tag
from verifier.timeline import Moment
from verifier.times import format_time

MAX_RECEIPTS = 12  # of one run of model calls; the rest is counted
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
    """An ordered list; of a long run of receipts that count, only the first few."""
    shown, hidden = _select(moments)
    return join(
        tag(
            "p",
            "The order is the log's, by index; every time is what the signer claims. A dot: the record counts; "
            "a cross: it does not, or a check on it failed; a ring: it cannot be read.",
        ),
        tag("ol", *(_item(moment) for moment in shown), class_="timeline"),
        tag("p", f"{hidden} more receipts that count are not listed here.") if hidden else None,
    )


def _select(moments: tuple[Moment, ...]) -> tuple[list[Moment], int]:
    shown: list[Moment] = []
    receipts = hidden = 0
    for moment in moments:
        if moment.kind == "gateway_receipt" and moment.standing == "valid":
            receipts += 1
            if receipts > MAX_RECEIPTS:
                hidden += 1
                continue
        shown.append(moment)
    return shown, hidden


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
