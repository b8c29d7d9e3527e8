"""Running a user's command on a plan: what it may know, and who hears an interrupt."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Final

from trustlog.change.command import MAX_DIFF_BYTES, PlanCommand, Ran
from trustlog.cli.answer import narrate
from trustlog.errors import Refused
from trustlog.keys.source import ENVIRONMENT_PREFIX
from trustlog.keys.ssh_agent import SOCKET_VARIABLE

OURS: Final = "TRUSTLOG_"
AGENTS: Final = frozenset(  # what signs, or hands out secrets, for whoever knows where it is
    {
        SOCKET_VARIABLE,
        "DBUS_SESSION_BUS_ADDRESS",
        "GNOME_KEYRING_CONTROL",
        "GNOME_KEYRING_PID",
        "GPG_AGENT_INFO",
        "SSH_AGENT_LAUNCHER",
        "SSH_AGENT_PID",
        "SSH_ASKPASS",
        "SSH_ASKPASS_REQUIRE",
        "SSH_AUTH_INFO_0",
    }
)
STOPS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

COMMAND_HELP: Final = (
    "COMMAND has no terminal, and gets neither our settings, nor our keys, nor what leads to a key agent (SSH_AUTH_SOCK and the"
    " like); all else of the environment it gets. SIGINT, SIGTERM and SIGHUP are passed on to it and to"
    " all that it started, a second one more firmly; it then counts as failed, and that is logged."
)


def prepare_command(command: Sequence[str], keys: Sequence[str | None]) -> PlanCommand:
    """`command`, ready to be run with a plan on its standard input; ``PARAMETER_INVALID`` now if there is no such command.

    The command works on what an agent wrote: it gets neither our settings, nor the variables that hold the `keys` in use, nor an
    agent that signs.
    """
    if shutil.which(command[0]) is None:
        hint = "check its name, and that it may be run; nothing was logged"
        raise Refused("PARAMETER_INVALID", "there is no such command", param="COMMAND", found=command[0], hint=hint)
    secret = {key.removeprefix(ENVIRONMENT_PREFIX) for key in keys if key is not None and key.startswith(ENVIRONMENT_PREFIX)}
    kept_back = secret | AGENTS
    environment = {name: value for name, value in os.environ.items() if not name.startswith(OURS) and name not in kept_back}
    return PlanCommand(command, environment)


@contextmanager
def stopping(command: PlanCommand) -> Iterator[None]:
    """As long as this lasts, what would end us ends the command, and we stay to log how it ended.

    It lasts from before the first record to after the last: a signal that comes while one of them is logged must not lose it.
    """

    def stop(number: int, _frame: FrameType | None) -> None:
        narrate(f"{signal.Signals(number).name}: the command is told to stop; what became of it is logged first")
        command.stop(number)

    before = {number: signal.getsignal(number) for number in STOPS}
    heard = [number for number in STOPS if before[number] != signal.SIG_IGN]  # nohup means what it says
    try:
        for number in heard:
            signal.signal(number, stop)
        yield
    finally:
        for number in heard:
            signal.signal(number, before[number])


def run_stoppable(command: PlanCommand) -> Callable[[bytes], Ran]:
    """What runs `command` once, and says what people must know about how it went."""

    def run(plan: bytes) -> Ran:
        ran = command.run(plan)
        if ran.is_cut:
            narrate(
                f"the output had {ran.output_size} bytes; what is stored is its beginning, {MAX_DIFF_BYTES} bytes, and says so"
            )
        return ran

    return run
