"""Standard output and standard error, either of which may be closed, full, or a pipe whose reader has left."""

from __future__ import annotations

import codecs
import os
import sys


class Unwritable(Exception):
    """What was to be said could not be written to standard output: nobody was told."""


def write_out(text: str) -> None:
    """Write to standard output at once, so that a failure is noticed here. Raises Unwritable.

    A reader that has left (`| head -1`) has read what it wanted: the rest is dropped, and the verdict stands.
    """
    stream = sys.stdout
    if stream is None:
        raise Unwritable("it is closed")
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        _drop(stream.fileno())
    except OSError as error:
        _drop(stream.fileno())
        raise Unwritable(error.strerror or "it cannot be written") from None


def complain(error: str, hint: str) -> None:
    """One `error:` line and one `hint:` line on standard error, if there is one."""
    from verifier.display import clean  # noqa: PLC0415 - keeps --help fast

    stream = sys.stderr
    if stream is None:
        return
    try:
        stream.write(f"error: {clean(error)}\nhint: {clean(hint)}\n")
        stream.flush()
    except OSError:
        _drop(stream.fileno())  # the exit code says it


def accept_any_text() -> None:
    """A terminal that cannot show a character gets an ASCII spelling of ours, or an escape; never a traceback."""
    codecs.register_error("verifier.spell", _spell)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="verifier.spell")


def can_show(text: str) -> bool:
    """Whether standard output shows these characters themselves."""
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


_ASCII = {"‖": "||", "…": "..."}


def _spell(error: UnicodeError) -> tuple[str | bytes, int]:
    if isinstance(error, UnicodeEncodeError) and error.object[error.start] in _ASCII:
        return _ASCII[error.object[error.start]], error.start + 1
    return codecs.backslashreplace_errors(error)


def _drop(descriptor: int) -> None:
    """Send what is still in the stream's buffer nowhere: the interpreter flushes it once more when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
