"""The verdicts on a folder of packs as HTML."""

from __future__ import annotations

from verifier.html.markup import Markup, tag
from verifier.html.verdict import TONES
from verifier.many_packs import Row, Table, common_open_points


def render_summary(table: Table) -> Markup:
    """The box at the top: the worst verdict, and how many packs ended how."""
    return tag(
        "div",
        tag("p", tag("span", table.worst.value, class_="mark")),
        tag("p", table.say_counts()),
        class_=f"verdict {TONES[table.worst]}",
    )


def render_packs(table: Table) -> Markup:
    """One row a pack, in the order of file names."""
    heads = (tag("th", name, scope="col") for name in ("verdict", "file", "ticket", "first reason"))
    return tag(
        "table",
        tag("caption", "Packs", class_="unseen"),
        tag("thead", tag("tr", *heads)),
        tag("tbody", *map(_row, table.rows)),
        class_="packs",
    )


def _row(row: Row) -> Markup:
    return tag(
        "tr",
        tag("td", tag("span", row.report.status.value, class_="mark")),
        tag("th", row.file, scope="row"),
        tag("td", row.ticket or "–"),
        tag("td", tag("code", row.report.reason_code), tag("div", row.report.reason, class_="who")),
        class_=TONES[row.report.status],
    )


def render_open_points(table: Table) -> Markup:
    """What is proven of none of these packs."""
    lines = common_open_points(table.rows)
    if not lines:
        return tag("p", "Nothing was judged, so nothing is proven.")
    return tag("ul", *(tag("li", line) for line in lines))
