"""How long the verdict on one pack takes, in process: `python -m tests.benchmarks.judge_pack [RECEIPTS…]`.

Prints its conditions. Times are processor time of this process, the best and the median of several runs, each with no
thing remembered from the run before but which members a schema has; beside them the most memory that one run held, and
what the signatures alone cost, so that machines can be compared.
"""

from __future__ import annotations

import os
import platform
import re
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable

from tests.verifier.changebuilder import START, STEPS, Change, trust_toml
from verifier.change.judge import judge
from verifier.didkey import parse_did_key
from verifier.ed25519 import is_signature
from verifier.encodings import decode_b64u
from verifier.entry import check_signature, parse_entry
from verifier.pack import decode_hash
from verifier.records.receipts import read_gateway_receipt
from verifier.report import Status
from verifier.times import _nanoseconds
from verifier.trust import parse_trust_policy

RUNS = 15
AT_NS = int((START.timestamp() + 10_000) * 1e9)


def build(receipts: int) -> Change:
    """A whole change with that many gateway receipts, a hundredth of a second apart."""
    change, first = Change(), STEPS.index("receipt_1")
    steps = [*STEPS[:first], *(f"receipt_{number + 1}" for number in range(receipts)), *STEPS[first + 3 :]]
    for step in steps:
        change.clock += 0.01 if step.startswith("receipt") else 1
        getattr(change, "_" + re.sub(r"_\d+$", "", step))(step)
    return change


def forget() -> None:
    """Forget what the run before remembered."""
    for remembered in (check_signature, read_gateway_receipt, decode_hash, parse_did_key, _nanoseconds):
        remembered.cache_clear()


def measure_peak(work: Callable[[], object]) -> float:
    """MiB that Python holds at most at once during one run, besides what it held before."""
    forget()
    tracemalloc.start()
    work()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak / (1 << 20)


def measure(work: Callable[[], object]) -> list[float]:
    """Milliseconds of processor time of each run, ascending."""
    times = []
    for _ in range(RUNS):
        forget()
        begun = time.process_time()
        work()
        times.append((time.process_time() - begun) * 1e3)
    return sorted(times)


def main(counts: list[int]) -> None:
    """Measure and print."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    sys.stdout.write(
        f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores, load {load}, {RUNS} runs\n"
    )
    trust = parse_trust_policy(trust_toml())
    for count in counts:
        change = build(count)
        pack = change.pack_bytes()
        assert judge(pack, trust, at_ns=AT_NS).status is Status.PASS
        entries = [parse_entry(item.entry) for item in change.log.items]
        signed = [
            (
                parse_did_key(entry.signer_did),
                entry.payload_hash_b64u.encode(),
                decode_b64u(entry.signature_b64u, "signature"),
            )
            for entry in entries
        ]
        whole = measure(lambda pack=pack: judge(pack, trust, at_ns=AT_NS))  # type: ignore[misc]
        peak = measure_peak(lambda pack=pack: judge(pack, trust, at_ns=AT_NS))  # type: ignore[misc]
        bare = measure(lambda signed=signed: [is_signature(*one) for one in signed])  # type: ignore[misc]
        sys.stdout.write(
            f"{count} receipts, {len(entries)} entries, {len(pack):,} bytes: "
            f"best {whole[0]:.1f} ms, median {statistics.median(whole):.1f} ms, peak {peak:.1f} MiB; "
            f"its {len(signed)} signatures alone: best {bare[0]:.1f} ms\n"
        )


if __name__ == "__main__":
    main([int(argument) for argument in sys.argv[1:]] or [3, 500])
