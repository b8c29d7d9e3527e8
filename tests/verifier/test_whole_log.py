"""Whole logs from a directory: honest ones, and every way in which a copy can be wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.verifier import logbuilder
from tests.verifier.changebuilder import OWNER, ROLE_KEYS, SECURITY, Change, trust_toml
from tests.verifier.judging import binding, setting
from tests.verifier.logbuilder import Key, LogBuilder, add_payload, b64, b64u, jcs, mth, path
from verifier.cli import main

PROVEN = trust_toml(absence="log")


class Desk:
    """An auditor's directory: files, and the commands that read them."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys
        self.trust(PROVEN)

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def write(self, name: str, data: bytes | str) -> str:
        (self.folder / name).write_bytes(data if isinstance(data, bytes) else data.encode())
        return self.path(name)

    def trust(self, data: bytes) -> None:
        self.write("trust.toml", data)

    def run(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        code = main([*arguments, "--trust", self.path("trust.toml"), "--json"])
        out = self._capsys.readouterr().out
        report: dict[str, Any] = json.loads(out)
        return code, report

    def judge(self, change: Change, *arguments: str, at: str = "2026-03-01T10:20:00Z") -> tuple[int, dict[str, Any]]:
        pack = self.write("change.evidence.json", change.pack_bytes())
        return self.run("evidence", pack, "--at", at, *arguments)

    def log(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        return self.run("log", self.path("log"), *arguments)

    def export(self, log: LogBuilder, **options: Any) -> str:
        log.export(self.folder / "log", **options)
        return self.path("log")


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, capsys)


def names(report: dict[str, Any], status: str) -> list[str]:
    return [check["name"] for check in report["checks"] if check["status"] == status]


def big_log(size: int) -> LogBuilder:
    """A log whose entries are within the grammar; their payloads do not matter here."""
    log = LogBuilder("log.example/changes")
    gateway = ROLE_KEYS["gateways"]
    signature = gateway.sign(b"not checked here")
    for number in range(size):
        log.add(
            "gateway_receipt",
            b"payload %d" % number,
            refs={"receipt": f"r-{number}"},
            signer=gateway,
            signature=signature,
        )
    return log


# --- absence


def test_absence_is_undecided_without_the_whole_log(desk: Desk) -> None:
    code, report = desk.judge(Change().build())
    assert (code, report["status"], report["reason_code"]) == (3, "UNDECIDED", "ABSENCE_NOT_PROVEN")


def test_absence_is_proven_with_the_whole_log(desk: Desk) -> None:
    change = Change().build()
    code, report = desk.judge(change, "--log", desk.export(change.log))
    assert (code, report["status"]) == (0, "PASS")
    assert len(names(report, "PROVEN")) == 23
    assert not names(report, "ATTESTED")
    assert "log.whole_log" in names(report, "PASS")


def test_absence_is_attested_only_if_the_trust_policy_allows_it(desk: Desk) -> None:
    desk.trust(trust_toml(absence="gate"))
    code, report = desk.judge(Change().build())
    assert code == 0
    attested = names(report, "ATTESTED")
    assert len(attested) == 23
    assert sum("attested by did:key" in line for line in report["not_proven"]) == 23


def test_people_read_one_line_a_gate_and_action_and_each_did_once_in_full(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.trust(trust_toml(absence="gate"))
    _, report = desk.judge(Change().build())
    everything = [line for line in report["not_proven"] if "attested by" in line]
    arguments = ["evidence", desk.path("change.evidence.json"), "--trust", desk.path("trust.toml")]
    assert main([*arguments, "--at", "2026-03-01T10:20:00Z"]) == 0
    text = capsys.readouterr().out
    unwrapped = text.replace("\n    ", " ").split("\n")
    lines = [line for line in unwrapped if line.startswith("  - only attested by did:key:z6Mk")]
    assert len(lines) == 2
    for what, _, action in (line.partition(":")[0].rpartition(" [") for line in everything):
        assert any(f"for {action.removesuffix(']')}: " in line and what in line for line in lines), what
    gate = ROLE_KEYS["gates"].did
    assert text.count(gate) == 1
    assert text.count(gate[:16] + "…") > 2


def hidden(change: Change, index: int) -> bytes:
    """The pack without one entry, and decisions that say nothing of it."""
    return jcs(change.pack(leave_out=lambda at: at == index))


@pytest.mark.parametrize(
    ("hide", "code"),
    [
        (lambda c: c.deny("hidden", "p-sec", SECURITY), "EVIDENCE_INCOMPLETE"),
        (lambda c: c.revoke("hidden", "job:job-7", ROLE_KEYS["token_issuers"]), "EVIDENCE_INCOMPLETE"),
        (lambda c: c.revoke("hidden", f"key:{OWNER.did}", OWNER), "EVIDENCE_INCOMPLETE"),
    ],
    ids=["denial", "revocation", "key-revocation"],
)
def test_a_restriction_that_the_gate_hid_and_the_pack_leaves_out(
    desk: Desk, hide: Callable[[Change], object], code: str
) -> None:
    def unlisted(payload: dict[str, Any]) -> None:
        at = change.log.index_of(change.hashes["hidden"])
        payload["evidence"] = [seen for seen in payload["evidence"] if seen["index"] != at]

    change = Change(before={"decide_execute": hide}, edit={"decide_execute": unlisted, "decide_close": unlisted})
    change.build()
    index = change.log.index_of(change.hashes["hidden"])
    pack = desk.write("hidden.evidence.json", hidden(change, index))
    alone, report = desk.run("evidence", pack, "--at", "2026-03-02")
    assert (alone, report["reason_code"]) == (3, "ABSENCE_NOT_PROVEN")
    whole, report = desk.run("evidence", pack, "--at", "2026-03-02", "--log", desk.export(change.log))
    assert (whole, report["reason_code"]) == (1, code)


def test_a_restriction_between_view_and_decision_that_nobody_listed(desk: Desk) -> None:
    def older_view(payload: dict[str, Any]) -> None:
        size = payload["view"]["size"] - 1
        payload["view"] = {"size": size, "root_b64u": b64u(mth(change.log.leaves(size)))}
        payload["evidence"] = [seen for seen in payload["evidence"] if seen["index"] < size]

    def unlisted(payload: dict[str, Any]) -> None:
        at = change.log.index_of(change.hashes["hidden"])
        payload["evidence"] = [seen for seen in payload["evidence"] if seen["index"] != at]

    change = Change(
        before={"decide_execute": lambda c: c.deny("hidden", "p-sec", SECURITY)},
        edit={"decide_execute": older_view, "decide_close": unlisted},
    )
    change.build()
    pack = desk.write("hidden.evidence.json", hidden(change, change.log.index_of(change.hashes["hidden"])))
    code, report = desk.run("evidence", pack, "--at", "2026-03-02", "--log", desk.export(change.log))
    assert code == 1
    assert any(check["reason_code"] == "JOB_DENIED" for check in report["checks"])


def test_a_receipt_left_out_of_bundle_decisions_and_pack(desk: Desk) -> None:
    def unlisted(payload: dict[str, Any]) -> None:
        at = change.log.index_of(change.hashes["receipt_3"])
        payload["evidence"] = [seen for seen in payload["evidence"] if seen["index"] != at]

    def shorter(payload: dict[str, Any]) -> None:
        payload["receipts"].pop()
        payload["event_chain"].pop()

    change = Change(edit={"bundle": shorter, "decide_execute": unlisted, "decide_close": unlisted})
    change.build()
    pack = desk.write("short.evidence.json", hidden(change, change.log.index_of(change.hashes["receipt_3"])))
    desk.trust(trust_toml(absence="gate"))
    code, report = desk.run("evidence", pack, "--at", "2026-03-02")
    assert code == 0, "a gate that lies is believed where the auditor chose to believe it"
    assert any("no receipt of the job left out" in line for line in report["not_proven"])
    code, report = desk.run("evidence", pack, "--at", "2026-03-02", "--log", desk.export(change.log))
    assert (code, report["reason_code"]) == (1, "EVIDENCE_INCOMPLETE")


def test_a_log_that_forked_from_the_pack(desk: Desk) -> None:
    change = Change().build()
    other = Change(edit={"receipt_1": setting(model="another")}).build()
    code, report = desk.judge(change, "--log", desk.export(other.log))
    assert (code, report["reason_code"]) == (1, "CHECKPOINT_INCONSISTENT")


def test_a_log_that_was_rolled_back(desk: Desk) -> None:
    change = Change().build()
    short = LogBuilder(change.log.origin, items=change.log.items[:10])
    code, report = desk.judge(change, "--log", desk.export(short))
    assert (code, report["reason_code"]) == (3, "CHECKPOINT_STALE")


def test_a_log_that_grew_since_the_pack(desk: Desk) -> None:
    change = Change().build()
    pack = desk.write("change.evidence.json", change.pack_bytes())
    change.revoke("later", "job:job-7", ROLE_KEYS["token_issuers"])
    code, report = desk.run("evidence", pack, "--at", "2026-03-02", "--log", desk.export(change.log))
    assert code == 0, report["reason"]


def test_a_payload_that_the_log_withholds(desk: Desk) -> None:
    change = Change().build()
    folder = Path(desk.export(change.log))
    next(folder.glob("payloads/*/*")).unlink()
    code, report = desk.judge(change, "--log", str(folder))
    assert (code, report["reason_code"]) == (3, "PAYLOAD_MISSING")


# --- structure


@pytest.mark.parametrize("size", [0, 1, 17, 255, 256, 257, 600])
def test_a_log_of_any_size_passes(desk: Desk, size: int) -> None:
    desk.export(big_log(size))
    code, report = desk.log("--entries")
    assert code == 0, report["reason"]


def test_a_log_with_three_levels_of_tiles(desk: Desk) -> None:
    """65,537 entries: a full tile at level 1 and a partial one at level 2."""
    log = LogBuilder("log.example/changes")
    size = 65_537
    item = big_log(1).items[0]
    item.payload = None
    log.items = [item] * size
    folder = desk.folder / "log"
    original = logbuilder.mth
    memo: dict[int, bytes] = {}

    def same_leaves(leaves: list[bytes]) -> bytes:
        if len(leaves) not in memo:
            count = len(leaves)
            if count < 2:
                memo[count] = original(leaves)
            else:
                split = logbuilder.largest_power_below(count)
                left, right = same_leaves(leaves[:split]), same_leaves(leaves[split:])
                memo[count] = logbuilder.sha(b"\x01" + left + right)
        return memo[len(leaves)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logbuilder, "mth", same_leaves)
        log.export(folder)
    code, report = desk.log()
    assert code == 0, report["reason"]
    assert (folder / "tile/1/000").exists()
    assert (folder / "tile/2/000.p/1").exists()
    damage(folder / "tile/2/000.p/1")
    code, report = desk.log()
    assert (code, report["reason_code"]) == (1, "TILE_INVALID")


def damage(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


@pytest.mark.parametrize(
    ("name", "change", "code", "reason"),
    [
        ("tile/entries/000", damage, 1, "TILE_INVALID"),
        ("tile/entries/001.p/44", damage, 1, "TILE_INVALID"),
        ("tile/0/000", damage, 1, "TILE_INVALID"),
        ("tile/0/001.p/44", damage, 1, "TILE_INVALID"),
        ("tile/1/000.p/1", damage, 1, "TILE_INVALID"),
        ("tile/entries/000", lambda p: p.write_bytes(p.read_bytes()[:-1]), 1, "BUNDLE_MALFORMED"),
        ("tile/0/000", lambda p: p.write_bytes(p.read_bytes()[:-1]), 1, "TILE_MALFORMED"),
        ("tile/0/000", lambda p: p.unlink(), 3, "NOT_FOUND"),
        ("tile/1/000.p/1", lambda p: p.unlink(), 3, "NOT_FOUND"),
        ("tile/entries/001.p/44", lambda p: p.unlink(), 3, "NOT_FOUND"),
        ("checkpoint", lambda p: p.unlink(), 3, "LOG_UNREACHABLE"),
        ("checkpoint", damage, 1, "NOTE_MALFORMED"),
    ],
)
def test_a_damaged_copy(desk: Desk, name: str, change: Callable[[Path], object], code: int, reason: str) -> None:
    folder = Path(desk.export(big_log(300)))
    change(folder / name)
    outcome, report = desk.log("--any-entries")
    assert (outcome, report["reason_code"]) == (code, reason)


def test_a_consistent_forgery_does_not_lead_to_the_signed_root(desk: Desk) -> None:
    log = big_log(40)
    note = log.note()
    log.items[7] = big_log(41).items[40]
    desk.export(log, note=note)
    code, report = desk.log("--any-entries")
    assert (code, report["reason_code"]) == (1, "ROOT_MISMATCH")


def test_an_entry_outside_the_grammar(desk: Desk) -> None:
    log = big_log(20)
    log.items[7].entry = b"not an entry"
    desk.export(log)
    assert desk.log()[0] == 0
    assert desk.log("--entries")[1]["reason_code"] == "ENTRY_MALFORMED"


def test_a_checkpoint_of_another_log_or_key(desk: Desk) -> None:
    desk.export(LogBuilder("other.example/log", items=big_log(3).items))
    assert desk.log()[1]["reason_code"] == "NOTE_UNVERIFIED"
    desk.export(LogBuilder("log.example/changes", key=Key("another"), items=big_log(3).items))
    assert desk.log()[1]["reason_code"] == "NOTE_UNVERIFIED"


# --- deep


def test_deep_passes_an_honest_log(desk: Desk) -> None:
    desk.export(Change().build().log)
    code, report = desk.log("--deep")
    assert code == 0, report["reason"]
    assert "evidence.rules" in names(report, "PASS")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (Change(signer={"receipt_1": ROLE_KEYS["agents"]}), "SIGNER_WRONG_ROLE"),
        (Change(signer={"approve_execute_1": Key("stranger")}), "SIGNER_NOT_TRUSTED"),
        (Change(edit={"simulation": setting(origin="other.example")}), "ORIGIN_MISMATCH"),
        (Change(edit={"simulation": setting(record="trustlog/closure/v1")}), "SCHEMA_VALIDATION_FAILED"),
        (Change(edit={"simulation": setting(salt="short")}), "SCHEMA_VALIDATION_FAILED"),
        (Change(edit={"simulation": setting(more=1)}), "SCHEMA_VALIDATION_FAILED"),
        (Change(edit={"receipt_2": setting(tokens_input=10_000_001)}), "SCHEMA_VALIDATION_FAILED"),
        (Change(edit={"receipt_2": setting(receipt_id="rcpt-job-7-receipt_1")}), "CONFLICT"),
        (Change(edit={"begin": setting(issued_at="2026-03-01T11:00:00Z")}), "DECISION_EXPIRED"),
        (Change(edit={"closure": setting(closing_reason="other")}), "CLOSURE_INVALID"),
        (Change(edit={"end": setting(outcome=None)}), "SCHEMA_VALIDATION_FAILED"),
        (Change(edit={"receipt_1": binding(unknown="x")}), "SCHEMA_VALIDATION_FAILED"),
    ],
)
def test_deep_finds(desk: Desk, change: Change, code: str) -> None:
    desk.export(change.build().log)
    assert desk.log("--entries")[0] == 0
    outcome, report = desk.log("--deep")
    assert (outcome, report["reason_code"]) == (1, code)


def test_deep_finds_refs_that_are_not_the_payloads(desk: Desk) -> None:
    change = Change().build()
    item = change.log.items[3]
    change.log.add("gateway_receipt", item.payload or b"", refs=item.refs | {"run": "x"}, signer=ROLE_KEYS["gateways"])
    desk.export(change.log)
    report = desk.log("--deep")[1]
    assert report["reason_code"] == "ENTRY_REFS_MISMATCH"
    assert report["reason"].endswith("; expected refs: run run-7; found run x")


def test_deep_is_undecided_where_payloads_are_missing(desk: Desk) -> None:
    folder = Path(desk.export(Change().build().log))
    next(folder.glob("payloads/*/*")).unlink()
    code, report = desk.log("--deep")
    assert (code, report["reason_code"]) == (3, "PAYLOAD_MISSING")


def test_deep_finds_a_payload_swapped_in_the_store(desk: Desk) -> None:
    change = Change().build()
    folder = Path(desk.export(change.log))
    add_payload(folder, change.plan_bytes)
    target = next(folder.glob("payloads/*/*"))
    target.write_bytes(b"{}")
    assert desk.log("--deep")[1]["reason_code"] == "HASH_MISMATCH"


# --- earlier views


def test_since_and_state_demand_that_the_log_continues(desk: Desk) -> None:
    log = big_log(300)
    old = desk.write("old.checkpoint", log.note(120))
    desk.export(log)
    assert desk.log("--since", old)[0] == 0
    code, report = desk.log("--state", desk.path("state"))
    assert code == 0
    assert any("fork against an earlier view" in line for line in report["not_proven"])
    code, report = desk.log("--state", desk.path("state"))
    assert code == 0
    assert not any("fork" in line for line in report["not_proven"])


def test_a_fork_against_an_earlier_view(desk: Desk) -> None:
    other = big_log(300)
    other.items[5] = big_log(301).items[300]
    old = desk.write("old.checkpoint", other.note(120))
    desk.export(big_log(300))
    code, report = desk.log("--since", old)
    assert (code, report["reason_code"]) == (1, "CHECKPOINT_INCONSISTENT")


def test_a_log_that_shrank_since_an_earlier_view(desk: Desk) -> None:
    old = desk.write("old.checkpoint", big_log(300).note())
    desk.export(big_log(120))
    code, report = desk.log("--since", old)
    assert (code, report["reason_code"]) == (1, "CHECKPOINT_STALE")


def test_consistency_of_two_checkpoints(desk: Desk) -> None:
    log = big_log(300)
    folder = desk.export(log)
    forged = big_log(300)
    forged.items[5] = big_log(301).items[300]
    for size in (0, 1, 120, 256, 300):
        old = desk.write("old", log.note(size))
        assert desk.run("consistency", old, desk.write("new", log.note()), "--log", folder)[0] == 0
    fork = desk.write("fork", forged.note(120))
    code, report = desk.run("consistency", fork, desk.path("new"), "--log", folder)
    assert (code, report["reason_code"]) == (1, "CHECKPOINT_INCONSISTENT")
    same = desk.write("same", forged.note())
    code, report = desk.run("consistency", same, desk.path("new"), "--log", folder)
    assert (code, report["reason_code"]) == (1, "CHECKPOINT_INCONSISTENT")
    code, report = desk.run("consistency", desk.path("new"), fork, "--log", folder)
    assert code == 1


# --- witnesses


def witnessed(*times: int, forge: bool = False) -> tuple[bytes, tuple[tuple[str, Key, int], ...]]:
    keys = [(f"w{number}.example", Key(f"witness {number}")) for number in range(3)]
    lines = "".join(f"witness {name} {key.vkey(name, 4)}\n" for name, key in keys)
    trust = trust_toml(absence="gate").replace(b"allow_unwitnessed = true", b"allow_unwitnessed = false")
    trust = trust.replace(b"quorum none", f"{lines}group g 2 w0.example w1.example w2.example\nquorum g".encode())
    signers = [Key("forger") if forge else key for _, key in keys]
    return trust, tuple((keys[at][0], signers[at], time_s) for at, time_s in enumerate(times))


NOW = 1772360400  # 2026-03-01T10:20:00Z


def test_a_quorum_of_witnesses(desk: Desk) -> None:
    trust, cosigners = witnessed(NOW - 10, NOW - 20)
    desk.trust(trust)
    code, report = desk.judge(Change(cosigners=cosigners).build(), "--max-age", "60")
    assert code == 0, report["reason"]
    assert not any("split views" in line for line in report["not_proven"])


def test_too_few_witnesses(desk: Desk) -> None:
    trust, cosigners = witnessed(NOW - 10)
    desk.trust(trust)
    code, report = desk.judge(Change(cosigners=cosigners).build())
    assert (code, report["reason_code"]) == (1, "QUORUM_NOT_MET")


def test_a_stale_checkpoint(desk: Desk) -> None:
    trust, cosigners = witnessed(NOW - 10, NOW - 100)
    desk.trust(trust)
    code, report = desk.judge(Change(cosigners=cosigners).build(), "--max-age", "60")
    assert (code, report["reason_code"]) == (1, "CHECKPOINT_STALE")


def test_age_without_witnesses_is_unknown(desk: Desk) -> None:
    code, report = desk.judge(Change().build(), "--max-age", "60")
    assert code == 3
    assert any(check["name"] == "log.age" for check in report["checks"])


def test_one_witness_under_two_names_is_no_policy(desk: Desk) -> None:
    trust, _ = witnessed()
    one, two = Key("witness 0"), Key("witness 1")
    doubled = trust.replace(two.vkey("w1.example", 4).encode(), one.vkey("w1.example", 4).encode())
    desk.trust(doubled)
    code, report = desk.judge(Change().build())
    assert (code, report["reason_code"]) == (2, "TRUST_POLICY_INVALID")


def test_a_demo_log_is_refused_unless_allowed(desk: Desk) -> None:
    log = LogBuilder("log.example/demo")
    desk.trust(trust_toml(absence="gate", origin="log.example/demo"))
    change = Change(log=log).build()
    code, report = desk.judge(change)
    assert (code, report["reason_code"]) == (1, "DEMO_ORIGIN_REFUSED")
    code, report = desk.judge(change, "--allow-demo")
    assert code == 0
    assert any("demo log" in line for line in report["not_proven"])


def test_a_log_proof(desk: Desk) -> None:
    log = big_log(40)
    entry = desk.write("entry", log.items[7].entry)
    hashes = "".join(b64(node) + "\n" for node in path(7, log.leaves()))
    text = f"c2sp.org/tlog-proof@v1\nindex 7\n{hashes}\n{log.note()}"
    proof = desk.write("a.tlog-proof", text)
    assert desk.run("proof", proof, "--entry", entry)[0] == 0
    other = desk.write("other", log.items[8].entry)
    code, report = desk.run("proof", proof, "--entry", other)
    assert (code, report["reason_code"]) == (1, "INCLUSION_PROOF_INVALID")
    unsigned = desk.write("b.tlog-proof", text.replace("log.example/changes\n40", "log.example/changes\n41"))
    assert desk.run("proof", unsigned, "--entry", entry)[1]["reason_code"] == "NOTE_UNVERIFIED"
