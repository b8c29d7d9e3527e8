"""What a client has to know that no schema says: texts of ``/openapi.json``."""

from __future__ import annotations

from typing import Final

from trustlog.service.bounds import DEFAULT_BOUNDS as _BOUNDS
from trustlog.service.bounds import MAX_FIELD_BYTES

EVERYWHERE: Final = f"""Every refusal is a problem document (RFC 9457), but for what is not HTTP at all: that is a plain 400.

Answers 429 and 503 carry Retry-After; what was not confirmed may or may not be logged, and the same envelope again is never logged
twice. A connection is closed after {_BOUNDS.idle_s:g} s without a request, or with a part of one's head; when more connections
come than the server holds, those that are idle give way. A body, and each line of a batch, has to come within
{_BOUNDS.body_s:g} s and one second more for each {_BOUNDS.rate // 1024} KiB (408); an answer has to be taken at that rate, or
the connection is cut after {_BOUNDS.unread_s:g} s. Header fields and the request line are at most {MAX_FIELD_BYTES} bytes."""

BATCH: Final = f"""application/json: one envelope; 201, or 200 for one that was logged before.

application/x-ndjson: one envelope a line; the status is 200 once the first line was read. There is one answer a line, in the
order of the lines, each a result or a problem with its status. Answers come while the batch is still being sent, and have to be
read meanwhile: lines are read only as fast as their answers are taken. Who sends on and takes no answer at all for
{_BOUNDS.stall_s:g} s gets answers to the lines that were taken, the rest of the body is dropped, and the last line is a problem
that belongs to no line of the batch (REQUEST_TIMEOUT). A batch ends so, too, when its body is too slow, and (UNAVAILABLE) when
the log stops: fewer answers than lines, and one problem more. Lines without an answer may be logged or not: send them again.
At most {_BOUNDS.batches} batches are read at once by each front end; another one is 503."""
