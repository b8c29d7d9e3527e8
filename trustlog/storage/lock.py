"""One server a directory: an advisory lock that the system releases when the process ends, however it ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Self

from trustlog.errors import TrustlogError
from trustlog.storage.connection import storage_errors


class DirectoryLock:
    """Held for as long as the process may write."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    @classmethod
    def acquire(cls, path: Path, *, hint: str | None = None) -> Self:
        """Take the lock file at `path` or raise TrustlogError(LOG_LOCKED), at once; `hint` says what to do then."""
        with storage_errors(f"open {path.name}"):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise TrustlogError(
                "LOG_LOCKED",
                f"another process serves {path.parent}",
                expected="no other writer",
                found=f"process {holder}",
                hint=hint,
            ) from None
        lock = cls(descriptor)
        try:
            with storage_errors(f"write {path.name}"):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, str(os.getpid()).encode("ascii"), 0)
        except BaseException:
            lock.release()
            raise
        return lock

    def release(self) -> None:
        """Let the next one in. The file stays: removing it would let two processes lock two files of one name."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
