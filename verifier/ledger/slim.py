"""What later entries can still meet of a proof bundle that nobody remembers: who signed its receipts, and its change.

A bundle may hold thousands of receipts and a range of entries a thousand bundles, which wait for their turn in memory.
"""

from __future__ import annotations

from dataclasses import asdict, replace

from verifier.errors import Refused
from verifier.records.bundle import OpenedBundle, ProofBundle
from verifier.records.bundled import BundledReceipts
from verifier.records.envelope import SealedReceipt
from verifier.records.receipts import GatewayReceipt


def slim_bundle(opened: OpenedBundle) -> OpenedBundle:
    """The bundle with its name, its change and one receipt a signer, without its text."""
    bundle = opened.record
    named = ProofBundle(
        bundle_version=bundle.bundle_version,
        bundle_id=bundle.bundle_id,
        agent_did=bundle.agent_did,
        metadata=_change_alone(opened),
    )
    gateways: dict[str, tuple[SealedReceipt, GatewayReceipt]] = {}
    for sealed, receipt in opened.receipts.gateway:
        gateways.setdefault(sealed.signer_did, (_emptied(sealed), receipt))
    tools: dict[str, SealedReceipt] = {}
    for sealed in opened.receipts.signed_tools:
        tools.setdefault(sealed.signer_did, _emptied(sealed))
    return OpenedBundle(named, {}, BundledReceipts(tuple(gateways.values()), tuple(tools.values()), opened.receipts.raw, ()))


def _change_alone(opened: OpenedBundle) -> dict[str, object] | None:
    """The metadata without all but the change; none of it where that is not a change, which may be anything, of any size."""
    try:
        return {"change": asdict(opened.change())}
    except Refused:
        return None


def _emptied(sealed: SealedReceipt) -> SealedReceipt:
    return replace(sealed, text=b"", payload={})
