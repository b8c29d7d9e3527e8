"""``trustlog token jwks``: token issuers' keys for libraries that check tokens."""

from __future__ import annotations

from pathlib import Path

import click

from trustlog.cli.did import read_did
from trustlog.cli.files import write_file
from trustlog.cli.options import FILE, force_option, json_option
from trustlog.errors import Refused
from trustlog.tokens.jwks import encode_jwks


@click.command(
    epilog="""\b
Example:
  trustlog token jwks --key issuer.key --out jwks.json
  trustlog token jwks --key did:key:z6Mk… --key did:key:z6Mk…"""
)
@click.option(
    "--key",
    "keys",
    multiple=True,
    metavar="KEY",
    help="An issuer: a DID, a key file, a .pub file or ssh-agent:WHICH; may be repeated, for keys that overlap.",
)
@click.option("--out", type=FILE, metavar="FILE", help="Write it there and not to standard output.")
@force_option
@json_option
def jwks(*, keys: tuple[str, ...], out: Path | None, force: bool, as_json: bool) -> None:
    """The JWK set of token issuers' keys (RFC 7517), public parts alone; kid is that of the tokens which a key signs.

    A log serves that of the issuers in its own trust policy at /.well-known/jwks.json. It says who signed a token, and nothing
    of what the token may do: that its issuance is in the log, and that nothing stands against it, only a gate tells.
    """
    del as_json  # it is JSON in either case
    if not keys:
        raise Refused("PARAMETER_INVALID", "whose keys?", param="key", expected="at least one --key")
    body = encode_jwks(read_did(one, "key") for one in keys)
    if out is None:
        click.echo(body)
        return
    write_file(out, body + b"\n", force=force)
    click.echo(f"{out}: {len(set(keys))} keys", err=True)
