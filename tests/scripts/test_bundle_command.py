"""The bundle command: one bundle for what the log has, found again, explained where it cannot serve."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.scripts.change import (
    JOB,
    build_bundle,
    call_models,
    close_with,
    fetch_payload,
    fork,
    good,
)
from tests.scripts.commands import Shell
from trustlog.proxy.receipt import PublishedCall, published_call


def test_the_same_bundle_is_found_again(executed: Shell, tmp_path: Path) -> None:
    shell = fork(executed, tmp_path)
    with shell.serve():
        first = good(build_bundle(shell))
        again = good(build_bundle(shell))
    assert again["already_logged"]
    assert (again["reference"], again["other_bundles"]) == (first["reference"], [])
    assert not first["against"]


def test_a_call_after_the_bundle_does_not_spoil_it_even_if_it_cannot_be_bundled(executed: Shell, tmp_path: Path) -> None:
    shell = fork(executed, tmp_path)
    with shell.serve():
        first = good(build_bundle(shell))
        call_models(shell, 1, start=7)  # it begins a chain of its own: two first events are no chain
        build_bundle(shell).check_error("EVENT_CHAIN_INVALID", 1)
        close_with(shell, first["reference"])


def test_a_second_bundle_says_which_approvals_it_leaves_behind(executed: Shell, tmp_path: Path) -> None:
    shell = fork(executed, tmp_path)
    with shell.serve():
        first = good(build_bundle(shell))
        call_models(shell, 1, start=7, previous=last_call(shell))
        ended = build_bundle(shell)
        second = good(ended)
        assert second["other_bundles"] == [first["payload_hash_b64u"]]
        assert (
            f"the job has 1 other bundles: {first['payload_hash_b64u']}; approvals that name one of them do not count"
            in ended.err
        )
        close_with(shell, second["reference"])
        late = build_bundle(shell)
        late.check_error("JOB_ENDED", 1)
        assert second["reference"] in late.err


def last_call(shell: Shell) -> PublishedCall:
    return published_call(json.loads((shell.directory / "call-1.json").read_bytes()))


def test_an_agent_whose_window_is_over_is_told_so(executed: Shell, tmp_path: Path) -> None:
    shell = fork(executed, tmp_path)
    shell.good("trust", "remove", "agents", "agent.key", "--until", "5")
    with shell.serve():
        ended = build_bundle(shell)
    ended.check_error("SIGNER_NOT_TRUSTED", 1)
    assert re.search(r"found trusted at indexes 0 to 5", ended.err)
    assert "start a new job" in ended.err


def test_a_run_names_its_job(executed: Shell, tmp_path: Path) -> None:
    shell = fork(executed, tmp_path)
    with shell.serve():
        shell.run("bundle", "--run", "nobody's", "--key", "agent.key").check_error("SIMULATION_MISSING", 1)
        by_run = shell.good("bundle", "--run", "run-17", "--key", "agent.key", "--json").answer
        assert by_run["reference"] == good(build_bundle(shell))["reference"]
        assert JOB in json.dumps(json.loads(fetch_payload(shell, by_run["payload_hash_b64u"]))["metadata"]["change"])
