"""From an empty directory to a proof in a file, with real commands, and every way of going wrong on the way."""

from __future__ import annotations

import hashlib
import shutil
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.scripts.commands import ORIGIN, PROJECT, Ended, Shell, make_log, make_receipt
from trustlog.formats.logproof import check_log_proof, parse_log_proof
from trustlog.formats.trustpolicy import TrustPolicy
from trustlog.merkle.hashing import hash_leaf


def signed(shell: Shell, number: int, *, key: str = "gw.key", **changes: object) -> bytes:
    payload = shell.write(f"payload-{number}.json", make_receipt(number, **changes))
    return shell.good("sign", "gateway_receipt", payload, "--key", key).out.encode()


def test_a_log_is_made_served_written_and_every_answer_proven(shell: Shell) -> None:
    make_log(shell, gateways="gw")
    with shell.serve():
        envelope = shell.write("first.envelope.json", signed(shell, 1))

        logged = shell.good("submit", envelope, "--out", "proofs", "--json").answer
        assert (logged["index"], logged["already_logged"], logged["tree_size"]) == (0, False, 1)

        trust = TrustPolicy.parse((shell.directory / "log" / "trust.toml").read_bytes())
        entry = (shell.directory / "proofs" / "first.entry").read_bytes()
        proof = parse_log_proof((shell.directory / "proofs" / "first.tlog-proof").read_bytes())
        assert hash_leaf(entry).hex() == logged["leaf_hash"]
        assert check_log_proof(proof, hash_leaf(entry), trust).checkpoint.origin == ORIGIN

        again = shell.good("submit", envelope)
        assert "already logged" in again.out

        conflicting = shell.write("second.envelope.json", signed(shell, 1, model="model-2"))
        refused = shell.run("submit", conflicting, "--json")
        refused.check_error("CONFLICT", 1)
        assert refused.answer["error"]["index"] == 0
        assert refused.answer["error"]["leaf_hash"] == logged["leaf_hash"]

    explained = shell.good("explain", "CONFLICT")
    assert explained.out.startswith("CONFLICT\n")


def test_lines_from_standard_input_are_answered_one_by_one(shell: Shell) -> None:
    make_log(shell, gateways="gw")
    lines = [signed(shell, n).strip() for n in range(3)]
    with shell.serve():
        ended = shell.run(
            "submit", "-", "--out", "proofs", "--json", stdin=b"\n".join([lines[0], b"{", lines[1], b"", lines[2]])
        )
        ended.check_error("JSON_INVALID", 2)
        assert [a.get("index", a.get("error", {}).get("code")) for a in ended.answers] == [
            0,
            "JSON_INVALID",
            1,
            "JSON_INVALID",
            2,
        ]
        assert len(list((shell.directory / "proofs").glob("*.tlog-proof"))) == 3
        again = shell.good("submit", "-", stdin=b"\n".join(lines) + b"\n")
        assert again.out.count("already logged") == 3


def test_a_fork_is_noticed_by_the_next_command(shell: Shell) -> None:
    make_log(shell, gateways="gw")
    # The guard is copied together with the database, so the log itself cannot tell; who remembers a checkpoint can.
    shutil.copytree(shell.directory / "log", shell.directory / "copy")
    with shell.serve():
        shell.good("submit", shell.write("one.json", signed(shell, 1)))
    with shell.serve("copy"):
        ended = shell.run("submit", shell.write("two.json", signed(shell, 2)), "--out", "proofs")
        ended.check_error("CHECKPOINT_INCONSISTENT", 1)
        assert list((shell.directory / "proofs").iterdir()) == []
        elsewhere = shell.good("submit", shell.directory / "two.json", "--state", "fresh.checkpoint")
        assert "already logged" in elsewhere.out


def test_many_commands_at_once_share_one_memory(shell: Shell) -> None:
    make_log(shell, gateways="gw")
    envelopes = [shell.write(f"{n}.json", signed(shell, n)) for n in range(8)]
    with shell.serve(), ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda path: shell.good("submit", path, "--json").answer, envelopes))
    assert sorted(result["index"] for result in results) == list(range(8))
    (state,) = (shell.directory / "state" / "trustlog").glob("*.checkpoint")
    assert state.read_text().startswith(f"{ORIGIN}\n8\n")


def test_export_writes_what_was_signed_and_does_not_overwrite(shell: Shell) -> None:
    make_log(shell, gateways="gw")
    with shell.serve():
        shell.good("submit", shell.write("one.json", signed(shell, 1)))
    exported = shell.good("export", "log", "public", "--json").answer
    assert exported["tree_size"] == 1
    assert (shell.directory / "public" / "checkpoint").read_text().startswith(f"{ORIGIN}\n1\n")
    assert (shell.directory / "public" / "tile" / "entries" / "000.p" / "1").is_file()
    shell.run("export", "log", "public").check_error("INPUT_UNREADABLE", 2)
    shell.good("export", "log", "public", "--force")
    (shell.directory / "precious").mkdir()
    shell.run("export", "log", "precious", "--force").check_error("PARAMETER_INVALID", 2)


def test_the_records_of_a_change_are_published_and_a_token_given_out_last(shell: Shell) -> None:
    make_log(shell, policy_issuers="issuer", token_issuers="tokens", roster_authorities="authority")
    agent = shell.good("keygen", "agent.key").out.strip()
    tools = {"ticket.read": {"allowed": True}}
    policy = {
        "wpc_version": "1",
        "policy_name": "p",
        "enforcement": {"fail_closed": True, "require_gateway_receipts": False, "require_proof_bundle": False},
        "token_requirements": {
            "require_cst": True,
            "optional_policy_hash_pinning": False,
            "job_scoped_binding": True,
            "max_ttl_s": 900,
        },
        "tools": tools,
    }
    roster = {"people": [{"subject": "p-1", "keys": [], "roles": ["service_owner"], "idp": []}]}
    shell.write("policy.json", policy)
    shell.write("roster.json", roster)
    with shell.serve():
        published = shell.good("policy", "publish", "policy.json", "--key", "issuer.key", "--json").answer
        address = published["policy_hash_b64u"]
        assert published["index"] == 0
        again = shell.good("policy", "publish", "policy.json", "--key", "issuer.key", "--json").answer
        assert again["already_logged"]

        numbers = [
            shell.good("roster", "publish", "roster.json", "--key", "authority.key", "--json").answer["number"]
            for _ in range(3)
        ]
        assert numbers == [1, 2, 3]

        mint = (
            "token mint --job job-1 --ticket jira.example:CHG-1 --requester p-1 --aud gate.example --scope change:execute "
            f"--key tokens.key --agent {agent} --policy {address}"
        ).split()
        minted = shell.good(*mint, "--out", "job.token", "--json").answer
        text = (shell.directory / "job.token").read_text()
        assert minted["token_hash"] == hashlib.sha256(text.strip().encode()).hexdigest()
        assert stat.S_IMODE((shell.directory / "job.token").stat().st_mode) == 0o600
        shell.run(*mint, "--out", "job.token").check_error("PARAMETER_INVALID", 2)
        shell.run(*mint, "--ttl", "901").check_error("TOKEN_TTL_EXCEEDED", 1)
        shell.run(*mint, "--policy", "A" * 43).check_error("POLICY_NOT_FOUND", 1)
        shell.run(*mint, "--key", "issuer.key").check_error("SIGNER_WRONG_ROLE", 1)

        renewed = shell.good(*mint).out.strip()
        issuer = shell.good("trust", "show", "--json").answer["roles"]["token_issuers"][0]["did"]
        inspected = shell.good("token", "inspect", "-", "--issuer", issuer, "--json", stdin=renewed.encode()).answer
        assert (inspected["signature_valid"], inspected["expired"], inspected["job_id"]) == (True, False, "job-1")
        shell.run("token", "inspect", "job.token", "--issuer", agent).check_error("TOKEN_SIGNATURE_INVALID", 1)

        revoked = shell.good("revoke", "job:job-1", "--reason", "withdrawn", "--key", "tokens.key", "--json").answer
        assert revoked["target"] == "job:job-1"
        shell.run("revoke", "job:job-1", "--reason", "r", "--key", "issuer.key").check_error("REVOCATION_NOT_PERMITTED", 1)
        shell.run("revoke", "nonsense", "--reason", "r", "--key", "tokens.key").check_error("SCHEMA_VALIDATION_FAILED", 1)


def test_nothing_is_logged_of_what_is_refused(shell: Shell) -> None:
    make_log(shell, gateways="gw")
    shell.good("keygen", "stranger.key")
    with shell.serve():
        stranger = shell.write("stranger.json", signed(shell, 1, key="stranger.key"))
        shell.run("submit", stranger, "--out", "proofs").check_error("SIGNER_NOT_TRUSTED", 1)
        forged = shell.write("forged.json", signed(shell, 2).replace(b'"model-1"', b'"model-2"'))
        shell.run("submit", forged, "--out", "proofs").check_error("HASH_MISMATCH", 1)
        shell.run("submit", shell.write("bad.json", b"{"), "--out", "proofs").check_error("JSON_INVALID", 2)
        shell.run("submit", shell.write("bare.json", make_receipt(1))).check_error("MALFORMED_ENVELOPE", 2)
        assert list((shell.directory / "proofs").iterdir()) == []
        first = shell.good("submit", shell.write("good.json", signed(shell, 3)), "--json").answer
        assert first["index"] == 0


def test_proofs_are_not_overwritten_without_force_and_nothing_is_sent_before(shell: Shell) -> None:
    make_log(shell, gateways="gw")
    (shell.directory / "proofs").mkdir()
    (shell.directory / "proofs" / "one.entry").write_text("precious")
    with shell.serve():
        one = shell.write("one.json", signed(shell, 1))
        shell.run("submit", one, "--out", "proofs").check_error("PARAMETER_INVALID", 2)
        assert (shell.directory / "proofs" / "one.entry").read_text() == "precious"
        assert not shell.good("submit", one, "--out", "proofs", "--force", "--json").answer["already_logged"]


def test_a_log_that_is_not_there_is_undecided(shell: Shell) -> None:
    make_log(shell, gateways="gw")
    one = shell.write("one.json", signed(shell, 1))
    shell.run("submit", one, "--log", "http://127.0.0.1:1").check_error("LOG_UNREACHABLE", 3)


USAGE: list[tuple[str, str, int]] = [
    ("", "PARAMETER_INVALID", 2),
    ("nonsense", "PARAMETER_INVALID", 2),
    ("trust", "PARAMETER_INVALID", 2),
    ("trust nonsense", "PARAMETER_INVALID", 2),
    ("init", "PARAMETER_INVALID", 2),
    ("init log --origin", "PARAMETER_INVALID", 2),
    ("init fresh --origin bad\\norigin", "PARAMETER_INVALID", 2),
    ("init fresh --origin https://log.example/x", "PARAMETER_INVALID", 2),
    ("init full --origin log.example/x", "INPUT_UNREADABLE", 2),
    ("serve nowhere", "INPUT_UNREADABLE", 2),
    ("serve full --listen nonsense", "PARAMETER_INVALID", 2),
    ("keygen there.key", "INPUT_UNREADABLE", 2),
    ("keygen no/such/dir.key", "INPUT_UNREADABLE", 2),
    ("sign nonsense payload.json --key there.key", "PARAMETER_INVALID", 2),
    ("sign gateway_receipt nowhere.json --key there.key", "INPUT_UNREADABLE", 2),
    ("sign gateway_receipt payload.json --key nowhere.key", "INPUT_UNREADABLE", 2),
    ("sign gateway_receipt payload.json --key open.key", "INPUT_UNREADABLE", 2),
    ("sign gateway_receipt payload.json --key env:NOT_SET", "INPUT_UNREADABLE", 2),
    ("sign gateway_receipt empty.json --key there.key", "JSON_INVALID", 2),
    ("sign gateway_receipt list.json --key there.key", "SCHEMA_VALIDATION_FAILED", 1),
    ("sign gateway_receipt twice.json --key there.key", "JSON_DUPLICATE_KEY", 2),
    ("sign gateway_receipt unknown.json --key there.key", "SCHEMA_VALIDATION_FAILED", 1),
    ("submit payload.json --log http://127.0.0.1:1 --trust nowhere.toml", "INPUT_UNREADABLE", 2),
    ("submit payload.json --log http://127.0.0.1:1 --trust empty.json", "TRUST_POLICY_INVALID", 2),
    ("submit payload.json --log nonsense --trust good.toml", "PARAMETER_INVALID", 2),
    ("submit - payload.json --log http://127.0.0.1:1 --trust good.toml", "PARAMETER_INVALID", 2),
    ("submit nowhere.json --log http://127.0.0.1:1 --trust good.toml", "INPUT_UNREADABLE", 2),
    ("submit payload.json --trust good.toml", "PARAMETER_INVALID", 2),
    ("trust add nonsense there.key --trust good.toml", "PARAMETER_INVALID", 2),
    ("trust add gateways did:key:zNonsense --trust good.toml", "INVALID_DID_FORMAT", 2),
    ("trust remove gateways there.key --trust good.toml", "PARAMETER_INVALID", 2),
    ("trust show --trust empty.json", "TRUST_POLICY_INVALID", 2),
    ("policy publish empty.json --key there.key --log http://127.0.0.1:1 --trust good.toml", "JSON_INVALID", 2),
    ("roster publish list.json --key there.key --log http://127.0.0.1:1 --trust good.toml", "SCHEMA_VALIDATION_FAILED", 1),
    ("token inspect payload.json", "TOKEN_MALFORMED", 2),
    ("explain NO_SUCH_CODE", "PARAMETER_INVALID", 2),
    ("export nowhere out", "INPUT_UNREADABLE", 2),
]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    shell = Shell(tmp_path_factory.mktemp("usage"))
    shell.good("init", "made", "--origin", "log.example/x")
    shell.write("good.toml", (shell.directory / "made" / "trust.toml").read_bytes())
    shell.good("keygen", "there.key")
    (shell.directory / "open.key").write_bytes((shell.directory / "there.key").read_bytes())
    (shell.directory / "open.key").chmod(0o644)
    (shell.directory / "full").mkdir()
    shell.write("full/file", b"")
    shell.write("empty.json", b"")
    shell.write("list.json", [])
    shell.write("twice.json", b'{"a":1,"a":1}')
    shell.write("payload.json", make_receipt(1))
    shell.write("unknown.json", make_receipt(1, nonsense=1))
    return shell


@pytest.mark.parametrize(("line", "code", "exit_code"), USAGE, ids=[line or "nothing" for line, _, _ in USAGE])
def test_every_mistake_is_one_error_line_one_hint_line_and_the_right_exit_code(
    prepared: Shell, line: str, code: str, exit_code: int
) -> None:
    before = sorted(path.name for path in prepared.directory.iterdir())
    ended = prepared.run(*line.split())
    ended.check_error(code, exit_code)
    assert ended.out == ""
    assert sorted(path.name for path in prepared.directory.iterdir()) == before


def test_no_secret_is_ever_printed(prepared: Shell) -> None:
    seed = (prepared.directory / "there.key").read_text().strip()
    prepared.environment["A_KEY"] = seed + "0"
    outputs: list[Ended] = [
        prepared.run("sign", "gateway_receipt", "payload.json", "--key", "env:A_KEY"),
        prepared.run("sign", "gateway_receipt", "payload.json", "--key", "open.key"),
        prepared.run("token", "inspect", "there.key"),
        prepared.run("trust", "add", "gateways", "there.key", "--trust", "made", "--json"),
        prepared.run("keygen", "there.key"),
        prepared.run("sign", "gateway_receipt", "there.key", "--key", "there.key"),
        prepared.run("sign", "gateway_receipt", "-", "--key", "there.key", stdin=f" {seed}\n\n".encode()),
        prepared.run("trust", "show", "--trust", "there.key"),
        prepared.run("sign", "gateway_receipt", "made/log.key", "--key", "made/log.key"),
        prepared.run("sign", "gateway_receipt", "payload.json", "--key", seed),
        prepared.run("sign", "gateway_receipt", seed, "--key", "there.key"),
        prepared.run("token", "inspect", f"eyJhbGciOiJFZERTQSJ9.{seed}.{seed}"),
        prepared.run("submit", "payload.json", "--log", f"http://user:{seed}@127.0.0.1:1", "--trust", "made"),
    ]
    for ended in outputs:
        assert seed[:12] not in ended.out + ended.err, ended
        assert "PRIVATE" not in ended.out + ended.err, ended


def test_help_loads_no_server_and_no_database() -> None:
    script = "import sys; from trustlog.cli.main import run; run(['--help']); print([m for m in sys.modules if m in HEAVY])"
    heavy = "HEAVY = {'aiohttp', 'sqlite3', 'sqlite_utils', 'nacl', 'msgspec', 'asyncio'}; "
    ended = subprocess.run([sys.executable, "-c", heavy + script], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "[]"


def test_a_reader_that_leaves_ends_the_command_quietly(prepared: Shell) -> None:
    command = ["sh", "-c", f"{sys.executable} -m trustlog.cli explain | head -1"]
    ended = subprocess.run(command, cwd=prepared.directory, env=prepared.environment, capture_output=True, check=False)
    assert ended.stderr == b""
