"""How fast `trustlog-verify log` reads a whole log, beside what the same cores can do in bare Ed25519 signatures.

    python -m tests.benchmarks.verify_log --entries 1000000 --dir /tmp/biglog
    python -m tests.benchmarks.verify_log --entries 200000 --payload 1200 --dir /tmp/records --ways deep

Makes a log of validly signed entries of about 1 KB without payloads, or with --payload one of whole changes and of receipts
with payloads of about that size (or takes the one that an earlier run left in --dir), verifies it as a directory or over
HTTP, each way in a process of its own, and prints the conditions with every figure.
Nothing here is a test: no figure passes or fails.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import multiprocessing
import os
import platform
import resource
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.queues import Queue
from pathlib import Path

from nacl.bindings import crypto_sign_open
from nacl.signing import SigningKey

from tests.benchmarks import record_log
from tests.benchmarks.record_log import make_changes, make_receipt
from tests.verifier.logbuilder import Key, add_payload, encode_entry
from verifier.edge import RightEdge
from verifier.encodings import encode_b64, encode_b64u
from verifier.entry import match_entry
from verifier.tiles import TILE_WIDTH, Tile, compute_tile_root

ORIGIN = "log.example/benchmark"
SIGNERS = 4
CHANGES = 50
WAYS = {"structure": ["--any-entries"], "entries": ["--entries"], "deep": ["--deep"]}


def say(line: str) -> None:
    """One line of the report, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


@cache
def signer_of(name: str) -> tuple[SigningKey, str]:
    """A throw-away key, made once, and its DID."""
    key = Key(name)
    return key.signing, key.did


def make_entry(index: int, size: int) -> bytes:
    """A signed entry of about `size` bytes; its refs are as long as they may be until it is as large as that."""
    signer, did = signer_of(f"gateway {index % SIGNERS}")
    payload_hash = encode_b64u(hashlib.sha256(b"payload %d" % index).digest())
    signature = encode_b64u(signer.sign(payload_hash.encode()).signature)
    refs = {"receipt": f"rcpt-{index}"}
    room = size - len(encode_entry("gateway_receipt", payload_hash, refs, signature_b64u=signature, signer_did=did))
    for name in ("run", "token_scope", "policy", "job", "plan", "scope", "ticket", "token", "target", "bundle"):
        room -= len(name) + len('"":"",')
        if room <= 0:
            break
        refs[name] = f"{name}-{index}-".ljust(min(room, 96), "x")[: min(room, 96)]
        room -= len(refs[name])
    return encode_entry("gateway_receipt", payload_hash, refs, signature_b64u=signature, signer_did=did)


@cache
def changes(count: int) -> tuple[tuple[bytes, bytes | None], ...]:
    """The entries and payloads of whole changes."""
    return tuple((item.entry, item.payload) for item in make_changes(count).items)


def make_record(folder: Path, index: int, payload: int) -> bytes:
    """The entry at an index of a log of records; its payload is written."""
    first = changes(CHANGES)
    entry, text = first[index] if index < len(first) else make_receipt(index, payload)
    add_payload(folder, text or b"")
    return entry


def write_bundle(folder: Path, entries: int, size: int, payload: int, number: int) -> bytes:
    """One entry bundle and the tile beside it; the leaf hashes."""
    indexes = range(number * TILE_WIDTH, min((number + 1) * TILE_WIDTH, entries))
    data = [make_record(folder, index, payload) if payload else make_entry(index, size) for index in indexes]
    assert match_entry(data[0]) is not None, "entries are within the grammar"
    leaves = b"".join(hashlib.sha256(b"\0" + entry).digest() for entry in data)
    write(folder, Tile(None, number, len(data)), b"".join(len(entry).to_bytes(2, "big") + entry for entry in data))
    write(folder, Tile(0, number, len(data)), leaves)
    return leaves


def write(folder: Path, tile: Tile, data: bytes) -> None:
    path = folder / tile.path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def make_log(folder: Path, entries: int, size: int, payload: int) -> None:
    """The log directory, and the trust policy beside its tiles."""
    edge, tail = RightEdge(), b""
    numbers = range((entries + TILE_WIDTH - 1) // TILE_WIDTH)
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as pool:
        for leaves in pool.map(partial(write_bundle, folder, entries, size, payload), numbers, chunksize=16):
            if len(leaves) == TILE_WIDTH * 32:
                for tile, data in edge.append(compute_tile_root(leaves)):
                    write(folder, tile, data)
            else:
                tail = leaves
    for tile, data in edge.partial_tiles():
        write(folder, tile, data)
    origin, key = (record_log.ORIGIN, Key("log")) if payload else (ORIGIN, Key("benchmark log"))
    text = f"{origin}\n{entries}\n{encode_b64(edge.root_with(tail))}\n"
    (folder / "checkpoint").write_text(f"{text}\n{key.note_line(origin, text)}", encoding="utf-8")
    policy = f"allow_unwitnessed = true\n[log]\npolicy = '''\nlog {key.vkey(origin)}\nquorum none\n'''\n"
    (folder / "trust.toml").write_bytes(record_log.TRUST if payload else policy.encode())


@cache
def bare_signatures() -> tuple[tuple[bytes, bytes], ...]:
    """Signed messages of 43 bytes and their public keys. As many as a log would bring: one again and again is learnt by heart."""
    signers = [signer_of(f"bare {number}")[0] for number in range(SIGNERS)]
    messages = [encode_b64u(hashlib.sha256(b"bare %d" % number).digest()).encode("ascii") for number in range(5000)]
    return tuple(
        (bytes(signer.sign(message)), bytes(signer.verify_key))
        for message, signer in zip(messages, itertools.cycle(signers), strict=False)
    )


def check_bare(seconds: float) -> tuple[int, float]:
    """How many Ed25519 signatures of 43 bytes one core checks in a time, and the CPU time of that in seconds."""
    count, signatures = 0, itertools.cycle(bare_signatures())
    begun, end = time.process_time(), time.monotonic() + seconds
    while time.monotonic() < end:
        for signed, public in itertools.islice(signatures, 100):
            crypto_sign_open(signed, public)
        count += 100
    return count, time.process_time() - begun


def bare_rate(cores: int, seconds: float) -> tuple[float, float]:
    """Bare Ed25519 checks a second on all cores at once, and the CPU time of one in microseconds."""
    with ProcessPoolExecutor(cores, mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(check_bare, [0.05] * cores * 2))  # the processes have started
        done = list(pool.map(check_bare, [seconds] * cores))
    count = sum(count for count, _ in done)
    return count / seconds, sum(cpu_s for _, cpu_s in done) / count * 1e6


class Measured:
    """Runs one command and samples the memory of its processes, summed over all of them."""

    def __init__(self, *command: str) -> None:
        begun = time.monotonic()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)
        self.peak_mb = self.peak_parent_mb = 0.0
        watch = threading.Thread(target=self._watch)
        watch.start()
        out, _ = self._process.communicate()
        watch.join()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.seconds = time.monotonic() - begun
        self.cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        self.storage_mb = (after.ru_inblock - before.ru_inblock) * 512 / 1e6
        self.report = json.loads(out)

    def _watch(self) -> None:
        while self._process.poll() is None:
            sizes = [memory_mb(pid) for pid in family(self._process.pid)]
            if sizes:
                self.peak_mb = max(self.peak_mb, sum(sizes))
                self.peak_parent_mb = max(self.peak_parent_mb, sizes[0])
            time.sleep(0.2)


def family(pid: int) -> list[int]:
    """A process and its children."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError:
        return []
    return [pid, *map(int, children)]


def memory_mb(pid: int) -> float:
    """Private memory of a process, in MB; what processes share is counted once for each."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()
    except OSError:
        return 0.0
    return int(pages[1]) * resource.getpagesize() / 1e6


class QuietHandler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Quiet."""


def serve(folder: str, port: Queue[int]) -> None:
    """Serve a folder, in a process of its own."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=folder))
    port.put(server.server_port)
    server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--size", type=int, default=1000, help="bytes of an entry, at most 1024")
    parser.add_argument("--payload", type=int, default=0, help="bytes of a receipt's payload (default: no payloads)")
    parser.add_argument("--dir", type=Path, help="where the log is made, and kept")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--ways", default="structure,entries,deep")
    parser.add_argument(
        "--http", action="store_true", help="over HTTP from a simple server in Python, not from the directory"
    )
    parser.add_argument("--repeat", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        run(options, options.dir or Path(temporary))


def run(options: argparse.Namespace, folder: Path) -> None:
    """Make the log if it is not there, and measure each way."""
    if not (folder / "checkpoint").exists():
        begun = time.monotonic()
        make_log(folder, options.entries, options.size, options.payload)
        say(f"made {folder} in {time.monotonic() - begun:.0f} s")
    entries = int((folder / "checkpoint").read_text(encoding="utf-8").split("\n")[1])
    cores = len(os.sched_getaffinity(0))
    source, server = str(folder), None
    if options.http:
        context = multiprocessing.get_context("spawn")
        port: Queue[int] = context.Queue()
        server = context.Process(target=serve, args=(str(folder), port), daemon=True)
        server.start()
        source = f"http://127.0.0.1:{port.get()}"
    say(f"{entries:,} entries, {say_sizes(folder)}, from {source}")
    say(f"Python {platform.python_version()}, {platform.machine()}, {cores} cores, {options.workers} workers")
    say(f"load before: {' '.join(f'{load:.1f}' for load in os.getloadavg())}")
    for _ in range(options.repeat):
        for way in options.ways.split(","):
            measure(way, source, folder / "trust.toml", entries=entries, workers=options.workers, cores=cores)
    if server is not None:
        server.terminate()


def say_sizes(folder: Path) -> str:
    """How large entries and payloads are, on the average of the first bundle and of one folder of payloads."""
    bundle = (folder / Tile(None, 0).path).read_bytes()
    payloads = [path.stat().st_size for path in (folder / "payloads/00").glob("*")]
    said = f"payloads of {sum(payloads) / len(payloads):.0f} bytes" if payloads else "no payloads"
    return f"of {len(bundle) / TILE_WIDTH - 2:.0f} bytes on the average, {said}"


def measure(way: str, source: str, trust: Path, *, entries: int, workers: int, cores: int) -> None:
    """One way to verify; for --deep with the bare rate before and after it."""
    bare = [bare_rate(cores, 3)] if way == "deep" else []
    command = [sys.executable, "-m", "verifier", "log", source, "--trust", str(trust), "--json"]
    done = Measured(*command, "--workers", str(workers), *WAYS[way])
    rate, cpu_us = entries / done.seconds, done.cpu_s / entries * 1e6
    say(
        f"{way:10} {rate:10,.0f} entries/s  {done.seconds:7.2f} s  CPU {done.cpu_s:7.2f} s, {cpu_us:.1f} us an entry  "
        f"memory {done.peak_mb:4.0f} MB in all, {done.peak_parent_mb:4.0f} MB the parent  "
        f"{done.storage_mb:.0f} MB from storage  {done.report['reason_code']}"
    )
    if bare:
        bare.append(bare_rate(cores, 3))
        a_second, cost_us = (sum(values) / 2 for values in zip(*bare, strict=True))
        say(
            f"{'':10} bare Ed25519 on {cores} cores: {bare[0][0]:,.0f}/s before, {bare[1][0]:,.0f}/s after, {cost_us:.1f} us CPU"
        )
        say(f"{'':10} --deep is {rate / a_second:.0%} of bare by the clock, {cost_us / cpu_us:.0%} by CPU time")


if __name__ == "__main__":
    main()
