"""``trustlog sign``: payload → envelope."""

from __future__ import annotations

import difflib
import os
import time
from pathlib import Path
from typing import Any

import click

from trustlog.cli.files import read_input
from trustlog.cli.options import FILE, json_option, key_option
from trustlog.errors import Refused
from trustlog.formats.envelope import parse_envelope, seal_text
from trustlog.formats.jsontext import canonicalize, describe, parse_json, stringify
from trustlog.formats.timestamp import format_timestamp
from trustlog.keys.signer import Signer
from trustlog.keys.source import open_signer
from trustlog.limits import MAX_BUNDLE_ENVELOPE_BYTES
from trustlog.records.candidate import read_candidate
from trustlog.records.kinds import KINDS


@click.command(epilog="\b\nExample:\n  trustlog sign gateway_receipt receipt.json --key gateway.key > receipt.envelope.json")
@click.argument("kind")
@click.argument("payload", type=FILE)
@key_option
@json_option
def sign(kind: str, payload: Path, *, key: str, as_json: bool) -> None:
    """Sign the payload in the file PAYLOAD (- for standard input) as KIND; the envelope goes to standard output.

    The payload is checked as the log will check it, and written in its RFC 8785 form. A proof bundle with a receipt whose own
    text is not in that form keeps the order of its members, so that the receipt's hash stays right.
    """
    if kind not in KINDS:
        near = difflib.get_close_matches(kind, KINDS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"one of: {', '.join(sorted(KINDS))}"
        raise Refused("PARAMETER_INVALID", "no record kind has that name", param="KIND", found=kind, hint=hint)
    value = parse_json(read_input(payload, max_bytes=MAX_BUNDLE_ENVELOPE_BYTES), "payload")
    if not isinstance(value, dict):
        raise Refused("SCHEMA_VALIDATION_FAILED", "a payload is an object", param="payload", found=describe(value))
    click.echo(seal_checked(kind, value, open_signer(key, os.environ), format_timestamp(time.time_ns())))


def seal_checked(kind: str, payload: dict[str, Any], signer: Signer, issued_at: str) -> bytes:
    """The envelope of a payload that keeps every rule which needs neither the log nor a clock. Raises Refused."""
    origin = str(payload.get("origin", ""))
    envelope = seal_text(kind, canonicalize(payload), signer, issued_at)
    try:
        read_candidate(parse_envelope(envelope), origin=origin)
    except Refused:
        if kind != "proof_bundle":
            raise
        envelope = seal_text(kind, stringify(payload), signer, issued_at)
        read_candidate(parse_envelope(envelope), origin=origin)
    return envelope
