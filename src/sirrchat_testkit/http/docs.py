"""The OpenAPI document, and a page that shows it without fetching anything from elsewhere.

1. The document is made at the first request, in a thread, and kept.
2. The page is Swagger UI, whose files are in ``swagger_ui/``. It needs nothing from other hosts, and its
   Content-Security-Policy forbids that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from importlib import metadata, resources
from typing import Final

from aiohttp import web

from sirrchat_testkit.errors import NotFound
from sirrchat_testkit.http.openapi import document
from sirrchat_testkit.http.operations import Api
from sirrchat_testkit.http.style import encode

_FILES: Final = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "start.js": "text/javascript",
}
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


class DocsViews:
    """The routes of the document and its page."""

    def __init__(self, apis: Callable[[], Sequence[Api]]) -> None:
        self._apis = apis
        self._document: bytes | None = None

    async def get_openapi(self, _request: web.Request) -> web.Response:
        """Return this document."""
        if self._document is None:
            self._document = await asyncio.to_thread(self._make)
        return web.Response(body=self._document, headers={"Content-Type": "application/json"})

    def _make(self) -> bytes:
        return encode(document(self._apis(), metadata.version("sirrchat-testkit")))

    async def get_docs(self, _request: web.Request) -> web.Response:
        """Return a page that shows this document."""
        return await _file("index.html", "text/html")

    async def get_docs_file(self, request: web.Request) -> web.Response:
        """Return a script or a style sheet of the page."""
        name = request.match_info["file"]
        if name not in _FILES:
            raise NotFound(f"no such file: {name}")
        return await _file(name, _FILES[name])


async def _file(name: str, media: str) -> web.Response:
    found = resources.files(__package__) / "swagger_ui" / name
    headers = {"Content-Type": f"{media}; charset=utf-8", "Content-Security-Policy": _POLICY}
    headers["Cache-Control"] = "no-cache"
    return web.Response(body=await asyncio.to_thread(found.read_bytes), headers=headers)
