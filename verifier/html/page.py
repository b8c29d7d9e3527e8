"""The whole page."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable

from verifier.html.folder import render_open_points, render_packs, render_summary
from verifier.html.markup import Markup, join, raw, tag
from verifier.html.proofpath import render_path
from verifier.html.steps import render_chapter
from verifier.html.style import STYLE
from verifier.html.timeline import render_timeline
from verifier.html.verdict import render_checks, render_not_proven, render_verdict
from verifier.many_packs import Table
from verifier.outcome import Background, Judged
from verifier.report import Report
from verifier.text import Shortener, plural
from verifier.trust import TrustPolicy

_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode("utf-8")).digest()).decode("ascii")
_PATHS = (
    "From the root down to the entry. Solid boxes are computed from the entry upwards, dashed ones stand in the proof; "
    "the first digits of each hash. What stays folded is not printed."
)
_STEPS = (
    "‖ joins bytes; 0x00, 0x01, 0x04 and 0x06 are single bytes, LF is 0x0a. Any tool for SHA-256 can do each step again."
)
_SECURITY = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'"


def render_page(report: Report, trust: TrustPolicy | None, background: Background, *, command: str, judged: Judged) -> str:
    """The page, ending in a newline. `command` judges the same again; `judged` is what was judged, and when."""
    subject = next((value for name, value in background.facts if name == "ticket"), None)
    shorten = Shortener(report)
    sections = (
        render_verdict(report, shorten),
        _section("Checks", render_checks(report, shorten)),
        _section("Not proven", render_not_proven(report, shorten)),
        _section("The change, record by record", render_timeline(background.moments)) if background.moments else None,
        _paths(background) if background.paths else None,
        _section("Every hash, step by step", tag("p", _STEPS), *map(render_chapter, background.chapters))
        if background.chapters
        else None,
        _section(
            "What was judged, and how to repeat it",
            _input(trust, background.facts, command=command, judged=judged),
        ),
    )
    title = f"{report.status.value} {report.reason_code}"
    heading = "Verdict of the independent verifier" + (f" on {subject}" if subject else "")
    return _document(f"{title} – {subject}" if subject else title, heading, sections)


def render_folder_page(table: Table, trust: TrustPolicy, *, folder: str, command: str, judged: Judged) -> str:
    """The page on a folder of packs, ending in a newline; each pack's own page says why."""
    sections = (
        render_summary(table),
        _section("Packs", render_packs(table)),
        _section("Not proven of any of them", render_open_points(table)),
        _section(
            "What was judged, and how to repeat it",
            _input(trust, (("folder", folder),), command=command, judged=judged),
        ),
    )
    packs = plural(len(table.rows), "pack")
    return _document(f"{table.worst.value} – {packs}", f"Verdicts of the independent verifier on {packs}", sections)


def _document(title: str, heading: str, sections: Iterable[Markup | None]) -> str:
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_SECURITY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", title),
        tag("style", raw(STYLE)),
    )
    main = tag("main", tag("h1", heading), *sections)
    return f"<!doctype html>\n{tag('html', head, tag('body', main), lang='en')}\n"


def _paths(background: Background) -> Markup:
    """The first path drawn, the others folded away."""
    first, *others = background.paths
    more = len(background.moments) - len(background.paths)
    rest = f"The paths of {more} more entries were checked alike and are not drawn; --explain-entry draws one of them."
    return _section(
        "Inclusion proofs",
        tag("p", _PATHS),
        render_path(first, unfolded=True),
        *map(render_path, others),
        tag("p", rest) if more > 0 else None,
    )


def _section(title: str, *parts: Markup | None) -> Markup:
    return tag("section", tag("h2", title), *parts)


def _input(trust: TrustPolicy | None, facts: tuple[tuple[str, str], ...], *, command: str, judged: Judged) -> Markup:
    rows = [*facts, ("judged at", judged.at), *((name, f"SHA-256 {digest}") for name, digest in judged.files)]
    table = tag(
        "table",
        tag("caption", "Input"),
        tag("tbody", *(tag("tr", tag("th", name, scope="row"), tag("td", tag("code", value))) for name, value in rows)),
        class_="facts",
    )
    repeat = join(tag("h3", "Command"), tag("pre", tag("code", command)))
    return join(table, _keys(trust) if trust is not None else None, repeat)


def _keys(trust: TrustPolicy) -> Markup:
    """Every pinned key with what it is trusted for."""
    rows = [("log", key.name, key.public_key.hex()) for key in trust.log_policy.logs]
    rows += [("witness", name, key.public_key.hex()) for name, key in trust.log_policy.witnesses]
    for role, windows in trust.windows.items():
        for window in windows:
            until = "" if window.until_index >= 2**63 - 1 else f", below index {window.until_index}"
            since = "" if window.from_index == 0 else f", from index {window.from_index}"
            rows.append(
                (role.value.replace("_", " "), window.did, f"trusted{since}{until}" if since or until else "any index")
            )
    heads = (tag("th", name, scope="col") for name in ("trusted as", "name or DID", "key or indexes"))
    return tag(
        "table",
        tag("caption", f"Pinned keys; quorum of witnesses: {trust.log_policy.quorum or 'none'}"),
        tag("thead", tag("tr", *heads)),
        tag("tbody", *(tag("tr", tag("td", a), tag("td", tag("code", b)), tag("td", tag("code", c))) for a, b, c in rows)),
        class_="keys",
    )
