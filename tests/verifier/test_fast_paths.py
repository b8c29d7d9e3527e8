"""What the verifier does the fast way gives what the long way gives, on hostile input too."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.verifier.changebuilder import Change, Payload
from tests.verifier.logbuilder import hash_of, jcs
from verifier import schema as s
from verifier.encodings import encode_b64
from verifier.errors import Refused
from verifier.jsonforms import canonicalize, dump, stringify
from verifier.jsontext import parse_object
from verifier.limits import MAX_METADATA_BYTES, MAX_PROOF_HASHES
from verifier.pack import _hash, _inclusion
from verifier.records.envelope import _signed_payload
from verifier.records.receipts import GatewayReceipt, read_gateway_receipt
from verifier.times import parse_time
from verifier.tree import TreeHead, check_inclusion, hash_leaf, hash_node, prove_inclusion

RECEIPT: Payload = copy.deepcopy(Change().build().receipts[0]["payload"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.0, 1.0, -0.0, 1e-07, 1e21]) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "10", "9", "é"]), inner, max_size=3),
)


def outcome(work: Callable[..., object], *arguments: Any, **named: Any) -> object:
    """What came of it: the value, or the whole refusal."""
    try:
        return repr(work(*arguments, **named))
    except Refused as refused:
        return refused.code, refused.detail, refused.expected, refused.found


def decode_the_long_way(schema: type[Any], value: object, where: str) -> object:
    """Member by member, in the order of the schema, each with its place."""
    if not isinstance(value, dict):
        s.refuse(where, "an object", value)
    fields = {field.name: field for field in dataclasses.fields(schema)}
    for name in value:
        if name not in fields:
            s.refuse_unknown(f"{where}.{name[:64]}")
    members = {}
    for name, field in fields.items():
        if name in value:
            members[name] = field.metadata["rule"](value[name], f"{where}.{name}")
        elif field.default is dataclasses.MISSING:
            s.refuse_absent(f"{where}.{name}")
    return schema(**members)


@given(
    st.lists(st.sampled_from(sorted(RECEIPT)), max_size=2),
    st.dictionaries(st.sampled_from([*sorted(RECEIPT), "more", "toString"]), JSON, max_size=2),
    st.dictionaries(st.sampled_from(["run_id", "phase", "spanId", "more"]), JSON, max_size=2),
)
@example([], {}, {})
@example(["receipt_id"], {"model": 1, "more": 1}, {})
@example([], {"tokens_input": True}, {"phase": "setup"})
def test_an_object_is_decoded_as_member_by_member(left_out: list[str], changed: Payload, binding: Payload) -> None:
    value = {name: item for name, item in RECEIPT.items() if name not in left_out}
    value |= {"binding": {**RECEIPT["binding"], **binding}} | changed
    for spelled in (value, dict(sorted(value.items(), reverse=True))):
        found = outcome(s.decode, GatewayReceipt, spelled, "payload")
        assert found == outcome(decode_the_long_way, GatewayReceipt, spelled, "payload")


HASHES = st.binary(min_size=32, max_size=32).map(encode_b64)


@given(st.lists(HASHES | JSON | st.binary(max_size=33).map(encode_b64) | HASHES.map(lambda text: text + "\n"), max_size=4))
@example(["A" * 42 + "B="])
@example([encode_b64(bytes(32))] * MAX_PROOF_HASHES)
@example([encode_b64(bytes(32))] * (MAX_PROOF_HASHES + 1))
def test_a_proof_is_decoded_as_hash_by_hash(hashes: list[Any]) -> None:
    one_by_one = s.list_of(_hash, maximum=MAX_PROOF_HASHES)
    assert outcome(_inclusion, hashes, "proof") == outcome(one_by_one, hashes, "proof")


@pytest.mark.parametrize("value", [None, "", {}, 7, {"a": 1}])
def test_a_proof_is_an_array(value: object) -> None:
    one_by_one = s.list_of(_hash, maximum=MAX_PROOF_HASHES)
    assert outcome(_inclusion, value, "proof") == outcome(one_by_one, value, "proof")


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 21, 64, 65])
def test_a_proof_is_judged_alike_where_nodes_are_remembered(size: int) -> None:
    """Right proofs first, so that all their nodes are known when the wrong ones come."""
    leaves = [hash_leaf(bytes([number])) for number in range(size)]
    head = TreeHead()
    for leaf in leaves:
        head.append(leaf)

    def read(level: int, at: int) -> bytes:
        part = TreeHead()
        for leaf in leaves[at << level : (at + 1) << level]:
            part.append(leaf)
        return part.root()

    remembering = lru_cache(maxsize=64)(hash_node)
    root, other = head.root(), hash_leaf(b"other")
    proofs = [prove_inclusion(index, size, read) for index in range(size)]
    cases = [(proof, index, leaves[index]) for index, proof in enumerate(proofs)]
    cases += [(proof, (index + 1) % (size + 1), leaves[index]) for index, proof in enumerate(proofs)]
    cases += [(proof, index, other) for index, proof in enumerate(proofs)]
    cases += [([*proof, other], index, leaves[index]) for index, proof in enumerate(proofs)]
    cases += [([*proof[:-1], other], index, leaves[index]) for index, proof in enumerate(proofs) if proof]
    cases += [(proof[:-1], index, leaves[index]) for index, proof in enumerate(proofs) if proof]
    cases += [([proof[0][:-1], *proof[1:]], index, leaves[index]) for index, proof in enumerate(proofs) if proof]
    accepted = 0
    for proof, index, leaf in cases:
        told: dict[str, Any] = {"size": size, "leaf_hash": leaf, "root": root}
        plain = outcome(check_inclusion, proof, index, **told)
        for _ in range(2):
            assert plain == outcome(check_inclusion, proof, index, hash_node=remembering, **told)
        accepted += plain == "None"
    assert accepted == size


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_node_of_another_length_is_said_to_be_none(length: int) -> None:
    leaf = hash_leaf(b"leaf")
    root = hash_node(leaf, bytes(length))
    found = outcome(check_inclusion, [bytes(length)], 0, size=2, leaf_hash=leaf, root=root)
    assert found == ("INCLUSION_PROOF_INVALID", "inclusion proof", "index below size, 32-byte hashes", None)


@pytest.mark.parametrize(
    ("text", "in_utc"),
    [
        ("2026-03-01T10:00:03.080Z", True),
        ("2026-03-01T10:00:03+00:00", False),
        ("2026-03-01T10:00:03+24:00", None),
        ("2026-02-30T10:00:03Z", None),
        ("2026-03-01T10:00:60Z", None),
        ("2026-03-01 10:00:03Z", None),
    ],
)
def test_a_time_that_was_read_is_judged_alike_again(text: str, in_utc: bool | None) -> None:
    """`in_utc` is None for what is no time at all."""
    for _ in range(2):
        for utc_only in (False, True):
            found = outcome(parse_time, text, "here", utc_only=utc_only)
            is_read = in_utc is not None and (in_utc or not utc_only)
            assert isinstance(found, str) == is_read
            assert is_read or found[:2] == ("SCHEMA_VALIDATION_FAILED", "here")  # type: ignore[index]


@given(st.dictionaries(st.text(max_size=3), st.floats(-1e9, 1e9) | st.text(max_size=3), max_size=3), st.integers(-1, 1))
@example({}, 0)
@example({"a": 1e-07, "\x01": "\x01é"}, 1)
def test_metadata_have_their_bound_in_either_form(metadata: Payload, beside: int) -> None:
    padding = MAX_METADATA_BYTES + beside - len(canonicalize(metadata | {"pad": ""}))
    receipt = {**RECEIPT, "metadata": metadata | {"pad": "x" * padding}}
    for text in (stringify(receipt), canonicalize(receipt)):
        refusal = ("SCHEMA_VALIDATION_FAILED", "payload.metadata", f"at most {MAX_METADATA_BYTES} bytes", None)
        assert (outcome(read_gateway_receipt, text) == refusal) == (beside > 0)


def spellings(value: Payload) -> list[bytes]:
    """Texts of a value and of values that Python holds equal to it, of which some are no accepted form."""
    backwards = dict(reversed(value.items()))
    return [stringify(value), canonicalize(value), dump(value), stringify(backwards), dump(backwards)]


@given(st.sampled_from(["latency_ms", "metadata"]), JSON)
@example("latency_ms", 1)
@example("metadata", {"a": 1})
@example("metadata", {"a": True})
@example("metadata", {"a": 1.0})
@example("metadata", {"10": 1, "9": 1e-07})
def test_a_receipt_in_a_bundle_is_what_was_signed_whether_the_log_showed_it_or_not(name: str, item: Any) -> None:
    """Whatever hash a signer states; a tool receipt's payload takes the long way."""
    variants = [{**RECEIPT, name: one} for one in (item, *alike(item))]
    for stated in {hash_of(text) for one in variants for text in spellings(one)}:
        for payload in variants:
            fast, long = (
                outcome(_signed_payload, payload, stated, "here", kind=kind) for kind in ("gateway_receipt", "tool_receipt")
            )
            assert fast == long


def alike(value: Any) -> list[Any]:
    """Other JSON values that Python holds equal."""
    if isinstance(value, bool | int | float) and value in (0, 1):
        return [bool(value), int(value), float(value)]
    if isinstance(value, dict) and value:
        name, item = next(iter(value.items()))
        return [{**value, name: other} for other in alike(item)] + [dict(reversed(value.items()))]
    return []


def test_a_receipt_that_the_log_showed_takes_the_fast_way() -> None:
    text = jcs(RECEIPT)
    payload = parse_object(text)
    read_gateway_receipt.cache_clear()
    read_gateway_receipt(text)
    assert _signed_payload(payload, hash_of(text), "here", kind="gateway_receipt") == (text, payload)
    assert read_gateway_receipt.cache_info().hits == 1
