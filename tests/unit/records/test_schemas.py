"""Every record kind is a closed schema, and a refusal names the field, what was expected and what was found."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.support import keys, payloads
from tests.support.envelopes import candidate
from tests.support.payloads import VALID, Payload
from trustlog.errors import Refused
from trustlog.records.kinds import KINDS, get_kind

# Members that may be absent, as paths; all others of the valid payloads are required.
BINDING: Final = ("run_id", "event_hash_b64u", "nonce", "policy_hash", "token_scope_hash_b64u")
OPTIONAL: Final[dict[str, set[str]]] = {
    "gateway_receipt": {"binding", "metadata", *(f"binding.{name}" for name in BINDING)},
    "tool_receipt": {"binding", "tool_version", "result_status", *(f"binding.{name}" for name in BINDING)},
    "side_effect_receipt": {
        *("binding", "vendor_id", "response_status", "bytes_written"),
        *(f"binding.{name}" for name in BINDING),
    },
    "human_approval_receipt": {
        *("binding", "approver_method", "scope_summary", "plan_hash_b64u"),
        *(f"binding.{name}" for name in BINDING),
    },
    "roster": {"people[0].valid_from", "people[0].valid_until"},
    "violation": {"ticket", "job_id", "run_id"},
    "work_policy_contract": {
        "tools.change.execute",
        "tools.ticket.read",
        *(f"tools.change.simulate.{name}" for name in ("required_before",)),
    },
}
FREE_FORM: Final = {"metadata", "scope", "tools"}  # objects whose member names are not the schema's
BY_ITS_OWN_TEST: Final = {"proof_bundle"}
TIED: Final = {("human_approval_receipt", "policy_hash_b64u")}  # optional, but only together with another member

CASES: Final[dict[str, Payload]] = {
    **{kind: build() for kind, build in VALID.items() if kind not in BY_ITS_OWN_TEST},
    "gate_decision, deny": payloads.deny(),
    "gate_decision, to close": payloads.allow_to_close(),
    "execution, end": payloads.execution_end(),
    "roster, with validity": payloads.roster(
        people=[
            payloads.person(
                payloads.ALICE, keys.ALICE, valid_from="2026-01-01T00:00:00Z", valid_until="2027-01-01T00:00:00Z"
            )
        ]
    ),
}


def kind_of(case: str) -> str:
    return case.partition(",")[0]


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every member and first item of a payload, with its path."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield (*path, name), member
            yield from leaves(member, (*path, name))
    elif isinstance(value, list) and value:
        yield (*path, 0), value[0]
        yield from leaves(value[0], (*path, 0))


def spell(path: tuple[str | int, ...]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def changed(payload: Payload, path: tuple[str | int, ...], value: Any) -> Payload:
    result = copy.deepcopy(payload)
    holder: Any = result
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value
    return result


def without(payload: Payload, path: tuple[str | int, ...]) -> Payload:
    result = copy.deepcopy(payload)
    holder: Any = result
    for step in path[:-1]:
        holder = holder[step]
    del holder[path[-1]]
    return result


def refused_by(case: str, payload: Payload) -> Refused:
    with pytest.raises(Refused) as refused:
        candidate(kind_of(case), payload)
    return refused.value


def members(*, required: bool) -> list[Any]:
    """Paths of members whose absence is (is not) a fault."""
    found = []
    for case, payload in CASES.items():
        optional = OPTIONAL.get(kind_of(case), set())
        for path, _ in leaves(payload):
            inside_free_form = any(step in FREE_FORM for step in path[:-1])
            if isinstance(path[-1], int) or (inside_free_form and kind_of(case) != "work_policy_contract"):
                continue
            if kind_of(case) == "work_policy_contract" and inside_free_form and path[-1] != "allowed":
                continue
            if (kind_of(case), spell(path)) not in TIED and (spell(path) in optional) != required:
                found.append(pytest.param(case, path, id=f"{case}: {spell(path)}"))
    return found


@pytest.mark.parametrize("case", CASES)
def test_the_valid_payload_is_taken(case: str) -> None:
    taken = candidate(kind_of(case), CASES[case])
    assert taken.kind is KINDS[kind_of(case)]
    assert taken.payload_hash_b64u == payloads.payload_hash(CASES[case])


def test_every_kind_has_a_valid_payload_here() -> None:
    assert set(VALID) == set(KINDS)
    assert len(KINDS) == 17


@pytest.mark.parametrize(("case", "path"), members(required=True))
def test_a_missing_member_is_refused_naming_it(case: str, path: tuple[str | int, ...]) -> None:
    refused = refused_by(case, without(CASES[case], path))
    name = str(path[-1])
    assert name in (refused.param or "") or "..." in (refused.param or "")
    assert (refused.param or "").startswith("payload")
    assert refused.expected
    assert refused.found is not None


@pytest.mark.parametrize(("case", "path"), members(required=False))
def test_an_optional_member_may_be_absent(case: str, path: tuple[str | int, ...]) -> None:
    candidate(kind_of(case), without(CASES[case], path))


def closed_objects() -> list[Any]:
    found = []
    for case, payload in CASES.items():
        paths = [(), *(path for path, value in leaves(payload) if isinstance(value, dict))]
        found += [
            pytest.param(case, path, id=f"{case}: {spell(path) or 'top'}")
            for path in paths
            if not path or path[-1] not in FREE_FORM - ({"scope"} if kind_of(case) == "gate_decision" else set())
        ]
    return found


@pytest.mark.parametrize(("case", "path"), closed_objects())
@pytest.mark.parametrize("name", ["extra", "Record", " ", "x` - at `$.y"])
def test_an_unknown_member_is_refused_naming_it(case: str, path: tuple[str | int, ...], name: str) -> None:
    refused = refused_by(case, changed(CASES[case], (*path, name), "x"))
    assert (refused.param or "").startswith("payload")
    assert refused.expected
    assert refused.found is not None
    if name == "extra":
        assert name in (refused.param or "") + (refused.found or "")


def wrong_values(value: Any) -> list[Any]:
    match value:
        case bool():
            return [None, 0, "true", []]
        case str():
            return [None, 1, True, [], {}]
        case int():
            return [None, "1", True, 1.5, -1, []]
        case list():
            return [None, "x", {}, 1]
        case dict():
            return [None, "x", [], 1]
        case _:
            return [1, [], {}, ""]


def mistyped() -> list[Any]:
    found = []
    for case, payload in CASES.items():
        for path, value in leaves(payload):
            if kind_of(case) == "gateway_receipt" and path[0] == "metadata" and len(path) > 1:
                continue
            if path == ("previous_b64u",):
                continue
            found.append(pytest.param(case, path, value, id=f"{case}: {spell(path)}"))
    return found


@pytest.mark.parametrize(("case", "path", "value"), mistyped())
def test_a_member_of_the_wrong_type_is_refused_naming_it(case: str, path: tuple[str | int, ...], value: Any) -> None:
    for wrong in wrong_values(value):
        if isinstance(value, int) and wrong == 1.5 and kind_of(case) in ("tool_receipt", "side_effect_receipt"):
            continue  # Clawsig lets these be any number
        refused = refused_by(case, changed(CASES[case], path, wrong))
        param = refused.param or ""
        first = str(path[0])
        assert param.startswith(f"payload.{first}") or (path[0] == "wpc_version" and param == "payload.wpc_version"), wrong
        assert refused.expected, wrong
        assert refused.found is not None, wrong


def test_a_payload_is_never_of_another_kind_than_its_envelope_says() -> None:
    for case, payload in CASES.items():
        for other in KINDS:
            if other != kind_of(case):
                with pytest.raises(Refused):
                    candidate(other, payload)


@pytest.mark.parametrize("case", [case for case in CASES if KINDS[kind_of(case)].own])
def test_a_record_of_another_log_is_refused(case: str) -> None:
    refused = refused_by(case, {**CASES[case], "origin": "other.test/log"})
    assert (refused.code, refused.param, refused.found) == ("ORIGIN_MISMATCH", "payload.origin", "other.test/log")


@pytest.mark.parametrize("case", [case for case in CASES if not KINDS[kind_of(case)].own])
def test_no_payload_but_ours_may_call_itself_a_record(case: str) -> None:
    refused = refused_by(case, {**CASES[case], "record": f"trustlog/{kind_of(case)}/v1"})
    assert (refused.code, refused.param) == ("SCHEMA_VALIDATION_FAILED", "payload.record")


@pytest.mark.parametrize("label", ["trustlog/closure/v1", "trustlog/roster/v2", "roster", ""])
def test_our_record_says_exactly_what_it_is(label: str) -> None:
    refused = refused_by("roster", payloads.roster(record=label))
    assert (refused.code, refused.param, refused.found) == ("SCHEMA_VALIDATION_FAILED", "payload.record", label)


def test_an_unknown_kind_is_refused_with_the_known_ones() -> None:
    with pytest.raises(Refused) as refused:
        get_kind("receipt")
    assert (refused.value.code, refused.value.param) == ("UNKNOWN_ENVELOPE_TYPE", "envelope_type")
    assert "closure" in (refused.value.expected or "")
