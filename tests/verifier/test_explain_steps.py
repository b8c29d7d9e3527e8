"""An explanation can be followed: each step comes out as printed, from what is printed, and leads to what the log signed."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from tests.verifier.changebuilder import ORIGIN, START, STEPS, Change, Payload, trust_toml
from tests.verifier.logbuilder import Key, LogBuilder, b64, jcs, mth, path, proof, sha
from tests.verifier.printed import check_every_step, read_steps
from verifier.cli import main
from verifier.explain.chapters import explain_two_checkpoints
from verifier.explain.events import MAX_EVENTS, explain_events
from verifier.explain.step import MAX_SHOWN_BYTES, Chapter, Step, shown
from verifier.explain.text import render_chapters
from verifier.explain.tree import explain_consistency, explain_inclusion
from verifier.records.bundle import Event, OpenedBundle
from verifier.trust import parse_trust_policy

WITNESS = Key("witness")
NAMED = {"policy": "policy", "roster": "roster", "bundle": "bundle", "plan": None}
EVENT = {
    "run_id": "r",
    "event_type": "llm_call",
    "timestamp": "t",
    "payload_hash_b64u": "h",
    "prev_hash_b64u": "h",
    "event_hash_b64u": "h",
}


def explain(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert main([*arguments, "--explain"]) == code
    return capsys.readouterr().out


def write(folder: Path, pack: Payload | bytes, trust: bytes | None = None) -> list[str]:
    (folder / "pack.json").write_bytes(pack if isinstance(pack, bytes) else jcs(pack))
    (folder / "trust.toml").write_bytes(trust or trust_toml())
    return ["evidence", str(folder / "pack.json"), "--trust", str(folder / "trust.toml"), "--at", "2026-03-02"]


@pytest.mark.parametrize("index", range(len(STEPS)))
def test_every_step_of_every_entry_can_be_computed_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], index: int
) -> None:
    change = Change().build()
    text = explain(capsys, *write(tmp_path, change.pack()), "--explain-entry", str(index))
    steps = check_every_step(text)
    assert {step.formula for step in steps} >= {"SHA-256(payload)", "SHA-256(0x00 ‖ entry)", "SHA-256(plan)"}
    leaf = next(step for step in steps if step.formula == "SHA-256(0x00 ‖ entry)")
    assert leaf.inputs["entry"] == change.log.items[index].entry
    root = mth(change.log.leaves())
    last = [step for step in steps if step.formula == "SHA-256(0x01 ‖ left ‖ right)"][-1]
    assert last.outputs == [root, root]
    assert all(step.holds is not False for step in read_steps(text))


def test_the_closure_is_explained_unless_another_entry_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = explain(capsys, *write(tmp_path, Change().build().pack()))
    assert "entry 16: from its bytes to the root" in text
    assert "payload hash of the closure" in text


def test_an_entry_that_the_pack_does_not_hold_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = write(tmp_path, Change().build().pack())
    assert main([*arguments, "--explain-entry", "99"]) == 2
    assert "--explain-entry" in capsys.readouterr().err


def test_scope_token_scope_and_plan_are_the_documents_that_records_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change = Change().build()
    steps = check_every_step(explain(capsys, *write(tmp_path, change.pack())))
    documents = {step.inputs["document"] for step in steps if step.formula == "SHA-256(document)"}
    scopes = {jcs(change.payloads[name]["scope"]) for name in ("decide_execute", "decide_close")}
    assert scopes < documents
    token_scope = base64.urlsafe_b64decode(change.token_scope + "=")
    assert token_scope in {sha(document) for document in documents}
    assert change.plan_bytes in {step.inputs.get("plan") for step in steps}


def test_policy_roster_bundle_and_plan_are_the_bytes_that_records_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change = Change().build()
    steps = check_every_step(explain(capsys, *write(tmp_path, change.pack())))
    named = {step.formula: step for step in steps if step.formula in {f"SHA-256({what})" for what in NAMED}}
    assert set(named) == {f"SHA-256({what})" for what in NAMED}
    for what, step_name in NAMED.items():
        step = named[f"SHA-256({what})"]
        assert step.inputs[what] == (jcs(change.payloads[step_name]) if step_name else change.plan_bytes)
        assert step.holds is True


def test_a_plan_that_is_another_does_not_hold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pack = Change().build().pack()
    for payload in pack["payloads"]:
        payload["text"] = payload["text"].replace("{", '{"another":1,', 1)
    steps = check_every_step(explain(capsys, *write(tmp_path, pack), code=1))
    assert [step.holds for step in steps if step.formula == "SHA-256(plan)"] == [False]


@pytest.mark.parametrize(("reason", "holds"), [("done, bundle:{}", True), ("done", False), ("bundle:{} bundle:{}", False)])
def test_the_closing_reason_is_shown_beside_the_bundle_that_it_must_refer_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], reason: str, *, holds: bool
) -> None:
    def close(payload: Payload) -> None:
        payload["closing_reason"] = reason.format(payload["bundle_b64u"], payload["bundle_b64u"])

    change = Change(edit={"closure": close}).build()
    (tmp_path / "pack.json").write_bytes(change.pack_bytes())
    main([*write(tmp_path, change.pack()), "--explain"])
    step = next(step for step in read_steps(capsys.readouterr().out) if "closing reason" in step.inputs)
    assert step.holds is holds
    assert step.inputs["closing reason"].decode() == change.payloads["closure"]["closing_reason"]


def test_the_event_of_a_receipt_and_each_event_of_a_bundle_is_hashed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change = Change().build()
    arguments = write(tmp_path, change.pack())
    hashes = [base64.urlsafe_b64decode(event["event_hash_b64u"] + "=") for event in change.events]
    for index, expected in ((STEPS.index("receipt_2"), hashes[1:2]), (STEPS.index("bundle"), hashes)):
        steps = check_every_step(explain(capsys, *arguments, "--explain-entry", str(index)))
        events = [step for step in steps if step.formula == "SHA-256(event)"]
        assert [step.outputs[0] for step in events] == expected
        assert all(step.holds for step in events)


def test_an_event_that_is_another_than_the_binding_names_does_not_hold(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def lie(payload: Payload) -> None:
        payload["metadata"]["event"]["timestamp"] = "2026-03-01T09:00:00Z"

    change = Change(edit={"receipt_1": lie}).build()
    main([*write(tmp_path, change.pack()), "--explain-entry", str(STEPS.index("receipt_1"))])
    steps = check_every_step(capsys.readouterr().out)
    assert [step.holds for step in steps if step.formula == "SHA-256(event)"] == [False]


def test_many_events_are_bounded_and_the_rest_is_said() -> None:
    events = explain_events(opened_bundle(MAX_EVENTS + 3))
    assert len(events) == MAX_EVENTS + 1
    assert events[-1].title == "3 more events"


def opened_bundle(number: int) -> OpenedBundle:
    events = {str(at): Event(event_id=str(at), **EVENT) for at in range(number)}
    return OpenedBundle(record=None, events=events, receipts=None)  # type: ignore[arg-type] # nothing else is read


def test_what_an_ascii_terminal_cannot_show_is_in_hex() -> None:
    chapter = Chapter("a", (Step("b", inputs=(shown("one", "ä".encode()), shown("two", b"a"))),))
    text = render_chapters([chapter], can_show=str.isascii)
    assert "       hex       c3a4\n" in text
    assert "       text      a\n" in text


def test_a_payload_too_long_to_print_says_where_it_stands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pad = {"pad": "x" * (MAX_SHOWN_BYTES // 2)}
    change = Change(edit={name: lambda p: p["metadata"].update(pad) for name in ("receipt_1", "receipt_2")}).build()
    pack = change.pack()
    text = explain(capsys, *write(tmp_path, pack), "--explain-entry", str(STEPS.index("bundle")))
    payload = pack["entries"][STEPS.index("bundle")]["payload"].encode()
    where = f".entries[{STEPS.index('bundle')}].payload of the pack"
    assert f"omitted   {len(payload)} bytes, not printed: they are {where}" in text


def test_a_cosignature_covers_its_time_and_the_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    time_s = int(START.timestamp()) + 100
    change = Change(cosigners=(("witness.example", WITNESS, time_s),)).build()
    trust = trust_toml(witnesses=(("witness.example", WITNESS),), quorum="witness.example")
    steps = check_every_step(explain(capsys, *write(tmp_path, change.pack(), trust)))
    messages = [step.inputs["message"] for step in steps if step.formula and step.formula.startswith("Ed25519")]
    assert any(message.startswith(f"cosignature/v1\ntime {time_s}\n{ORIGIN}\n".encode()) for message in messages)
    assert "SHA-256(name ‖ LF ‖ 0x04 ‖ public key)[:4]" in {step.formula for step in steps}


def test_a_forged_checkpoint_is_explained_as_one_that_does_not_hold(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pack = Change().build().pack()
    text, _, line = pack["checkpoint"].partition("\n\n")
    data = bytearray(base64.b64decode(line.rstrip().split(" ")[-1]))
    data[-1] ^= 1
    pack["checkpoint"] = f"{text}\n\n{line.rsplit(' ', 1)[0]} {b64(bytes(data))}\n"
    printed = explain(capsys, *write(tmp_path, pack), code=1)
    steps = check_every_step(printed)
    assert [step.title for step in steps if step.holds is False] == [f"the signature of {ORIGIN}"]


def test_a_proof_with_a_wrong_hash_leads_elsewhere_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pack = Change().build().pack()
    pack["entries"][-1]["inclusion_proof"][0] = b64(sha(b"another"))
    printed = explain(capsys, *write(tmp_path, pack), code=1)
    check_every_step(printed)
    assert [step.title for step in read_steps(printed) if step.holds is False] == ["the root of 17 entries"]


def test_a_payload_that_would_move_the_cursor_is_printed_in_hex(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change = Change(edit={"closure": lambda p: p.update(closing_reason="\x9b2J\u202e")}).build()
    printed = explain(capsys, *write(tmp_path, change.pack()), code=1)
    assert all(letter.isprintable() or letter == "\n" for letter in printed)
    steps = check_every_step(printed)
    payload = next(step.inputs["payload"] for step in steps if step.formula == "SHA-256(payload)")
    assert json.loads(payload)["closing_reason"] == "\x9b2J\u202e"


def test_what_is_printed_is_bounded() -> None:
    assert shown("payload", b"a" * MAX_SHOWN_BYTES).encoding == "text"
    assert shown("payload", b"a" * (MAX_SHOWN_BYTES + 1)).encoding == "omitted"


@pytest.mark.parametrize("data", [b" a", b"a ", b"a \n", b"a\n b\n"])
def test_spaces_at_an_end_are_not_left_to_the_eye(data: bytes) -> None:
    assert shown("value", data).encoding == "hex"


@pytest.mark.parametrize("data", [b"", b"\n", b"a\n\n", b"a\r\n", b"\xff", b" a ", b"a\nb"])
def test_every_value_is_printed_so_that_it_can_be_read_back(data: bytes) -> None:
    value = shown("value", data)
    found = bytes.fromhex(value.text) if value.encoding == "hex" else value.text.encode()
    assert found == data
    assert value.encoding == "hex" or all(line.isprintable() for line in value.text.split("\n"))


def check_chapter(steps: list[Any]) -> list[Any]:
    chapter = Chapter("a chapter", tuple(steps))
    check_every_step(render_chapters([chapter]))
    return steps


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 16, 17, 31, 33])
def test_inclusion_is_explained_at_every_index(size: int) -> None:
    leaves = [f"entry {number}".encode() for number in range(size)]
    for index in range(size):
        steps = explain_inclusion(leaves[index], index, size=size, root=mth(leaves), proof=path(index, leaves))
        assert check_chapter(steps)[-1].holds is True
    for short in (path(0, leaves)[:-1], [*path(0, leaves), sha(b"more")]):
        if len(short) != len(path(0, leaves)):
            assert explain_inclusion(leaves[0], 0, size=size, root=mth(leaves), proof=short)[-1].holds is False


@pytest.mark.parametrize("size", range(1, 18))
def test_consistency_is_explained_from_every_earlier_size(size: int) -> None:
    leaves = [f"entry {number}".encode() for number in range(size)]
    new = (size, mth(leaves))
    for old_size in range(size + 1):
        old = (old_size, mth(leaves[:old_size]))
        steps = check_chapter(explain_consistency(old, new, proof(old_size, leaves)))
        assert [step.holds for step in steps if step.holds is not None] in ([True], [True, True])
        if 0 < old_size < size:
            assert any(
                step.holds is False
                for step in explain_consistency((old_size, sha(b"another")), new, proof(old_size, leaves))
            )


def test_two_checkpoints_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = LogBuilder(ORIGIN)
    for number in range(11):
        log.add("closure", {"number": number}, refs={}, signer=Key("gate"))
    log.export(tmp_path / "log")
    for name, size in (("old", 5), ("new", 11)):
        (tmp_path / name).write_text(log.note(size), encoding="utf-8")
    (tmp_path / "trust.toml").write_bytes(trust_toml())
    names = [str(tmp_path / name) for name in ("old", "new")]
    arguments = ["consistency", *names, "--log", str(tmp_path / "log"), "--trust", str(tmp_path / "trust.toml")]
    steps = check_every_step(explain(capsys, *arguments))
    assert sum(step.formula == "SHA-256(0x01 ‖ left ‖ right)" for step in steps) >= 4
    assert {root for step in steps for root in step.outputs} >= {mth(log.leaves(5)), mth(log.leaves(11))}


def test_checkpoints_that_no_proof_connects_are_explained_without_one() -> None:
    background = explain_two_checkpoints(b"nonsense", b"nonsense", None, parse_trust_policy(trust_toml()))
    assert [step.holds for chapter in background.chapters for step in chapter.steps] == [False, False]


def test_a_log_proof_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = Change().build().log
    lines = ["c2sp.org/tlog-proof@v1", "index 3", *(b64(node) for node in path(3, log.leaves()))]
    (tmp_path / "a.tlog-proof").write_text("\n".join(lines) + "\n\n" + log.note(), encoding="utf-8")
    (tmp_path / "a.entry").write_bytes(log.items[3].entry)
    (tmp_path / "trust.toml").write_bytes(trust_toml())
    arguments = ["proof", str(tmp_path / "a.tlog-proof"), "--entry", str(tmp_path / "a.entry")]
    steps = check_every_step(explain(capsys, *arguments, "--trust", str(tmp_path / "trust.toml")))
    assert next(step for step in steps if "0x00" in (step.formula or "")).inputs["entry"] == log.items[3].entry


def test_the_explanation_as_json_stands_in_the_verdict_only_when_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = write(tmp_path, Change().build().pack())
    assert main([*arguments, "--json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    verdict = json.loads(explain(capsys, *arguments, "--json"))
    chapters = verdict.pop("explanation")
    assert verdict == plain
    assert [chapter["title"] for chapter in chapters][-1] == "the checkpoint"
    assert all(set(step) == {"title", "formula", "inputs", "outputs", "note", "holds"} for step in chapters[0]["steps"])
