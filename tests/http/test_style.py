from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sirrchat_testkit import errors
from sirrchat_testkit.http.style import STATUSES, encode, flat, nested, status_of


def kinds(of: type[errors.TestkitError]) -> set[type[errors.TestkitError]]:
    return {of}.union(*(kinds(each) for each in of.__subclasses__() if vars(errors).get(each.__name__) is each))


def test_every_error_of_the_domain_has_a_status() -> None:
    by_parent = kinds(errors.StoreError) - {errors.StoreFull, errors.StoreBusy, errors.StoreError}
    assert set(STATUSES) == kinds(errors.TestkitError) - by_parent
    assert {status_of(kind.__new__(kind)) for kind in by_parent} == {500}


def test_an_error_of_a_new_kind_has_the_status_of_its_parent() -> None:
    class Locked(errors.Conflict):
        """A kind that the table does not know."""

    assert status_of(Locked("locked")) == 409


def test_only_what_the_server_is_to_blame_for_is_500() -> None:
    assert {kind for kind, status in STATUSES.items() if status == 500} == {
        errors.TestkitError,
        errors.StoreError,
    }


@pytest.mark.parametrize(
    ("status", "error", "code", "details"),
    [
        (400, errors.InvalidValue("no", field="email", value="x"), "invalid_request", {"field": "email", "value": "x"}),
        (400, errors.InvalidValue("no"), "invalid_request", {}),
        (404, errors.NotFound("no"), "not_found", {}),
        (417, None, "invalid_request", {}),
        (500, ZeroDivisionError("no"), "internal_error", {}),
    ],
)
def test_the_nested_shape_has_a_code_and_the_field_at_fault(
    status: int, error: Exception | None, code: str, details: dict[str, Any]
) -> None:
    assert nested(status, "no", error) == {"error": {"code": code, "message": "no", "details": details}}


def test_the_flat_shape_is_a_string() -> None:
    assert flat(400, "no", None) == {"error": "no"}


def test_a_lone_surrogate_is_sent_as_a_question_mark() -> None:
    assert encode({"a": "x\ud800y", "b": "é"}) == '{"a": "x?y", "b": "é"}'.encode()


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_whatever_is_encoded_reads_back(value: Any) -> None:
    assert json.loads(encode(value)) == value
