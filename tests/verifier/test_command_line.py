"""The command line as an auditor uses it: exit codes, one error line, no traceback, no trustlog."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.verifier.changebuilder import Change, trust_toml
from tests.waiting import PATIENCE_S
from verifier.cli import main
from verifier.reasons import REASONS

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "verifier").rglob("*.py"))


def run(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "verifier", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=PATIENCE_S,
        check=False,
    )


def write_pack(folder: Path) -> tuple[str, str]:
    pack, trust = folder / "change.evidence.json", folder / "trust.toml"
    pack.write_bytes(Change().build().pack_bytes())
    trust.write_bytes(trust_toml())
    return str(pack), str(trust)


def test_it_runs_from_a_copied_folder_without_trustlog(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "verifier", tmp_path / "verifier", ignore=shutil.ignore_patterns("__pycache__"))
    pack, trust = write_pack(tmp_path)
    blocker = (
        "import sys, runpy\n"
        "class Block:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        allowed = ('verifier', 'nacl', 'rfc8785', 'cffi', '_cffi_backend')\n"
        "        top = name.split('.')[0]\n"
        "        if top not in allowed and top not in sys.stdlib_module_names and not top.startswith('_'):\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Block())\n"
        f"sys.argv = ['verifier', 'evidence', {pack!r}, '--trust', {trust!r}, '--at', '2026-03-02']\n"
        "runpy.run_module('verifier', run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", blocker], capture_output=True, text=True, cwd=tmp_path, timeout=PATIENCE_S, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("PASS  OK\n")


def test_the_verifier_imports_only_itself_pynacl_and_rfc8785() -> None:
    needed = {"verifier", "nacl", "rfc8785", *sys.stdlib_module_names}
    for source in SOURCES:
        allowed = needed | ({"cryptography"} if source.name == "mldsa.py" else set())  # an extra, and only there
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                assert {name.name.split(".")[0] for name in node.names} <= allowed, source
            elif isinstance(node, ast.ImportFrom):
                assert (node.module or "").split(".")[0] in allowed, source


def test_no_file_is_long() -> None:
    for source in SOURCES:
        assert len(source.read_text(encoding="utf-8").split("\n")) <= 410, source


def test_help_loads_neither_cryptography_nor_network() -> None:
    script = (
        "import sys\n"
        "from verifier.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'nacl', 'rfc8785', 'urllib.request', 'ssl', 'tomllib'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize("command", ["evidence", "proof", "consistency", "log", "explain"])
def test_every_command_has_help_with_an_example(command: str) -> None:
    done = run(command, "--help")
    assert done.returncode == 0
    assert f"example: trustlog-verify {command}" in done.stdout
    assert "--json" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nothing"],
        ["evidence"],
        ["evidence", "missing.json", "--trust", "missing.toml"],
        ["log", "missing", "--trust", "missing.toml"],
        ["explain", "NO_SUCH_CODE"],
        ["explain", "A", "B"],
    ],
)
def test_bad_usage_is_one_error_line_and_one_hint_line(arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    lines = done.stderr.strip().split("\n")
    assert [line.split(":")[0] for line in lines] == ["error", "hint"]
    assert done.stdout == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ["--json"],
        ["nothing"],
        ["evidence"],
        ["evidence", "a", "b"],
        ["evidence", "p", "--trust", "t", "--max-age", "x"],
        ["log", "missing", "--trust", "missing.toml"],
        ["log", "--no-such-option"],
        ["explain", "NO_SUCH_CODE"],
        ["explain", "A", "B"],
    ],
)
def test_bad_usage_is_an_error_object_where_json_is_asked_for(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--json"]) == 2
    out, err = capsys.readouterr()
    verdict = json.loads(out)
    assert out.count("\n") == 1
    assert verdict["status"] == "ERROR"
    assert verdict["reason_code"] in REASONS
    assert verdict["reason"]
    assert [line.split(":")[0] for line in err.strip().split("\n")] == ["error", "hint"]


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("pack", b"", "PACK_MALFORMED"),
        ("pack", b"{}", "PACK_MALFORMED"),
        ("pack", b"[" * 1_000_000, "PACK_MALFORMED"),
        ("pack", b'{"pack_version":"1","pack_version":"1"}', "PACK_MALFORMED"),
        ("pack", b"\xff\xfe", "PACK_MALFORMED"),
        ("trust", b"nonsense", "TRUST_POLICY_INVALID"),
        ("trust", b"\xff", "TRUST_POLICY_INVALID"),
        ("trust", b"unknown = 1\n", "TRUST_POLICY_INVALID"),
        ("trust", b"", "TRUST_POLICY_INVALID"),
    ],
)
def test_unreadable_input_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, data: bytes, code: str
) -> None:
    pack, trust = write_pack(tmp_path)
    Path({"pack": pack, "trust": trust}[name]).write_bytes(data)
    assert main(["evidence", pack, "--trust", trust, "--json"]) == 2
    captured = capsys.readouterr()
    report = json.loads(captured.out)
    assert (report["status"], report["reason_code"]) == ("ERROR", code)
    assert [line.split(":")[0] for line in captured.err.strip().split("\n")] == ["error", "hint"]


def test_a_pack_beyond_its_bound(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pack, trust = write_pack(tmp_path)
    with Path(pack).open("wb") as file:
        file.truncate((64 << 20) + 1)
    assert main(["evidence", pack, "--trust", trust, "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["reason_code"] == "PACK_TOO_LARGE"


@pytest.mark.parametrize("at", ["yesterday", "2026-13-01", "2026-03-01T10:00:00"])
def test_a_time_that_is_none(tmp_path: Path, at: str) -> None:
    pack, trust = write_pack(tmp_path)
    assert main(["evidence", pack, "--trust", trust, "--at", at]) == 2


def test_any_entries_excludes_the_grammar(tmp_path: Path) -> None:
    _, trust = write_pack(tmp_path)
    assert main(["log", str(tmp_path), "--trust", trust, "--any-entries", "--deep"]) == 2


def test_the_verdict_as_json_has_exactly_its_members(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pack, trust = write_pack(tmp_path)
    assert main(["evidence", pack, "--trust", trust, "--at", "2026-03-02", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert list(report) == [
        "status",
        "reason_code",
        "reason",
        "checks",
        "not_proven",
        "trust_policy_sha256",
    ]
    for check in report["checks"]:
        assert list(check) == ["name", "status", "reason_code", "expected", "found", "index"]


def test_the_verdict_for_people_comes_first_and_ends_with_what_is_not_proven(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pack, trust = write_pack(tmp_path)
    assert main(["evidence", pack, "--trust", trust, "--at", "2026-03-02"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("PASS  OK\n")
    order = [text.index(f"\n{group}\n") for group in ("log", "evidence", "policy", "approvals", "execution")]
    assert order == sorted(order)
    assert text.index("\nnot proven\n") > order[-1]


def test_text_of_the_input_cannot_move_the_cursor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change = Change(edit={"closure": lambda p: p.update(closing_reason="\x1b[2J\x1b[32mPASS\u202e")}).build()
    trust = tmp_path / "trust.toml"
    trust.write_bytes(trust_toml())
    pack = tmp_path / "pack.json"
    pack.write_bytes(change.pack_bytes())
    assert main(["evidence", str(pack), "--trust", str(trust), "--at", "2026-03-02"]) == 1
    text = capsys.readouterr().out
    assert "\x1b" not in text
    assert "\u202e" not in text


def codes_in_source() -> set[str]:
    """Every string of the shape of a code that is passed where a code belongs."""
    known = {"PASS", "PROVEN", "ATTESTED", "UNDECIDED", "FAIL", "ERROR", "OK"}
    found = set()
    for source in SOURCES:
        if source.parent.name == "reasons":
            continue
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                text = node.value
                if text.isupper() and len(text) > 5 and "_" in text and text.replace("_", "").isalpha():
                    found.add(text)
    return found - known - {"NO_PROGRESS", "NO_COLOR"}


def test_every_code_in_use_is_registered_and_every_registered_code_is_in_use() -> None:
    used = {code for code in codes_in_source() if not code.endswith("_")}
    assert used - set(REASONS) <= set()
    for code in set(REASONS) - used - {"BASE64URL_INVALID", "BASE64_INVALID", "CONFLICT", "UNKNOWN_ALGORITHM"}:
        text = "".join(source.read_text() for source in SOURCES if source.parent.name != "reasons")
        assert f'"{code}"' in text, code


@pytest.mark.parametrize("code", sorted(REASONS))
def test_explain_says_what_why_and_what_next(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", code]) == 0
    lines = capsys.readouterr().out.strip().split("\n")
    assert [line.split(":")[0] for line in lines] == [code, "likely cause", "next step"]
    assert all(line.endswith(".") for line in lines)
