"""Rows: made once for each record, anew when anything they show has changed, and bounded."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from sirrchat_testkit.domain.models import Domain
from sirrchat_testkit.http import cache as rows
from sirrchat_testkit.http.cache import Rows, paged


class Shape:
    def __init__(self) -> None:
        self.made = 0

    def __call__(self, domain: Domain, *more: Any) -> Any:
        self.made += 1
        return [domain.name, *more]


def domain(seq: int = 1, name: str = "a.example") -> Domain:
    return Domain(seq=seq, id=f"{seq}", name=name, created_at=1)


def test_the_same_record_is_made_once() -> None:
    shape = Shape()
    made, one = Rows[Domain](shape), domain()
    assert [made.of(one, 5), made.of(one, 5)] == [b'["a.example",5]'] * 2
    assert shape.made == 1


def test_another_record_in_its_place_or_another_value_beside_it_is_made_anew() -> None:
    made, one = Rows[Domain](Shape()), domain()
    assert json.loads(made.of(one, 5)) == ["a.example", 5]
    assert json.loads(made.of(one, 6)) == ["a.example", 6]
    assert json.loads(made.of(replace(one, name="b.example"), 6)) == ["b.example", 6]


def test_long_rows_are_not_kept_and_many_are_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "ROWS_KEPT", 3)
    shape = Shape()
    made, long = Rows[Domain](shape), domain(1, "x" * rows.LONGEST)
    for _ in range(2):
        made.of(long)
    assert shape.made == 2
    for seq in range(2, 20):
        made.of(domain(seq))
        assert len(made._kept) <= 3


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_page_is_its_rows_and_what_follows(count: int) -> None:
    body = paged([b'{"a":1}'] * count, meta={"total": count}, links=None).body
    assert isinstance(body, bytes)
    assert json.loads(body) == {"data": [{"a": 1}] * count, "meta": {"total": count}, "links": None}
