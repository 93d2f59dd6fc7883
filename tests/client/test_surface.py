"""The clients have a method for every route, and the asynchronous ones have the methods of the synchronous ones."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, get_type_hints

import pytest

from sirrchat_testkit import (
    AsyncClient,
    AsyncControlClient,
    AsyncTempMailClient,
    Client,
    ControlClient,
    MailServer,
    TempMailClient,
)
from sirrchat_testkit.client import (
    administration,
    calls,
    control,
    driver,
    errors,
    events,
    messages,
    resources,
    state,
    tempmail,
    users,
)
from sirrchat_testkit.client.calls import Call, Pages
from sirrchat_testkit.client.events import EventSource
from sirrchat_testkit.control.api import control_api
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.http.app import application
from tests.client.test_control_client import SCENARIOS as OF_CONTROL
from tests.client.test_sirrchat_client import SCENARIOS as OF_SIRRCHAT
from tests.client.test_tempmail_client import SCENARIOS as OF_TEMPMAIL

PAIRS = [(Client, AsyncClient), (TempMailClient, AsyncTempMailClient), (ControlClient, AsyncControlClient)]
TESTED = [(Client, OF_SIRRCHAT), (TempMailClient, OF_TEMPMAIL), (ControlClient, OF_CONTROL)]
VALUES: dict[str, Any] = {
    "uid": 7,
    "quota": 5,
    "events": ["email.sent"],
    "users": [{"email": "a@b.example"}],
    "count": 2,
    "fault": 1,
}
"""Arguments by name."""

FIRST: dict[str, Any] = {"clock.move_to": datetime(2030, 1, 31, tzinfo=UTC), "messages.deliver": b"Subject: x"}
"""The first argument of methods."""

Routes = set[tuple[str, str]]


def methods(kind: type[Any]) -> Iterator[tuple[str, Any]]:
    """Return the methods of a client that send something, such as ``users.get`` or ``settle``."""
    groups = {"": kind, **{f"{name}.": each for name, each in kind._api.resources.items()}}
    for prefix, group in groups.items():
        for name, function in inspect.getmembers(group, inspect.isfunction):
            if hasattr(function, "__wrapped__"):
                yield f"{prefix}{name}", function


def described(name: str, function: Any) -> Call[Any]:
    """Return the first call of a method, with example arguments."""
    _, *parameters = inspect.signature(function).parameters.values()
    needed = [each for each in parameters if each.default is each.empty and each.kind is not each.VAR_KEYWORD]
    values = {each: VALUES.get(each.name, "abc") for each in needed}
    if name in FIRST:
        values[needed[0]] = FIRST[name]
    named = {each.name: values.pop(each) for each in needed if each.kind is each.KEYWORD_ONLY}
    made = function.__wrapped__(None, *values.values(), **named)
    call = made.next if isinstance(made, Pages | EventSource) else made
    assert isinstance(call, Call)
    return call


def check_routes(kind: type[Any], routes: Routes) -> None:
    """Check that each method of a client calls one of ``routes``, and that each of them has a method."""
    reached = set()
    for name, function in methods(kind):
        call = described(name, function)
        found = [
            (method, path)
            for method, path in routes
            if method == call.method
            and re.fullmatch(re.sub(r"{\w+}", "(?!generate$)[^/]+", path), kind._api.path + call.path)
        ]
        assert len(found) == 1, f"{name} calls {call.method} {call.path}: {found}"
        reached.add(found[0])
    assert len(routes) >= 10
    assert routes - reached == set()


@pytest.mark.asyncio
async def test_every_route_of_the_rest_apis_has_a_method(services: Services) -> None:
    routes = {
        (route.method, route.resource.canonical)
        for route in application(services).router.routes()
        if route.resource is not None
    }
    of_sirrchat = {each for each in routes if each[1].startswith("/api/v1/")}
    check_routes(Client, of_sirrchat)
    check_routes(TempMailClient, {each for each in routes if each[1].startswith("/api/")} - of_sirrchat)


def test_every_route_of_the_control_api_has_a_method() -> None:
    with MailServer() as server:
        api = control_api(server._control)
        check_routes(ControlClient, {(each.method, api.prefix + each.path) for each in api.operations})


@pytest.mark.parametrize(("kind", "tested"), TESTED)
def test_every_method_is_tested(kind: type[Any], tested: dict[str, Any]) -> None:
    assert {name for name, _ in methods(kind)} == tested.keys()


@pytest.mark.parametrize(("synchronous", "asynchronous"), PAIRS, ids=lambda kind: kind.__name__)
def test_the_clients_have_the_same_resources(synchronous: type[Any], asynchronous: type[Any]) -> None:
    hints = [get_type_hints(kind) for kind in (synchronous, asynchronous)]
    resources_of = [
        {
            name: hint.__origin__
            for name, hint in each.items()
            if hasattr(hint, "__origin__") and not name.startswith("_")
        }
        for each in hints
    ]
    assert resources_of[0] == resources_of[1] == dict(synchronous._api.resources)
    for hint, kind in zip(hints, (synchronous, asynchronous), strict=True):
        assert {hint[name].__args__ for name in resources_of[0]} == {(kind,)}


@pytest.mark.parametrize(("synchronous", "asynchronous"), PAIRS, ids=lambda kind: kind.__name__)
def test_the_clients_are_made_in_the_same_way(synchronous: type[Any], asynchronous: type[Any]) -> None:
    assert inspect.signature(synchronous) == inspect.signature(asynchronous)


@pytest.mark.parametrize(("name", "function"), [each for kind, _ in PAIRS for each in methods(kind)])
def test_a_method_shows_its_answer_and_its_errors(name: str, function: Any) -> None:
    """help() shows the signature that a synchronous client has."""
    returned = inspect.signature(function).return_annotation
    namespace = vars(inspect.getmodule(function))
    assert "Call" not in returned
    assert "Pages" not in returned
    for word in re.findall(r"\w+", returned):
        found = namespace.get(word)
        home = getattr(found, "__module__", "")
        assert home.startswith("sirrchat_testkit.schemas.") or not home.startswith("sirrchat_testkit")
    text = inspect.getdoc(function) or ""
    assert "\n    ApiError: The request failed" in text
    parameters = list(inspect.signature(function).parameters)[1:]
    assert re.findall(r"^    (\w+): ", text.partition("Raises:")[0], re.MULTILINE) == parameters


@pytest.mark.parametrize(
    "module", [administration, calls, control, driver, events, messages, resources, state, tempmail, users]
)
def test_a_failure_shows_the_line_of_the_test(module: Any) -> None:
    assert module.__tracebackhide__
    assert not hasattr(errors, "__tracebackhide__")  # it raises nothing
