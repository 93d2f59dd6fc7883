"""The table of pages: who may open each, and what every request to them has in common.

1. A page that is not found, or a form with a wrong value, is answered by a page with the reason.
2. Only POST changes anything, and only with the token of this server (``visitors``); but opening a message marks it as
   read.
3. Views get the request, the visitor's API key and the parts of the path.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler

from sirrchat_testkit.domain.models import ApiKey
from sirrchat_testkit.errors import Forbidden, InvalidValue, NotFound, TestkitError
from sirrchat_testkit.handles.control import ServerControl
from sirrchat_testkit.http.pages import START, inside, lead
from sirrchat_testkit.http.style import TooLarge, status_of
from sirrchat_testkit.net import Ports
from sirrchat_testkit.web.activity import ActivityPages
from sirrchat_testkit.web.connect import ConnectPages
from sirrchat_testkit.web.faults import FaultPages
from sirrchat_testkit.web.inbox import InboxPages
from sirrchat_testkit.web.layout import Layout
from sirrchat_testkit.web.live import Live
from sirrchat_testkit.web.messages import MessagePages
from sirrchat_testkit.web.render import STATIC, Templates
from sirrchat_testkit.web.rows import Rows
from sirrchat_testkit.web.selection import SelectionPages
from sirrchat_testkit.web.visitors import Visitors
from sirrchat_testkit.web.webhooks import WebhookPages

View = Callable[..., Awaitable[web.StreamResponse]]

_LINK: Final = "/ui/sign-in/"
_SERVER_ERROR: Final = 500
_FORM: Final = 65_536
"""Bytes of a form in addition to its files."""


class Route(NamedTuple):
    """A row of the table.

    Attributes:
        method: The method.
        path: The path, below ``/ui``.
        view: Answers a request.
        admin: Whether only an admin's key opens the page.
        uploads: Whether a form may be as large as a message.
    """

    method: str
    path: str
    view: View
    admin: bool = False
    uploads: bool = False


class Site:
    """The pages of one server."""

    def __init__(self, control: ServerControl, ports: Ports, api_key: str) -> None:
        templates = Templates()
        self._templates = templates
        self._visitors = visitors = Visitors(control.services, api_key)
        self._layout = layout = Layout(control.services, templates, visitors)
        rows = Rows(control)
        inbox = InboxPages(control, layout, rows, ports)
        messages = MessagePages(control, layout, inbox)
        selection = SelectionPages(control)
        activity = ActivityPages(control, layout, inbox)
        faults = FaultPages(control, layout)
        connect = ConnectPages(control, layout, ports)
        self._settings = control.services.settings
        webhooks = WebhookPages(control, layout)
        pages = {"faults": faults.live, "webhooks": webhooks.live}
        live = Live(control, visitors, layout, inbox, rows, activity, pages)
        self._router = web.UrlDispatcher()
        self._routes: dict[object, Route] = {}
        for route in (
            Route("GET", "/mail", inbox.show_list),
            Route("POST", "/mail/delete", inbox.delete_shown),
            Route("POST", "/mail/selected", selection.act),
            Route("GET", "/mail/{message}", messages.show),
            Route("GET", "/mail/{message}/body", messages.show_body),
            Route("GET", "/mail/{message}/raw", messages.download),
            Route("GET", "/mail/{message}/files/{number}", messages.download_file),
            Route("GET", "/mail/{message}/summary", inbox.show_summary),
            Route("POST", "/mail/{message}/redeliver", messages.redeliver),
            Route("GET", "/mail/{message}/{view}", messages.show),
            Route("POST", "/addresses", inbox.make_address),
            Route("GET", "/activity", activity.show, admin=True),
            Route("GET", "/connections/{number}", activity.show_connection, admin=True),
            Route("GET", "/live", live.stream),
            Route("GET", "/connect", connect.show, admin=True),
            Route("POST", "/connect/login", connect.make_login, admin=True),
            Route("POST", "/connect/sample", connect.send_sample, admin=True),
            Route("GET", "/compose", connect.show_compose, admin=True),
            Route("POST", "/compose", connect.deliver, admin=True, uploads=True),
            Route("GET", "/faults", faults.show, admin=True),
            Route("POST", "/faults", faults.plan, admin=True),
            Route("POST", "/faults/remove", faults.remove, admin=True),
            Route("POST", "/clock", faults.move_clock, admin=True),
            Route("GET", "/webhooks", webhooks.show, admin=True),
            Route("POST", "/webhooks", webhooks.add, admin=True),
            Route("POST", "/webhooks/{webhook}", webhooks.change, admin=True),
            Route("POST", "/theme", self._set_theme),
            Route("POST", "/sign-out", self._sign_out),
        ):
            handler = _handler()
            self._routes[handler] = route
            self._router.add_route(route.method, f"/ui{route.path}", handler)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer a request below ``/ui``."""
        if request.path == "/ui/sign-in" and request.method == "POST":
            return await self._sign_in(request)
        if request.path.startswith(_LINK) and request.method == "GET":
            return await self._sign_in_by_link(request, request.path.removeprefix(_LINK))
        if request.path.startswith("/ui/static/"):
            return self._static(request.path.removeprefix("/ui/static/"))
        visitor = await self._visitors.find(request)
        if visitor is None:
            return self._ask_for_key(request)
        match = await self._router.resolve(request)
        if isinstance(match.http_exception, web.HTTPMethodNotAllowed):
            raise match.http_exception
        route = self._routes.get(match.handler)
        try:
            if route is None:
                raise NotFound("There is no such page")
            if route.admin and visitor.role != "admin":
                raise Forbidden("this page needs an admin's API key")
            return await route.view(await self._checked(request, route), visitor, **match)
        except TestkitError as error:
            status = status_of(error)
            if status >= _SERVER_ERROR:
                raise
            return await self._layout.page("problem", request, visitor, status=status, text=str(error), at="")

    async def _checked(self, request: web.Request, route: Route) -> web.Request:
        """Return ``request`` with its form read, if it has one that may change something."""
        if route.method == "POST":
            if route.uploads:
                most = self._settings.value.max_message_size + _FORM
                if (request.content_length or 0) > most:  # before files are made of it
                    raise TooLarge(most)
                request = request.clone(client_max_size=most)
            self._visitors.check(request, str((await _form(request)).get("token", "")))
        return request

    def _static(self, name: str) -> web.Response:
        if name not in STATIC:
            raise NotFound(f"no such file: {name}")
        return self._templates.static(name)

    def _ask_for_key(self, request: web.Request, problem: str = "") -> web.Response:
        if request.method not in {"GET", "HEAD"} or request.path == "/ui/live":
            raise web.HTTPUnauthorized(reason="sign in first")
        return self._layout.sign_in(request, request.path_qs, problem)

    async def _sign_in(self, request: web.Request) -> web.StreamResponse:
        form = await _form(request)
        self._visitors.check(request, str(form.get("token", "")))
        wanted = inside(str(form.get("next", "")))
        response = lead(wanted)
        if not await self._visitors.sign_in(request, str(form.get("key", "")).strip(), response):
            return self._layout.sign_in(request, wanted, "This API key is wrong, revoked or expired.")
        return response

    async def _sign_in_by_link(self, request: web.Request, token: str) -> web.StreamResponse:
        """Sign in with the token of the link; a visitor who needs none, or has signed in, is led on."""
        response = lead(START)
        if await self._visitors.find(request) or await self._visitors.sign_in_by_link(request, token, response):
            return response
        return self._layout.sign_in(request, START, "This link was used before. Sign in with an API key.")

    async def _sign_out(self, request: web.Request, _visitor: ApiKey) -> web.StreamResponse:
        response = lead(START)
        self._visitors.sign_out(request, response)
        return response

    async def _set_theme(self, request: web.Request, _visitor: ApiKey) -> web.StreamResponse:
        """Set the theme, which a cookie keeps, and go back to the page."""
        return self._layout.set_theme(request, await request.post())


async def _form(request: web.Request) -> Mapping[str, Any]:
    """Read the form of ``request``, which is then kept for ``post``. Raises ``InvalidValue``."""
    try:
        return await request.post()
    except (ValueError, LookupError, RuntimeError, HttpProcessingError, web.RequestPayloadError):  # what aiohttp raises
        raise InvalidValue("The form cannot be read: its headers and its content do not fit together") from None


def _handler() -> Handler:
    """Return a handler of its own for a route of aiohttp's router; ``Site.serve`` calls the view instead."""

    async def handler(_request: web.Request) -> web.StreamResponse:
        raise NotImplementedError

    return handler
