"""The clients have a method for every route, and the asynchronous ones have the methods of the synchronous ones."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any, get_type_hints

import pytest

from sirrchat_testkit import AsyncClient, AsyncTempMailClient, Client, TempMailClient
from sirrchat_testkit.client import administration, calls, driver, errors, resources, sirrchat, tempmail, users
from sirrchat_testkit.client.calls import Call, Pages
from sirrchat_testkit.client.driver import Api
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.http.app import application
from tests.client.test_sirrchat_client import SCENARIOS as OF_SIRRCHAT
from tests.client.test_tempmail_client import SCENARIOS as OF_TEMPMAIL

APIS = [sirrchat.SIRRCHAT, tempmail.TEMPMAIL]
PAIRS = [(Client, AsyncClient), (TempMailClient, AsyncTempMailClient)]
VALUES: dict[str, Any] = {"uid": 7, "quota": 5, "events": ["email.sent"], "users": [{"email": "a@b.example"}]}


def methods(api: Api) -> Iterator[tuple[str, Any]]:
    """Return the public methods of the resources of ``api``, such as ``users.get``."""
    for name, kind in api.resources.items():
        for method, function in inspect.getmembers(kind, inspect.isfunction):
            if not method.startswith("_"):
                yield f"{name}.{method}", function


def described(function: Any) -> Call[Any]:
    """Return the first call of a method, with example arguments."""
    needed = [each for each in inspect.signature(function).parameters.values() if each.default is each.empty]
    made = function.__wrapped__(None, **{each.name: VALUES.get(each.name, "abc") for each in needed[1:]})
    call = made.next if isinstance(made, Pages) else made
    assert isinstance(call, Call)
    return call


@pytest.mark.asyncio
async def test_every_route_of_the_apis_has_a_method(services: Services) -> None:
    routes = [
        (route.method, route.resource.canonical)
        for route in application(services).router.routes()
        if route.resource is not None
    ]
    for api, other in zip(APIS, ("", "/api/v1"), strict=True):
        wanted = {each for each in routes if each[1].startswith(api.path) and not (other and each[1].startswith(other))}
        reached = set()
        for name, function in methods(api):
            call = described(function)
            found = [
                (method, path)
                for method, path in wanted
                if method == call.method
                and re.fullmatch(re.sub(r"{\w+}", "(?!generate$)[^/]+", path), api.path + call.path)
            ]
            assert len(found) == 1, f"{name} calls {call.method} {call.path}: {found}"
            reached.add(found[0])
        assert len(wanted) >= 10
        assert wanted - reached == set()


@pytest.mark.parametrize(
    ("api", "tested"), [*zip(APIS, (OF_SIRRCHAT, OF_TEMPMAIL), strict=True)], ids=["sirrchat", "tempmail"]
)
def test_every_method_is_tested(api: Api, tested: dict[str, Any]) -> None:
    assert {name for name, _ in methods(api)} == tested.keys()


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


@pytest.mark.parametrize(("name", "function"), [each for api in APIS for each in methods(api)])
def test_a_method_shows_its_answer_and_its_errors(name: str, function: Any) -> None:
    """help() shows the signature that a synchronous client has."""
    returned = inspect.signature(function).return_annotation
    namespace = vars(inspect.getmodule(function))
    assert "Call" not in returned
    assert "Pages" not in returned
    for word in re.findall(r"\w+", returned):
        found = namespace.get(word)
        assert found is None or found.__module__ in {
            f"sirrchat_testkit.schemas.{each}" for each in ("sirrchat", "tempmail")
        }
    text = inspect.getdoc(function) or ""
    assert "\n    ApiError: The request failed" in text
    parameters = list(inspect.signature(function).parameters)[1:]
    assert re.findall(r"^    (\w+): ", text.partition("Raises:")[0], re.MULTILINE) == parameters


@pytest.mark.parametrize("module", [administration, calls, driver, resources, users, tempmail])
def test_a_failure_shows_the_line_of_the_test(module: Any) -> None:
    assert module.__tracebackhide__
    assert not hasattr(errors, "__tracebackhide__")  # it raises nothing
