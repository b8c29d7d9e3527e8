"""Dishonest logs, one test an attack, each from a directory and over HTTP."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.verifier.adversary.auditor import Auditor
from tests.verifier.changebuilder import (
    OWNER,
    ROLE_KEYS,
    SECURITY,
    Change,
    Payload,
    default_people,
    default_policy,
    trust_toml,
)
from tests.verifier.judging import setting
from tests.verifier.logbuilder import Key, LogBuilder, b64, jcs, mth, path, sha
from tests.verifier.test_whole_log import big_log

SIZE = 300  # one full tile and a partial one
BUNDLE, TILE = "tile/entries/001.p/44", "tile/0/001.p/44"


def forked(size: int) -> LogBuilder:
    """The log of `big_log`, with another entry at 5."""
    log = big_log(size)
    log.items[5] = big_log(size + 1).items[size]
    return log


def signed(log: LogBuilder, size: int, root: bytes) -> str:
    """A checkpoint that the log signs although its tree is another."""
    text = f"{log.origin}\n{size}\n{b64(root)}\n"
    return f"{text}\n{log.key.note_line(log.origin, text)}"


# --- another history


def test_a_fork_against_an_earlier_view(auditor: Auditor) -> None:
    auditor.serve(forked(SIZE))
    old = auditor.write("old", big_log(120).note())
    assert auditor.log("--since", old) == (1, "CHECKPOINT_INCONSISTENT")


def test_a_fork_against_the_remembered_view(auditor: Auditor) -> None:
    auditor.serve(big_log(120))
    state = str(auditor.folder / "state")
    assert auditor.log("--state", state) == (0, "OK")
    auditor.close()
    auditor.serve(forked(SIZE))
    assert auditor.log("--state", state) == (1, "CHECKPOINT_INCONSISTENT")
    assert auditor.log("--state", state) == (1, "CHECKPOINT_INCONSISTENT"), "the fork must not be remembered"


def test_a_fork_between_two_checkpoints(auditor: Auditor) -> None:
    auditor.serve(forked(SIZE))
    answer = auditor.consistency(big_log(120).note(), forked(SIZE).note())
    assert answer == (1, "CHECKPOINT_INCONSISTENT")


def test_two_roots_of_one_size(auditor: Auditor) -> None:
    auditor.serve(big_log(SIZE))
    assert auditor.consistency(forked(SIZE).note(), big_log(SIZE).note()) == (1, "CHECKPOINT_INCONSISTENT")


def test_a_fork_from_the_evidence(auditor: Auditor) -> None:
    auditor.serve(Change(edit={"receipt_1": setting(model="another")}).build().log)
    assert auditor.evidence(Change().build()) == (1, "CHECKPOINT_INCONSISTENT")


def test_a_fork_that_hides_a_denial_from_the_evidence(auditor: Auditor) -> None:
    """The auditor is shown a log where the denial never was."""
    denied = Change(before={"after": lambda c: c.deny("deny", "p-sec", SECURITY)}).build()
    auditor.serve(Change(before={"after": lambda c: c.revoke("r", "job:job-9", ROLE_KEYS["token_issuers"])}).build().log)
    assert auditor.evidence(denied) == (1, "CHECKPOINT_INCONSISTENT")


def test_a_log_rolled_back_behind_an_earlier_view(auditor: Auditor) -> None:
    auditor.serve(big_log(120))
    old = auditor.write("old", big_log(SIZE).note())
    assert auditor.log("--since", old) == (1, "CHECKPOINT_STALE")


def test_a_log_rolled_back_behind_the_evidence(auditor: Auditor) -> None:
    change = Change().build()
    auditor.serve(LogBuilder(change.log.origin, items=change.log.items[:10]))
    assert auditor.evidence(change) == (3, "CHECKPOINT_STALE")


def test_a_stale_checkpoint_is_not_fresh_evidence(auditor: Auditor) -> None:
    witness = Key("witness")
    change = Change(cosigners=(("w.example", witness, 1772359200),)).build()
    auditor.trust(trust_toml(absence="gate", witnesses=(("w.example", witness),), quorum="w.example"))
    auditor.serve(change.log, note=change.log.note(cosigners=change.cosigners))
    assert auditor.evidence(change, "--max-age", "60") == (1, "CHECKPOINT_STALE")


def test_a_live_log_that_serves_a_stale_checkpoint(web_auditor: Auditor) -> None:
    witness = Key("witness")
    log = big_log(SIZE)
    web_auditor.trust(trust_toml(absence="log", witnesses=(("w.example", witness),), quorum="w.example"))
    web_auditor.serve(log, note=log.note(cosigners=(("w.example", witness, 1772359200),)))
    assert web_auditor.log("--at", "2026-03-01T10:10:00Z") == (1, "CHECKPOINT_STALE")
    assert web_auditor.log("--at", "2026-03-01T10:04:00Z") == (0, "OK")


# --- other contents under a right checkpoint


def cut_entry(data: bytes) -> bytes:
    """An entry bundle without its last entry."""
    at = 0
    while at + 2 + int.from_bytes(data[at : at + 2], "big") < len(data):
        at += 2 + int.from_bytes(data[at : at + 2], "big")
    return data[:at]


def another_leaf(data: bytes) -> bytes:
    size = int.from_bytes(data[:2], "big")
    return data[:2] + data[2 : 2 + size].replace(b'"r-256"', b'"r-999"') + data[2 + size :]


def swapped_leaves(data: bytes) -> bytes:
    size = 2 + int.from_bytes(data[:2], "big")
    second = size + 2 + int.from_bytes(data[size : size + 2], "big")
    return data[size:second] + data[:size] + data[second:]


@pytest.mark.parametrize(
    ("name", "damage", "answer"),
    [
        (BUNDLE, cut_entry, (1, "BUNDLE_MALFORMED")),
        (BUNDLE, another_leaf, (1, "TILE_INVALID")),
        (BUNDLE, swapped_leaves, (1, "TILE_INVALID")),
        (BUNDLE, lambda data: data[:-1], (1, "BUNDLE_MALFORMED")),
        (BUNDLE, lambda data: data + b"\x00", (1, "BUNDLE_MALFORMED")),
        (BUNDLE, lambda data: data + b"\x00\x00", (1, "BUNDLE_MALFORMED")),
        (BUNDLE, lambda data: data + data[: 2 + int.from_bytes(data[:2], "big")], (1, "BUNDLE_MALFORMED")),
        (BUNDLE, lambda data: b"", (1, "BUNDLE_MALFORMED")),
        (TILE, lambda data: data + bytes(32), (1, "TILE_MALFORMED")),
        (TILE, lambda data: data[:-32], (1, "TILE_MALFORMED")),
        (TILE, lambda data: data[32:] + data[:32], (1, "TILE_INVALID")),
        (TILE, lambda data: b"", (1, "TILE_MALFORMED")),
        ("tile/1/000.p/1", sha, (1, "TILE_INVALID")),
    ],
    ids=[
        "an-entry-withheld",
        "another-leaf",
        "two-leaves-swapped",
        "a-truncated-entry",
        "a-byte-after-the-last-entry",
        "an-empty-entry-after-the-last",
        "an-entry-after-the-last",
        "no-entries",
        "an-extra-hash-in-a-partial-tile",
        "a-hash-too-few",
        "hashes-in-another-order",
        "an-empty-tile",
        "a-forged-tile-above",
    ],
)
def test_a_log_that_serves(auditor: Auditor, name: str, damage: Callable[[bytes], bytes], answer: tuple[int, str]) -> None:
    auditor.serve(big_log(SIZE))
    file = auditor.served / name
    file.write_bytes(damage(file.read_bytes()))
    assert auditor.log() == answer


def test_a_log_that_serves_another_tile(auditor: Auditor) -> None:
    auditor.serve(big_log(600))
    (auditor.served / "tile/0/000").write_bytes((auditor.served / "tile/0/001").read_bytes())
    assert auditor.log() == (1, "TILE_INVALID")


def test_a_log_that_serves_the_entries_of_another_bundle(auditor: Auditor) -> None:
    auditor.serve(big_log(600))
    (auditor.served / "tile/entries/000").write_bytes((auditor.served / "tile/entries/001").read_bytes())
    assert auditor.log() == (1, "TILE_INVALID")


@pytest.mark.parametrize("name", [BUNDLE, TILE, "tile/entries/000", "tile/0/000", "tile/1/000.p/1"])
def test_a_log_that_withholds(auditor: Auditor, name: str) -> None:
    auditor.serve(big_log(SIZE))
    (auditor.served / name).unlink()
    assert auditor.log() == (3, "NOT_FOUND")


def test_a_whole_forged_tree_under_a_genuine_checkpoint(auditor: Auditor) -> None:
    auditor.serve(forked(SIZE), note=big_log(SIZE).note())
    assert auditor.log() == (1, "ROOT_MISMATCH")


def test_two_payloads_swapped(auditor: Auditor) -> None:
    change = Change().build()
    auditor.serve(change.log)
    first, second = sorted(auditor.served.glob("payloads/*/*"))[:2]
    data = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(data)
    assert auditor.log("--deep") == (1, "HASH_MISMATCH")
    assert auditor.evidence(change) == (1, "HASH_MISMATCH")


@pytest.mark.parametrize("step", ["policy", "receipt_2", "bundle", "decide_close"])
def test_a_payload_withheld(auditor: Auditor, step: str) -> None:
    change = Change().build()
    auditor.serve(change.log)
    item = change.log.items[change.log.index_of(change.hashes[step])]
    name = sha(item.payload or b"").hex()
    (auditor.served / "payloads" / name[:2] / name).unlink()
    assert auditor.evidence(change) == (3, "PAYLOAD_MISSING")


def test_one_entry_logged_twice(auditor: Auditor) -> None:
    change = Change().build()
    change.log.items.append(change.log.items[3])
    auditor.serve(change.log)
    assert auditor.log("--deep") == (1, "CONFLICT")


def test_an_entry_outside_the_grammar(auditor: Auditor) -> None:
    log = big_log(20)
    log.items[7].entry = log.items[7].entry.replace(b'"kind"', b' "kind"')
    auditor.serve(log)
    assert auditor.log("--entries") == (1, "ENTRY_MALFORMED")


# --- other checkpoints


@pytest.mark.parametrize(
    ("size", "answer"),
    [(SIZE - 1, (3, "NOT_FOUND")), (SIZE + 1, (3, "NOT_FOUND")), (256, (1, "ROOT_MISMATCH")), (2**62, (3, "NOT_FOUND"))],
)
def test_a_checkpoint_signed_for_a_wrong_size(auditor: Auditor, size: int, answer: tuple[int, str]) -> None:
    log = big_log(SIZE)
    auditor.serve(log, note=signed(log, size, mth(log.leaves())))
    if size == 2**62:
        (auditor.served / "tile/entries/000").unlink()
    assert auditor.log() == answer


def test_a_wrong_size_with_tiles_to_match(auditor: Auditor) -> None:
    log = big_log(SIZE)
    auditor.serve(LogBuilder(log.origin, items=log.items[:-1]), note=signed(log, SIZE - 1, mth(log.leaves())))
    assert auditor.log() == (1, "ROOT_MISMATCH")


def test_an_empty_tree_with_a_root(auditor: Auditor) -> None:
    log = big_log(SIZE)
    auditor.serve(log, note=signed(log, 0, mth(log.leaves())))
    assert auditor.log() == (1, "CHECKPOINT_MALFORMED")


def test_a_checkpoint_of_another_log_under_the_same_key(auditor: Auditor) -> None:
    """The key's name is the origin: what it signs for another origin is another log's."""
    log = big_log(SIZE)
    text = f"other.example/log\n{SIZE}\n{b64(mth(log.leaves()))}\n"
    auditor.serve(log, note=f"{text}\n{log.key.note_line(log.origin, text)}")
    assert auditor.log() == (1, "ORIGIN_MISMATCH")


@pytest.mark.parametrize(
    "key", [Key("retired log"), ROLE_KEYS["gates"], Key("witness")], ids=["a-retired-key", "a-gate", "a-witness"]
)
def test_a_checkpoint_signed_by(auditor: Auditor, key: Key) -> None:
    log = big_log(SIZE)
    log.key = key
    auditor.serve(log)
    assert auditor.log() == (1, "NOTE_UNVERIFIED")


def test_a_checkpoint_with_the_signature_of_another(auditor: Auditor) -> None:
    log = big_log(SIZE)
    signature = log.note(120).partition("\n\n")[2]
    auditor.serve(log, note=log.note().partition("\n\n")[0] + "\n\n" + signature)
    assert auditor.log() == (1, "NOTE_UNVERIFIED")


WITNESSES = tuple((f"w{number}.example", Key(f"witness {number}")) for number in range(2))
NOW_S = 1772359200
HONEST = tuple((name, key, NOW_S) for name, key in WITNESSES)
QUORUM = trust_toml(absence="log", witnesses=WITNESSES, quorum="g").replace(
    b"quorum g", b"group g 2 w0.example w1.example\nquorum g"
)
AT = ("--at", "2026-03-01T10:01:00Z")


def test_a_log_that_keeps_its_cosignatures_passes(auditor: Auditor) -> None:
    auditor.trust(QUORUM)
    log = big_log(SIZE)
    auditor.serve(log, note=log.note(cosigners=HONEST))
    assert auditor.log(*AT) == (0, "OK")


def retimed(note: str) -> str:
    """The last cosignature, dated a second later than it was made."""
    line = note.splitlines()[-1]
    name, key = WITNESSES[1]
    text = note.partition("\n\n")[0] + "\n"
    signature = key.sign(f"cosignature/v1\ntime {NOW_S}\n{text}".encode())
    late = b64(key.key_id(name, 4) + (NOW_S + 1).to_bytes(8, "big") + signature)
    return note.replace(line, f"\u2014 {name} {late}")


@pytest.mark.parametrize(
    ("note", "code"),
    [
        (lambda log: log.note(cosigners=HONEST[:1]), "QUORUM_NOT_MET"),
        (lambda log: log.note(cosigners=(HONEST[0], HONEST[0])), "QUORUM_NOT_MET"),
        (lambda log: log.note(cosigners=(HONEST[0], ("w2.example", WITNESSES[0][1], NOW_S))), "QUORUM_NOT_MET"),
        (lambda log: log.note(cosigners=(HONEST[0], ("w1.example", WITNESSES[0][1], NOW_S))), "QUORUM_NOT_MET"),
        (lambda log: log.note(cosigners=(HONEST[0], ("w1.example", Key("forger"), NOW_S))), "QUORUM_NOT_MET"),
        (lambda log: retimed(log.note(cosigners=HONEST)), "NOTE_UNVERIFIED"),
        (
            lambda log: log.note().rstrip("\n") + "\n" + "\n".join(log.note(5, cosigners=HONEST).splitlines()[-2:]) + "\n",
            "NOTE_UNVERIFIED",
        ),
    ],
    ids=["dropped", "repeated", "renamed", "in-another-name", "forged", "dated-later", "of-another-checkpoint"],
)
def test_a_log_whose_cosignature_is(auditor: Auditor, note: Callable[[LogBuilder], str], code: str) -> None:
    auditor.trust(QUORUM)
    log = big_log(SIZE)
    auditor.serve(log, note=note(log))
    assert auditor.log(*AT) == (1, code)


# --- log proofs


def log_proof(log: LogBuilder, index: int, hashes: list[bytes], note: str | None = None) -> str:
    lines = "".join(b64(node) + "\n" for node in hashes)
    return f"c2sp.org/tlog-proof@v1\nindex {index}\n{lines}\n{note or log.note()}"


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda log: log_proof(log, 7, path(7, forked(40).leaves())), "INCLUSION_PROOF_INVALID"),
        (lambda log: log_proof(log, 8, path(7, log.leaves())), "INCLUSION_PROOF_INVALID"),
        (lambda log: log_proof(log, 47, path(7, log.leaves())), "INCLUSION_PROOF_INVALID"),
        (lambda log: log_proof(log, 7, [*path(7, log.leaves()), bytes(32)]), "INCLUSION_PROOF_INVALID"),
        (lambda log: log_proof(log, 7, path(7, log.leaves())[:-1]), "INCLUSION_PROOF_INVALID"),
        (lambda log: log_proof(log, 7, path(7, log.leaves(39))), "INCLUSION_PROOF_INVALID"),
        (lambda log: log_proof(log, 7, []), "INCLUSION_PROOF_INVALID"),
        (lambda log: log_proof(log, 7, path(7, log.leaves()), forked(40).note()), "INCLUSION_PROOF_INVALID"),
        (
            lambda log: log_proof(log, 7, path(7, log.leaves()), signed(log, 65, mth(log.leaves()))),
            "INCLUSION_PROOF_INVALID",
        ),
        (lambda log: log_proof(log, 7, path(7, log.leaves())).replace("index 7", "index 07"), "LOG_PROOF_MALFORMED"),
        (lambda log: "garbage", "LOG_PROOF_MALFORMED"),
    ],
    ids=[
        "of-another-log",
        "of-another-index",
        "of-an-index-beyond-the-tree",
        "with-an-extra-hash",
        "cut-short",
        "of-another-size",
        "without-hashes",
        "under-a-fork",
        "under-a-wrong-size",
        "with-two-spellings-of-its-index",
        "of-garbage",
    ],
)
def test_a_log_proof(auditor: Auditor, make: Callable[[LogBuilder], str], code: str) -> None:
    log = big_log(40)
    proof, entry = auditor.write("a.tlog-proof", make(log)), auditor.write("entry", log.items[7].entry)
    assert auditor.run("proof", proof, "--entry", entry) == (1, code)


# --- what is left out of pack and decisions alike


def erased_from(change: Change, step: str) -> Payload:
    index = change.log.index_of(change.hashes[step])
    return change.pack(leave_out=lambda at: at == index)


def superseding(change: Change) -> None:
    newer = default_policy() | {"policy_name": "newer", "supersedes": f"b64u:{change.policy_hash}"}
    change.put_policy("hidden", newer)


def renaming(change: Change) -> None:
    change.put_roster("hidden", 2, change.hashes["roster"], default_people()[1:])


@pytest.mark.parametrize(
    "hide",
    [
        lambda c: c.deny("hidden", "p-sec", SECURITY),
        lambda c: c.revoke("hidden", "job:job-7", ROLE_KEYS["token_issuers"]),
        lambda c: c.revoke("hidden", f"token:{c.token_hash}", ROLE_KEYS["token_issuers"]),
        lambda c: c.revoke("hidden", f"policy:{c.policy_hash}", ROLE_KEYS["policy_issuers"]),
        lambda c: c.revoke("hidden", f"approval:{c.hashes['approve_execute_1']}", OWNER),
        lambda c: c.revoke("hidden", f"key:{OWNER.did}", OWNER),
        superseding,
        renaming,
    ],
    ids=["denial", "job", "token", "policy", "approval", "key", "superseding-policy", "newer-roster"],
)
def test_a_restriction_left_out_by_the_gate_and_the_pack(auditor: Auditor, hide: Callable[[Change], None]) -> None:
    """Alone the pack is undecided, never a PASS; with the whole log it fails."""

    def unlisted(payload: Payload) -> None:
        at = change.log.index_of(change.hashes["hidden"])
        payload["evidence"] = [seen for seen in payload["evidence"] if seen["index"] != at]

    change = Change(before={"decide_execute": hide}, edit={"decide_execute": unlisted, "decide_close": unlisted})
    pack = erased_from(change.build(), "hidden")
    auditor.serve(change.log)
    alone = auditor.write("alone.evidence.json", jcs(pack))
    assert auditor.run("evidence", alone, "--at", "2026-03-02") == (3, "ABSENCE_NOT_PROVEN")
    assert auditor.evidence(pack) == (1, "EVIDENCE_INCOMPLETE")
