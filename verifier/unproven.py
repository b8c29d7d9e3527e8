"""What no evidence of a change can show, and what nothing can show without witnesses: said with every verdict."""

from __future__ import annotations

from verifier.mldsa import WITHOUT
from verifier.note import is_checkable
from verifier.trust import TrustPolicy

ALWAYS_NOT_PROVEN = (
    "that two keys are not in one hand: people are told apart by their keys alone",
    "that there were no model calls outside the model proxy",
    "that nothing was done before the logged begin: this rests on the runner",
)
_WITHOUT_WITNESSES = (
    "that everyone is shown the same log (split views): the trust policy demands no witnesses",
    "any time: without witnesses every time is the signer's own word",
)


_BACKDATED = "that nothing was done later than its signer says: witnesses show only by when an entry was in the log"


def backdated(trust: TrustPolicy) -> tuple[str, ...]:
    """What witnesses leave open of the times of a change; without them every time is, which `unwitnessed` says."""
    return () if trust.log_policy.quorum is None else (_BACKDATED,)


def unwitnessed(trust: TrustPolicy) -> tuple[str, ...]:
    """What a signed checkpoint leaves open where the trust policy demands no quorum of witnesses, or one cannot be checked."""
    uncheckable = sorted({key.name for _, key in trust.log_policy.witnesses if not is_checkable(key)})
    ignored = (
        f"what these pinned witnesses signed with ML-DSA-44, which cannot be checked {WITHOUT}: {', '.join(uncheckable)}"
    )
    demanded = _WITHOUT_WITNESSES if trust.log_policy.quorum is None else ()
    return (*demanded, ignored) if uncheckable else demanded
