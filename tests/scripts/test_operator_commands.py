"""What a log's operator does when things go well, and when a disk is gone: real commands, and every way of going wrong."""

from __future__ import annotations

import shutil

import pytest

from tests.scripts.commands import Shell, make_log, make_receipt


def submit(shell: Shell, number: int) -> int:
    """Log one more receipt; its index."""
    payload = shell.write(f"payload-{number}.json", make_receipt(number))
    envelope = shell.good("sign", "gateway_receipt", payload, "--key", "gw.key").out.encode()
    index: int = shell.good("submit", shell.write(f"{number}.json", envelope), "--json").answer["index"]
    return index


def remembered(shell: Shell) -> str:
    """The file in which this user's commands remember the newest checkpoint that they saw."""
    (path,) = (shell.directory / "state" / "trustlog").glob("*.checkpoint")
    return str(path)


def test_a_disk_is_lost_and_the_log_goes_on_from_what_a_client_remembers(shell: Shell) -> None:
    make_log(shell, gateways="gw")
    with shell.serve():
        submit(shell, 1)
        submit(shell, 2)
        made = shell.good("backup", "log", "backup", "--with-key", "--json").answer
        assert (made["out"], made["entries"], made["tree_size"], made["with_key"]) == ("backup", 2, 2, True)
    trust = shell.environment["TRUSTLOG_TRUST"]
    shell.environment["TRUSTLOG_TRUST"] = str(shell.directory / "backup" / "trust.toml")
    assert trust != shell.environment["TRUSTLOG_TRUST"]
    shutil.rmtree(shell.directory / "log")

    restored = shell.good("restore", "backup", "log", "--json")
    assert (restored.answer["entries"], restored.answer["read_only"], restored.answer["goes_on_from"]) == (2, True, None)
    assert "--newest-checkpoint" in restored.err
    with shell.serve():
        ended = shell.run("submit", "1.json")
        ended.check_error("LOG_READ_ONLY", 3)
        assert "trustlog restore" in ended.err

    shell.run("restore", "backup", "log", "--newest-checkpoint", remembered(shell)).check_error("PARAMETER_INVALID", 2)
    going = shell.good("restore", "backup", "log", "--newest-checkpoint", remembered(shell), "--yes", "--json").answer
    assert (going["read_only"], going["goes_on_from"]) == (False, 2)
    with shell.serve():
        assert submit(shell, 1) == 0
        assert submit(shell, 3) == 2


def test_entries_newer_than_the_backup_are_counted_and_nothing_is_signed_over_them(shell: Shell) -> None:
    make_log(shell, gateways="gw")
    with shell.serve():
        submit(shell, 1)
        shell.good("backup", "log", "backup", "--with-key")
        submit(shell, 2)
        submit(shell, 3)
    ended = shell.run("restore", "backup", "again", "--newest-checkpoint", remembered(shell), "--yes", "--json")
    ended.check_error("LOG_READ_ONLY", 3)
    assert "2 entries are missing" in ended.answer["error"]["detail"]
    with shell.serve("again"):
        shell.run("submit", "1.json", "--state", "other.checkpoint").check_error("LOG_READ_ONLY", 3)


def test_a_backup_without_the_key_says_so_and_restores_all_but_it(shell: Shell) -> None:
    make_log(shell, gateways="gw")
    with shell.serve():
        submit(shell, 1)
    assert "log.key is not in it" in shell.good("backup", "log", "backup").err
    assert not (shell.directory / "backup" / "log.key").exists()
    ended = shell.good("restore", "backup", "again", "--newest-checkpoint", remembered(shell), "--yes")
    assert "log.key was not in the backup" in ended.err
    shell.run("serve", "again").check_error("INPUT_UNREADABLE", 2)
    shutil.copy2(shell.directory / "log" / "log.key", shell.directory / "again" / "log.key")
    with shell.serve("again"):
        assert submit(shell, 2) == 1


def test_the_index_is_built_again_while_nobody_serves(shell: Shell) -> None:
    make_log(shell, gateways="gw")
    with shell.serve():
        submit(shell, 1)
        ended = shell.run("reindex", "log")
        ended.check_error("LOG_LOCKED", 1)
        assert "stop the server" in ended.err
    (shell.directory / "log" / "index.db").unlink()
    assert shell.good("reindex", "log", "--json").answer == {"directory": "log", "complete_to": 1}
    assert shell.good("reindex", "log").out == "1 entries indexed\n"


USAGE: list[tuple[str, str, int]] = [
    ("backup", "PARAMETER_INVALID", 2),
    ("backup made", "PARAMETER_INVALID", 2),
    ("backup nowhere out", "INPUT_UNREADABLE", 2),
    ("backup made copy", "INPUT_UNREADABLE", 2),
    ("backup made made --force", "PARAMETER_INVALID", 2),
    ("backup made full --force", "PARAMETER_INVALID", 2),
    ("restore copy", "PARAMETER_INVALID", 2),
    ("restore nowhere out", "INPUT_UNREADABLE", 2),
    ("restore full out", "INPUT_UNREADABLE", 2),
    ("restore copy full", "PARAMETER_INVALID", 2),
    ("restore copy made", "PARAMETER_INVALID", 2),
    ("restore copy out --yes", "PARAMETER_INVALID", 2),
    ("restore copy out --newest-checkpoint good", "PARAMETER_INVALID", 2),
    ("restore copy out --newest-checkpoint nowhere --yes", "INPUT_UNREADABLE", 2),
    ("restore copy out --newest-checkpoint full/file --yes", "NOTE_MALFORMED", 1),
    ("restore copy out --newest-checkpoint made/log.key --yes", "INPUT_UNREADABLE", 2),
    ("restore copy made --newest-checkpoint good --yes", "PARAMETER_INVALID", 2),
    ("restore copy full --newest-checkpoint good --yes", "PARAMETER_INVALID", 2),
    ("reindex", "PARAMETER_INVALID", 2),
    ("reindex nowhere", "INPUT_UNREADABLE", 2),
    ("reindex full", "INPUT_UNREADABLE", 2),
]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    shell = Shell(tmp_path_factory.mktemp("operator"))
    make_log(shell, gateways="gw")
    (shell.directory / "log").rename(shell.directory / "made")
    shell.good("backup", "made", "copy")
    shell.good("export", "made", "exported")
    shutil.copyfile(shell.directory / "exported" / "checkpoint", shell.directory / "good")
    (shell.directory / "full").mkdir()
    shell.write("full/file", b"")
    return shell


@pytest.mark.parametrize(("line", "code", "exit_code"), USAGE, ids=[line for line, _, _ in USAGE])
def test_every_mistake_is_one_error_line_one_hint_line_and_changes_nothing(
    prepared: Shell, line: str, code: str, exit_code: int
) -> None:
    before = sorted(str(path) for path in prepared.directory.rglob("*") if path.name != "lock")
    ended = prepared.run(*line.split())
    ended.check_error(code, exit_code)
    assert ended.out == ""
    assert "PRIVATE" not in ended.err
    assert sorted(str(path) for path in prepared.directory.rglob("*") if path.name != "lock") == before


@pytest.mark.parametrize("name", ["backup", "restore", "reindex", "bench"])
def test_help_has_an_example(prepared: Shell, name: str) -> None:
    text = prepared.good(name, "--help").out
    assert f"Example:\n    trustlog {name} " in text
    assert "--json" in text


def test_the_bench_counts_tested_answers_and_says_on_what_machine(shell: Shell) -> None:
    make_log(shell, gateways="gw", agents="agent")
    with shell.serve():
        figures = shell.good(
            "bench", "--key", "gw.key", "--entries", "600", "--batch", "64", "--dir", "log", "--json"
        ).answer
        assert (figures["logged"], figures["refused"], figures["entries"]) == (600, {}, 600)
        assert figures["checked"]["proven_at_once"] >= 10
        assert figures["memory"]["most_bytes"] > 2**20
        assert figures["server_cpu_s"] > 0
        assert figures["envelope_bytes"] == 1024
        assert figures["sample"]["entries"] == 64
        assert figures["entries_a_second"] > 0
        assert set(figures["latency_ms"]) == {"p50", "p95", "p99"}
        assert figures["ed25519_checks_a_second"] > 0
        assert figures["machine"]["cores"] >= 1
        assert figures["disk"]["content_bytes"] > 0
        lone = shell.good("bench", "--key", "gw.key", "--entries", "20", "--one-by-one", "--connections", "1")
        assert "20 entries logged" in lone.out
        assert "of an entry: p50" in lone.out
        refused = shell.run("bench", "--key", "agent.key", "--entries", "5", "--json")
        assert refused.code == 1
        assert refused.answer["refused"] == {"SIGNER_WRONG_ROLE": 5}
        assert "first refusal: SIGNER_WRONG_ROLE" in refused.err
    shell.run("bench", "--key", "gw.key", "--log", "http://127.0.0.1:1").check_error("LOG_UNREACHABLE", 3)
    shell.run("bench", "--key", "gw.key", "--log", "http://log.example").check_error("PARAMETER_INVALID", 2)
    elsewhere = shell.run("bench", "--key", "gw.key", "--log", "http://127.0.0.1:1", "--dir", "state")
    elsewhere.check_error("INPUT_UNREADABLE", 2)
    shell.run("bench", "--key", "gw.key", "--log", "http://127.0.0.1:1", "--entries", "0").check_error(
        "PARAMETER_INVALID", 2
    )


def test_one_command_makes_a_log_writes_reads_starts_it_again_and_leaves_nothing(shell: Shell) -> None:
    ended = shell.good(
        *("bench", "--serve", "--entries", "300", "--batch", "64", "--whole", "--reads", "--seconds", "2", "--json")
    )
    figures = ended.answer
    assert (figures["logged"], figures["whole_size"], figures["signers"]) == (300, 300, 4)
    assert figures["reads"]["refused"] == {}
    assert all(reads["proven"] > 0 for reads in figures["reads"]["reads"].values())
    assert figures["restart"]["ready_s"] >= figures["restart"]["listening_s"] > 0
    assert list(shell.directory.iterdir()) == []


def test_a_log_made_for_the_bench_is_kept_where_that_is_asked_for_and_can_be_read_alone(shell: Shell) -> None:
    assert "stopped in" in shell.good("bench", "--serve", "--entries", "5", "--one-by-one", "--dir", "kept").out
    shell.run("bench", "--serve", "--dir", "kept").check_error("INPUT_UNREADABLE", 2)
    with shell.serve("kept/log"):
        read = shell.good("bench", "--trust", "kept/log", "--reads", "--seconds", "2", "--dir", "kept/log")
    assert "reads/s" in read.out
    assert "5 entries, 4 connections" in read.out


@pytest.mark.parametrize("missing", ["--log", "--trust", "--key"])
def test_the_bench_says_what_is_missing(shell: Shell, missing: str) -> None:
    make_log(shell, gateways="gw")
    del shell.environment["TRUSTLOG_TRUST"]
    options = {"--log": "http://127.0.0.1:1", "--trust": "log", "--key": "gw.key"}
    given = [text for option, value in options.items() if option != missing for text in (option, value)]
    ended = shell.run("bench", *given)
    ended.check_error("PARAMETER_INVALID", 2)
    assert f"Missing option '{missing}'" in ended.err
