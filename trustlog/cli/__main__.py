"""``python -m trustlog.cli`` is ``trustlog``."""

from trustlog.cli.main import main

main()
