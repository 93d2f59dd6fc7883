"""Pages for people, below ``/ui``: they are loaded at the first request, and their errors are pages too.

1. ``/`` leads to the pages. Without the extra ``web``, it says how to install it.
2. Jinja2, nh3 and the pages' own modules are imported in a thread at the first request below ``/ui``, so a test that
   never opens a page does not pay for them. ``serve`` imports them as soon as it is ready.
3. An error page needs none of them, since a request can be refused before they are loaded.
"""

from __future__ import annotations

import html
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, TypeAlias

from aiohttp import web

from sirrchat_testkit.extras import has_web
from sirrchat_testkit.http.style import ApiStyle
from sirrchat_testkit.threads import import_in_thread

PREFIX: Final = "/ui"
START: Final = f"{PREFIX}/mail"
"""The page that ``/`` leads to."""

Pages: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with no-referrer, forms would have no origin
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Headers of every page."""

_POLICY: Final = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_PAGE: Final = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    '<meta name="color-scheme" content="light dark">'
    '<title>{title}</title></head><body><main id="page">{body}</main></body></html>'
)
_MISSING: Final = (
    "<h1>The web inbox is not installed</h1><p>It needs the extra <code>web</code>:</p>"
    '<pre>pip install "sirrchat-testkit[web]"</pre>'
    '<p>Everything else works without it; <a href="/docs">the page of the REST APIs</a> lists all routes.</p>'
)
_FORBIDDEN: Final = 403
_MISDIRECTED: Final = 421


@dataclass(frozen=True, slots=True)
class PageStyle(ApiStyle):
    """Errors as pages."""

    def refuse(self, status: int, text: str, error: Exception | None = None) -> web.Response:  # noqa: ARG002
        """Return an error's page. A page opened from another site has a link to itself."""
        title = HTTPStatus(status).phrase
        again = '<p><a href="">Open the page</a></p>' if status == _FORBIDDEN else ""
        start = f'<p><a href="{START}">Open the inbox</a></p>' if status != _MISDIRECTED else ""
        return plain(title, f"<h1>{title}</h1><p>{html.escape(text)}.</p>{again}{start}", status)


def lead(url: str, status: int = 303) -> web.Response:
    """Return an answer that leads to ``url``."""
    return web.Response(status=status, headers={**HEADERS, "Location": url})


def inside(url: str) -> str:
    """Return ``url`` if it is that of a page below ``/ui``, which a form may lead back to; otherwise the start."""
    return url if url.startswith(f"{PREFIX}/") and url.isascii() and url.isprintable() else START


def plain(title: str, body: str, status: int = 200) -> web.Response:
    """Return a page without style, with ``body`` as HTML."""
    text = _PAGE.format(title=html.escape(title), body=body)
    headers = {**HEADERS, "Content-Security-Policy": _POLICY}
    return web.Response(text=text, status=status, content_type="text/html", headers=headers)


PAGE_STYLE: Final = PageStyle(key=None, problem=lambda _status, text, _error: text)


def add_pages(app: web.Application, load: Callable[[], Pages]) -> None:
    """Add ``/`` and the pages that ``load`` imports and returns. It is called once, in a thread."""
    loaded: list[Pages] = []

    async def page(request: web.Request) -> web.StreamResponse:
        if not loaded:
            if not has_web():
                return plain("Not installed", _MISSING, 501)
            loaded.append(await import_in_thread(load))
        return await loaded[0](request)

    async def start(_request: web.Request) -> web.StreamResponse:
        if not has_web():
            return plain("sirrchat_testkit", _MISSING)
        return lead(START, 302)

    app.router.add_get("/", start)
    app.router.add_route("*", PREFIX, page)
    app.router.add_route("*", f"{PREFIX}/{{path:.*}}", page)
