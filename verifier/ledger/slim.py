"""What the ledger can still meet of a proof bundle that nobody remembers: who signed its receipts.

A bundle may hold thousands of receipts and a range of entries a thousand bundles, which wait for their turn in memory.
"""

from __future__ import annotations

from dataclasses import replace

from verifier.records.bundle import OpenedBundle, ProofBundle
from verifier.records.bundled import BundledReceipts
from verifier.records.envelope import SealedReceipt
from verifier.records.receipts import GatewayReceipt


def slim_bundle(opened: OpenedBundle) -> OpenedBundle:
    """The bundle with its name and one receipt a signer, without its text."""
    bundle = opened.record
    named = ProofBundle(bundle_version=bundle.bundle_version, bundle_id=bundle.bundle_id, agent_did=bundle.agent_did)
    gateways: dict[str, tuple[SealedReceipt, GatewayReceipt]] = {}
    for sealed, receipt in opened.receipts.gateway:
        gateways.setdefault(sealed.signer_did, (_emptied(sealed), receipt))
    tools: dict[str, SealedReceipt] = {}
    for sealed in opened.receipts.signed_tools:
        tools.setdefault(sealed.signer_did, _emptied(sealed))
    return OpenedBundle(named, {}, BundledReceipts(tuple(gateways.values()), tuple(tools.values()), opened.receipts.raw, ()))


def _emptied(sealed: SealedReceipt) -> SealedReceipt:
    return replace(sealed, text=b"", payload={})
