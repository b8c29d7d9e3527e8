"""The writer's end of the socket to one front end: neither side ever waits for the other."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Final

from trustlog.log.messages import TO_WRITER, FromWriter, ToWriter, encode_message, take_messages

_READ_BYTES: Final = 256 * 1024


class Channel:
    """A stream of messages over a connected socket, which it owns."""

    def __init__(self, connected: socket.socket, lost: Callable[[], None]) -> None:
        """`lost` is for whoever finds that it is no longer open."""
        connected.setblocking(False)
        self.lost = lost
        self.socket = connected
        self.is_open = True
        self._buffer = memoryview(
            bytearray(_READ_BYTES)
        )  # kept: a new one for each read would be cleared and freed each time
        self._received = bytearray()
        self._unsent = bytearray()

    @property
    def has_unsent(self) -> bool:
        """Whether something waits for the other side to read."""
        return bool(self._unsent)

    def receive(self) -> Iterator[ToWriter]:
        """The messages that have come whole. `is_open` is False once all was read and the other side has closed."""
        try:
            count = self.socket.recv_into(self._buffer)
        except BlockingIOError:
            return
        except OSError:
            count = 0
        if not count:
            self.is_open = False
            return
        self._received += self._buffer[:count]
        for body in take_messages(self._received):
            yield TO_WRITER.decode(body)

    def send(self, message: FromWriter) -> None:
        """Send, or keep what does not fit for :meth:`flush`."""
        self._unsent += encode_message(message)
        self.flush()

    def flush(self) -> None:
        """Send what waits, as far as it fits."""
        try:
            while self._unsent:
                del self._unsent[: self.socket.send(self._unsent)]
        except BlockingIOError:
            pass
        except OSError:  # it is gone; what it said before can still be read, and then its end
            self._unsent.clear()

    def close(self) -> None:
        """Let go."""
        self.is_open = False
        self.socket.close()
