"""Every bound on what is read, with its unit and its reason. A breach is refused before anything is allocated."""

MAX_PACK_BYTES = 64 << 20  # an evidence pack: bound of the format
MAX_PACK_ENTRIES = 20_000  # bound of the format
MAX_PACK_ANCHORS = 64  # bound of the format
MAX_PROOF_HASHES = 63  # an inclusion proof has at most one hash a level; sizes are below 2^63
MAX_CONSISTENCY_HASHES = 128  # at most two hashes a level

MAX_NOTE_BYTES = 128 << 10  # a checkpoint with its signatures; ML-DSA cosignatures are nearly 5 kB each
MAX_NOTE_SIGNATURES = 100  # C2SP signed-note demands at least 16
MAX_LOG_PROOF_BYTES = 128 << 10  # a .tlog-proof: checkpoint, 63 hashes and opaque extra data
MAX_LINE_BYTES = 64 << 10  # one line of a .tlog-proof

MAX_ENTRY_BYTES = 1 << 10  # our entries stay under 1 KiB by their grammar
MAX_FOREIGN_ENTRY_BYTES = 0xFFFF  # any entry of a C2SP entry bundle: its length is a 16-bit number
MAX_TILE_BYTES = 256 * 32
MAX_BUNDLE_BYTES = 256 * (2 + MAX_FOREIGN_ENTRY_BYTES)

MAX_PAYLOAD_BYTES = 8 << 20  # a proof bundle, a plan or an artefact
MAX_SMALL_PAYLOAD_BYTES = 256 << 10  # every other kind: the bound of its envelope
MAX_METADATA_BYTES = 16 << 10  # metadata of a receipt, as RFC 8785
MAX_EVENTS = 1_000  # of one proof bundle
MAX_RECEIPTS = 1_000  # of one proof bundle
MAX_LINE_CHARACTERS = 256  # a name, an environment, an audience, a nonce
MAX_NOTE_CHARACTERS = 4096  # a reason, a detail, a closing reason
MAX_JSON_DEPTH = 64  # levels of arrays and objects

MAX_LISTED = 50  # faults of one report that are listed one by one; the rest is counted

MAX_TRUST_BYTES = 1 << 20  # a trust policy file
MAX_POLICY_KEYS = 256  # logs, witnesses or groups in one C2SP policy; the specification recommends at least 32

MAX_SAFE_INTEGER = 2**53 - 1  # RFC 8785: integers beyond this do not survive a JSON round trip
MAX_TREE_SIZE = 2**63 - 1  # sizes and indexes are signed 64-bit in the field

HTTP_TIMEOUT_S = 20.0  # one step of a connection
ANSWER_S = 60  # a whole answer
RETRIES = 3  # of one request, where the log says when it will answer
RETRY_AFTER_S = 10  # the longest pause that is kept; a log that wants a longer one is not waited for
CONNECTIONS = 4  # at once, of one process: what is fetched ahead is held in memory
MAX_WORKERS = 256  # processes of one command
WORKER_S = 900  # one range of entry bundles in a worker process: some hundred answers at their slowest
PARALLEL_ENTRIES = 65_536  # from here on worker processes pay for their start, where only hashes are computed
PARALLEL_DEEP_ENTRIES = 8_192  # the same where signatures are checked

CLOCK_TOLERANCE_S = 300  # two honest clocks may differ by this much
DECISION_LIFETIME_S = 60  # a decision expires at most this long after it was made
