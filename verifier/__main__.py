"""`python3 -m verifier` is `trustlog-verify`."""

from verifier.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
