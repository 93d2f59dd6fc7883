from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Literal

import pytest
from pydantic import AwareDatetime, BaseModel, Field, TypeAdapter, ValidationError

from sirrchat_testkit.domain.directory import EXPIRY_TIMES
from sirrchat_testkit.formatting import iso_milliseconds
from sirrchat_testkit.mail import addresses
from sirrchat_testkit.schemas import sirrchat
from sirrchat_testkit.schemas.fields import Int, WebUrl, reason_of
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


class Item(BaseModel, extra="forbid"):
    size: float


@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [
        (Item, {}, "is required"),
        (Item, {"size": 1, "more": 2}, "is not in the schema"),
        (Item, {"size": "big"}, "must be a number"),
        (Item, [], "must be an object"),
        (Int, "1", "must be an integer"),
        (int, 1.5, "must be an integer"),
        (int, "x", "must be an integer"),
        (str, 1, "must be a string"),
        (bool, "perhaps", "must be true or false"),
        (list[int], 1, "must be an array"),
        (dict[str, int], 1, "must be an object"),
        (Literal["a", "b"], "c", "must be 'a' or 'b'"),
        (WebUrl, "x", "must be an http or https URL"),
        (Annotated[int, Field(ge=1, le=9)], 0, "must be 1 or more"),
        (Annotated[int, Field(ge=1, le=9)], 10, "must be 9 or less"),
        (Annotated[str, Field(min_length=1)], "", "must have at least 1 character"),
        (Annotated[list[int], Field(min_length=2)], [1], "must have at least 2 items, not 1"),
        (Annotated[str, Field(pattern="^0x")], "1", "must match pattern '^0x'"),
        (AwareDatetime, "2025-01-15T10:30:00", "must have an offset from UTC, such as Z"),
        (datetime, "yesterday", "must be a time such as 2025-01-15T10:30:00Z"),
        (datetime, [], "must be a time such as 2025-01-15T10:30:00Z"),
    ],
)
def test_a_validation_error_is_a_plain_sentence(kind: Any, value: Any, reason: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(kind).validate_python(value)
    assert [reason_of(each) for each in caught.value.errors()] == [reason]


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


@pytest.mark.parametrize(
    ("model", "field", "published"),
    [
        (sirrchat.NewUser, "quota", {"minimum": 0, "maximum": 2**53 - 1, "default": 5_368_709_120}),
        (sirrchat.UserChanges, "quota", {"minimum": 0, "maximum": 2**53 - 1}),
        (sirrchat.NewQuota, "quota", {"minimum": 0, "maximum": 2**53 - 1}),
        (sirrchat.UserChanges, "password", {"minLength": 1, "format": "password"}),
        (sirrchat.UserChanges, "blockchain_address", {}),
        (sirrchat.WebhookChanges, "url", {"format": "uri"}),
        (sirrchat.WebhookChanges, "enabled", {}),
        (sirrchat.WebhookChanges, "secret", {}),
        (sirrchat.NewUser, "email", {"pattern": ".@."}),
        (sirrchat.NewDomain, "name", {"minLength": 1}),
        (GenerateRequest, "domain", {"minLength": 1}),
    ],
)
def test_bounds_are_published_and_defaults_of_changes_are_not(
    model: type[BaseModel], field: str, published: dict[str, Any]
) -> None:
    found = model.model_json_schema()["properties"][field]
    assert {name: value for name, value in found.items() if name not in {"title", "type", "anyOf"}} == published


@pytest.mark.parametrize(
    "name", ["a", "A.b_c+d-e", "x" * 64, "x" * 65, "", ".a", "a.", "a..b", "a b", "ä", "a@b", "a\n"]
)
def test_the_published_pattern_of_names_is_that_of_the_domain(name: str) -> None:
    field = GenerateRequest.model_json_schema()["properties"]["name"]
    pattern = field["pattern"].replace("$", r"\Z")  # in JSON Schema, $ does not match before a line break
    assert (bool(re.search(pattern, name)) and len(name) <= field["maxLength"]) is addresses.is_name(name)
