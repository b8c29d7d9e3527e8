"""Build the verifier as one file: `python3 -m verifier.single_file trustlog-verify.pyz`; then `python3 trustlog-verify.pyz …`.

The same sources give the same bytes, so two people can compare what they carry. pynacl and rfc8785 stay outside: pynacl
is compiled for one platform, and compiled modules cannot be loaded from a zipped application.
"""

from __future__ import annotations

import hashlib
import io
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_FIRST_LINE = b"#!/usr/bin/env python3\n"
_MAIN = b"from verifier.cli import program\n\nprogram()\n"  # zipapp's own main would drop the exit code
_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip archive can say


def build_archive() -> bytes:
    """The zipped application. Entries are stored, sorted and undated, so that the bytes depend on the sources alone."""
    files = {f"verifier/{path.relative_to(_PACKAGE).as_posix()}": path.read_bytes() for path in _PACKAGE.rglob("*.py")}
    files["__main__.py"] = _MAIN
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as target:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _DATE)
            entry.create_system = 3  # the same on every platform
            entry.external_attr = 0o644 << 16
            target.writestr(entry, files[name])
    return _FIRST_LINE + archive.getvalue()


def main(arguments: Sequence[str]) -> int:
    """Write the archive to the one file named; print its SHA-256. The exit code."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        sys.stderr.write("error: one file to write is needed\nhint: python3 -m verifier.single_file trustlog-verify.pyz\n")
        return 2
    target, data = Path(arguments[0]), build_archive()
    try:
        with target.open("xb") as file:
            file.write(data)
    except OSError as error:
        sys.stderr.write(f"error: {target}: {error.strerror}\nhint: name a file that does not exist yet\n")
        return 2
    target.chmod(0o755)
    sys.stdout.write(f"{hashlib.sha256(data).hexdigest()}  {target}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
