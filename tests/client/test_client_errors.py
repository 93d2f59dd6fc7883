"""Failures of the clients: their kind, what they carry, and a text of one sentence without the key."""

from __future__ import annotations

import logging
import pickle
import re
import traceback
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

import sirrchat_testkit
from sirrchat_testkit import (
    ApiError,
    AsyncClient,
    AsyncTempMailClient,
    Client,
    Forbidden,
    InvalidValue,
    MailServer,
    RateLimited,
    ServerError,
    TempMailClient,
    Unauthorized,
    UnexpectedResponse,
    Unreachable,
)
from sirrchat_testkit.client import errors

if TYPE_CHECKING:
    from tests.client.conftest import Fixed, Way

KEY = "mk_live_ThisIsTheKeyOfTheTests"
CODES: list[tuple[int, str, type[ApiError]]] = [
    (400, "invalid_request", errors.InvalidRequest),
    (401, "unauthorized", Unauthorized),
    (403, "forbidden", Forbidden),
    (404, "not_found", errors.NotFound),
    (405, "not_found", errors.NotFound),
    (409, "conflict", errors.Conflict),
    (413, "invalid_request", errors.InvalidRequest),
    (421, "error", ApiError),
    (429, "rate_limited", RateLimited),
    (500, "internal_error", ServerError),
    (507, "internal_error", ServerError),
]


def of_sirrchat(way: Way, url: str, **options: Any) -> ApiError:
    """Return the error of ``users.get``."""
    found: list[ApiError] = []

    async def scenario(client: AsyncClient) -> None:
        with pytest.raises(ApiError) as caught:
            await client.users.get("user123")
        found.append(caught.value)

    way.run(AsyncClient, scenario, KEY, url, **options)
    return found[0]


def of_tempmail(way: Way, url: str) -> ApiError:
    """Return the error of ``config.get``."""
    found: list[ApiError] = []

    async def scenario(client: AsyncTempMailClient) -> None:
        with pytest.raises(ApiError) as caught:
            await client.config.get()
        found.append(caught.value)

    way.run(AsyncTempMailClient, scenario, KEY, url)
    return found[0]


@pytest.mark.parametrize(("status", "code", "kind"), CODES)
def test_a_nested_error_has_its_kind(status: int, code: str, kind: type[ApiError], way: Way, fixed: Fixed) -> None:
    details = {"field": "email", "value": "x"}
    fixed.answer(status, {"error": {"code": "a_code", "message": "A message", "details": details}})
    error = of_sirrchat(way, fixed.url)
    assert type(error) is kind
    assert (error.status, error.code, error.message) == (status, "a_code", "A message")
    assert (error.details, error.field, error.value) == (details, "email", "x")
    assert str(error) == f"A message ({status} a_code)"


@pytest.mark.parametrize(("status", "code", "kind"), CODES)
def test_a_flat_error_has_its_kind_and_a_code(
    status: int, code: str, kind: type[ApiError], way: Way, fixed: Fixed
) -> None:
    fixed.answer(status, {"error": "A message"})
    error = of_tempmail(way, fixed.url)
    assert type(error) is kind
    assert (error.status, error.code, error.message) == (status, code, "A message")
    assert (error.details, error.field, error.value) == ({}, None, None)


def test_kinds_are_those_of_the_package_too() -> None:
    for name in ("NotFound", "Conflict", "SharedServerError"):
        assert issubclass(getattr(errors, name), getattr(sirrchat_testkit, name))
    assert issubclass(errors.InvalidRequest, InvalidValue)
    assert issubclass(ApiError, sirrchat_testkit.TestkitError)


def test_the_rate_limit_says_when_it_ends(way: Way, mailserver: MailServer) -> None:
    mailserver.clock.freeze()
    mailserver.clock.move_to(datetime(2030, 1, 1, 12, 45, tzinfo=UTC))
    ann = mailserver.add_account("ann@example.com")
    mailserver.rate_limit(requests=1)

    async def scenario(client: AsyncClient) -> None:
        await client.users.get(ann.id)
        with pytest.raises(RateLimited) as caught:
            await client.users.get(ann.id)
        assert caught.value.retry_after == timedelta(minutes=15).total_seconds()
        assert caught.value.resets_at == datetime(2030, 1, 1, 13, tzinfo=UTC)

    async def of_the_other_api(client: AsyncTempMailClient) -> None:
        with pytest.raises(RateLimited) as caught:
            await client.emails.list().__anext__()
        assert caught.value.details == {"remaining": 0, "resetTime": 1_893_502_800_000}
        assert caught.value.resets_at == datetime(2030, 1, 1, 13, tzinfo=UTC)

    assert way.run(AsyncClient, scenario, ann.api_key, mailserver.api_url) == []
    assert way.run(AsyncTempMailClient, of_the_other_api, ann.api_key, mailserver.api_url) == []


@pytest.mark.parametrize("status", [401, 403, 429, 502])
def test_a_status_that_is_clear_has_its_kind_without_a_reason(status: int, way: Way, fixed: Fixed) -> None:
    fixed.answer(status, b"<h1>Error</h1>", Retry_After="99")
    error = of_sirrchat(way, fixed.url)
    assert type(error) is {401: Unauthorized, 403: Forbidden, 429: RateLimited, 502: ServerError}[status]
    assert str(error).startswith(f"GET {fixed.url}/api/v1/users/user123 was answered without a reason ({status} ")


ANSWERS: list[tuple[int, Any, str]] = [
    (200, b"<html>", "was answered with 200 and text/html, not as this API does: is base_url right?"),
    (404, b"<html>", "was answered with 404 and text/html, not as this API does: is base_url right?"),
    (404, {"detail": "Not Found"}, "was answered with 404 and application/json, not as this API does"),
    (404, {"error": "Not Found"}, "was answered with 404 and application/json, not as this API does"),
    (400, b"", "was answered with 400 and no content, not as this API does"),
    (200, {"id": 5}, "was answered with JSON that this client does not know: id must be a string"),
    (200, {"status": "ok"}, "was answered with JSON that this client does not know: id is required"),
    (200, [], "was answered with JSON that this client does not know: the body must be an object"),
    (200, b"", "was answered with JSON that this client does not know"),
]


@pytest.mark.parametrize(("status", "body", "text"), ANSWERS)
def test_an_answer_of_another_kind_is_named(status: int, body: Any, text: str, way: Way, fixed: Fixed) -> None:
    fixed.answer(status, body)
    error = of_sirrchat(way, fixed.url)
    assert isinstance(error, UnexpectedResponse)
    assert error.status == status
    assert str(error).startswith(f"GET {fixed.url}/api/v1/users/user123 {text}")


def test_a_redirect_is_named_and_not_followed(way: Way, fixed: Fixed) -> None:
    fixed.answer(301, b"", Location="https://mail.example.com/api/v1/users/user123")
    error = of_sirrchat(way, fixed.url)
    assert isinstance(error, UnexpectedResponse)
    assert "was redirected to https://mail.example.com/api/v1/users/user123: should base_url begin" in str(error)
    assert len(fixed.requests) == 1


def test_a_page_is_not_taken_for_a_message_or_a_deletion(way: Way, fixed: Fixed) -> None:
    fixed.answer(200, b"<html>")

    async def scenario(client: AsyncClient) -> None:
        for request in (client.messages.raw("user123", 5), client.messages.delete("user123", 5)):
            with pytest.raises(UnexpectedResponse):
                await request

    way.run(AsyncClient, scenario, KEY, fixed.url)


def test_a_deletion_that_did_not_succeed_is_an_error(way: Way, fixed: Fixed) -> None:
    fixed.answer(200, {"success": False})

    async def scenario(client: AsyncTempMailClient) -> None:
        with pytest.raises(UnexpectedResponse, match="success is false"):
            await client.emails.delete("e1")

    way.run(AsyncTempMailClient, scenario, KEY, fixed.url)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("http://127.0.0.1:1", "no answer from http://127.0.0.1:1: Connection refused"),
        ("http://no-host.invalid", "no answer from http://no-host.invalid: "),
    ],
)
def test_a_server_that_cannot_be_reached_is_one_sentence(url: str, text: str, way: Way) -> None:
    error = of_sirrchat(way, url)
    assert isinstance(error, Unreachable)
    assert (error.status, error.code) == (0, "unreachable")
    assert str(error).startswith(text)
    printed = "".join(traceback.format_exception(error))
    assert "httpx." not in printed
    assert "During handling" not in printed


def test_a_server_that_does_not_answer_in_time_is_one_sentence(way: Way, mailserver: MailServer) -> None:
    mailserver.faults.delay(5, stage="connect")  # an SMTP server that says nothing yet
    error = of_sirrchat(way, f"http://127.0.0.1:{mailserver.smtp_port}", timeout=0.05)
    assert str(error) == f"no answer from http://127.0.0.1:{mailserver.smtp_port} within 0.05 seconds"
    assert error.__suppress_context__
    mailserver.faults.clear()


def test_certificates_are_verified_once(way: Way) -> None:
    async def scenario(client: AsyncClient) -> None:
        with pytest.raises(Unreachable, match=r"\[SSL: CERTIFICATE_VERIFY_FAILED\] certificate verify failed: "):
            await client.users.get("user123")

    with MailServer(smtps_port=0) as server:
        assert way.run(AsyncClient, scenario, KEY, f"https://127.0.0.1:{server.smtps_port}") == []


@pytest.mark.parametrize("kind", [Client, TempMailClient])
def test_the_key_is_in_no_text(kind: type[Any], fixed: Fixed, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    fixed.answer(401, {"error": {"message": "wrong key"}})
    with kind(KEY, fixed.url) as client, pytest.raises(ApiError) as caught:
        next(iter(client.messages.list("abc")))
    assert KEY in str(fixed.requests[0].headers)
    shown = [repr(client), repr(client.messages), repr(vars(caught.value)), *caplog.messages]
    frames = traceback.walk_tb(caught.value.__traceback__)
    shown += [repr(frame.f_locals) for frame, _ in frames if "/client/test_" not in frame.f_code.co_filename]
    assert len(shown) > 4 + len(caplog.messages) > 4
    assert KEY not in "".join(shown)


def test_errors_can_be_pickled(way: Way, fixed: Fixed) -> None:
    fixed.answer(429, {"error": {"code": "rate_limited", "message": "Slow down", "details": {}}}, Retry_After="99")
    error = of_sirrchat(way, fixed.url)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


@pytest.mark.parametrize(
    ("key", "url", "text"),
    [
        ("", "http://127.0.0.1", "the API key is missing: give api_key, or set SIRRCHAT_TESTKIT_API_KEY"),
        (f"{KEY}\n", "http://127.0.0.1", "the API key has a line end or another control character in it"),
        (
            KEY,
            "127.0.0.1:8080",
            "begins with http:// or https://, such as http://127.0.0.1:8080; '127.0.0.1:8080' does",
        ),
        (KEY, "localhost:8080", "'localhost:8080' does not"),
        (KEY, "", "'' does not"),
        (KEY, "http://", "'http://' does not"),
        (KEY, "http://[::1", "'http://[::1' is not the URL of a server"),
        (KEY, "http://h:99999", "'http://h:99999' is not the URL of a server"),
        (KEY, "http://h/?x=1", "must not contain a query or a fragment"),
        (KEY, f"http://ann:{KEY}@h/", "must not contain a user name or a password"),
    ],
)
@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_wrong_argument_is_named(kind: type[Any], key: str, url: str, text: str) -> None:
    with pytest.raises(InvalidValue, match=re.escape(text)) as caught:
        kind(key, url)
    assert KEY not in str(caught.value)
    assert KEY not in repr(vars(caught.value))


@pytest.mark.parametrize(("kind", "path"), [(Client, "/api/v1"), (TempMailClient, "/api"), (AsyncClient, "/api/v1")])
@pytest.mark.parametrize("end", ["", "/"])
def test_the_path_of_the_api_may_be_in_the_url(kind: type[Any], path: str, end: str) -> None:
    assert kind(KEY, f"https://mail.example.com:8080/kit{path}{end}").base_url == "https://mail.example.com:8080/kit"


def test_the_environment_has_the_defaults(monkeypatch: pytest.MonkeyPatch, mailserver: MailServer) -> None:
    ann = mailserver.add_account("ann@example.com")
    monkeypatch.setenv("SIRRCHAT_TESTKIT_URL", mailserver.api_url)
    with Client(api_key=ann.api_key) as client:
        assert client.users.get(ann.id).email == "ann@example.com"
    monkeypatch.setenv("SIRRCHAT_TESTKIT_API_KEY", ann.api_key)
    with Client() as client:
        assert client.users.get(ann.id).email == "ann@example.com"
    monkeypatch.delenv("SIRRCHAT_TESTKIT_URL")
    assert Client().base_url == "http://127.0.0.1:8080"


@pytest.mark.parametrize("wrong", ["", ".", "..", None, 1.5])
def test_an_id_that_is_none_is_refused_before_it_is_sent(wrong: Any, way: Way, fixed: Fixed) -> None:
    async def scenario(client: AsyncClient) -> None:
        with pytest.raises(InvalidValue, match="user must be an id, not "):
            await client.users.delete(wrong)

    way.run(AsyncClient, scenario, KEY, fixed.url)
    assert fixed.requests == []


def test_an_id_is_one_part_of_the_path(way: Way, fixed: Fixed) -> None:
    fixed.answer(204)

    async def scenario(client: AsyncClient) -> None:
        await client.users.delete("a/../b?c=é%2F")

    way.run(AsyncClient, scenario, KEY, fixed.url)
    assert fixed.requests[0].path == "/api/v1/users/a%2F..%2Fb%3Fc%3D%C3%A9%252F"


def test_a_duration_must_be_one(way: Way, fixed: Fixed) -> None:
    async def scenario(client: AsyncClient) -> None:
        with pytest.raises(TypeError, match=r"expires_in must be a timedelta such as timedelta\(hours=1\), not 5"):
            await client.api_keys.create("ann@example.com", expires_in=5)  # type: ignore[arg-type]

    way.run(AsyncClient, scenario, KEY, fixed.url)
