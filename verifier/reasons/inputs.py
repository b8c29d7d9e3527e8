"""Reasons about single inputs: JSON, encodings, envelopes, files."""

from __future__ import annotations

from verifier.reasons.reason import Reason

INPUT_REASONS = (
    Reason(
        "JSON_INVALID",
        "The text is not one JSON value in UTF-8.",
        "A truncated file, a byte-order mark, or not a JSON file at all.",
        "Fetch the document again and compare its hash.",
    ),
    Reason(
        "JSON_DUPLICATE_KEY",
        "An object names the same member twice.",
        "Two readers would see two different values.",
        "Ask the producer for a text with each key once.",
    ),
    Reason(
        "JSON_NUMBER_OUT_OF_RANGE",
        "A number is beyond what every JSON reader keeps exactly.",
        "An integer beyond 2^53-1, or a double that overflows.",
        "Ask the producer to send such numbers as strings.",
    ),
    Reason(
        "JSON_LONE_SURROGATE",
        "A string holds half of a UTF-16 pair, which is no character.",
        "A string was cut in the middle of a character.",
        "Ask the producer for well-formed Unicode.",
    ),
    Reason(
        "JSON_TOO_DEEP",
        "Arrays and objects are nested too deeply.",
        "A document built to exhaust its readers.",
        "Refuse it; no honest record is nested this deeply.",
    ),
    Reason(
        "BODY_TOO_LARGE",
        "The input, or one line of it, is larger than its bound.",
        "The wrong file, or an input built to exhaust its readers.",
        "Check that this is the file you meant.",
    ),
    Reason(
        "INPUT_UNREADABLE",
        "A file, key or stream cannot be read or written.",
        "A wrong path or missing permission.",
        "Check the path and its permissions.",
    ),
    Reason(
        "PARAMETER_INVALID",
        "A parameter is missing, unknown, or out of its range.",
        "A typing error, or options that exclude each other.",
        "See --help of the command.",
    ),
    Reason(
        "BASE64URL_INVALID",
        "A value is not base64url without padding, of the right length, in its one spelling.",
        "Padding, foreign characters, non-zero trailing bits or a wrong length.",
        "Ask the producer for base64url without padding.",
    ),
    Reason(
        "BASE64_INVALID",
        "A value is not standard base64 with padding, in its one spelling.",
        "Missing padding, foreign characters or non-zero trailing bits.",
        "Fetch the document again; it may be damaged.",
    ),
    Reason(
        "PAYLOAD_TEXT_NOT_ACCEPTED",
        "The payload's text is neither its own JSON.stringify form nor its own RFC 8785 form.",
        "The text was reformatted on its way.",
        "Ask for the exact text that was signed.",
    ),
    Reason(
        "SCHEMA_VALIDATION_FAILED",
        "A field is missing, unknown, or not what the closed schema of its record says.",
        "A missing, unknown or ill-typed member.",
        "Compare the record with the schema of its kind.",
    ),
    Reason(
        "MALFORMED_ENVELOPE",
        "The envelope lacks a member, has an unknown one, or one of the wrong type.",
        "A member is missing, unknown or not a string.",
        "Ask the signer for a complete envelope.",
    ),
    Reason(
        "UNKNOWN_ENVELOPE_VERSION",
        'The envelope\'s version is not "1".',
        "It was made by newer software.",
        "Use a verifier that knows this version.",
    ),
    Reason(
        "UNKNOWN_ENVELOPE_TYPE",
        "This log takes no such kind of record.",
        "A receipt was filed under the wrong kind.",
        "Ask the producer to file it rightly.",
    ),
    Reason(
        "UNKNOWN_HASH_ALGORITHM",
        "The hash algorithm is not SHA-256.",
        "It was made for another system.",
        "Ask the signer to use SHA-256.",
    ),
    Reason(
        "UNKNOWN_ALGORITHM",
        "The signature algorithm is not Ed25519.",
        "It was made for another system.",
        "Ask the signer to use Ed25519.",
    ),
    Reason(
        "INVALID_DID_FORMAT",
        "The signer is not a did:key of an Ed25519 key in its one spelling.",
        "Another key type, or a damaged DID.",
        "Check the DID with its owner.",
    ),
    Reason(
        "HASH_MISMATCH",
        "A stated hash is not the hash of what it names.",
        "They were changed after they were hashed or signed.",
        "Get the original bytes; do not rely on these.",
    ),
    Reason(
        "SIGNATURE_INVALID",
        "The signature does not verify under the signer's key.",
        "Changed bytes, another key, or a forged signature.",
        "Do not rely on this record; ask its signer.",
    ),
    Reason(
        "CO_SIGNATURE_INVALID",
        "A co-signature of the receipt does not verify.",
        "Changed bytes or a forged co-signature.",
        "Do not rely on this receipt.",
    ),
    Reason(
        "DISCLOSURE_TYPE_MISMATCH",
        "A disclosed value does not have the type that its leaf states.",
        "A disclosure was edited after it was made.",
        "Do not rely on the disclosed value.",
    ),
    Reason(
        "DISCLOSURE_ROOT_MISMATCH",
        "The disclosed and redacted leaves do not give the stated root.",
        "A disclosure of another call.",
        "Do not rely on the disclosed values.",
    ),
    Reason(
        "RATE_LIMIT_WINDOW_INVALID",
        "A rate-limit claim's window ends before it starts.",
        "Exchanged members.",
        "Ask the agent's operator.",
    ),
    Reason(
        "RATE_LIMIT_EXCEEDED",
        "The observed calls exceed the limit that the bundle itself claims.",
        "More calls or tokens than allowed.",
        "Ask why the limit was exceeded.",
    ),
    Reason(
        "RATE_LIMIT_CLAIM_INCONSISTENT",
        "The rate-limit claims contradict each other or the bundle.",
        "A member was left out.",
        "Ask the agent's operator.",
    ),
    Reason(
        "CLOCK_SKEW",
        "The time that the record states is too far from the log's clock.",
        "A clock that runs ahead, or a time chosen on purpose.",
        "Check the signer's clock.",
    ),
)
