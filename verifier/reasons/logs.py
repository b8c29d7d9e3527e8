"""Reasons about logs: entries, checkpoints, proofs, tiles, and the trust policy."""

from __future__ import annotations

from verifier.reasons.reason import Reason

LOG_REASONS = (
    Reason(
        "ENTRY_MALFORMED",
        "The bytes are not byte for byte an entry.",
        "A log of something else, or a damaged entry.",
        "Do not rely on the entry; a log of something else is read with --any-entries.",
    ),
    Reason(
        "ENTRY_REFS_MISMATCH",
        "The entry's lookup keys are not those of its payload.",
        "The log filed an entry where it does not belong.",
        "Treat the log as dishonest until its operator explains.",
    ),
    Reason(
        "SIGNER_NOT_TRUSTED",
        "The signer has no role in the trust policy at this index, and is no person of the roster.",
        "An unknown key, or an index outside its window.",
        "If the key should be trusted, pin it; else ask who it is.",
    ),
    Reason(
        "SIGNER_WRONG_ROLE",
        "The signer is trusted, but not for this kind of record.",
        "One key was used for two purposes.",
        "Ask the owner of the key; a key has one role.",
    ),
    Reason(
        "ORIGIN_MISMATCH",
        "The record, checkpoint or proof belongs to another log.",
        "A record or checkpoint of one log was presented for another.",
        "Check which log the trust policy pins.",
    ),
    Reason(
        "CONFLICT",
        "The id is taken by another payload or another signer.",
        "The same thing was logged again, or something else under its name.",
        "Look at the earlier entry; it is the one that counts.",
    ),
    Reason(
        "ROSTER_NOT_CONTINUING",
        "The roster does not continue the roster in force.",
        "An old roster was logged again, or one is missing.",
        "Compare the numbers and hashes of the roster chain.",
    ),
    Reason(
        "ROSTER_INVALID",
        "The roster contradicts itself or an earlier roster.",
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
        "What the tombstone names may not be erased, now or ever.",
        "Its kind is never erasable, or its job was still open.",
        "Ask the custodian what was erased and why.",
    ),
    Reason(
        "KEY_REVOKED",
        "The key was revoked: nothing that it signs from there on counts.",
        "A stolen or retired key was used.",
        "Treat what it signed later as void.",
    ),
    Reason("NOTE_MALFORMED", "The text is not a signed note.", "A damaged checkpoint.", "Fetch the checkpoint again."),
    Reason(
        "NOTE_UNVERIFIED",
        "No trusted key verifies the note, or a trusted key's signature on it is wrong.",
        "Another log, another key, or a forged checkpoint.",
        "Check the vkey in your trust policy; if it is right, do not rely on this.",
    ),
    Reason("CHECKPOINT_MALFORMED", "The note is not a checkpoint.", "A damaged checkpoint.", "Fetch the checkpoint again."),
    Reason(
        "CHECKPOINT_STALE",
        "The checkpoint is older than the trust policy allows, or than one seen before.",
        "A frozen mirror, a log that hides its newest entries, exchanged checkpoints, or no witness that says a time.",
        "Ask the log and its witnesses for a newer checkpoint.",
    ),
    Reason(
        "CHECKPOINT_INCONSISTENT",
        "The checkpoint does not continue the one seen before.",
        "The log forked or was rewritten.",
        "Keep both checkpoints; together they prove it.",
    ),
    Reason(
        "QUORUM_NOT_MET",
        "Too few trusted witnesses have cosigned the checkpoint.",
        "Witnesses were down, or the log avoids them.",
        "Fetch the checkpoint again after the witnesses cosigned; if they sign with ML-DSA-44, install cryptography 48.",
    ),
    Reason(
        "CONSISTENCY_PROOF_INVALID",
        "The proof does not show that the larger tree continues the smaller one.",
        "A damaged proof, or a fork.",
        "Check the two checkpoints against the whole log.",
    ),
    Reason(
        "INCLUSION_PROOF_INVALID",
        "The inclusion proof does not lead from the entry to the stated root.",
        "The entry, its index or the proof was changed, or it was never logged.",
        "Do not rely on this entry.",
    ),
    Reason("LOG_PROOF_MALFORMED", "The file is not a log proof.", "A damaged file.", "Fetch the proof again."),
    Reason(
        "TILE_INVALID",
        "A tile's hashes are not those of the tree.",
        "A damaged or forged tile.",
        "Ask the operator to restore it; proofs from this tile are worthless.",
    ),
    Reason(
        "TILE_MALFORMED",
        "A tile does not have the length that its path states.",
        "A truncated file.",
        "Ask the operator to restore it.",
    ),
    Reason(
        "BUNDLE_MALFORMED",
        "An entry bundle is not a sequence of the stated number of entries.",
        "A truncated file.",
        "Ask the operator to restore it.",
    ),
    Reason(
        "ROOT_MISMATCH",
        "The entries do not give the root that the checkpoint states.",
        "An entry was changed, added or left out.",
        "Do not rely on this copy of the log.",
    ),
    Reason(
        "NOT_FOUND",
        "There is nothing under this address.",
        "An incomplete export or mirror.",
        "Ask the operator for the missing part, then verify again.",
    ),
    Reason(
        "LOG_UNREACHABLE",
        "The log did not answer, or cannot be read.",
        "A wrong address, no network, a log that is down or busy (5xx, 429), or a file that cannot be read.",
        "Check the address and try again: nothing follows about the log.",
    ),
    Reason(
        "LOG_RESPONSE_INVALID",
        "The log's answer is not what its interface promises.",
        "A redirect, a status that refuses, a content encoding or a body without its length.",
        "Use the log's own address.",
    ),
    Reason(
        "TRUST_POLICY_INVALID",
        "The trust policy cannot be used as it is.",
        "An unknown key, a bad vkey or DID, or no quorum without allow_unwitnessed.",
        "Correct the file at the place that is named.",
    ),
    Reason(
        "DEMO_ORIGIN_REFUSED",
        "This is a demonstration log, whose keys are worth nothing.",
        "A pack of `trustlog demo`.",
        "For a demo add --allow-demo; never for evidence.",
    ),
)
