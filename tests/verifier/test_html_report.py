"""The written page: one file that loads and runs nothing, escapes what it was given, and follows the verdict."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.verifier.changebuilder import ORIGIN, Change, Payload, trust_toml
from tests.verifier.logbuilder import Key, LogBuilder, b64, jcs, path
from verifier.cli import main
from verifier.html.markup import safe, tag
from verifier.html.style import STYLE
from verifier.html.timeline import render_timeline
from verifier.report import Report
from verifier.timeline import Moment, Standing

VOID = {"meta", "path", "rect", "circle"}
HOSTILE = "</title><script>alert(1)</script>\"'&<img src=x onerror=alert(1)>\u202e\x9b"


class Page(HTMLParser):
    """Collects elements and text, and refuses what is not nested."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def words(self) -> str:
        return "\n".join(self.text)


def write(folder: Path, pack: Payload) -> list[str]:
    (folder / "pack.json").write_bytes(jcs(pack))
    (folder / "trust.toml").write_bytes(trust_toml())
    return ["evidence", str(folder / "pack.json"), "--trust", str(folder / "trust.toml"), "--at", "2026-03-02"]


def report(folder: Path, arguments: list[str], code: int = 0) -> Page:
    target = folder / "out.html"
    assert main([*arguments, "--report", str(target)]) == code
    return Page(target.read_text(encoding="utf-8"))


@pytest.fixture
def page(tmp_path: Path) -> Page:
    return report(tmp_path, write(tmp_path, Change().build().pack()))


def test_it_loads_and_runs_nothing(page: Page) -> None:
    names = {name for name, _ in page.elements}
    assert not names & {"script", "img", "link", "iframe", "object", "form", "a", "use", "image"}
    for _, attributes in page.elements:
        assert not {"src", "href", "style", "srcset", "action"} & set(attributes)
        assert not any(name.startswith("on") for name in attributes)
    assert not re.search(r"url\(|@import|expression", STYLE)


def test_its_policy_admits_its_own_style_and_nothing_else(page: Page) -> None:
    policy = next(meta["content"] for meta in page.named("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert len(page.named("style")) == 1


def test_it_can_be_read_without_eyes_or_colour(page: Page) -> None:
    assert page.named("html") == [{"lang": "en"}]
    assert len(page.named("h1")) == 1
    assert len(page.named("table")) == len(page.named("caption"))
    assert all(head.get("scope") in ("row", "col") for head in page.named("th"))
    for attributes in page.named("svg"):
        assert attributes.get("aria-hidden") == "true" or (attributes["role"] == "img" and attributes["aria-label"])
    assert {"ok", "attested"} <= set(page.text)


def test_it_says_what_the_verdict_says(page: Page) -> None:
    words = page.words
    places = [page.text.index(title) for title in ("PASS", "Checks", "Not proven", "The change, record by record")]
    assert places == sorted(places)
    for expected in (
        "that two keys are not in one hand",
        "allow change.execute",
        "ticket jira.example:CHG-7 closed",
        "p-sec",
    ):
        assert expected in words
    assert hashlib.sha256(trust_toml()).hexdigest() in words
    assert Key("gate").did in words
    assert Key("log").public.hex() in words
    assert (
        words.index("policy production-changes") < words.index("roster 1 of 3 people") < words.index("simulation, success")
    )


def test_only_groups_whose_checks_ran_are_shown_in_the_order_of_reasoning(tmp_path: Path) -> None:
    def groups(page: Page) -> list[str]:
        return [word for word in page.text if word in ("Log", "Evidence", "Policy", "Approvals", "Execution")]

    pack = Change().build().pack()
    assert groups(report(tmp_path, write(tmp_path, pack))) == ["Log", "Evidence", "Policy", "Approvals", "Execution"]
    pack["checkpoint"] = pack["checkpoint"].replace("log.example", "log.other")
    assert groups(report(tmp_path, [*write(tmp_path, pack), "--force"], code=1)) == ["Log"]


def test_the_verdict_counts_its_checks_and_what_they_leave_open(page: Page) -> None:
    checks, open_points = page.text.index("Checks"), page.text.index("Not proven")
    marks = Counter(page.text[checks:open_points])
    ended = f"{marks['ok'] + marks['attested']} checks: {marks['ok']} ok, {marks['attested']} attested"
    assert f"{ended} (absences, on a gate's word). Not proven: 9 points stand below the checks." in page.text


def test_many_model_calls_are_one_line_where_they_stand(tmp_path: Path) -> None:
    def calls(change: Change) -> None:
        for number in range(4, 61):
            change.clock += 0.01
            change._receipt(f"receipt_{number}")

    page = report(tmp_path, write(tmp_path, Change(before={"simulation": calls}).build().pack()))
    words = page.words
    assert words.count("model call to anthropic a-model") == 4
    assert "57 more: model call to anthropic a-model" in page.text
    assert any(text.startswith("entries 6 to 62 · one signer · claim 2026-03-01T") for text in page.text)
    assert words.index("roster 1 of 3 people") < words.index("57 more") < words.index("simulation, success")
    assert any("34 more entries were checked alike" in text for text in page.text)


def test_a_call_that_does_not_count_is_not_among_the_many(tmp_path: Path) -> None:
    def calls(change: Change) -> None:
        for number in range(4, 21):
            change.clock += 0.01
            change._receipt(f"receipt_{number}")

    pack = Change(before={"simulation": calls}, signer={"receipt_9": Key("nobody")}).build().pack()
    page = report(tmp_path, write(tmp_path, pack), code=1)
    assert any(text.startswith("without effect: ") for text in page.text)


def test_the_first_path_is_drawn_open(page: Page) -> None:
    unfolded = [attributes for attributes in page.named("details") if "open" in attributes]
    assert len(unfolded) == 1
    assert next(text for text in page.text if text.startswith("Entry ")).startswith("Entry 16: ")


def test_it_repeats_the_command_at_the_same_time(tmp_path: Path) -> None:
    arguments = write(tmp_path, Change().build().pack())
    page = report(tmp_path, arguments)
    assert f"trustlog-verify {' '.join(arguments[:-2])} --at 2026-03-02T00:00:00Z" in page.words


def test_every_path_leads_to_the_root(page: Page) -> None:
    summaries = [text for text in page.text if re.match(r"Entry \d+: ", text)]
    assert len(summaries) == 17
    assert all("; leads to the root" in text for text in summaries)


@pytest.mark.parametrize("member", ["closing_reason"])
def test_hostile_text_stays_text(tmp_path: Path, member: str) -> None:
    pack = Change(edit={"closure": lambda p: p.update({member: HOSTILE})}).build().pack()
    page = report(tmp_path, write(tmp_path, pack), code=1)
    assert not page.named("script")
    assert not page.named("img")
    assert "FAIL" in page.text
    raw = (tmp_path / "out.html").read_text(encoding="utf-8")
    assert all(letter.isprintable() or letter == "\n" for letter in raw)


def test_a_hostile_model_name_stays_text(tmp_path: Path) -> None:
    change = Change(edit={"receipt_1": lambda p: p.update(model=HOSTILE[:60])}).build()
    page = report(tmp_path, write(tmp_path, change.pack()), code=0)
    assert not page.named("script")
    assert any(HOSTILE[:60].replace("\u202e", "\ufffd") in text for text in page.text)


def test_a_record_that_failed_is_marked_where_it_stands(tmp_path: Path) -> None:
    page = report(tmp_path, write(tmp_path, Change(skip={"approve_execute_2"}).build().pack()), code=1)
    assert "fails a check: APPROVALS_INSUFFICIENT" in page.text


def marks(page: Page) -> dict[str, str]:
    """The mark of each record in the line of records, by its index and what it says."""
    shapes = [attributes for _, attributes in page.elements if "dot" in (attributes.get("class") or "")]
    said = page.text[page.text.index("The change, record by record") + 2 :]
    titles = [f"{text} {said[at + 1]}" for at, text in enumerate(said) if text.isdigit()][: len(shapes)]
    kinds = {("5", "dot good"): "holds", ("5", "dot open"): "open", ("2", "dot"): "unjudged", (None, "dot bad"): "fails"}
    return {title: kinds[shape.get("r"), shape["class"] or ""] for title, shape in zip(titles, shapes, strict=True)}


def test_only_what_was_judged_is_said_to_hold(tmp_path: Path) -> None:
    """An honest change: what a rule is about holds; roster, policy and most calls are judged only with others."""
    shown = marks(report(tmp_path, write(tmp_path, Change().build().pack())))
    assert (
        shown["9 allow change.execute"] == shown["8 explicit_approve by p-sec"] == shown["6 simulation, success"] == "holds"
    )
    assert shown["1 roster 1 of 3 people"] == "unjudged"
    assert set(shown.values()) == {"holds", "unjudged"}


def test_an_approval_that_does_not_count_is_not_shown_as_if_it_did(tmp_path: Path) -> None:
    change = Change(edit={"approve_execute_2": lambda payload: payload.update(agent_did=Key("nobody").did)})
    shown = marks(report(tmp_path, write(tmp_path, change.build().pack()), code=1))
    assert shown["9 allow change.execute"] == "fails"
    assert shown["8 explicit_approve by p-sec"] == "unjudged", "what is against it is told of the decision that lists it"
    assert shown["7 explicit_approve by p-owner"] == shown["14 explicit_approve by p-sec"] == "holds"


def test_where_nothing_was_judged_no_record_is_said_to_hold(tmp_path: Path) -> None:
    """The checkpoint is not the log's: no rule of the change was asked."""
    pack = Change().build().pack()
    pack["checkpoint"] = pack["checkpoint"].replace("log.example", "log.other")
    shown = marks(report(tmp_path, write(tmp_path, pack), code=1))
    assert "holds" not in shown.values()


def test_a_record_about_which_a_check_is_undecided_is_not_said_to_hold(tmp_path: Path) -> None:
    arguments = write(tmp_path, Change().build().pack())
    (tmp_path / "trust.toml").write_bytes(trust_toml(absence="log"))
    page = report(tmp_path, arguments, code=3)
    assert marks(page)["15 allow ticket.close"] == "open"
    assert "a check is undecided: ABSENCE_NOT_PROVEN" in page.text


def test_a_decision_on_which_nothing_relies_is_not_said_to_hold(tmp_path: Path) -> None:
    page = report(tmp_path, write(tmp_path, Change(skip={"closure"}).build().pack()), code=3)
    assert marks(page)["15 allow ticket.close"] == "unjudged"


def test_a_payload_that_lies_is_said_to(tmp_path: Path) -> None:
    pack = Change().build().pack()
    pack["entries"][5]["payload"] = pack["entries"][4]["payload"]
    page = report(tmp_path, write(tmp_path, pack), code=1)
    assert "its payload is another: HASH_MISMATCH" in page.text


def test_an_unreadable_pack_still_gives_a_page(tmp_path: Path) -> None:
    arguments = write(tmp_path, Change().build().pack())
    (tmp_path / "pack.json").write_bytes(b"{}")
    page = report(tmp_path, arguments, code=2)
    assert "PACK_MALFORMED" in page.text


def test_nothing_is_overwritten_without_force(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = write(tmp_path, Change().build().pack())
    target = tmp_path / "out.html"
    target.write_text("mine", encoding="utf-8")
    assert main([*arguments, "--report", str(target)]) == 2
    assert target.read_text(encoding="utf-8") == "mine"
    assert "--force" in capsys.readouterr().err
    assert main([*arguments, "--report", str(target), "--force"]) == 0
    assert target.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_folder_that_does_not_exist_is_said_before_anything_is_judged(tmp_path: Path) -> None:
    arguments = write(tmp_path, Change().build().pack())
    assert main([*arguments, "--report", str(tmp_path / "none" / "out.html")]) == 2


def test_a_defect_in_what_explains_changes_no_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("verifier.one_pack.build_timeline", fail)
    page = report(tmp_path, write(tmp_path, Change().build().pack()))
    assert "PASS" in page.text
    assert "the verdict stands" in capsys.readouterr().err


def test_the_other_commands_write_a_page_too(tmp_path: Path) -> None:
    log = LogBuilder(ORIGIN)
    for number in range(5):
        log.add("closure", {"number": number}, refs={}, signer=Key("gate"))
    log.export(tmp_path / "log")
    (tmp_path / "trust.toml").write_bytes(trust_toml())
    (tmp_path / "old").write_text(log.note(3), encoding="utf-8")
    (tmp_path / "a.entry").write_bytes(log.items[2].entry)
    lines = ["c2sp.org/tlog-proof@v1", "index 2", *(b64(node) for node in path(2, log.leaves()))]
    (tmp_path / "a.tlog-proof").write_text("\n".join(lines) + "\n\n" + log.note(), encoding="utf-8")
    trust, place = ["--trust", str(tmp_path / "trust.toml")], str(tmp_path / "log")
    for arguments in (
        ["log", place],
        ["consistency", str(tmp_path / "old"), f"{place}/checkpoint", "--log", place],
        ["proof", str(tmp_path / "a.tlog-proof"), "--entry", str(tmp_path / "a.entry")],
    ):
        page = report(tmp_path, [*arguments, *trust, "--force"])
        assert "PASS" in page.text
        assert any("log.example/changes, 5 entries, root" in text for text in page.text)


def test_a_folder_of_packs_is_one_page(tmp_path: Path) -> None:
    place = tmp_path / "packs"
    place.mkdir()
    (place / "a.evidence.json").write_bytes(Change().build().pack_bytes())
    (place / "b.evidence.json").write_bytes(Change(skip={"approve_execute_2"}).build().pack_bytes())
    (place / "c.evidence.json").write_bytes(HOSTILE.encode())
    (tmp_path / "trust.toml").write_bytes(trust_toml())
    arguments = ["evidence", str(place), "--trust", str(tmp_path / "trust.toml"), "--at", "2026-03-02"]
    page = report(tmp_path, arguments, code=1)
    assert "3 packs: 1 FAIL, 1 ERROR, 1 PASS" in page.text
    assert page.text.index("FAIL") < page.text.index("a.evidence.json")
    rows = {name: page.text[page.text.index(f"{name}.evidence.json") - 1] for name in "abc"}
    assert rows == {"a": "PASS", "b": "FAIL", "c": "ERROR"}
    assert {"OK", "APPROVALS_INSUFFICIENT"} <= set(page.text)
    assert any("split views" in text for text in page.text)
    assert f"trustlog-verify {' '.join(arguments[:-2])} --at 2026-03-02T00:00:00Z" in page.words
    assert main([*arguments, "--explain"]) == 2


def test_a_folder_whose_log_cannot_be_read_gives_a_page_that_says_so(tmp_path: Path) -> None:
    place = tmp_path / "packs"
    place.mkdir()
    (tmp_path / "log").mkdir()
    (place / "a.evidence.json").write_bytes(Change().build().pack_bytes())
    (tmp_path / "trust.toml").write_bytes(trust_toml())
    trust = ["--trust", str(tmp_path / "trust.toml"), "--at", "2026-03-02"]
    page = report(tmp_path, ["evidence", str(place), *trust, "--log", str(tmp_path / "log")], code=3)
    assert {"UNDECIDED", "LOG_UNREACHABLE"} <= set(page.text)


def test_markup_escapes_by_construction() -> None:
    assert safe("<b>&\"'\x00") == "&lt;b&gt;&amp;&quot;&#x27;\ufffd"
    assert tag("p", "<", tag("b", ">"), title='"') == '<p title="&quot;">&lt;<b>&gt;</b></p>'


def test_contrast_of_every_text_colour_on_its_ground_is_at_least_4_5() -> None:
    blocks = re.findall(r":root\{([^}]*)\}", STYLE)
    assert len(blocks) == 3  # light, dark, paper
    for block in blocks:
        colours = dict(re.findall(r"--([a-z]+):(#[0-9a-f]+)", block))
        for text in ("ink", "soft", "good", "bad", "open", "weak"):
            for ground in ("page", "box"):
                assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground, block)
        for tone in ("good", "bad", "open"):
            assert contrast(colours[tone], colours[f"{tone}box"]) >= 4.5, (tone, block)
            for text in ("ink", "soft"):
                assert contrast(colours[text], colours[f"{tone}box"]) >= 4.5, (text, tone, block)


def contrast(one: str, other: str) -> float:
    """WCAG 2 contrast ratio."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    parts = (int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_the_report_that_decides_is_frozen() -> None:
    assert Report.__dataclass_params__.frozen  # type: ignore[attr-defined]


def test_a_name_as_long_as_a_payload_is_cut_with_its_length(tmp_path: Path) -> None:
    name = "W" * 5000
    page = report(tmp_path, write(tmp_path, Change(edit={"receipt_1": lambda p: p.update(model=name)}).build().pack()))
    said = next(text for text in page.text if text.startswith("model call to anthropic W"))
    assert len(said) < 200
    assert said.endswith(f"… ({len('model call to anthropic ') + len(name)} characters)")


@pytest.mark.parametrize(("index", "wide"), [(9_999, "timeline"), (10_000, "timeline wide")])
def test_large_indexes_have_room(index: int, wide: str) -> None:
    moment = Moment(index, "roster", "roster 1", None, "", "", None, Standing.UNJUDGED)
    assert f'<ol class="{wide}">' in render_timeline((moment,))
