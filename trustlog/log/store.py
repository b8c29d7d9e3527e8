"""Everything that the writer of a log has open on the disk, from the lock to the databases."""

from __future__ import annotations

from contextlib import ExitStack

from trustlog.log.directory import LogDirectory
from trustlog.storage.durable import make_durable
from trustlog.storage.guard import Guard
from trustlog.storage.lock import DirectoryLock
from trustlog.storage.log_reader import LogReader
from trustlog.storage.log_writer import LogWriter


class Store:
    """Opened in the order in which it is needed, closed in the opposite one. `guard` is None where the directory has none."""

    def __init__(self, directory: LogDirectory) -> None:
        """Lock the directory and open it. Raises TrustlogError."""
        with ExitStack() as stack:
            lock = DirectoryLock.acquire(directory.lock_path)
            stack.callback(lock.release)
            for path in (directory.guard_path, directory.log_path):
                make_durable(path)
            self.guard = Guard.open(directory.guard_path)
            if self.guard is not None:
                stack.callback(self.guard.close)
            self.writer = LogWriter.open(directory.log_path)
            stack.callback(self.writer.close)
            self.reader = LogReader(directory.log_path)
            stack.callback(self.reader.close)
            self.close = stack.pop_all().close
