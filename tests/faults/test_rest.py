"""The faults of the REST APIs without sockets."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, get_args

import pytest

from sirrchat_testkit.domain.events import FaultFired
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.faults.rest import REST, RequestContext, RequestMatch, RestDecision, RestFaultStage
from sirrchat_testkit.faults.rest_handle import RestFaultConditions, RestFaults

REQUEST = RequestContext("request", "POST", "/api/v1/users", ("id-1", "ann@example.com"))
ANSWER = replace(REQUEST, stage="response", has_json=True)


@pytest.mark.parametrize(
    "conditions",
    [
        {"method": "POST"},
        {"method": "post"},
        {"method": "P*"},
        {"path": "/api/v1/users"},
        {"path": "/api/*"},
        {"path": re.compile("users$")},
        {"account": "ann@example.com"},
        {"account": "id-1"},
        {"account": "*@example.com", "method": "POST", "path": "/api/v?/users"},
    ],
)
def test_conditions_select_requests(conditions: dict[str, Any]) -> None:
    assert RequestMatch(**conditions).accepts(REQUEST)
    assert not RequestMatch(**dict.fromkeys(conditions, "other")).accepts(REQUEST)


def test_a_request_without_a_valid_key_has_no_account() -> None:
    assert not RequestMatch(account="*").accepts(replace(REQUEST, account=()))


@pytest.mark.parametrize(
    ("path", "names", "misses"),
    [
        ("/testkit/v1/faults", ["/testkit/v1/faults", "/testkit/*", "/testkit*"], ["*/faults", "/test*"]),
        ("/healthz", ["/healthz", "/healthz*"], ["/h*", "/?ealthz", "*"]),
        ("/docs/swagger.js", ["/docs/*"], ["/*/swagger.js", "/docs"]),
        ("/apis", ["/apis"], ["/*", "/api/*"]),
    ],
)
def test_a_route_outside_the_apis_must_be_named(path: str, names: list[str], misses: list[str]) -> None:
    request = replace(REQUEST, path=path)
    assert all(RequestMatch(path=each).accepts(request) for each in names)
    anything: list[Any] = [*misses, re.compile(""), lambda _: True]
    assert not any(RequestMatch(path=each).accepts(request) for each in anything)
    assert not RequestMatch().accepts(request)
    assert not RequestMatch(method="POST").accepts(request)


def test_the_typed_conditions_and_stages_are_those_of_the_tables() -> None:
    assert set(RestFaultConditions.__annotations__) == set(RequestMatch.table)
    assert get_args(RestFaultStage) == tuple(REST.stages)


async def decisions(services: Services, *contexts: RequestContext) -> list[str]:
    faults = services.faults.of(REST)
    return [str(await faults.decide(each)) for each in contexts]


@pytest.mark.asyncio
async def test_a_fault_that_fires_on_a_request_is_an_event(services: Services) -> None:
    planned = RestFaults(services.faults).refuse(503, stage="response", times=1)
    assert await decisions(services, REQUEST, ANSWER, ANSWER) == ["nothing", "refuse 503", "nothing"]
    assert planned.fired == 1
    [fired] = [event for event in services.events.after() if isinstance(event, FaultFired)]
    assert (fired.stage, fired.text, fired.peer) == ("rest response", "refuse 503", "POST /api/v1/users")


@pytest.mark.asyncio
async def test_faults_form_a_sequence_and_a_delay_is_combined(services: Services) -> None:
    faults = RestFaults(services.faults)
    faults.delay(0.5)
    faults.delay(2)
    faults.refuse(502, times=1)
    faults.drop(times=1)
    faults.drop(reset=True, times=1)
    expected = ["refuse 502", "drop", "drop by reset"]
    assert await decisions(services, *[REQUEST] * 3) == [f"delay of 0.5 s, {each}" for each in expected]
    assert [each.fired for each in faults] == [3, 0, 1, 1, 1]


@pytest.mark.asyncio
async def test_an_answer_without_json_is_not_damaged(services: Services) -> None:
    faults = RestFaults(services.faults)
    faults.malformed_json(times=1)
    faults.wrong_content_type()
    assert await decisions(services, REQUEST, replace(ANSWER, has_json=False), ANSWER, ANSWER) == [
        "nothing", "nothing", "malformed JSON", "wrong content type",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("verb", "arguments", "text"),
    [
        ("refuse", {}, "refuse 503 at REST REQUEST"),
        ("refuse", {"status": 404, "stage": "response", "path": "/a"}, "refuse 404 at REST RESPONSE for path='/a'"),
        ("delay", {"seconds": 2.5, "method": "GET"}, "delay of 2.5 s at REST REQUEST for method='GET'"),
        ("drop", {"stage": "after"}, "drop at REST RESPONSE"),
        ("malformed_json", {"account": "a@x.example"}, "malformed JSON at REST RESPONSE for account='a@x.example'"),
    ],
)  # fmt: skip
def test_a_fault_is_planned_from_plain_values_in_the_server_s_own_thread(
    services: Services, verb: str, arguments: dict[str, Any], text: str
) -> None:
    faults = RestFaults(services.faults)
    planned = getattr(faults, verb)(**arguments)
    assert (str(planned), faults.planned) == (text, [planned])
    faults.clear(planned)
    assert faults.planned == []


def test_a_decision_that_does_nothing_is_not_final() -> None:
    assert (str(RestDecision()), RestDecision().final) == ("nothing", False)
