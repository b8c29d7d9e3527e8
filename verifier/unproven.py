"""What no evidence of a change can show, and what nothing can show without witnesses: said with every verdict."""

from __future__ import annotations

from verifier.trust import TrustPolicy

ALWAYS_NOT_PROVEN = (
    "that two keys are not in one hand: people are told apart by their keys alone",
    "that there were no model calls outside the model proxy",
    "that nothing was done before the logged begin: this rests on the runner",
)
_WITHOUT_WITNESSES = (
    "that everyone is shown the same log (split views): the trust policy names no witnesses",
    "any time: without witnesses every time is the signer's own word",
)


def unwitnessed(trust: TrustPolicy) -> tuple[str, ...]:
    """What a signed checkpoint leaves open where the trust policy demands no quorum of witnesses; else nothing."""
    return _WITHOUT_WITNESSES if trust.log_policy.quorum is None else ()
