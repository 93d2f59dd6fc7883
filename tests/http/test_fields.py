from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from sirrchat_testkit.domain.directory import EXPIRY_TIMES
from sirrchat_testkit.formatting import iso_milliseconds
from sirrchat_testkit.schemas.fields import Int, WebUrl
from sirrchat_testkit.schemas.tempmail import GenerateRequest

INT: TypeAdapter[int] = TypeAdapter(Int)
URL: TypeAdapter[str] = TypeAdapter(WebUrl)


@pytest.mark.parametrize(("given", "taken"), [(0, 0), (-1, -1), (3_600_000.0, 3_600_000), (2**70, 2**70), (-0.0, 0)])
def test_whole_numbers_are_integers(given: float, taken: int) -> None:
    assert INT.validate_python(given) == taken
    assert type(INT.validate_python(given)) is int


@pytest.mark.parametrize("given", [True, False, "1", "", 1.5, float("inf"), float("nan"), None, [1], {}, b"1"])
def test_nothing_else_is_an_integer(given: Any) -> None:
    with pytest.raises(ValidationError):
        INT.validate_python(given)


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:9/hook",
        "HTTPS://Your-Server.example/webhook?a=b#c",
        "http://[::1]:80/",
        "http://u:p@h",
        "http://例.com/ü",
        "http://127.1",
    ],
)
def test_web_urls_are_kept_as_given(url: str) -> None:
    assert URL.validate_python(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost",
        "//localhost",
        "http:localhost",
        "http://",
        "http://:80",
        "http://?a",
        "http://a:0",
        "http://a:99999",
        "http://a:b",
        "http://[::1",
        "http://a b",
        " http://a",
        "http://a\n",
        "ftp://a",
        "javascript:alert(1)",
        "file:///etc/passwd",
        None,
        1,
        ["http://a"],
    ],
)
def test_nothing_else_is_a_web_url(url: Any) -> None:
    with pytest.raises(ValidationError):
        URL.validate_python(url)


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (1_745_224_245_084, "2025-04-21T08:30:45.084Z"),
        (0, "1970-01-01T00:00:00.000Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (10**17, "9999-12-31T23:59:59.999Z"),
        (-(10**17), "0001-01-01T00:00:00.000Z"),
    ],
)
def test_moments_have_milliseconds_and_four_digits_of_year(at: int, text: str) -> None:
    assert iso_milliseconds(at) == text


def test_the_described_expiry_times_are_those_of_the_domain() -> None:
    field = GenerateRequest.model_json_schema()["properties"]["expiryTime"]
    assert field["type"] == "integer"
    assert tuple(field["enum"]) == EXPIRY_TIMES
