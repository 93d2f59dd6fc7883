"""Rate limits: headers on every answer of both APIs, windows of the server's clock, 429 in each API's shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sirrchat_testkit.domain.events import Crashed

if TYPE_CHECKING:
    from typing import Unpack

    from sirrchat_testkit import RuntimeChanges
    from tests.http.conftest import Answer, Service

pytestmark = pytest.mark.asyncio
HOUR = 3_600_000


def limited(service: Service, **changes: Unpack[RuntimeChanges]) -> None:
    service.services.settings.value = service.services.settings.value.replace(**changes)


def limit_headers(answer: Answer) -> tuple[str, str]:
    return answer.headers["X-RateLimit-Limit"], answer.headers["X-RateLimit-Remaining"]


async def test_every_answer_of_both_apis_has_the_headers_and_no_other_answer(service: Service) -> None:
    reset = str((service.services.clock.now() // HOUR + 1) * 3600)
    answers = (
        await service.api("GET", "/users"),
        await service.api("GET", "/nothing"),
        await service.api("DELETE", "/users"),
        await service.api("POST", "/users", b"no json"),
        await service.api("POST", "/users", b" " * 1_048_577),
        await service.call("GET", "/api/emails"),
        await service.call("GET", "/api/emails/nothing"),
        await service.call("GET", "/api/nothing"),
    )
    for answer, left in zip(answers, range(999, 0, -1), strict=False):
        assert limit_headers(answer) == ("1000", str(left))
        assert answer.headers["X-RateLimit-Reset"] == reset
    refused = await service.api("GET", "/users", key=None), await service.call("GET", "/api/emails", key="x")
    for answer, left in zip(refused, (99, 98), strict=True):
        assert (answer.status, limit_headers(answer)) == (401, ("100", str(left)))
    for path in ("/healthz", "/readyz", "/nothing"):
        assert "X-RateLimit-Limit" not in (await service.call("GET", path)).headers


async def test_an_internal_error_has_the_headers_too(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(service.services.domains, "page", broken)
    answer = await service.api("GET", "/domains")
    assert (answer.problem, limit_headers(answer)) == ((500, "internal_error", {}), ("1000", "999"))
    assert [each for each in service.services.events.after() if isinstance(each, Crashed)]


async def test_without_a_limit_the_headers_count_down_to_0_and_nothing_is_refused(service: Service) -> None:
    for _ in range(100):
        await service.api("GET", "/users", key=None)
    answer = await service.api("GET", "/users", key=None)
    assert (answer.status, limit_headers(answer)) == (401, ("100", "0"))
    assert "Retry-After" not in answer.headers


async def test_the_third_of_two_is_429_until_the_next_full_hour(service: Service) -> None:
    service.services.clock.freeze(10 * HOUR + 1_500)
    limited(service, rate_limit="custom", rate_limit_key=2)
    for remaining in ("1", "0"):
        answer = await service.api("GET", "/users")
        assert (answer.status, limit_headers(answer)) == (200, ("2", remaining))
        assert "Retry-After" not in answer.headers
    answer = await service.api("GET", "/users")
    assert answer.problem == (429, "rate_limited", {})
    assert limit_headers(answer) == ("2", "0")
    assert answer.headers["X-RateLimit-Reset"] == str(11 * 3600)
    assert answer.headers["Retry-After"] == "3599"
    await service.services.clock.advance(HOUR - 1_501)
    answer = await service.api("GET", "/users")
    assert (answer.status, answer.headers["Retry-After"]) == (429, "1")
    await service.services.clock.advance(1)
    assert limit_headers(await service.api("GET", "/users")) == ("2", "1")


async def test_the_disposable_address_api_adds_the_reset_time(service: Service) -> None:
    limited(service, rate_limit="custom", rate_limit_key=1)
    assert (await service.call("GET", "/api/emails")).status == 200
    answer = await service.call("GET", "/api/emails")
    resets = (service.services.clock.now() // HOUR + 1) * HOUR
    assert answer.status == 429
    assert answer.json == {"error": answer.json["error"], "remaining": 0, "resetTime": resets}
    assert answer.headers["Retry-After"] == "1800"


async def test_both_apis_count_together_and_each_key_for_itself(service: Service) -> None:
    key = await service.user()
    limited(service, rate_limit="custom", rate_limit_key=2)
    assert (await service.call("GET", "/api/emails")).status == 200
    assert (await service.api("GET", "/stats")).status == 200
    assert (await service.call("GET", "/api/emails")).status == 429
    assert (await service.call("GET", "/api/emails", key=key)).status == 200


async def test_without_a_valid_key_the_ip_address_counts_before_the_key(service: Service) -> None:
    limited(service, rate_limit="custom", rate_limit_ip=3)
    for key in ("wrong", None, "worse"):
        assert (await service.api("GET", "/users", key=key)).status == 401
    answer = await service.api("GET", "/users", key=None)
    assert (answer.status, limit_headers(answer)) == (429, ("3", "0"))
    assert (await service.api("GET", "/nothing", key=None)).status == 429
    assert (await service.api("GET", "/users")).status == 200


async def test_what_was_asked_before_the_limit_was_set_does_not_count(service: Service) -> None:
    for _ in range(5):
        await service.api("GET", "/users")
    limited(service, rate_limit="custom", rate_limit_key=1)
    assert (await service.api("GET", "/users")).status == 200
    assert (await service.api("GET", "/users")).status == 429
    limited(service, rate_limit="custom", rate_limit_key=1)
    assert (await service.api("GET", "/users")).status == 200


async def test_documented_is_a_thousand_and_a_hundred(service: Service) -> None:
    limited(service, rate_limit="documented", rate_limit_key=5, rate_limit_ip=5)
    assert limit_headers(await service.api("GET", "/users")) == ("1000", "999")
    assert limit_headers(await service.api("GET", "/users", key=None)) == ("100", "99")


async def test_a_rate_limit_of_0_refuses_every_request(service: Service) -> None:
    limited(service, rate_limit="custom", rate_limit_key=0)
    assert (await service.api("GET", "/users")).status == 429
    assert (await service.call("GET", "/healthz")).status == 200
