"""``trustlog policy``: work policy contracts."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import click

from trustlog.cli.files import read_input
from trustlog.cli.options import FILE, json_option, key_option
from trustlog.cli.record import publish as publish_record
from trustlog.cli.record import show_published
from trustlog.cli.session import LogAccess, log_options
from trustlog.errors import Refused
from trustlog.formats.base64 import encode_b64u
from trustlog.formats.jsontext import canonicalize, describe, parse_json
from trustlog.keys.source import open_signer
from trustlog.limits import MAX_ENVELOPE_BYTES
from trustlog.records.work_policy_contract import policy_from_text


@click.group(
    epilog="\b\nExample:\n  trustlog policy publish policy.json --key issuer.key --log URL --trust trust.toml",
    no_args_is_help=False,
)
def policy() -> None:
    """Work policy contracts: what an agent may do, and what it needs first."""


@policy.command(epilog="\b\nExample:\n  trustlog policy publish policy.json --key issuer.key --log URL --trust trust.toml")
@click.argument("file", type=FILE)
@key_option
@log_options
@json_option
def publish(file: Path, *, key: str, access: LogAccess, as_json: bool) -> None:
    """Log the policy in FILE (JSON, any layout) and print its hash, which is its address.

    A policy_hash in the draft is checked and left out; what is published is the RFC 8785 form.
    """
    value = read_draft(read_input(file, max_bytes=MAX_ENVELOPE_BYTES))
    payload_hash, logged = publish_record("work_policy_contract", value, open_signer(key, os.environ), access)
    show_published("work_policy_contract", payload_hash, logged, as_json=as_json, more={"policy_hash_b64u": payload_hash})


def read_draft(text: bytes) -> dict[str, Any]:
    """The policy that a draft is, without its ``policy_hash``.

    Raises Refused: ``JSON_…``, ``POLICY_INVALID``, ``POLICY_VERSION_UNKNOWN``, ``POLICY_MISMATCH`` (a stated hash is another).
    """
    draft = parse_json(text, "policy")
    if not isinstance(draft, dict):
        raise Refused("POLICY_INVALID", "a policy is an object", param="policy", expected="object", found=describe(draft))
    value = {name: member for name, member in draft.items() if name != "policy_hash"}
    canonical = canonicalize(value)
    policy_from_text(canonical)
    computed = "b64u:" + encode_b64u(hashlib.sha256(canonical).digest())
    stated = draft.get("policy_hash", computed)
    if stated != computed:
        raise Refused(
            "POLICY_MISMATCH",
            "the draft states another hash than its own",
            param="policy_hash",
            expected=computed,
            found=describe(stated),
            hint="the draft was edited after its hash was written: look at the change, then remove or renew policy_hash",
        )
    return value
