"""Reasons about logs: entries, checkpoints, proofs, tiles, and the trust policy."""

from __future__ import annotations

from verifier.reasons.reason import Reason

LOG_REASONS = (
    Reason(
        "ENTRY_MALFORMED",
        "An entry is outside the grammar of entries.",
        "A log of something else, or a damaged entry.",
        "For logs that are not trustlog's use --any-entries.",
    ),
    Reason(
        "ENTRY_REFS_MISMATCH",
        "An entry's refs are not those of its payload.",
        "The log filed an entry where it does not belong.",
        "Treat the log as dishonest until its operator explains.",
    ),
    Reason(
        "SIGNER_NOT_TRUSTED",
        "The signer has no such role in your trust policy, or is no person of the roster.",
        "An unknown key, or an index outside its window.",
        "If the key should be trusted, pin it; else ask who it is.",
    ),
    Reason(
        "SIGNER_WRONG_ROLE",
        "The signer has another role.",
        "One key was used for two purposes.",
        "Ask the owner of the key; a key has one role.",
    ),
    Reason(
        "ORIGIN_MISMATCH",
        "Something belongs to another log.",
        "A record or checkpoint of one log was presented for another.",
        "Check which log the trust policy pins.",
    ),
    Reason(
        "CONFLICT",
        "The entry's identity or key was taken by an earlier entry.",
        "The same thing was logged again, or something else under its name.",
        "Look at the earlier entry; it is the one that counts.",
    ),
    Reason(
        "ROSTER_NOT_CONTINUING",
        "A roster does not continue the one in force.",
        "An old roster was logged again, or one is missing.",
        "Compare the numbers and hashes of the roster chain.",
    ),
    Reason(
        "ROSTER_INVALID",
        "A roster gives one key, provider id or subject to two people, or a role key to a person.",
        "A mistake in the roster, or an attempt to count one hand twice.",
        "Have the roster authority publish a corrected roster.",
    ),
    Reason(
        "REVOCATION_NOT_PERMITTED",
        "The signer may not revoke this target.",
        "A revocation by somebody else.",
        "Ask who holds the right to revoke it.",
    ),
    Reason(
        "TOMBSTONE_NOT_PERMITTED",
        "This payload could not be erased by this record.",
        "Its kind is never erasable, or its job was still open.",
        "Ask the custodian what was erased and why.",
    ),
    Reason(
        "KEY_REVOKED",
        "The signing key was revoked below this index.",
        "A stolen or retired key was used.",
        "Treat what it signed later as void.",
    ),
    Reason("NOTE_MALFORMED", "A signed note is malformed.", "A damaged checkpoint.", "Fetch the checkpoint again."),
    Reason(
        "NOTE_UNVERIFIED",
        "No pinned key signed the note, or a pinned key's signature is wrong.",
        "Another log, another key, or a forged checkpoint.",
        "Check the vkey in your trust policy; if it is right, do not rely on this.",
    ),
    Reason("CHECKPOINT_MALFORMED", "A checkpoint is malformed.", "A damaged checkpoint.", "Fetch the checkpoint again."),
    Reason(
        "CHECKPOINT_STALE",
        "The checkpoint is older than demanded.",
        "A frozen mirror, or a log that hides its newest entries.",
        "Ask the log and its witnesses for a newer checkpoint.",
    ),
    Reason(
        "CHECKPOINT_INCONSISTENT",
        "Two signed states of one log contradict each other.",
        "The log forked or was rewritten.",
        "Keep both checkpoints; together they prove it.",
    ),
    Reason(
        "QUORUM_NOT_MET",
        "Too few pinned witnesses cosigned the checkpoint.",
        "Witnesses were down, or the log avoids them.",
        "Fetch the checkpoint again after the witnesses cosigned.",
    ),
    Reason(
        "CONSISTENCY_PROOF_INVALID",
        "A consistency proof does not lead to both roots.",
        "A damaged proof, or a fork.",
        "Check the two checkpoints against the whole log.",
    ),
    Reason(
        "INCLUSION_PROOF_INVALID",
        "An inclusion proof does not lead to the signed root.",
        "The entry, its index or the proof was changed, or it was never logged.",
        "Do not rely on this entry.",
    ),
    Reason("LOG_PROOF_MALFORMED", "A .tlog-proof is malformed.", "A damaged file.", "Fetch the proof again."),
    Reason(
        "TILE_INVALID",
        "A tile does not hold the hashes of the log's entries.",
        "A damaged or forged tile.",
        "Ask the operator to restore it; proofs from this tile are worthless.",
    ),
    Reason("TILE_MALFORMED", "A tile has the wrong length.", "A truncated file.", "Ask the operator to restore it."),
    Reason("BUNDLE_MALFORMED", "An entry bundle is malformed.", "A truncated file.", "Ask the operator to restore it."),
    Reason(
        "ROOT_MISMATCH",
        "The entries do not lead to the signed root.",
        "An entry was changed, added or left out.",
        "Do not rely on this copy of the log.",
    ),
    Reason(
        "NOT_FOUND",
        "Something under a signed checkpoint is not there.",
        "An incomplete export or mirror.",
        "Ask the operator for the missing part, then verify again.",
    ),
    Reason(
        "LOG_UNREACHABLE",
        "The log cannot be read.",
        "A wrong address, no network, or a log that is down.",
        "Check the address and try again.",
    ),
    Reason(
        "LOG_RESPONSE_INVALID",
        "The log answered with something that is not followed.",
        "A redirect, an error status or a content encoding.",
        "Use the log's own address.",
    ),
    Reason(
        "TRUST_POLICY_INVALID",
        "The trust policy is not one.",
        "An unknown key, a bad vkey or DID, or no quorum without allow_unwitnessed.",
        "Correct the file at the place that is named.",
    ),
    Reason(
        "DEMO_ORIGIN_REFUSED",
        "The log is a demo log.",
        "A pack of `trustlog demo`.",
        "For a demo add --allow-demo; never for evidence.",
    ),
)
