"""Every reason code that this package uses, with a sentence, a likely cause and a next step."""

from __future__ import annotations

from verifier.reasons.acts import ACT_REASONS
from verifier.reasons.changes import CHANGE_REASONS
from verifier.reasons.inputs import INPUT_REASONS
from verifier.reasons.logs import LOG_REASONS
from verifier.reasons.reason import Reason

REASONS: dict[str, Reason] = {
    reason.code: reason for reason in (*INPUT_REASONS, *LOG_REASONS, *CHANGE_REASONS, *ACT_REASONS)
}
