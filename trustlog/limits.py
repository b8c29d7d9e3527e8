"""Every bound, with its unit and why it is what it is.

A bound that a document of the format fixes says so; the others were chosen so that the largest honest input fits several
times over and the largest hostile one costs little.
"""

from __future__ import annotations

from typing import Final

# Input, before anything is parsed.
MAX_ENVELOPE_BYTES: Final = 256 * 1024  # every kind but a bundle: a receipt is about 1 KB, a decision a few KB
MAX_BUNDLE_ENVELOPE_BYTES: Final = 8 * 1024 * 1024  # 1,000 events and 1,000 receipts of some 2 KB each, with room
MAX_BLOB_BYTES: Final = 8 * 1024 * 1024  # a plan or an artefact
MAX_JSON_DEPTH: Final = 64  # the deepest published payload nests 9
MAX_SAFE_INTEGER: Final = 2**53 - 1  # what every JSON reader keeps exactly (RFC 8259 §6, RFC 8785 §3.2.2.3)

# Entries (format).
MAX_ENTRY_BYTES: Final = 1024
MAX_REF_VALUE_CHARACTERS: Final = 96
MAX_METADATA_BYTES: Final = 16 * 1024  # of a gateway receipt
MAX_ATTACHMENT_BYTES: Final = 16 * 1024  # an inclusion proof of another log, lifted out of a receipt
MAX_TOKENS: Final = 10_000_000
MAX_LATENCY_MS: Final = 3_600_000
MAX_BUNDLE_EVENTS: Final = 1_000
MAX_BUNDLE_RECEIPTS: Final = 1_000

# Time.
MAX_SKEW_AHEAD_S: Final = 300  # every signed time, at admission
MAX_SKEW_BEHIND_S: Final = 300  # our own records and approvals, at admission
DECISION_TTL_S: Final = 60  # a decision says what was true a moment ago

# Denies that a gate logs; what goes beyond is answered all the same, and logged as a count.
STRANGER_DENIES_A_MINUTE: Final = 10  # of all tokens that nobody issued: who invents tickets must not fill the log
TOKEN_DENIES_A_MINUTE: Final = 30  # of one token: a job asks for two actions, and again after each reason that was removed

# Notes (C2SP signed-note asks for at least 16 signatures).
MAX_NOTE_BYTES: Final = 64 * 1024
MAX_NOTE_SIGNATURES: Final = 64

# Evidence packs (format).
MAX_PACK_BYTES: Final = 64 * 1024 * 1024
MAX_PACK_ENTRIES: Final = 20_000
MAX_PACK_ANCHORS: Final = 64

# HTTP.
MAX_LIST_LIMIT: Final = 1_000
MIN_SIZE_WAIT_S: Final = 5.0
