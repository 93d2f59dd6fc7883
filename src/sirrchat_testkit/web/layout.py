"""What all pages share: the bar with its counts and the clock, the theme, and the sign-in page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple

from aiohttp import web

from sirrchat_testkit.domain.events import Event
from sirrchat_testkit.domain.models import ApiKey, Message
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.http.pages import inside, lead
from sirrchat_testkit.web.render import Templates, page
from sirrchat_testkit.web.visitors import Visitors

THEMES: Final = ("", "light", "dark")
_THEME: Final = "testkit_theme"
_NOTICEABLE: Final = 1000
"""Milliseconds by which the clock must differ from real time to be called moved."""


class LivePart(NamedTuple):
    """What changes by itself on an open page.

    Attributes:
        events: The events after which it is rendered.
        render: Returns the HTML for the visitor's key, by the selector of the element that has it.
    """

    events: tuple[type[Event], ...]
    render: Callable[[ApiKey], Awaitable[Mapping[str, str]]]


class Layout:
    """Renders whole pages."""

    def __init__(self, services: Services, templates: Templates, visitors: Visitors) -> None:
        self._services = services
        self._templates = templates
        self._visitors = visitors

    async def page(
        self, template: str, request: web.Request, visitor: ApiKey, *, at: str, status: int = 200, **data: Any
    ) -> web.Response:
        """Return the page ``template`` for ``visitor``; ``at`` is the item of the bar that it belongs to."""
        data |= self.common(visitor) | {"unread": await self.unread(visitor), "at": at, "theme": _theme(request)}
        data |= {"status": status, "here": request.path_qs, "open": self._visitors.is_open(request)}
        return page(self._templates.text(template, **data), status)

    def common(self, visitor: ApiKey) -> dict[str, Any]:
        """Return what every template can use."""
        clock = self._services.clock
        now = clock.now()
        return {
            "admin": visitor.role == "admin",
            "token": self._visitors.token,
            "now": now,
            "event": self._services.events.last,
            "frozen": clock.frozen,
            "moved": abs(clock.offset) > _NOTICEABLE,
        }

    def part(self, template: str, visitor: ApiKey, **data: Any) -> str:
        """Return a part of a page, for the live stream."""
        return self._templates.text(template, **self.common(visitor), **data)

    async def unread(self, visitor: ApiKey) -> int:
        """Return how many messages that ``visitor`` may see are unread."""
        own = {} if visitor.role == "admin" else {"account": visitor.account}
        return await self._services.store.count(Message, **own, seen=False)

    def sign_in(self, request: web.Request, wanted: str, problem: str) -> web.Response:
        """Return the page that asks for an API key and then leads to ``wanted``."""
        text = self._templates.text(
            "sign-in", wanted=wanted, problem=problem, token=self._visitors.token, theme=_theme(request)
        )
        return page(text, 401)

    def set_theme(self, _request: web.Request, form: Mapping[str, Any]) -> web.Response:
        """Set the cookie of the theme, and lead back."""
        wanted = str(form.get("theme", ""))
        response = lead(inside(str(form.get("next", ""))))
        theme = wanted if wanted in THEMES else ""
        response.set_cookie(_THEME, theme, path="/ui", httponly=True, samesite="Strict", max_age=31_536_000)
        return response


def _theme(request: web.Request) -> str:
    theme = request.cookies.get(_THEME, "")
    return theme if theme in THEMES else ""
