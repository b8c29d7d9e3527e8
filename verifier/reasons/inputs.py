"""Reasons about single inputs: JSON, encodings, envelopes, files."""

from __future__ import annotations

from verifier.reasons.reason import Reason

INPUT_REASONS = (
    Reason(
        "JSON_INVALID",
        "The text is not JSON in UTF-8.",
        "A truncated file, a byte-order mark, or not a JSON file at all.",
        "Fetch the document again and compare its hash.",
    ),
    Reason(
        "JSON_DUPLICATE_KEY",
        "An object has the same key twice.",
        "Two readers would see two different values.",
        "Ask the producer for a text with each key once.",
    ),
    Reason(
        "JSON_NUMBER_OUT_OF_RANGE",
        "A number does not survive a JSON round trip.",
        "An integer beyond 2^53-1, or a double that overflows.",
        "Ask the producer to send such numbers as strings.",
    ),
    Reason(
        "JSON_LONE_SURROGATE",
        "A string holds half of a surrogate pair.",
        "A string was cut in the middle of a character.",
        "Ask the producer for well-formed Unicode.",
    ),
    Reason(
        "JSON_TOO_DEEP",
        "The document is nested too deeply.",
        "A document built to exhaust its readers.",
        "Refuse it; no honest record is nested this deeply.",
    ),
    Reason(
        "BODY_TOO_LARGE",
        "The input is larger than its bound.",
        "The wrong file, or an input built to exhaust its readers.",
        "Check that this is the file you meant.",
    ),
    Reason(
        "INPUT_UNREADABLE",
        "A named file cannot be read or written.",
        "A wrong path or missing permission.",
        "Check the path and its permissions.",
    ),
    Reason(
        "PARAMETER_INVALID",
        "An argument has no meaning here.",
        "A typing error, or options that exclude each other.",
        "See --help of the command.",
    ),
    Reason(
        "BASE64URL_INVALID",
        "A value is not base64url in its one spelling.",
        "Padding, foreign characters, non-zero trailing bits or a wrong length.",
        "Ask the producer for base64url without padding.",
    ),
    Reason(
        "BASE64_INVALID",
        "A value is not standard base64 in its one spelling.",
        "Missing padding, foreign characters or non-zero trailing bits.",
        "Fetch the document again; it may be damaged.",
    ),
    Reason(
        "PAYLOAD_TEXT_NOT_ACCEPTED",
        "A payload is neither its own JSON.stringify form nor its own RFC 8785 form.",
        "The text was reformatted on its way.",
        "Ask for the exact text that was signed.",
    ),
    Reason(
        "SCHEMA_VALIDATION_FAILED",
        "A record breaks its closed schema.",
        "A missing, unknown or ill-typed member.",
        "Compare the record with the schema of its kind.",
    ),
    Reason(
        "MALFORMED_ENVELOPE",
        "An envelope does not have its nine members.",
        "A member is missing, unknown or not a string.",
        "Ask the signer for a complete envelope.",
    ),
    Reason(
        "UNKNOWN_ENVELOPE_VERSION",
        "An envelope has an unknown version.",
        "It was made by newer software.",
        "Use a verifier that knows this version.",
    ),
    Reason(
        "UNKNOWN_ENVELOPE_TYPE",
        "An envelope is of another type than its place demands.",
        "A receipt was filed under the wrong kind.",
        "Ask the producer to file it rightly.",
    ),
    Reason(
        "UNKNOWN_HASH_ALGORITHM",
        "An envelope names a hash other than SHA-256.",
        "It was made for another system.",
        "Ask the signer to use SHA-256.",
    ),
    Reason(
        "UNKNOWN_ALGORITHM",
        "An envelope names a signature other than Ed25519.",
        "It was made for another system.",
        "Ask the signer to use Ed25519.",
    ),
    Reason(
        "INVALID_DID_FORMAT",
        "A signer is not did:key of an Ed25519 key in its one spelling.",
        "Another key type, or a damaged DID.",
        "Check the DID with its owner.",
    ),
    Reason(
        "HASH_MISMATCH",
        "Bytes do not have the hash that is stated for them.",
        "They were changed after they were hashed or signed.",
        "Get the original bytes; do not rely on these.",
    ),
    Reason(
        "SIGNATURE_INVALID",
        "A signature does not verify.",
        "Changed bytes, another key, or a forged signature.",
        "Do not rely on this record; ask its signer.",
    ),
    Reason(
        "CO_SIGNATURE_INVALID",
        "A co-signature of a tool receipt does not verify.",
        "Changed bytes or a forged co-signature.",
        "Do not rely on this receipt.",
    ),
    Reason(
        "DISCLOSURE_TYPE_MISMATCH",
        "A disclosed value is not of the type that it declares.",
        "A disclosure was edited after it was made.",
        "Do not rely on the disclosed value.",
    ),
    Reason(
        "DISCLOSURE_ROOT_MISMATCH",
        "A disclosure's root is not the receipt's hash.",
        "A disclosure of another call.",
        "Do not rely on the disclosed values.",
    ),
    Reason(
        "RATE_LIMIT_WINDOW_INVALID",
        "A rate-limit window does not end after it starts.",
        "Exchanged members.",
        "Ask the agent's operator.",
    ),
    Reason(
        "RATE_LIMIT_EXCEEDED",
        "A bundle says that it exceeded its own rate limit.",
        "More calls or tokens than allowed.",
        "Ask why the limit was exceeded.",
    ),
    Reason(
        "RATE_LIMIT_CLAIM_INCONSISTENT",
        "A rate-limit claim names a maximum without what was observed, or the reverse.",
        "A member was left out.",
        "Ask the agent's operator.",
    ),
    Reason(
        "CLOCK_SKEW",
        "A signed time lies too far ahead.",
        "A clock that runs ahead, or a time chosen on purpose.",
        "Check the signer's clock.",
    ),
)
