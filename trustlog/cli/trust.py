"""``trustlog trust``: who is trusted for which role, edited where it stands, with its comments."""

from __future__ import annotations

from pathlib import Path

import click

from trustlog.cli.answer import narrate, show
from trustlog.cli.did import read_did
from trustlog.cli.files import read_input, write_file
from trustlog.cli.options import json_option, trust_option
from trustlog.cli.session import read_trust, trust_file
from trustlog.cli.trust_edit import add_window, end_window, remove_did
from trustlog.errors import Refused
from trustlog.formats.trustpolicy import MAX_TRUST_POLICY_BYTES, ROLES, TrustPolicy, Window

ROLE = click.Choice(ROLES)
INDEX = click.IntRange(min=0)


@click.group(
    epilog="\b\nExample:\n  trustlog trust add gateways gateway.key --trust ./log/trust.toml", no_args_is_help=False
)
def trust() -> None:
    """Say whose records count, role by role, in a trust policy. One key has one role only."""


@trust.command(epilog="\b\nExample:\n  trustlog trust add gateways gateway.key --trust ./log/trust.toml")
@click.argument("role", type=ROLE)
@click.argument("who", metavar="DID|FILE")
@trust_option
@click.option("--from", "from_index", type=INDEX, metavar="INDEX", help="Trusted from this index on (default: 0).")
@click.option("--until", "until_index", type=INDEX, metavar="INDEX", help="Trusted below this index (default: for ever).")
@json_option
def add(role: str, who: str, *, trust: Path, from_index: int | None, until_index: int | None, as_json: bool) -> None:
    """Trust a key for ROLE: its DID, a key file, a file that holds the DID, or an OpenSSH ssh-ed25519 .pub file."""
    window = Window(read_did(who), from_index or 0, until_index)
    before = read_input(trust_file(trust), max_bytes=MAX_TRUST_POLICY_BYTES)
    policy = TrustPolicy.parse(before)
    if window in policy.roles[role]:
        narrate("nothing to do: it is there already")
    else:
        _replace(trust, add_window(before, role, window))
    _show_window(role, window, as_json=as_json)


@trust.command(epilog="\b\nExample:\n  trustlog trust remove gateways did:key:z6Mk… --until 4711 --trust ./log/trust.toml")
@click.argument("role", type=ROLE)
@click.argument("who", metavar="DID|FILE")
@trust_option
@click.option("--until", "until_index", type=INDEX, metavar="INDEX", help="Keep what the key signed below this index.")
@json_option
def remove(role: str, who: str, *, trust: Path, until_index: int | None, as_json: bool) -> None:
    """No longer trust a key for ROLE.

    With --until, what it signed before that index stays verifiable: so is a stolen key cut off. Without, all that it ever signed
    is void for whoever reads the log with this policy.
    """
    did = read_did(who)
    before = read_input(trust_file(trust), max_bytes=MAX_TRUST_POLICY_BYTES)
    windows = [window for window in TrustPolicy.parse(before).roles[role] if window.did == did]
    if not windows:
        raise Refused(
            "PARAMETER_INVALID", f"the key is not trusted for {role}", param="DID", found=did, hint="trustlog trust show"
        )
    if until_index is None:
        narrate("everything that this key ever signed is void from now on under this policy; --until keeps what came before")
        _replace(trust, remove_did(before, role, did))
    else:
        _replace(trust, end_window(before, role, did, until_index))
    show({"role": role, "did": did, "until_index": until_index}, [f"{role} {did} removed"], as_json=as_json)


@trust.command("show", epilog="\b\nExample:\n  trustlog trust show --trust ./log/trust.toml")
@trust_option
@json_option
def show_policy(*, trust: Path, as_json: bool) -> None:
    """Say what a trust policy trusts."""
    policy = read_trust(trust)
    windows = [(role, window) for role in ROLES for window in policy.roles[role]]
    result = {
        "sha256": policy.sha256.hex(),
        "origin": policy.origin,
        "log_keys": [key.encode() for key in policy.log_keys],
        "witnesses": [witness.name for witness in policy.policy.witnesses],
        "quorum": policy.policy.quorum or "none",
        "allow_unwitnessed": policy.allow_unwitnessed,
        "absence": policy.absence,
        "roles": {role: [_describe(window) for window in policy.roles[role]] for role in ROLES},
        "quorums": dict(policy.quorums),
    }
    lines = [
        f"origin {policy.origin}",
        *(f"log {key.encode()}" for key in policy.log_keys),
        f"witnesses {len(policy.policy.witnesses)}, quorum {policy.policy.quorum or 'none'}, absence proven by {policy.absence}",
        *(_line(role, window) for role, window in windows),
    ]
    show(result, lines, as_json=as_json)


def _replace(trust: Path, after: bytes) -> None:
    """Put the edited file in place, if it is a trust policy that can be read."""
    TrustPolicy.parse(after)
    path = trust_file(trust)
    write_file(path, after, force=True, mode=path.stat().st_mode & 0o777)
    narrate("a running server takes it up on SIGHUP or when it starts")


def _show_window(role: str, window: Window, *, as_json: bool) -> None:
    show({"role": role, **_describe(window)}, [_line(role, window)], as_json=as_json)


def _describe(window: Window) -> dict[str, object]:
    return {"did": window.did, "from_index": window.from_index, "until_index": window.until_index}


def _line(role: str, window: Window) -> str:
    until = "" if window.until_index is None else f" until {window.until_index}"
    start = f" from {window.from_index}" if window.from_index else ""
    return f"{role} {window.did}{start}{until}"
