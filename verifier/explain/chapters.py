"""Which chapters explain a pack's entry, a log proof, or two checkpoints."""

from __future__ import annotations

from collections.abc import Sequence

from verifier.checkpoint import Checkpoint, parse_checkpoint
from verifier.encodings import hash_b64u
from verifier.entry import parse_entry
from verifier.errors import Refused
from verifier.explain.checkpoint import explain_checkpoint
from verifier.explain.documents import Content, explain_documents
from verifier.explain.envelope import explain_envelope
from verifier.explain.step import Chapter, Step
from verifier.explain.tree import explain_consistency, explain_inclusion
from verifier.logproof import parse_log_proof
from verifier.note import parse_note
from verifier.outcome import Background, Path
from verifier.pack import Pack, PackedEntry
from verifier.records.kinds import Record, read_record
from verifier.trust import TrustPolicy

_NAMING = ("token_issued", "gate_decision", "closure")


def read_stated(note: bytes) -> Checkpoint | None:
    """The checkpoint that a note states, whoever signed it; None if there is none in it."""
    try:
        return parse_checkpoint(parse_note(note).text)
    except Refused:
        return None


def chosen_entry(pack: Pack, index: int | None) -> PackedEntry | None:
    """The entry to explain: the one asked for, else the last closure, else the last entry; None if it is not there."""
    if index is not None:
        return next((item for item in pack.entries if item.index == index), None)
    closures = [item for item in pack.entries if item.entry.startswith('{"entry_version":"1","kind":"closure"')]
    return next(reversed(closures or pack.entries), None)


def explain_pack(pack: Pack, trust: TrustPolicy, item: PackedEntry | None) -> tuple[Chapter, ...]:
    """One entry of a pack, the documents of its change, and the pack's checkpoint."""
    note = pack.checkpoint.encode("utf-8")
    stated = read_stated(note)
    records = _naming_records(pack, stated.origin if stated is not None else "")
    chapters = [] if item is None else explain_packed_entry(item, stated, where=_where(pack, item))
    return (*chapters, explain_documents(records, _contents(pack)), explain_checkpoint(note, trust))


def _where(pack: Pack, item: PackedEntry) -> str:
    return f".entries[{pack.entries.index(item)}].payload of the pack"


def _contents(pack: Pack) -> dict[str, Content]:
    """What a pack holds by hash: payloads of entries, and those that are no entries (a plan, an artefact)."""
    contents = {
        hash_b64u(data): Content(f"the payload of entry {item.index}", f".entries[{at}].payload of the pack", data)
        for at, item in enumerate(pack.entries)
        if item.payload is not None
        for data in [item.payload.encode("utf-8")]
    }
    for at, payload in enumerate(pack.payloads):
        member = "text" if payload.text is not None else "base64"
        where = f".payloads[{at}].{member} of the pack"
        contents[payload.sha256_b64u] = Content(f"payload {at} of the pack", where, payload.data())
    return contents


def _naming_records(pack: Pack, origin: str) -> list[Record]:
    """The token records, decisions and closures that can be read: they name documents by hash."""
    records = []
    for item in pack.entries:
        try:
            entry = parse_entry(item.entry.encode("utf-8"))
            if entry.kind in _NAMING and item.payload is not None:
                payload = item.payload.encode("utf-8")
                records.append(read_record(entry.kind, payload, signer_did=entry.signer_did, origin=origin))
        except Refused:
            continue
    return records


def explain_packed_entry(item: PackedEntry, stated: Checkpoint | None, *, where: str = "") -> list[Chapter]:
    """An entry's payload, signature and refs, and its path to the root."""
    data = item.entry.encode("utf-8")
    payload = None if item.payload is None else item.payload.encode("utf-8")
    origin = stated.origin if stated is not None else ""
    return [
        Chapter(
            f"entry {item.index}: payload, signature, refs",
            tuple(explain_envelope(data, payload, origin=origin, where=where)),
        ),
        Chapter(f"entry {item.index}: from its bytes to the root", tuple(_inclusion(data, item, stated))),
    ]


def _inclusion(data: bytes, item: PackedEntry, stated: Checkpoint | None) -> list[Step]:
    if stated is None:
        return [Step("no path", note="the checkpoint states no root", holds=False)]
    return explain_inclusion(data, item.index, size=stated.size, root=stated.root, proof=item.inclusion_proof)


def explain_log_proof(proof: bytes, entry: bytes, trust: TrustPolicy) -> Background:
    """A `.tlog-proof` and its entry. Nothing if the proof cannot be parsed."""
    try:
        parsed = parse_log_proof(proof)
    except Refused:
        return Background()
    stated = read_stated(parsed.checkpoint)
    chapters = [Chapter(f"entry {parsed.index}: signature", tuple(explain_envelope(entry, None, origin="")))]
    facts, paths = [("entry", str(parsed.index))], []
    if stated is not None:
        steps = explain_inclusion(entry, parsed.index, size=stated.size, root=stated.root, proof=parsed.hashes)
        chapters.append(Chapter(f"entry {parsed.index}: from its bytes to the root", tuple(steps)))
        facts.append(("checkpoint", say_checkpoint(stated)))
        paths.append(Path(entry, parsed.index, stated.size, stated.root, parsed.hashes))
    chapters.append(explain_checkpoint(parsed.checkpoint, trust))
    return Background(tuple(facts), chapters=tuple(chapters), paths=tuple(paths))


def explain_two_checkpoints(old: bytes, new: bytes, proof: Sequence[bytes] | None, trust: TrustPolicy) -> Background:
    """Two checkpoints and the consistency proof between them; None if there is no proof."""
    first, second = read_stated(old), read_stated(new)
    steps: list[Step] = []
    if first is not None and second is not None and proof is not None:
        steps = explain_consistency((first.size, first.root), (second.size, second.root), proof)
    chapters = (
        Chapter("the older tree is a prefix of the newer one", tuple(steps)),
        explain_checkpoint(old, trust, title="the older checkpoint"),
        explain_checkpoint(new, trust, title="the newer checkpoint"),
    )
    stated = (("older checkpoint", first), ("newer checkpoint", second))
    return Background(tuple((name, say_checkpoint(it)) for name, it in stated if it is not None), chapters=chapters)


def explain_log(note: bytes, trust: TrustPolicy) -> Background:
    """The checkpoint of a log that was read whole."""
    stated = read_stated(note)
    facts = () if stated is None else (("checkpoint", say_checkpoint(stated)),)
    return Background(facts, chapters=(explain_checkpoint(note, trust),))


def say_checkpoint(stated: Checkpoint) -> str:
    """Origin, size and root in one line."""
    return f"{stated.origin}, {stated.size} entries, root {stated.root.hex()}"
