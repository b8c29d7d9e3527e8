"""Payloads changed by steps: each step is three small numbers that choose a place, a kind of change and a value.

Numbers, not payloads, are what hypothesis makes and shrinks; every choice wraps around, so every number means something.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any, Final

from tests.support import keys
from tests.support.payloads import Payload, hash_of
from tests.unit.records import bundles
from trustlog.formats.base64 import encode_b64u
from trustlog.formats.jsontext import canonicalize, stringify
from trustlog.records.event_chain import HASHED_MEMBERS, compute_event_hash

Step = tuple[int, int, int]
Place = tuple[Any, Any]  # an object or array, and the name or position in it

HASH: Final = hash_of("another")
VALUES: Final[tuple[Any, ...]] = (
    *("", " ", "x", "1", "2", "12", "a b", "a:b", "é", "\u2028", "\x7f", "\x01", "😀", "x\n", "success", "failure"),
    *("allow", "deny", "begin", "end", "explicit_deny", "ticket.close", "change.execute", "SHA-256", "BLAKE3", "did:", "did: x"),
    *("did:web:a.example", keys.STRANGER.did, keys.STRANGER.did + "1", keys.STRANGER.did.upper(), "did:key:z6Mk"),
    *(HASH, HASH + "=", HASH[:-1], HASH[:-1] + "B", HASH + "A", HASH.lower() + "\n", f"b64u:{HASH}", f"b64u:{HASH}\n"),
    *("0" * 64, "0" * 63, "A" * 64, "0" * 22, "A" * 22, "A" * 21 + "B", "A" * 43, "A" * 86),
    *(f"policy:{HASH}", f"approval:{HASH}", f"approval:{HASH[:-1]}B", "token:" + "a" * 64, "job:" + "j" * 128, "job:", "job:é"),
    *(f"key:{keys.STRANGER.did}", "key:did:key:z6Mk", f"key:{keys.STRANGER.did}1", "policy:x"),
    *("2026-03-02T09:00:00Z", "2026-03-02T09:00:00+00:00", "2026-03-02T09:00:00.123456789-23:59", "2026-03-02T09:00:00+24:00"),
    *("2026-03-02t09:00:00z", "2026-02-30T00:00:00Z", "2026-03-02T09:00:60Z", "2026-03-02T24:00:00Z", "2026-03-02"),
    "٢026-03-02T09:00:00Z",
    *("2026-03-02T09:00:00.Z", "2026-03-02T09:00:00.1234567890Z", "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59"),
    *("9999-12-31T23:59:59.999999999Z", "2026-03-02 09:00:00Z", "2026-03-02T09:01:00.000000001Z", "2026-03-02T08:59:59.999Z"),
    *(0, 1, 2, 7, -1, 64, 65, 86_400, 366 * 86_400, 366 * 86_400 + 1, 10_000_000, 10_000_001, 3_600_000, 3_600_001),
    *(2**31, 2**53 - 1, -(2**53) + 1, 0.5, -0.5, 1e21, 1.5e300, 5e-324, 1e-7),
    *(True, False, None, [], {}, [[]], [None], [HASH], ["a", "a"]),
    *(["a"], [""], [1], {"a": "b"}, {"": {}}, {"9": 1, "a": 2, "10": 3}, {"record": "trustlog/roster/v1"}),
)  # fmt: skip
LENGTHS: Final = (0, 1, 7, 8, 63, 64, 65, 96, 97, 128, 129, 256, 257, 512, 513, 1_000, 1_001, 1_024, 1_025, 4_096, 4_097)
MORE: Final = (
    *("valid_from", "valid_until", "closing_reason", "count", "withdraws_b64u", "bundle_b64u", "begin_b64u", "outcome", "extra"),
    *("diff_b64u", "span_id", "spanId", "phase", "attribution_confidence", "capability_id", "minted_capability_id", "record"),
    *("evidence_required", "minted_capability_ttl_seconds", "supersedes", "models", "budgets", "egress", "step_up", "policy_hash"),
    *("cst_scope_hash", "approver_constraints", "tool_version", "origin", "policy_version", "proof_of_possession", "metadata"),
    *("log_inclusion_proof", "co_signatures", "expires_at", "vir_receipts", "ticket.close", "provider", "", "é", "0"),
)  # fmt: skip
MEMBERS: Final[dict[str, Any]] = {
    "models": {"providers": ["p"], "models": ["m*"]},
    "budgets": {"max_calls": 1},
    "egress": {"hosts": ["h"]},
    "step_up": {"acr": ["c1"], "max_age_s": 60},
    "supersedes": f"b64u:{HASH}",
    "count": 1,
    "closing_reason": f"bundle:{HASH}",
    "log_inclusion_proof": {"proof": ["x"]},
    "co_signatures": [],
    "expires_at": "2026-03-02T09:00:00Z",
}  # a plausible value of some of them


def places(value: Any) -> Iterator[Place]:
    """Every member and item, outermost first."""
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, item in steps:
        yield value, step
        yield from places(item)


def mutate(payload: Payload, steps: list[Step]) -> Payload:
    """A copy of the payload after each step."""
    changed = copy.deepcopy(payload)
    for place, change, value in steps:
        found = list(places(changed))
        if found:
            holder, name = found[place % len(found)]
            CHANGES[change % len(CHANGES)](holder, name, value)
    return changed


def _replace(holder: Any, name: Any, value: int) -> None:
    holder[name] = copy.deepcopy(VALUES[value % len(VALUES)])


def _drop(holder: Any, name: Any, _value: int) -> None:
    del holder[name]


def _add(holder: Any, name: Any, value: int) -> None:
    inside = holder[name] if isinstance(holder[name], dict) else holder
    if isinstance(inside, dict):
        more = MORE[value % len(MORE)]
        inside[more] = copy.deepcopy(MEMBERS.get(more, VALUES[value // len(MORE) % len(VALUES)]))


def _nest(holder: Any, name: Any, value: int) -> None:
    holder[name] = ([holder[name]], {"x": holder[name]}, [holder[name]] * 2)[value % 3]


def _lengthen(holder: Any, name: Any, value: int) -> None:
    old, length = holder[name], LENGTHS[value % len(LENGTHS)]
    if isinstance(old, list) and old:
        holder[name] = [copy.deepcopy(old[i % len(old)]) for i in range(length)]
    elif isinstance(old, dict) and old and value % 2:
        first = next(iter(old.values()))
        old.update({f"m{i}": copy.deepcopy(first) for i in range(min(length, 257))})
    else:
        text = old if isinstance(old, str) and old else "a"
        holder[name] = (text * (length // len(text) + 1))[:length]


def _retype(holder: Any, name: Any, value: int) -> None:
    old = holder[name]
    if isinstance(old, str):
        holder[name] = (
            old + "\n",
            " " + old,
            old.upper(),
            old + "é",
            old[:-1],
            int(old) if old.isascii() and old.isdigit() else 0,
        )[value % 6]
    elif isinstance(old, bool):
        holder[name] = (str(old).lower(), int(old), not old)[value % 3]
    elif isinstance(old, int | float):
        holder[name] = (str(old), -old, min(old + 1, 2**53 - 1), old / 2, 1e21)[value % 5]
    elif isinstance(old, list):
        holder[name] = ({str(i): one for i, one in enumerate(old)}, [*old, *old], old[::-1], [])[value % 4]
    elif isinstance(old, dict):
        holder[name] = (list(old), dict(reversed(old.items())), {})[value % 3]


def _copy_from_elsewhere(holder: Any, name: Any, value: int) -> None:
    """The value of another member beside it: right in its form, wrong in its place."""
    others = list(holder.values()) if isinstance(holder, dict) else holder
    holder[name] = copy.deepcopy(others[value % len(others)])


CHANGES: Final[tuple[Callable[[Any, Any, int], None], ...]] = (
    *(_replace, _replace, _replace, _drop, _add, _add, _nest, _lengthen, _lengthen, _retype, _copy_from_elsewhere),
)  # fmt: skip


# Texts of a payload: the two accepted forms, and others.


def _doubled(payload: Payload) -> bytes:
    text = canonicalize(payload)
    name = next(iter(payload), "x")
    return text[:-1] + ("," if payload else "").encode() + json.dumps(name).encode() + b":1}"


def _with_floats(payload: Payload) -> bytes:
    return (
        json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
        .replace(":1,", ":1.0,")
        .replace(":0}", ":-0}")
        .encode()
    )


FORMS: Final[tuple[Callable[[Payload], bytes], ...]] = (
    canonicalize,
    stringify,
    lambda payload: json.dumps(payload, indent=2).encode(),
    lambda payload: json.dumps(payload, separators=(",", ":")).encode(),  # non-ASCII escaped
    _doubled,
    _with_floats,
    lambda payload: canonicalize(payload) + b"\n",
    lambda payload: b"\xef\xbb\xbf" + canonicalize(payload),
    lambda payload: canonicalize(payload).replace(b"a", b"\\u0061", 1),
    lambda payload: canonicalize(payload).replace(b'"1"', b'"\\ud800"', 1),
    lambda payload: canonicalize(payload).replace(b'"1"', b'"\xff"', 1),
    lambda payload: canonicalize(payload).replace(b'"1"', b"9007199254740992", 1),
    lambda payload: canonicalize(payload).replace(b'"1"', b"1e20", 1),
    lambda payload: canonicalize(payload).replace(b'"1"', b"1E400", 1),
    lambda payload: canonicalize(payload).replace(b'"1"', b"NaN", 1),
    lambda payload: canonicalize(payload).replace(b'"1"', b"[" * 64 + b"]" * 64, 1),
    lambda payload: canonicalize([payload]),
)


# Bundles, whose parts are signed and hashed by themselves.


def full_bundle(signer: Any, gateway: Any) -> Payload:
    """A bundle with everything that one may hold."""
    chain = bundles.events(3)
    first = chain[0]
    bound = {"run_id": bundles.RUN, "event_hash_b64u": first["event_hash_b64u"]}
    mine = {"agent_did": signer.did}
    receipts = [bundles.sealed("gateway_receipt", bundles.gateway_payload(event), gateway) for event in chain]
    receipts[1]["payload"]["metadata"] = {"log_inclusion_proof": {"proof": ["x"]}}
    shown = bundles.disclosure({"a": ("string", "x"), "b": ("null", None)}, [bundles.HASH])
    second = bundles.tool_payload(first, receipt_version="2", receipt_id="tool-3", **mine) | {
        "args_salt_b64u": "saltsalt",
        "result_salt_b64u": "saltsalt",
        "args_hash_b64u": shown["merkle_root_b64u"],
        "args_disclosure": shown,
    }
    signed = bundles.sealed("tool_receipt", bundles.tool_payload(first, receipt_id="tool-2", **mine), gateway)
    twice = bundles.sealed("tool_receipt", second, signer) | {"envelope_version": "2"}
    twice["co_signatures"] = [co_signature(twice["payload_hash_b64u"], gateway)]
    return {
        "bundle_version": "1",
        "bundle_id": "bundle-1",
        "agent_did": signer.did,
        "eip8004_agent_id": "12",
        "eip8004_registry": "eip155:1:0x" + "aB" * 20,
        "urm": {
            "urm_version": "1",
            "urm_id": "u",
            "resource_type": "t",
            "resource_hash_b64u": bundles.HASH,
            "metadata": {"a": 1},
        },
        "event_chain": chain,
        "receipts": receipts,
        "tool_receipts": [bundles.tool_payload(first, **mine), signed, twice],
        "side_effect_receipts": [side_effect(first, **mine)],
        "human_approval_receipts": [approval(**mine, binding=bound)],
        "delegation_receipts": [delegation(signer.did, bound)],
        "rate_limit_claims": [rate_limit()],
        "metadata": {"change": {"run_id": bundles.RUN}},
    }


def co_signature(payload_hash: str, signer: Any) -> Payload:
    signature = encode_b64u(signer.sign(payload_hash.encode()))
    return {
        "signature_b64u": signature,
        "algorithm": "Ed25519",
        "signer_did": signer.did,
        "issued_at": bundles.TIME,
        "role": "auditor",
    }


def side_effect(event: Payload, **changes: Any) -> Payload:
    members = {
        "receipt_version": "1",
        "receipt_id": "effect-1",
        "effect_class": "network_egress",
        "hash_algorithm": "SHA-256",
    }
    more = {
        "timestamp": bundles.TIME,
        "target_digest": "x",
        "target_hash_b64u": bundles.HASH,
        "bytes_written": 1,
        "latency_ms": 0.5,
    }
    bound = {"run_id": event["run_id"], "event_hash_b64u": event["event_hash_b64u"], "phase": "planning"}
    return {**members, **more, "binding": bound, **changes}


def approval(**changes: Any) -> Payload:
    members = {
        "receipt_version": "1",
        "receipt_id": "approval-1",
        "approval_type": "explicit_approve",
        "timestamp": bundles.TIME,
    }
    more = {"approver_subject": "s", "scope_summary": "t", "capability_minted": True, "evidence_required": ["e"]}
    return {**members, **more, **changes}


def delegation(did: str, bound: Payload) -> Payload:
    members = {
        "receipt_version": "1",
        "receipt_id": "delegation-1",
        "delegator_did": did,
        "delegate_did": "did:web:b.example",
    }
    hashes = {"task_description_hash_b64u": bundles.HASH, "delegate_bundle_hash_b64u": bundles.HASH}
    return {**members, **hashes, "hash_algorithm": "SHA-256", "delegated_at": bundles.TIME, "binding": bound}


def rate_limit() -> Payload:
    window = {"window_start": "2026-02-12T00:00:00Z", "window_end": "2026-02-12T00:01:00Z"}
    amounts = {"max_requests": 2, "observed_requests": 1, "max_tokens_input": 2.5, "observed_tokens_input": 2.5}
    return {"claim_version": "1", "scope": "agent", "scope_key": "k", **window, **amounts, "run_id": bundles.RUN}


def seal_again(payload: Payload, signers: dict[str, Any]) -> Payload:
    """The bundle with its events hashed and its receipts signed again, where they still look like such."""
    result = copy.deepcopy(payload)
    renamed = _hash_events(_items(result, "event_chain"))
    for holder, name in list(places(result)):
        if name == "event_hash_b64u" and isinstance(holder[name], str):
            holder[name] = renamed.get(holder[name], holder[name])
    for one in (*_items(result, "receipts"), *_items(result, "tool_receipts")):
        signer = _signer(one, signers)
        if signer is not None and isinstance(one.get("payload"), dict):
            sealed = bundles.sealed("tool_receipt", one["payload"], signer)
            one |= {member: sealed[member] for member in ("payload_hash_b64u", "signature_b64u")}
            for two in _items(one, "co_signatures"):
                if _signer(two, signers) is not None and "signature_b64u" in two:
                    two["signature_b64u"] = co_signature(one["payload_hash_b64u"], _signer(two, signers))["signature_b64u"]
    return result


def _hash_events(events: list[Payload]) -> dict[str, str]:
    """Link and hash events; what hash became what."""
    renamed: dict[str, str] = {}
    previous = None
    for event in events:
        if all(isinstance(event.get(name), str) for name in HASHED_MEMBERS[:5]):
            event["prev_hash_b64u"] = previous
            computed = compute_event_hash(**{name: event[name] for name in HASHED_MEMBERS})
            renamed[str(event.get("event_hash_b64u"))] = computed
            event["event_hash_b64u"] = previous = computed
    return renamed


def _items(holder: Payload, name: str) -> list[Payload]:
    items = holder.get(name)
    return [one for one in items if isinstance(one, dict)] if isinstance(items, list) else []


def _signer(one: Payload, signers: dict[str, Any]) -> Any:
    did = one.get("signer_did")
    return signers.get(did) if isinstance(did, str) else None
