"""``trustlog demo``: one whole change on a throw-away log, three refusals, a verdict."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from trustlog.cli.answer import encode_line, narrate
from trustlog.cli.files import write_file
from trustlog.cli.options import FILE, json_option
from trustlog.cli.serve import parse_listen
from trustlog.errors import Fatal, Refused

if TYPE_CHECKING:
    from trustlog.demo.cast import Cast
    from trustlog.demo.story import Played

START_S: Final = 20.0
STOP_S: Final = 15.0
KEY_MODE: Final = 0o600


@click.command(epilog="\b\nExample:\n  trustlog demo --exit")
@click.option("--exit", "then_exit", is_flag=True, help="Stop afterwards instead of serving on.")
@click.option(
    "--listen", default="127.0.0.1:0", show_default=True, metavar="H:P", help="Where to serve; port 0 picks a free one."
)
@click.option(
    "--dir", "directory", type=FILE, metavar="DIR", help="Keep everything in this new directory (default: thrown away)."
)
@json_option
def demo(*, then_exit: bool, listen: str, directory: Path | None, as_json: bool) -> int:
    """Play one change from policy to closure on a log of its own, try three things that must be refused, verify the evidence.

    The log is a real service on the embedded default, in a process of its own; all keys are made for the demo and thrown away
    with it. The exit code is the verifier's: 0 only for PASS.
    """
    parse_listen(listen)
    for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell started us in the background, with SIGINT ignored
        signal.signal(number, signal.default_int_handler)
    with _place(directory) as place:
        stage = Stage(place)
        server = stage.set(listen)
        try:
            played = asyncio.run(stage.play(quiet=as_json))
            verdict, code = stage.verify(quiet=as_json)
            if as_json:
                click.echo(encode_line(stage.result(played, verdict)))
            if then_exit:
                return code
            _tell_next(stage, played)
            _serve_on(server)
            return code
        finally:
            _stop(server)


@dataclass(slots=True)
class Stage:
    """The demo's directory: ``log/``, ``trust.toml``, ``keys/``, the tokens, and in the end ``change.evidence.json``."""

    place: Path
    url: str = ""
    _cast: Cast | None = None

    @property
    def log(self) -> Path:
        """The log's directory."""
        return self.place / "log"

    @property
    def trust(self) -> Path:
        """The trust policy that an auditor of the demo would pin."""
        return self.place / "trust.toml"

    @property
    def pack(self) -> Path:
        """The evidence pack."""
        return self.place / "change.evidence.json"

    def set(self, listen: str) -> subprocess.Popen[str]:
        """Make the log, the keys and the trust policy; start the service."""
        from trustlog.demo.cast import ORIGIN, Cast  # noqa: PLC0415 (libsodium and databases are not needed for --help)
        from trustlog.log.directory import LogDirectory, init_directory  # noqa: PLC0415

        signer = init_directory(self.log, ORIGIN)
        self._cast = Cast.in_directory(self.place / "keys")
        policy = self._cast.trust_policy(signer.key.encode()).encode("utf-8")
        for path in (self.trust, LogDirectory(self.log).trust_path):
            path.write_bytes(policy)
        command = [sys.executable, "-m", "trustlog.cli", "serve", str(self.log), "--listen", listen]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603
        self.url = _await_url(server)
        return server

    async def play(self, *, quiet: bool) -> Played:
        """The change and the refusals, told as they happen."""
        from trustlog.change.desk import Desk  # noqa: PLC0415
        from trustlog.client.http import open_session  # noqa: PLC0415
        from trustlog.client.log import LogClient  # noqa: PLC0415
        from trustlog.demo.story import Story  # noqa: PLC0415
        from trustlog.formats.trustpolicy import TrustPolicy  # noqa: PLC0415

        assert self._cast is not None
        tell = narrate if quiet else click.echo
        tell(
            f"A log at {self.url}, origin of a demo: every key is thrown away with it.\n\nOne change, from policy to closure"
        )
        async with open_session() as session:
            client = LogClient(self.url, TrustPolicy.parse(self.trust.read_bytes()), session)
            played = await Story(Desk(client), self._cast, tell).play()
        for name, token in played.tokens.items():
            write_file(self.place / f"{name}.token", f"{token}\n".encode("ascii"), force=False, mode=KEY_MODE)
        tell("")
        tell("Three refusals")
        for refusal in played.refusals:
            code, detail, hint = refusal.reasons[0]
            for line in (f"  DENY  {refusal.title}", f"        {code}: {detail}", f"        next: {hint}"):
                tell(line)
        return played

    def verify(self, *, quiet: bool) -> tuple[dict[str, Any], int]:
        """Write the evidence pack, and have the independent verifier judge it in a process of its own."""
        from trustlog.demo.cast import TICKET  # noqa: PLC0415

        wanted = ["--ticket", TICKET, "--log", self.url, "--trust", str(self.trust), "--out", str(self.pack), "--json"]
        state = ["--state", str(self.place / "newest.checkpoint")]
        made = _run([sys.executable, "-m", "trustlog.cli", "evidence", *wanted, *state])
        if not self.pack.exists():
            raise Fatal("PACK_MALFORMED", f"the evidence pack could not be written: {made.stderr.strip()[-400:]}")
        command = [sys.executable, "-m", "verifier", "evidence", str(self.pack), "--trust", str(self.trust), "--allow-demo"]
        judged = _run([*command, "--json"])
        verdict: dict[str, Any] = json.loads(judged.stdout)
        if not quiet:
            click.echo("")
            click.echo("The independent verifier, a process of its own, on the evidence pack alone")
            for line in summarize(verdict):
                click.echo(line)
        return verdict, judged.returncode

    def result(self, played: Played, verdict: dict[str, Any]) -> dict[str, Any]:
        """What ``--json`` says."""
        refusals = [{"title": one.title, "reasons": [code for code, _, _ in one.reasons]} for one in played.refusals]
        files = {"directory": str(self.place), "evidence": str(self.pack), "trust": str(self.trust)}
        return {"url": self.url, **files, "refusals": refusals, "verdict": verdict}


def summarize(verdict: dict[str, Any]) -> list[str]:
    """A verdict in a few lines: how many checks, and all that is not proven; what rests on the gate's word is one line."""
    groups = Counter(check["name"].partition(".")[0] for check in verdict["checks"])
    counted = ", ".join(f"{name} {number}" for name, number in groups.items())
    attested = sum(check["status"] == "ATTESTED" for check in verdict["checks"])
    lines = [f"  {verdict['status']}  {verdict['reason']}", f"  {len(verdict['checks'])} checks: {counted}", "  not proven:"]
    lines += [f"    - {line}" for line in verdict["not_proven"] if "attested by" not in line]
    if attested:
        lines.append(
            f"    - {attested} absences (nothing revoked, denied, left out …): here the gate's word is taken for them"
        )
    return lines


def _tell_next(stage: Stage, played: Played) -> None:
    from trustlog.demo.cast import SECOND_TICKET  # noqa: PLC0415

    trustlog, verify = _commands()
    log = f"--log {stage.url} --trust {stage.trust}"
    second = f"--ticket {SECOND_TICKET} --token {stage.place}/{played.second_job}.token"
    gate = f"--gate-key {stage.place}/keys/gate.key"
    evidence = f"{verify} evidence {stage.pack} --trust {stage.trust} --allow-demo"
    narrate("")
    narrate("Try next, in another terminal; Ctrl-C here ends the demo and throws its directory away:")
    for why, line in (
        ("every check of the verdict", evidence),
        ("prove the absences from the whole log", f"{evidence} --log {stage.url}"),
        ("check the whole log, entry by entry", f"{verify} log {stage.url} --trust {stage.trust} --deep"),
        ("ask the gate to close the second change", f"{trustlog} gate check --action ticket.close {second} {gate} {log}"),
        ("what a refusal means", f"{trustlog} explain {played.refusals[0].reasons[0][0]}"),
        ("the log's signed checkpoint", f"curl -s {stage.url}/checkpoint"),
    ):
        narrate(f"  # {why}")
        narrate(f"  {line}")


def _commands() -> tuple[str, str]:
    """How this installation's two commands are called from here."""
    here = Path(sys.argv[0])
    sibling = here.with_name("trustlog-verify")
    if here.name == "trustlog" and sibling.exists():
        return str(here), str(sibling)
    return f"{sys.executable} -m trustlog.cli", f"{sys.executable} -m verifier"


@contextlib.contextmanager
def _place(directory: Path | None) -> Iterator[Path]:
    """The directory to play in: a new one that is kept, or a temporary one that is not."""
    if directory is None:
        temporary = Path(tempfile.mkdtemp(prefix="trustlog-demo-"))
        try:
            yield temporary
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return
    try:
        directory.mkdir(mode=0o700, parents=True)
    except OSError as error:
        detail = f"cannot make {directory}: {error.strerror}"
        raise Refused("INPUT_UNREADABLE", detail, param="dir", hint="name a directory that does not exist yet") from None
    yield directory


def _await_url(server: subprocess.Popen[str]) -> str:
    assert server.stdout is not None
    line = server.stdout.readline()
    if not line:
        server.wait(timeout=START_S)
        raise Refused("LOG_UNREACHABLE", "the demo's log did not start", hint="see the lines above; try another --listen")
    url: str = json.loads(line)["url"]
    return url


def _serve_on(server: subprocess.Popen[str]) -> None:
    """Wait until interrupted, or until the service ends by itself."""
    with contextlib.suppress(KeyboardInterrupt):
        server.wait()


def _stop(server: subprocess.Popen[str]) -> None:
    server.terminate()
    try:
        server.wait(timeout=STOP_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
    if server.stdout is not None:
        server.stdout.close()


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(list(command), capture_output=True, text=True, check=False, env={**os.environ})  # noqa: S603
