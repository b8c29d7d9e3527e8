"""The document: closed, sorted, its own RFC 8785 form, bounded."""

from __future__ import annotations

import hashlib
import json

import pytest

from trustlog.errors import Refused
from trustlog.evidence import pack as pack_module
from trustlog.evidence.pack import Anchor, EvidencePack, PackedEntry, PackedView, Subject
from trustlog.formats.base64 import encode_b64, encode_b64u
from trustlog.formats.jsontext import canonicalize

SUBJECT = Subject("servicedesk.test:CHG-1", "job-1", "run-1")
HASH = bytes(range(32))


def make_pack(
    *,
    subject: Subject = SUBJECT,
    entries: tuple[PackedEntry, ...] = (),
    views: tuple[PackedView, ...] = (),
    payloads: tuple[bytes, ...] = (),
    anchors: tuple[Anchor, ...] = (),
) -> EvidencePack:
    return EvidencePack(subject, "a note\n", views, entries, payloads, anchors)


def entry(index: int, payload: str | None = "{}") -> PackedEntry:
    return PackedEntry(index, '{"entry":1}', payload, (HASH,))


def test_the_document_has_exactly_the_members_of_the_format() -> None:
    pack = make_pack(
        subject=Subject("t:1", "j", "r", "b" * 43),
        entries=(entry(3),),
        views=(PackedView(2, HASH, (HASH, HASH)),),
        payloads=(b"plan",),
        anchors=(Anchor("older\n", ()),),
    )
    assert json.loads(pack.encode()) == {
        "pack_version": "1",
        "subject": {"ticket": "t:1", "job": "j", "run": "r", "bundle": "b" * 43},
        "checkpoint": "a note\n",
        "views": [{"size": 2, "root_b64u": encode_b64u(HASH), "consistency_proof": [encode_b64(HASH)] * 2}],
        "anchors": [{"checkpoint": "older\n", "consistency_proof": []}],
        "entries": [{"index": 3, "entry": '{"entry":1}', "payload": "{}", "inclusion_proof": [encode_b64(HASH)]}],
        "payloads": [{"sha256_b64u": encode_b64u(hashlib.sha256(b"plan").digest()), "text": "plan"}],
    }


def test_what_is_not_there_has_no_member() -> None:
    document = json.loads(make_pack(entries=(entry(0, None),)).encode())
    assert set(document["subject"]) == {"ticket", "job", "run"}
    assert set(document["entries"][0]) == {"index", "entry", "inclusion_proof"}


def test_the_bytes_are_their_own_rfc8785_form() -> None:
    body = make_pack(
        entries=(entry(0, '{"text":"\\u0001 é \u2028 \U0001f600 \x7f"}'),), payloads=(b"\x00\t\xc3\xa9",)
    ).encode()
    assert canonicalize(json.loads(body)) == body


def test_entries_views_and_payloads_are_sorted_whatever_the_order_given() -> None:
    payloads = tuple(bytes([n]) for n in range(40))
    views = tuple(PackedView(size, HASH, ()) for size in (10, 9, 100))
    document = json.loads(make_pack(entries=(entry(10), entry(9), entry(100)), views=views, payloads=payloads).encode())
    assert [one["index"] for one in document["entries"]] == [9, 10, 100]
    assert [one["size"] for one in document["views"]] == [9, 10, 100]
    addresses = [one["sha256_b64u"].encode() for one in document["payloads"]]
    assert addresses == sorted(addresses)
    assert len(addresses) == 40


def test_bytes_that_are_no_text_are_base64() -> None:
    (payload,) = json.loads(make_pack(payloads=(b"\xff\x00",)).encode())["payloads"]
    assert payload == {"sha256_b64u": encode_b64u(hashlib.sha256(b"\xff\x00").digest()), "base64": "/wA="}


def test_a_pack_beyond_its_bounds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack_module, "MAX_PACK_ENTRIES", 3)
    make_pack(entries=tuple(map(entry, range(3)))).encode()
    with pytest.raises(Refused, match="PACK_TOO_LARGE"):
        make_pack(entries=tuple(map(entry, range(4)))).encode()
    body = make_pack(payloads=(b"x" * 100,)).encode()
    monkeypatch.setattr(pack_module, "MAX_PACK_BYTES", len(body))
    assert make_pack(payloads=(b"x" * 100,)).encode() == body
    with pytest.raises(Refused, match="PACK_TOO_LARGE"):
        make_pack(payloads=(b"x" * 101,)).encode()
