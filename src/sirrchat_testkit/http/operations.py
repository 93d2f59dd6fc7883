"""The table of operations: what each route is, who may call it, what it takes and what it answers.

1. Each API has one table. Its routes and its part of the OpenAPI document (``openapi``) are made from it.
2. The name of a view, such as ``list_users``, is the operation's id; its docstring is the summary and the description.
3. The permission is checked before the body is read.
4. Routes are matched in the order of the table.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import BaseModel

from sirrchat_testkit.domain.models import ApiKey
from sirrchat_testkit.errors import Forbidden, InvalidValue
from sirrchat_testkit.http.middleware import api_key, expect
from sirrchat_testkit.http.parameters import QueryParameter
from sirrchat_testkit.http.style import ApiStyle
from sirrchat_testkit.suggestions import meant

View = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Permission:
    """Who may call an operation.

    Attributes:
        text: The key that is needed, in words.
        allows: Returns whether a valid key suffices for a request; None if every key does, or none is needed.
    """

    text: str
    allows: Callable[[ApiKey, web.Request], bool] | None = None

    def guard(self, view: View) -> Handler:
        """Return ``view`` for those who may call it; others get ``Forbidden``."""
        allows = self.allows
        if allows is None:
            return view

        async def guarded(request: web.Request) -> web.StreamResponse:
            if not allows(api_key(), request):
                raise Forbidden(f"{self.text} is required")
            return await view(request)

        return guarded


ANYBODY = Permission("no API key")
ANY_KEY = Permission("an API key")
ADMIN = Permission("an admin's API key", lambda key, _request: key.role == "admin")
OWNER = Permission(
    "an admin's API key, or one of this user,",
    lambda key, request: key.role == "admin" or key.account == request.match_info["user"],
)
ADMIN_OR_LOCAL = Permission("an admin's API key, unless the server listens on loopback and `web_auth` is not set")
"""The view checks the key."""


JSON: Final = "application/json"


class Answer(NamedTuple):
    """One successful answer of an operation.

    Attributes:
        model: The model of its JSON, or of an item of a stream; None if it has no JSON.
        status: The HTTP status.
        media: Its media type; empty if it has no content.
    """

    model: type[BaseModel] | None
    status: int = 200
    media: str = JSON


NO_CONTENT = Answer(None, 204, "")


@dataclass(frozen=True, slots=True)
class Operation:
    """A row of a table.

    Attributes:
        method: The HTTP method.
        path: The path below the API's prefix; parameters as in ``{user}``, with an optional pattern for aiohttp.
        view: Answers a request.
        allowed: Who may call it.
        answers: The successful answers.
        body: The model of the JSON that it takes, or None.
        query: The query parameters that it reads.
        refusals: Statuses with which it refuses, beyond those that follow from the other columns.
        takes: The media type of the body.
    """

    method: str
    path: str
    view: View
    allowed: Permission
    answers: Sequence[Answer]
    body: type[BaseModel] | None = None
    query: tuple[QueryParameter, ...] = ()
    refusals: tuple[int, ...] = ()
    takes: str = JSON

    @property
    def name(self) -> str:
        """The operation's id: the name of its view."""
        name: Any = getattr(self.view, "__name__", "")
        return str(name)


@dataclass(frozen=True, slots=True)
class Api:
    """An API of the server.

    Attributes:
        title: Its name in the OpenAPI document.
        text: What it is for, in one sentence.
        prefix: The path that its operations are below.
        style: Where it expects the key, and the shape of its errors.
        problem: The model of its errors.
        operations: Its table.
        security: The security schemes of the document that it accepts.
        schema_prefix: The prefix of its schemas in the document.
        refuses_unknown: Whether a query parameter that an operation does not have, or that is repeated although it has
            one value, is invalid; otherwise it is ignored.
    """

    title: str
    text: str
    prefix: str
    style: ApiStyle
    problem: type[BaseModel]
    operations: Sequence[Operation]
    security: tuple[str, ...] = ()
    schema_prefix: str = ""
    refuses_unknown: bool = False

    def add_routes(self, app: web.Application) -> None:
        """Add the routes of all operations to ``app``."""
        for each in self.operations:
            view = _refusing(each) if self.refuses_unknown else each.view
            app.router.add_route(each.method, self.prefix + each.path, each.allowed.guard(view), expect_handler=expect)


def _refusing(operation: Operation) -> View:
    """Return the view of ``operation``, after a check that a request has no other parameters than those that it reads.

    A misspelt or repeated condition would otherwise be no condition at all: a deletion would delete too much.
    """
    known = [each.name for each in operation.query]
    lists = {each.name for each in operation.query if each.schema["type"] == "array"}

    async def view(request: web.Request) -> web.StreamResponse:
        query = request.query
        for name in query:
            if name not in known:
                instead = meant(name, known) if known else "this route takes none"
                raise InvalidValue(f"there is no parameter {name!r}; {instead}", field=name, value=query[name])
            if name not in lists and len(values := query.getall(name)) > 1:
                raise InvalidValue(f"{name} is given {len(values)} times; give it once", field=name, value=values[1])
        return await operation.view(request)

    return view
