"""Whether an open database is still the file that its name leads to.

A file that was removed or replaced while it is open can be written for hours, and all of it is gone when the process ends. So
whoever promises durability asks this before each promise.
"""

from __future__ import annotations

from pathlib import Path

from trustlog.storage.connection import StorageFailed

_Place = tuple[int, int]  # device and inode


class Placement:
    """The places of a database and of its write-ahead log, noted when they were first seen."""

    def __init__(self, path: Path) -> None:
        """`path` is a database just opened."""
        self._paths = (path, path.with_name(path.name + "-wal"))
        self._noted: dict[Path, _Place] = {}
        self.check()

    def check(self) -> None:
        """Check that both are where they were. Raises StorageFailed.

        The write-ahead log comes with the first write: until then it may be absent, and is noted as soon as it is there.
        """
        for path in self._paths:
            try:
                status = path.stat()
            except FileNotFoundError:
                if path in self._noted or path is self._paths[0]:
                    raise self._moved(path, "no file") from None
                continue
            except OSError as error:
                raise StorageFailed("STORAGE_FAILED", f"cannot look at {path.name}: {error}") from error
            place = (status.st_dev, status.st_ino)
            if self._noted.setdefault(path, place) != place:
                raise self._moved(path, "another file")

    def _moved(self, path: Path, found: str) -> StorageFailed:
        return StorageFailed(
            "STORAGE_FAILED",
            f"{path.name} was removed or replaced while the log was open",
            param=path.name,
            expected="the file that was opened",
            found=found,
            hint="stop the server; put back log.db and guard.db, both of the same moment and never older ones; start it again",
        )
